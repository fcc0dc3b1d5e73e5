#!/bin/bash
# The chassis program of a host's BMC, called by ipmi_sim: chassis.sh HOST get power | set power 0|1
. "$LABSRC/common.sh"
h=$1 op=$2; shift 2
mode=$(cat "$LAB/bmc/$h/mode" 2>/dev/null || echo ok)
case $mode in slow=*) sleep "${mode#slow=}" ;; esac
power="$LABSRC/power.sh"
case $op in
get)
  for what in "$@"; do
    case $what in
    power) if [ "$mode" = lies-off ] || [ "$("$power" "$h" status)" = off ]; then echo power:0; else echo power:1; fi ;;
    boot) echo boot:default ;;
    esac
  done ;;
set)
  while [ $# -gt 1 ]; do
    case $1 in
    power)
      [ "$mode" = user-level ] && exit 1 # ipmi_sim does not hold a USER account back from power control as real BMCs do
      record "$h" "BMC: power $([ "$2" = 1 ] && echo on || echo off) ordered"
      [ "$mode" = stuck ] || [ "$mode" = lies-off ] || "$power" "$h" "$([ "$2" = 1 ] && echo on || echo off)" ;;
    reset) record "$h" "BMC: reset ordered"; [ "$mode" = stuck ] || { "$power" "$h" off; "$power" "$h" on; } ;;
    esac
    shift 2
  done ;;
esac </dev/null 2>>"$LAB/log/chassis-$h.log"
exit 0
