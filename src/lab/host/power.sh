#!/bin/bash
# The plug of a host: power.sh HOST on|off|status (inside the lab's namespaces). Nobody is told.
. "$LABSRC/common.sh"
h=$1 i=$(number "$1") S=/run/lab CG=/sys/fs/cgroup/$1
# Off means: the host's PID 1 is gone or a zombie; the kernel lets it become one only after everything in it is dead.
alive() {
  local pid state
  pid=$(cat "$S/$h.init" 2>/dev/null) && [ -n "$pid" ] || return 1
  state=$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)
  [ -n "$state" ] && [ "$state" != Z ]
}
off() {
  alive || return 0
  # A power loss sends no FIN: the ports go down first, or everybody would learn of it at once.
  ip link set "$h-0" down 2>/dev/null; ip link set "$h-1" down 2>/dev/null
  kill -9 "$(cat "$S/$h.init")"
  echo 0 > "$CG/cgroup.freeze" 2>/dev/null # a frozen host must die too
  for _ in $(seq 2500); do alive || break; sleep 0.002; done
  alive && { record "$h" "power off FAILED"; return 1; }
  ip link del "$h-0" 2>/dev/null; ip link del "$h-1" 2>/dev/null
  rm -f "$S/$h.init"; record "$h" "power off"
}
on() {
  alive && return 0
  ip link del "$h-0" 2>/dev/null; ip link del "$h-1" 2>/dev/null
  rm -f "$S/$h.init"; mkdir -p "$CG/sys" "$LAB/bmc/$h"
  rm -f "$LAB/bmc/$h/watchdog"; mkfifo "$LAB/bmc/$h/watchdog"
  echo 0 > "$CG/cgroup.freeze" 2>/dev/null
  # Close what ipmi_sim leaks to its chassis program (its UDP socket!), leave its session, enter the host's cgroup.
  ( for f in /proc/$BASHPID/fd/*; do f=${f##*/}; [ "$f" -gt 2 ] && eval "exec $f>&-"; done 2>/dev/null
    echo $BASHPID > "$CG/cgroup.procs"
    exec setsid unshare --mount --net --pid --uts --ipc --cgroup --fork --kill-child --propagation private \
      "$LABSRC/host-init.sh" "$h" "$i" </dev/null >>"$LAB/log/host-$h.log" 2>&1 ) &
  local outer=$! pid=
  for _ in $(seq 3000); do pid=$(cat "$S/$h.init" 2>/dev/null); [ -n "$pid" ] && break; [ -d "/proc/$outer" ] || return 1; sleep 0.001; done
  [ -n "$pid" ] || return 1
  for n in 0 1; do
    ip link add "$h-$n" type veth peer name "eth$n" address "$(printf '02:77:00:0%d:00:%02x' $n "$i")" netns "$pid"
    ip link set "$h-$n" master "$([ $n = 0 ] && echo br0 || echo brm)"; ip link set "$h-$n" up
  done
  record "$h" "power on"
  "$LABSRC/watchdog.sh" "$h" "$pid" 8>&- </dev/null >>"$LAB/log/watchdog-$h.log" 2>&1 &
}
exec 8>"$S/$h.lock"
case $2 in
status) alive && echo on || echo off ;;
on) flock 8; on 8>&- ;;
off) flock 8; off ;;
*) echo "power.sh HOST on|off|status" >&2; exit 2 ;;
esac
