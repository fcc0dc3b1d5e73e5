#!/bin/bash
# A ZooKeeper server on this host; its data lies on the host's own disk and survives power cycles.
. "$LABSRC/common.sh"
H=$1 I=$2 D=/var/lib/lab-zookeeper; mkdir -p "$D" /etc/lab-zookeeper; echo "$I" > "$D/myid"
{ cat <<C
tickTime=$ZK_TICK
initLimit=50
syncLimit=5
dataDir=$D
maxClientCnxns=0
minSessionTimeout=1000
maxSessionTimeout=60000
preAllocSize=1024
admin.enableServer=false
4lw.commands.whitelist=srvr,mntr
quorumListenOnAllIPs=false
C
if [ -n "$ZK_TLS" ]; then # as docs/SECURITY.md has it: nobody comes without a certificate, nor do the servers to each other
  cat <<C
secureClientPort=2281
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.clientAuth=need
ssl.keyStore.location=/etc/nodekeeper/zookeeper.both
ssl.keyStore.type=PEM
ssl.trustStore.location=/etc/nodekeeper/ca.pem
ssl.trustStore.type=PEM
sslQuorum=true
ssl.quorum.clientAuth=need
ssl.quorum.keyStore.location=/etc/nodekeeper/zookeeper.both
ssl.quorum.keyStore.type=PEM
ssl.quorum.trustStore.location=/etc/nodekeeper/ca.pem
ssl.quorum.trustStore.type=PEM
C
else echo clientPort=2181; fi
[ "$ZOOKEEPERS" -gt 1 ] && for k in $(seq "$ZOOKEEPERS"); do echo "server.$k=node$k:2888:3888"; done; } > /etc/lab-zookeeper/zoo.cfg
cat > /etc/lab-zookeeper/log4j.properties <<C
log4j.rootLogger=WARN, F
log4j.appender.F=org.apache.log4j.FileAppender
log4j.appender.F.File=/opt/lab/log/zookeeper-$H.log
log4j.appender.F.layout=org.apache.log4j.PatternLayout
log4j.appender.F.layout.ConversionPattern=%d{HH:mm:ss.SSS} %-5p [%t:%C{1}] - %m%n
C
J=/usr/share/java N=
[ -n "$ZK_TLS" ] && for k in handler common buffer transport codec resolver transport-native-epoll transport-native-unix-common; do N=$N:$J/netty-$k.jar; done
# Started again when it ends by itself, as a service manager would: a server that gives up after a freeze would cost the
# quorum of a later story that takes another one away.
while :; do
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.net.preferIPv4Stack=true -Dzookeeper.jmx.log4j.disable=true \
    -cp "/etc/lab-zookeeper:$J/zookeeper.jar:$J/slf4j-log4j12.jar:$J/log4j-1.2.jar$N" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain /etc/lab-zookeeper/zoo.cfg >> "/opt/lab/log/zookeeper-$H.out" 2>&1
  echo "$(date +%T.%3N) zookeeper exited with $?" >> "/opt/lab/log/zookeeper-$H.out"
  sleep 1
done
