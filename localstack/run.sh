#!/usr/bin/env bash
# `make run` and `make stop`: an emulator that stays, with Cadastre deployed.
#
#   localstack/run.sh start    starts it, deploys, runs the demonstrations, serves the console
#   localstack/run.sh link     prints a new link to the console
#   localstack/run.sh stop     ends it
#
# CADASTRE_PORT is the emulator's port (default 4566), CADASTRE_CONSOLE_PORT the
# console's (default 8182).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
state=$here/../.state/run
port=${CADASTRE_PORT:-4566}
console_port=${CADASTRE_CONSOLE_PORT:-8182}
url=http://127.0.0.1:$port

# ours FILE PROGRAM reports whether the process whose id is in the file is still the
# program: its id may have gone to another one since.
ours() {
    [ -f "$state/$1" ] && ps -o args= -p "$(cat "$state/$1")" 2>/dev/null | grep -q "$2"
}

stop() {
    if ours console.pid 'cadastre console'; then
        "$here/services/stop.sh" "$(cat "$state/console.pid")"
        echo "the console is stopped"
    fi
    if ours pid ministack; then
        "$here/services/stop.sh" "$(cat "$state/pid")"
        echo "the emulator is stopped"
    fi
    rm -rf "$state"
}

# links prints the links that the console has printed so far.
links() {
    grep '^The console is at ' "$state/console.out" 2>/dev/null || true
}

# await_link N waits until the console has printed N links, and prints the last one.
await_link() {
    local deadline=$((SECONDS + 30))
    while [ "$(links | wc -l)" -lt "$1" ]; do
        if ! ours console.pid 'cadastre console' || [ "$SECONDS" -gt "$deadline" ]; then
            echo "the console does not serve; its log:" >&2
            cat "$state/console.log" >&2
            return 1
        fi
        sleep 0.1
    done
    links | tail -n 1
    echo "The link works once, within 10 minutes. \`make link\` prints a new one."
}

# console serves the console with the deployment's own credentials.
console() {
    env -u AWS_PROFILE -u AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=test \
        setsid "$here/../build/cadastre" console --endpoint "$CADASTRE_ENDPOINT" --region us-east-1 --listen "127.0.0.1:$console_port" \
        >"$state/console.out" 2>"$state/console.log" </dev/null &
    echo $! >"$state/console.pid"
}

link() {
    if ! ours console.pid 'cadastre console'; then
        echo "no console is running; \`make run\` starts it" >&2
        exit 1
    fi
    local before
    before=$(links | wc -l)
    kill -HUP "$(cat "$state/console.pid")"
    await_link $((before + 1))
}

start() {
    if ours pid ministack; then
        echo "an emulator of an earlier run is still there; starting afresh"
    fi
    stop
    if curl --silent --output /dev/null --max-time 2 "$url"; then
        echo "something else answers at $url; choose another port with CADASTRE_PORT=…" >&2
        exit 1
    fi
    mkdir -p "$state"
    echo "starting the emulator at $url"
    setsid nohup "$here/services/emulator.sh" "$port" "$state/data" >"$state/emulator.log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    "$here/services/wait.sh" "the emulator" "$url/_ministack/health" "$(cat "$state/pid")" "$state/emulator.log"
    echo "deploying the CDK app"
    "$here/deploy/deploy.sh" "$url" "$state/outputs.env"
    set -a
    # shellcheck source=/dev/null
    . "$state/outputs.env"
    set +a
    export CADASTRE_AWS=$here/../.tools/clients/bin/aws CADASTRE_PYTHON=$here/../.tools/clients/bin/python
    "$CADASTRE_PYTHON" -B "$here/network/network.py" bare
    "$here/demo.sh" "$CADASTRE_ENDPOINT"
    "$here/demo_network.sh"
    console
    cat <<TEXT

Cadastre is at $CADASTRE_ENDPOINT until \`make stop\`. Any AWS CLI can call it:

  export ENDPOINT=$CADASTRE_ENDPOINT REGION=us-east-1
  export AWS_ENDPOINT_URL=$url AWS_ENDPOINT_URL_EC2=\$ENDPOINT
  export AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

  aws ec2 describe-ipam-pools
  aws ec2 allocate-ipam-pool-cidr --region ap-northeast-1 --netmask-length 24 --ipam-pool-id \\
      \$(aws ec2 describe-ipam-pools --filters 'Name=description,Values=tokyo dev' --query 'IpamPools[0].IpamPoolId' --output text)
  curl -X POST \${ENDPOINT%/}/v1/DescribeIpamPoolAllocations \\
      --aws-sigv4 aws:amz:us-east-1:execute-api --user 000000000000:test -d '{}'

For the examples of shared/client/README.md:

  export BUS=$CADASTRE_BUS DIRECT_FUNCTION=$CADASTRE_DIRECT_FUNCTION SERVICE_TOKEN=$CADASTRE_SERVICE_TOKEN

Other tools by the proxy, and the check of the table, in the same environment:

  make proxy PROXY="--ec2-endpoint \$AWS_ENDPOINT_URL"
  make fsck TABLE=$CADASTRE_TABLE

The AWS CLI that this run used is .tools/clients/bin/aws.

TEXT
    await_link 1
}

case ${1:-} in
    start) start ;;
    link) link ;;
    stop) stop ;;
    *)
        echo "usage: $0 start|link|stop" >&2
        exit 2
        ;;
esac
