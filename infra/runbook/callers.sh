#!/usr/bin/env bash
# Keeps callers out of a deployment, and lets them in again:
#
#   infra/runbook/callers.sh stop [NAME]
#   infra/runbook/callers.sh start [NAME]
#
# NAME is the deployment's name (default cadastre). While callers are out
#
#   the API           answers RequestLimitExceeded, which clients retry
#   templates, and    are refused by Lambda; CloudFormation retries for some hours
#   direct calls
#   requests          wait in their queue, for up to 4 days
#
# Discovery, compliance and history go on. It needs the AWS CLI, and the deployer's
# credentials and Region in the environment.
set -euo pipefail
usage() {
    echo "usage: $0 stop|start [NAME]" >&2
    exit 2
}
act=${1:-} name=${2:-cadastre}
case $act in stop | start) ;; *) usage ;; esac

# output STACK NAME prints an output of a stack.
output() {
    aws cloudformation describe-stacks --stack-name "$name-$1" --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue" --output text
}
api=$(output service ApiId)
requests=$(output watch RequestsFunctionName)
mapping=$(aws lambda list-event-source-mappings --function-name "$requests" --query 'EventSourceMappings[0].UUID' --output text)
functions=("$(output service DirectFunctionName)" "$(output service CustomResourceFunctionArn)")

# throttle RATE BURST sets the limits of the API's stage.
throttle() {
    aws apigateway update-stage --rest-api-id "$api" --stage-name prod --query stageName --output text --patch-operations \
        "op=replace,path=/*/*/throttling/rateLimit,value=$1" "op=replace,path=/*/*/throttling/burstLimit,value=$2"
}

case $act in
    stop)
        throttle 0 0
        for f in "${functions[@]}"; do
            aws lambda put-function-concurrency --function-name "$f" --reserved-concurrent-executions 0 --output text
        done
        aws lambda update-event-source-mapping --uuid "$mapping" --no-enabled --query State --output text
        echo "callers of $name are out; let them in with: $0 start $name"
        ;;
    start)
        throttle 500 1000
        for f in "${functions[@]}"; do
            aws lambda delete-function-concurrency --function-name "$f"
        done
        aws lambda update-event-source-mapping --uuid "$mapping" --enabled --query State --output text
        echo "callers of $name are in"
        ;;
esac
