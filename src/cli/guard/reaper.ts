/**
 * What ends the command when its guard is killed: a shell that waits for the end of a pipe whose other end only the guard has.
 * $1 is the cgroup. Kernels before 5.14 have no cgroup.kill: there each process is killed, until none is left.
 */
export const reaperScript = `
trap '' INT TERM HUP QUIT TSTP TTIN TTOU
read -r line
n=0
while [ -d "$1" ] && [ $n -lt 400 ]; do
  { echo 1 > "$1/cgroup.kill"; } 2>/dev/null || while read -r pid; do kill -9 "$pid"; done < "$1/cgroup.procs"
  rmdir "$1" && break
  n=$((n + 1))
  sleep 0.05
done
`;

/** Joins the cgroup $0 and becomes the command; if the cgroup is gone the command must not start any more. */
export const starterScript = `{ echo $$ > "$0/cgroup.procs"; } 2>/dev/null || exit 125
exec "$@"`;
