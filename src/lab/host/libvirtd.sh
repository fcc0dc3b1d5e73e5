#!/bin/bash
# libvirtd of a host, started again when it ends: libvirtd.sh HOST NUMBER
. "$LABSRC/common.sh"
H=$1 I=$2
mkdir -p /run/libvirt /etc/libvirt
rm -rf /etc/libvirt/qemu/networks/autostart
base64 -d "$LABSRC/guest.b64" > /opt/lab/guest.img
cat > /etc/libvirt/libvirtd.conf <<C
listen_tls = 0
listen_tcp = 1
listen_addr = "$(cluster_address "$H")"
auth_tcp = "none"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "77000000-0000-4000-8000-$(printf %012x "$I")"
keepalive_interval = 1
keepalive_count = 3
C
cat > /etc/libvirt/qemu.conf <<C
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
migration_address = "$(cluster_address "$H")"
migration_host = "$(cluster_address "$H")"
seccomp_sandbox = 0
keepalive_interval = 1
keepalive_count = 3
C
for _ in $(seq 200); do ip -4 addr show dev eth0 | grep -q "$(cluster_address "$H")" && break; sleep 0.05; done
while :; do
  rm -f /run/libvirtd.pid
  libvirtd --listen --pid-file /run/libvirtd.pid >> "/opt/lab/log/libvirtd-$H.log" 2>&1
  echo "$(date +%T.%3N) libvirtd exited with $?" >> "/opt/lab/log/libvirtd-$H.log"
  sleep 1
done
