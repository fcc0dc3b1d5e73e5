#!/bin/bash
# The rest of a host's boot with systemd as its PID 1: systemd.sh HOST NUMBER. Units lie in /run, so each boot writes them anew.
. "$LABSRC/common.sh"
H=$1 I=$2 U=/run/systemd/system
mkdir -p "$U/noded.service.d"
# The root below is the machine's: of what it would start only the journal is wanted. No sysctl, udev, module or mount of ours.
for unit in /{etc,usr/lib}/systemd/system/{sysinit,basic,sockets,timers,paths,local-fs,swap,network-online}.target.wants/*; do
  case ${unit##*/} in systemd-journald* | '*') ;; *) ln -sf /dev/null "$U/${unit##*/}" ;; esac
done
ln -sf /dev/null "$U/systemd-remount-fs.service"; ln -sf /dev/null "$U/systemd-udevd.service"
service() { # service NAME COMMAND...
  local name=$1; shift
  printf '[Service]\nEnvironment=LAB=%s LABSRC=%s\nExecStart=%s\n' "$LAB" "$LABSRC" "$*" > "$U/$name.service"
  wants+=" $name.service"
}
wants=noded.service
[ "$I" -le "$ZOOKEEPERS" ] && service zookeeper "$LABSRC/zookeeper.sh" "$H" "$I"
[ -n "$VMS" ] && service libvirtd "$LABSRC/libvirtd.sh" "$H" "$I"
# The unit as it is shipped; what differs is where programs and logs are, and that the lab is in a hurry.
cp /opt/nodekeeper/systemd/noded.service "$U/"
cp /run/lab/bin/noded /usr/bin/noded
cat > "$U/noded.service.d/lab.conf" <<C
[Service]
Environment=PATH=/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
StandardOutput=append:/opt/lab/log/noded-$H.log
StandardError=append:/opt/lab/log/noded-$H.log
WatchdogSec=3
C
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=%s\nAllowIsolate=yes\n' "$wants" > "$U/lab.target"
touch /run/lab/booted
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=lab.target --log-target=journal
