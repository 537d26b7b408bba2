#!/usr/bin/env bash
# `make run` and `make stop`: an emulator that stays, with Cadastre deployed.
#
#   localstack/run.sh start    starts it, deploys, runs the demonstrations
#   localstack/run.sh stop     ends it
#
# CADASTRE_PORT is the emulator's port (default 4566).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
state=$here/../.state/run
port=${CADASTRE_PORT:-4566}
url=http://127.0.0.1:$port

# ours reports whether the recorded process is still the emulator: its id may
# have gone to another one since.
ours() {
    [ -f "$state/pid" ] && ps -o args= -p "$(cat "$state/pid")" 2>/dev/null | grep -q ministack
}

stop() {
    if ours; then
        "$here/services/stop.sh" "$(cat "$state/pid")"
        echo "the emulator is stopped"
    fi
    rm -rf "$state"
}

start() {
    if ours; then
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
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    *)
        echo "usage: $0 start|stop" >&2
        exit 2
        ;;
esac
