#!/usr/bin/env bash
# Runs a command with services that are started for it, and stopped behind it,
# each by its own process id:
#
#   localstack/with.sh SERVICE… -- COMMAND [ARGUMENT…]
#
# service     what the command finds in its environment
# dynamodb    CADASTRE_DYNAMODB_LOCAL_URL: DynamoDB Local, empty
# emulator    CADASTRE_MINISTACK_URL: the emulator, empty
# deployment  AWS_ENDPOINT_URL: the emulator with the CDK app deployed and IAM
#             enforced; CADASTRE_ENDPOINT, CADASTRE_TABLE and the other outputs
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
pids=()

finish() {
    for pid in "${pids[@]}"; do
        "$here/services/stop.sh" "$pid" || true
    done
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start NAME URL COMMAND… leaves the process's id in $started.
start() {
    local name=$1 url=$2
    shift 2
    "$@" >>"$scratch/$name.log" 2>&1 </dev/null &
    started=$!
    pids+=("$started")
    "$here/services/wait.sh" "$name" "$url" "$started" "$scratch/$name.log"
}

while [ "${1:?"SERVICE… -- COMMAND…"}" != -- ]; do
    port=$(free_port)
    url=http://127.0.0.1:$port
    case $1 in
        dynamodb)
            start dynamodb "$url" "$here/services/dynamodb.sh" "$port"
            export CADASTRE_DYNAMODB_LOCAL_URL=$url
            ;;
        emulator)
            start emulator "$url/_ministack/health" "$here/services/emulator.sh" "$port" "$scratch/empty"
            export CADASTRE_MINISTACK_URL=$url
            ;;
        deployment)
            start deployment "$url/_ministack/health" "$here/services/emulator.sh" "$port" "$scratch/deployed" open
            "$here/deploy/deploy.sh" "$url" "$scratch/outputs.env"
            "$here/services/stop.sh" "$started"
            start deployment "$url/_ministack/health" "$here/services/emulator.sh" "$port" "$scratch/deployed" enforce
            set -a
            # shellcheck source=/dev/null
            . "$scratch/outputs.env"
            set +a
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

status=0
"$@" || status=$?
if [ "$status" != 0 ] && [ -n "${CADASTRE_LOGS:-}" ]; then
    mkdir -p "$CADASTRE_LOGS"
    cp "$scratch"/*.log "$CADASTRE_LOGS"
fi
exit "$status"
