#!/bin/bash
# noded on this host, started again after a crash as systemd would (not after a stop in good order).
H=$1
export PATH=/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODEKEEPER_CONFIG=/etc/nodekeeper/config.yaml
# As noded.service.
export UV_THREADPOOL_SIZE=64
# Only the time of day: what noded measures, it measures by the monotonic clock.
start() {
  [ -n "$CLOCK_LIBRARY" ] || { noded; return; }
  LD_PRELOAD=$CLOCK_LIBRARY FAKETIME_TIMESTAMP_FILE=/etc/nodekeeper/clock FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=1 noded
}
while :; do
  start >> "/opt/lab/log/noded-$H.log" 2>&1
  code=$?
  echo "noded exited with $code"
  case $code in 0 | 2 | 4) break ;; esac
  sleep 1
done
