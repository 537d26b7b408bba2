#!/usr/bin/env bash
# Deploys the CDK app to an emulator and writes its outputs as assignments:
#
#   localstack/deploy/deploy.sh URL OUTPUTS
#
# The functions must be built for this host (`make build`). With CADASTRE_HOSTED=1 the
# deployment has a hosted console, whose provider the tests start.
set -euo pipefail
url=${1:?"the emulator's address"} outputs=${2:?"the file to write the outputs to"}
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

unset AWS_PROFILE AWS_SESSION_TOKEN
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1
export AWS_ENDPOINT_URL=$url AWS_ENDPOINT_URL_S3=$url
export CDK_DISABLE_LEGACY_EXPORT_WARNING=1 JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=1 JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION=1
arch=x86_64
[ "$(go env GOARCH)" != arm64 ] || arch=arm64
# The owner account's root and its forwarder administer, and members' roles with this name
# allocate. The hosted console's roles get their classes by themselves.
context=(--context architecture="$arch" --context destroyable=true --context accounts=organization
    --context 'administrators=["arn:aws:iam::000000000000:root", "arn:aws:iam::000000000000:role/cadastre-forwarder-*"]'
    --context 'allocators=["arn:aws:iam::*:role/vpc-maker"]')
[ -z "${CADASTRE_HOSTED:-}" ] || context+=(--context "console=$(tr -d '\n' <"$here/console.json")")

# cdk FOLDER COMMAND ARGUMENTS… runs it quietly in the folder, and prints its output if
# it fails.
cdk() {
    local folder=$1
    shift
    echo "cdklocal $1" >&2
    (cd "$folder" && PATH="$root/.tools/node/node_modules/.bin:$PATH" exec cdklocal "$@" --ci) >"$scratch/$1.log" 2>&1 || {
        cat "$scratch/$1.log" >&2
        return 1
    }
}
# Both need most of a minute on a busy machine, and neither needs the other. Without
# cdk.json, bootstrap does not synthesise the app too.
mkdir "$scratch/empty"
cdk "$root" synth --quiet "${context[@]}" --output "$scratch/cdk.out" &
synth=$!
bootstrapped=0
cdk "$scratch/empty" bootstrap aws://000000000000/us-east-1 || bootstrapped=$?
wait "$synth"
[ "$bootstrapped" = 0 ] || exit "$bootstrapped"
cdk "$scratch/empty" deploy --app "$scratch/cdk.out" --all --concurrency 3 --method direct --require-approval never --outputs-file "$scratch/outputs.json"

python3 - "$scratch/outputs.json" "$url" >"$outputs" <<'PY'
import json, sys
outputs = {k: v for stack in json.load(open(sys.argv[1])).values() for k, v in stack.items()}
print(f"AWS_ENDPOINT_URL={sys.argv[2]}")
print(f"CADASTRE_ENDPOINT={sys.argv[2]}/_aws/execute-api/{outputs['ApiId']}/prod")
print(f"CADASTRE_TABLE={outputs['TableName']}")
print(f"CADASTRE_BUS={outputs['BusName']}")
print(f"CADASTRE_BUS_ARN={outputs['BusArn']}")
print(f"CADASTRE_DISCOVERY_ROLE={outputs['DiscoveryRoleArn']}")
print(f"CADASTRE_API_ROLE={outputs['ApiRoleArn']}")
print(f"CADASTRE_SERVICE_TOKEN={outputs['CustomResourceFunctionArn']}")
for name in ("Api", "Compliance", "Direct", "Discovery", "History", "Requests"):
    print(f"CADASTRE_{name.upper()}_FUNCTION={outputs[name + 'FunctionName']}")
PY
