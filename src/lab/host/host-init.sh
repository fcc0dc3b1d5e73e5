#!/bin/bash
# PID 1 of a host: host-init.sh HOST NUMBER
. "$LABSRC/common.sh"
H=$1 I=$2
read -r INNER _ < /proc/self/stat; echo "$INNER" > "/run/lab/$H.init" # our pid as the lab sees it
D=$LAB/hosts/$H R=$D/root; mkdir -p "$D/up" "$D/work" "$R"
# Own root: the machine's root below, the host's disk above; what is written survives power cycles.
for _ in $(seq 50); do mount -t overlay "disk-$H" -o "lowerdir=/,upperdir=$D/up,workdir=$D/work,index=off" "$R" && break; sleep 0.02; done
mount -t proc proc "$R/proc"; mount -t sysfs sysfs "$R/sys"; mount -t cgroup2 none "$R/sys/fs/cgroup"
# The kernel is the machine's: no host may ask it for a reboot.
[ ! -e "$R/proc/sysrq-trigger" ] || mount --bind /dev/null "$R/proc/sysrq-trigger" || exit 1
mount -t tmpfs -o mode=755,size=16m dev "$R/dev"; mkdir -p "$R"/dev/{pts,shm,net}
for d in null zero full random urandom tty kvm net/tun; do [ -e "/dev/$d" ] && { touch "$R/dev/$d"; mount --bind "/dev/$d" "$R/dev/$d"; }; done
[ -p "$LAB/bmc/$H/watchdog" ] && { touch "$R/dev/watchdog"; mount --bind "$LAB/bmc/$H/watchdog" "$R/dev/watchdog"; }
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"; ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"; ln -s fd/0 "$R/dev/stdin"; ln -s fd/1 "$R/dev/stdout"; ln -s fd/2 "$R/dev/stderr"
mount -t tmpfs shm "$R/dev/shm"; mount -t tmpfs -o mode=755 run "$R/run"; mkdir -p "$R"/run/lock "$R"/run/lab/bin
mount -t tmpfs tmp "$R/tmp"
mkdir -p "$R/opt/nodekeeper" "$R/opt/lab/log" "$R/opt/lab/host" "$R/etc/nodekeeper"
mount --bind "$REPO" "$R/opt/nodekeeper"; mount -o remount,bind,ro "$R/opt/nodekeeper"
mount --bind "$LABSRC" "$R/opt/lab/host"; mount --bind "$LAB/log" "$R/opt/lab/log"
mount --bind "$LAB/conf/$H" "$R/etc/nodekeeper"
for p in noded=daemon/main.js nodectl=cli/launch.cjs; do
  printf '#!/bin/sh\nexec /opt/lab/node /opt/nodekeeper/dist/%s "$@"\n' "${p#*=}" > "$R/run/lab/bin/${p%=*}"; chmod 755 "$R/run/lab/bin/${p%=*}"
done
touch "$R/opt/lab/node"; mount --bind "$NODE_BINARY" "$R/opt/lab/node"
cp "$LAB/lab.env" "$R/opt/lab/lab.env"
cd "$R" || exit 1; mkdir -p .old; pivot_root . .old; umount -l /.old; rmdir /.old 2>/dev/null
hostname "$H"; echo "$H" > /etc/hostname
rm -f /etc/machine-id; printf '7700000000000000000000000000%04x\n' "$I" > /etc/machine-id
# Every boot has an id of its own, as on a real machine; here the kernel is shared.
cat /proc/sys/kernel/random/uuid > /run/lab/boot_id; mount --bind /run/lab/boot_id /proc/sys/kernel/random/boot_id
{ echo "127.0.0.1 localhost"; for k in $HOSTS; do echo "$(cluster_address "$k") $k"; echo "$(bmc_address "$k") bmc-$k"; done; } > /etc/hosts
{ echo "hosts: files"; for k in passwd group shadow services protocols; do echo "$k: files"; done; } > /etc/nsswitch.conf; : > /etc/resolv.conf
ip link set lo up
for n in 0 1; do for _ in $(seq 2000); do [ -e "/sys/class/net/eth$n" ] && break; sleep 0.002; done; done
ip addr add "$(cluster_address "$H")/24" dev eth0; ip link set eth0 up
ip addr add "$(management_address "$H")/24" dev eth1; ip link set eth1 up
export LAB=/opt/lab LABSRC=/opt/lab/host
[ -n "$SYSTEMD" ] && exec /opt/lab/host/systemd.sh "$H" "$I"
[ "$I" -le "$ZOOKEEPERS" ] && /opt/lab/host/zookeeper.sh "$H" "$I" &
[ -n "$VMS" ] && /opt/lab/host/libvirtd.sh "$H" "$I" &
/opt/lab/host/noded.sh "$H" &
trap 'kill -TERM -1; sleep 0.5; exit 0' TERM
trap 'touch "/opt/lab/log/reset-$H"; exit 0' USR1 # reset.sh
touch /run/lab/booted
while :; do sleep infinity & wait; done # bash as PID 1 reaps orphans
