#!/bin/bash
# A fence agent for tests of the command line: power is a file beside it (power-PLUG), so is how it behaves (mode-PLUG):
# silent (no answer), stuck (takes off and does nothing), slow (answers after 4 s). What it was told stands in orders-PLUG.
declare -A given
while IFS= read -r line; do [[ $line == *=* ]] && given[${line%%=*}]=${line#*=}; done
dir=$(dirname "$0"); action=${given[action]:-reboot}; plug=${given[plug]}
if [ "$action" = metadata ]; then
  cat <<'X'
<?xml version="1.0" ?>
<resource-agent name="fence_switch" shortdesc="Fence agent of the tests">
  <parameters>
    <parameter name="action" required="1"><content type="string" default="reboot"/></parameter>
    <parameter name="plug" required="1"><content type="string"/></parameter>
    <parameter name="ip" required="0"><content type="string"/></parameter>
  </parameters>
  <actions><action name="on"/><action name="off"/><action name="status"/><action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
X
  exit 0
fi
mode=$(cat "$dir/mode-$plug" 2>/dev/null)
power=$(cat "$dir/power-$plug" 2>/dev/null || echo on)
case $mode in
silent) echo "Failed: Timed out waiting to power" >&2; exit 1 ;;
slow) sleep 4 ;;
esac
case $action in
status) echo "Status: ${power^^}"; [ "$power" = on ] || exit 2 ;;
monitor) echo "Status: ${power^^}" ;;
on | off)
  echo "$action" >> "$dir/orders-$plug"
  [ "$mode" = stuck ] || echo "$action" > "$dir/power-$plug"
  echo "Success: Powered ${action^^}" ;;
*) exit 1 ;;
esac
