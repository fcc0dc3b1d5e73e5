# Sourced by every script of the lab; $LAB is the lab's directory.
. "$LAB/lab.env"
now() { date +%s%3N; }
number() { echo "${1#node}"; }
cluster_address() { echo "10.77.0.$((10 + $(number "$1")))"; }
bmc_address() { echo "10.78.0.$((10 + $(number "$1")))"; }
management_address() { echo "10.78.0.$((100 + $(number "$1")))"; }
# One line per thing that the lab itself did; `scripts/lab timeline` reads it.
record() { printf '{"wallMs":%s,"node":"%s","what":"%s"}\n' "$(now)" "$1" "$2" >> "$LAB/log/lab.jsonl"; }
