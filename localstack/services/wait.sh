#!/usr/bin/env bash
# Waits until a service answers over HTTP, whatever it answers:
#
#   localstack/services/wait.sh NAME URL PID LOG
#
# Fails when the process PID ends or after a minute, showing the end of LOG.
set -euo pipefail
name=$1 url=$2 pid=$3 log=$4
for _ in $(seq 300); do
    if curl --silent --output /dev/null --max-time 2 "$url"; then
        exit 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        break
    fi
    sleep 0.2
done
echo "$name does not answer at $url; the end of $log:" >&2
tail -n 20 "$log" >&2 || true
exit 1
