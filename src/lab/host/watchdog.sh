#!/bin/bash
# The watchdog of a host, outside of it so that it does not freeze with it: watchdog.sh HOST INIT-PID
# The contract of /dev/watchdog, on a FIFO: a byte arms and feeds it, `V` disarms it, hunger resets the host. It also powers a
# host on again that has reset itself (reset.sh, or systemd).
. "$LABSRC/common.sh"
h=$1 pid=$2
# Not the leaked descriptors of ipmi_sim (its socket!), through which power may have been ordered.
for f in /proc/$BASHPID/fd/*; do f=${f##*/}; [ "$f" -gt 2 ] && eval "exec $f>&-"; done 2>/dev/null
seconds=$(cat "$LAB/conf/$h/watchdog.seconds" 2>/dev/null || echo 10)
exec 9<>"$LAB/bmc/$h/watchdog"
armed=
fed=$(now)
while [ "$(cat "/run/lab/$h.init" 2>/dev/null)" = "$pid" ] && [ -d "/proc/$pid" ]; do
  x=
  if IFS= read -r -t 0.2 -n 1 -d '' -u 9 x; then
    [ "$x" = V ] && armed= || armed=1
    fed=$(now)
  elif [ -n "$armed" ] && [ $(($(now) - fed)) -ge $((seconds * 1000)) ]; then
    record "$h" "watchdog: not fed for $seconds s, the host is reset"
    "$LABSRC/power.sh" "$h" off; sleep 1; "$LABSRC/power.sh" "$h" on
    exit
  fi
done
# The plug removes the pid's file under this lock: if it is still there, the host ended by its own hand.
exec 8>"/run/lab/$h.lock"; flock 8; exec 8>&-
if [ -n "$SYSTEMD" ]; then [ "$(cat "/run/lab/$h.init" 2>/dev/null)" = "$pid" ] || exit 0
else [ -e "$LAB/log/reset-$h" ] || exit 0; fi
rm -f "$LAB/log/reset-$h"; record "$h" "reset by itself"
sleep 1; "$LABSRC/power.sh" "$h" on
