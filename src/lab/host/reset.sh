#!/bin/bash
# The reset command of a host's noded, run within the host: its PID 1 leaves a note and ends; watchdog.sh powers it on again.
kill -USR1 1
