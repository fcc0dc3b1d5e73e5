#!/bin/bash
# noded on this host, started again after a crash as systemd would (not after a stop in good order).
H=$1
export PATH=/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODEKEEPER_CONFIG=/etc/nodekeeper/config.yaml
while :; do
  noded >> "/opt/lab/log/noded-$H.log" 2>&1
  code=$?
  echo "noded exited with $code"
  case $code in 0 | 2 | 4) break ;; esac
  sleep 1
done
