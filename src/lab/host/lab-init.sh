#!/bin/bash
# PID 1 of the lab (own mount, net, pid, uts, ipc, cgroup namespaces): networks, BMCs, hosts.
. "$LABSRC/common.sh"
read -r OUTER _ < /proc/self/stat; echo "$OUTER" > "$LAB/init.pid" # our pid as the outside sees it: /proc is still the old one
mount -t proc proc /proc; hostname lab
mount -t tmpfs tmpfs /run; mkdir -p /run/lab
umount -l /sys/fs/cgroup 2>/dev/null; mount -t sysfs sysfs /sys; mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755,size=8g tmpfs "$LAB/hosts" # the hosts' disks: they vanish with the lab
ip link set lo up
# A bridge takes its MAC from its ports and goes dark when that port leaves: pinned.
for b in br0 brm; do
  ip link add $b address 02:77:ff:00:00:0$([ $b = br0 ] && echo 1 || echo 2) type bridge stp_state 0 forward_delay 0
  ip link set $b up
done
ip addr add 10.77.0.254/24 dev br0; ip addr add 10.78.0.254/24 dev brm
nft -f - <<N
table bridge lab {
  set out { type ifname; }
  set in { type ifname; }
  set pair { type ifname . ifname; }
  chain forward { type filter hook forward priority 0;
    iifname @out drop
    oifname @in drop
    iifname . oifname @pair drop
  }
  chain input { type filter hook input priority 0; iifname @out drop; }
  chain output { type filter hook output priority 0; oifname @in drop; }
}
table inet lab {
  set silent { type ipv4_addr; }
  chain input { type filter hook input priority 0; ip daddr @silent drop; }
}
N
for h in $HOSTS; do "$LABSRC/bmc.sh" "$h" start; done
for h in $HOSTS; do "$LABSRC/power.sh" "$h" on & done
wait
trap 'exit 0' TERM
touch "$LAB/ready"
while :; do sleep infinity & wait; done # bash as PID 1 reaps
