#!/bin/bash
# The BMC of a host: bmc.sh HOST start|stop. Outside the host, on the BMCs' network, port 623. Its fault is in bmc/HOST/mode.
. "$LABSRC/common.sh"
h=$1 d=$LAB/bmc/$1; mkdir -p "$d"
mode=$(cat "$d/mode" 2>/dev/null || echo ok)
stop() {
  local pid; pid=$(cat "/run/lab/$h.bmc" 2>/dev/null) || return 0
  kill -9 "$pid" 2>/dev/null
  for _ in $(seq 500); do [ -d "/proc/$pid" ] && [ "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)" != Z ] || break; sleep 0.002; done
  rm -f "/run/lab/$h.bmc"
}
start() {
  ip addr add "$(bmc_address "$h")/24" dev brm 2>/dev/null
  local password level=operator
  password=$(cat "$LAB/conf/$h/bmc.password")
  [ "$mode" = badpass ] && password=changed-by-somebody
  [ "$mode" = user-level ] && level=user
  rm -rf "$d/state"; mkdir -p "$d/state"
  cat > "$d/lan.conf" <<C
name "$h"
set_working_mc 0x20
  startlan 1
    addr $(bmc_address "$h") 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid $(printf 'a123456789abcdefa123456789ab%04x' "$(number "$h")")
  endlan
  chassis_control "$d/chassis"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "nodekeeper" "$password" $level 10 none md2 md5 straight
C
  chmod 600 "$d/lan.conf"
  printf 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\nmc_enable 0x20\n' > "$d/cmd.emu"
  printf '#!/bin/sh\nexport LAB=%s LABSRC=%s\nexec "$LABSRC/chassis.sh" %s "$@"\n' "$LAB" "$LABSRC" "$h" > "$d/chassis"; chmod +x "$d/chassis"
  cd "$d" || exit 1
  setsid ipmi_sim -c lan.conf -f cmd.emu -s state -n -p </dev/null >"$LAB/log/bmc-$h.log" 2>&1 &
  echo $! > "/run/lab/$h.bmc"
}
case $2 in
start) start ;;
stop) stop ;;
restart) stop; start ;;
esac
