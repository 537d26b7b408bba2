#!/usr/bin/env bash
# Starts services, runs a command, and stops the services, each by its own process
# id:
#
#   localstack/with.sh SERVICE… -- COMMAND [ARGUMENT…]
#
# service     the command's environment
# dynamodb    CADASTRE_DYNAMODB_LOCAL_URL: DynamoDB Local, empty
# emulator    CADASTRE_MINISTACK_URL: the emulator, empty
# deployment  AWS_ENDPOINT_URL: the emulator with the CDK app deployed, its hosted
#             console too, and IAM enforced; CADASTRE_ENDPOINT, CADASTRE_TABLE and the other outputs
# twin        CADASTRE_TWIN_URL: a second emulator with a copy of the deployment
#
# If a service does not start or the command fails, the services' logs are copied
# to the folder CADASTRE_LOGS, if that is set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
pids=()

finish() {
    local status=$?
    if [ "$status" != 0 ] && [ -n "${CADASTRE_LOGS:-}" ]; then
        mkdir -p "$CADASTRE_LOGS"
        cp "$scratch"/*.log "$CADASTRE_LOGS" || true
    fi
    for pid in "${pids[@]}"; do
        "$here/services/stop.sh" "$pid" || true
    done
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# free_port prints a free port outside the range of outgoing connections: one of
# that range may be in use before the service takes it.
free_port() {
    python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(10240, 32768)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
}

# start NAME PATH SCRIPT ARGUMENT… runs a service at $url, which answers at PATH,
# and leaves the process's id in $started.
start() {
    local name=$1 path=$2 script=$3
    shift 3
    # Its session is its own: Ctrl-C ends the command first, which still needs the service.
    setsid "$here/services/$script" "${url##*:}" "$@" >>"$scratch/$name.log" 2>&1 </dev/null &
    started=$!
    pids+=("$started")
    "$here/services/wait.sh" "$name" "$url$path" "$started" "$scratch/$name.log"
}

# serve is start at a port that it chooses and leaves in $url.
serve() {
    local status
    for _ in 1 2 3; do
        url=http://127.0.0.1:$(free_port)
        status=0
        start "$@" || status=$?
        [ "$status" = 3 ] || break # 3: another process was faster
    done
    return "$status"
}

while [ "${1:?"SERVICE… -- COMMAND…"}" != -- ]; do
    case $1 in
        dynamodb)
            serve dynamodb / dynamodb.sh
            export CADASTRE_DYNAMODB_LOCAL_URL=$url
            ;;
        emulator)
            serve emulator /_ministack/health emulator.sh "$scratch/empty"
            export CADASTRE_MINISTACK_URL=$url
            ;;
        deployment)
            serve deployment /_ministack/health emulator.sh "$scratch/deployed" open
            CADASTRE_HOSTED=1 "$here/deploy/deploy.sh" "$url" "$scratch/outputs.env"
            "$here/services/stop.sh" "$started"
            cp -r "$scratch/deployed" "$scratch/fresh"
            start deployment /_ministack/health emulator.sh "$scratch/deployed" enforce
            set -a
            # shellcheck source=/dev/null
            . "$scratch/outputs.env"
            set +a
            ;;
        twin)
            serve twin /_ministack/health twin.sh "$scratch/twin" "$scratch/fresh" "${AWS_ENDPOINT_URL##*:}"
            export CADASTRE_TWIN_URL=$url
            ;;
        *)
            echo "no service is called $1" >&2
            exit 2
            ;;
    esac
    echo "$1 is at $url" >&2
    shift
done
shift

"$@"
