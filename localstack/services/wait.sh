#!/usr/bin/env bash
# Waits until a started service gives any answer over HTTP:
#
#   localstack/services/wait.sh NAME URL PID LOG
#
# Fails with status 3 when another process has the port, with 1 when the process
# PID ends otherwise or has not answered after two minutes; then it shows the end
# of LOG.
set -euo pipefail
name=$1 url=$2 pid=$3 log=$4
port=${url##*:}
port=${port%%/*}

# ours reports whether the process itself listens at the port, as far as the system
# shows the listening process.
ours() {
    local sockets socket
    sockets=$(awk -v port="$(printf ':%04X$' "$port")" '$2 ~ port && $4 == "0A" { print $10 }' /proc/net/tcp* 2>/dev/null || true)
    [ -n "$sockets" ] || return 0
    for socket in $sockets; do
        [ -z "$(find "/proc/$pid/fd" -lname "socket:\[$socket\]" 2>/dev/null)" ] || return 0
    done
    return 1
}

end=$((SECONDS + 120))
while [ "$SECONDS" -lt "$end" ]; do
    answers=
    if curl --silent --output /dev/null --max-time 2 "$url"; then
        answers=yes
        ! ours || exit 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        [ -z "$answers" ] || { echo "$name does not get port $port, which another process has" >&2; exit 3; }
        break
    fi
    sleep 0.2
done
echo "$name does not answer at $url; the end of $log:" >&2
tail -n 20 "$log" >&2 || true
exit 1
