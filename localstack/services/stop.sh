#!/usr/bin/env bash
# Ends a process that this project started, by its id, and waits until it and
# the functions that it runs are gone, which takes a loaded machine a while:
#
#   localstack/services/stop.sh PID
set -euo pipefail
pid=$1
kill -TERM "$pid" 2>/dev/null || exit 0
for _ in $(seq 600); do
    kill -0 "$pid" 2>/dev/null || exit 0
    sleep 0.1
done
echo "process $pid does not end; killing it" >&2
kill -KILL "$pid" 2>/dev/null || true
