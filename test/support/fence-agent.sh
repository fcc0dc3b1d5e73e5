#!/bin/bash
# A fence agent of our own for the tests: ClusterLabs' API over ipmitool. Options come on standard input; MODE (an option) makes
# it misbehave: garbage, hang, exit-7, claims (success without doing anything), usage (exit code 2 as argument parsers do).
declare -A given
while IFS= read -r line; do [[ $line == *=* ]] && given[${line%%=*}]=${line#*=}; done
tool() { IPMI_PASSWORD=${given[password]} ipmitool -I lanplus -L OPERATOR -C 3 -N 1 -R 1 -H "${given[ip]}" -p "${given[port]:-623}" -U "${given[username]}" -E "$@"; }
action=${given[action]:-reboot}
if [ "$action" = metadata ]; then
  cat <<'X'
<?xml version="1.0" ?>
<resource-agent name="fence_test" shortdesc="Fence agent of the tests">
  <parameters>
    <parameter name="action" required="1"><content type="string" default="reboot"/></parameter>
    <parameter name="ip" required="1"><content type="string"/></parameter>
    <parameter name="port" required="0"><content type="string"/></parameter>
    <parameter name="username" required="0"><content type="string"/></parameter>
    <parameter name="password" required="0"><content type="string"/></parameter>
    <parameter name="mode" required="0"><content type="string"/></parameter>
  </parameters>
  <actions><action name="on"/><action name="off"/><action name="status"/><action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
X
  exit 0
fi
case ${given[mode]} in
garbage) head -c 300 /dev/urandom | base64; exit 0 ;;
hang) sleep 600 & wait ;;
exit-7) echo "something else" >&2; exit 7 ;;
usage) echo "usage: fence_test [-h]" >&2; exit 2 ;;
claims) [ "$action" = off ] && { echo "Success: Powered OFF"; exit 0; } ;;
secret) echo "cannot log in with ${given[password]}" >&2; exit 1 ;;
esac
case $action in
status | monitor)
  said=$(tool chassis power status 2>&1) || { echo "Failed: $said" >&2; exit 1; }
  case $said in
  *"is on") echo "Status: ON"; exit 0 ;;
  *"is off") echo "Status: OFF"; [ "$action" = monitor ] && exit 0; exit 2 ;;
  *) exit 1 ;;
  esac ;;
on | off) tool chassis power "$action" >/dev/null 2>&1 || exit 1; echo "Success: Powered ${action^^}" ;;
*) exit 1 ;;
esac
