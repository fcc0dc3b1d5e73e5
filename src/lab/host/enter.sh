#!/bin/bash
# Runs a command inside a host (called in the lab's namespaces); it dies with us: enter.sh HOST COMMAND...
. "$LABSRC/common.sh"
h=$1; shift
pid=$(cat "/run/lab/$h.init" 2>/dev/null)
[ -n "$pid" ] && [ -d "/proc/$pid" ] || { echo "host $h is off" >&2; exit 113; }
for _ in $(seq 1000); do [ -e "/proc/$pid/root/run/lab/booted" ] && break; [ -d "/proc/$pid" ] || exit 113; sleep 0.005; done
echo $$ > "/sys/fs/cgroup/$h/sys/cgroup.procs" 2>/dev/null
exec nsenter -t "$pid" -m -u -i -n -p -C -r -w -- setpriv --pdeathsig KILL -- \
  env -i PATH=/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
