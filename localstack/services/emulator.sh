#!/usr/bin/env bash
# Runs the emulator in the foreground:
#
#   localstack/services/emulator.sh PORT STATE [open|enforce]
#
# STATE is a folder. The emulator writes its state there when it stops, and reads it
# when it starts. With "enforce" it evaluates IAM policies. It then refuses CDK's
# publishing of assets, so deploy with "open" and start the emulator again on the
# same folder.
set -euo pipefail
port=${1:?"which port"} state=${2:?"which folder for the state"} mode=${3:-open}
mkdir -p "$state/services" "$state/s3" "$state/tmp"
auth=false
[ "$mode" != enforce ] || auth=true
# The functions inherit the emulator's environment. Without its endpoint they would call
# real AWS, and the custom resources answer CloudFormation on AWS only.
exec env -u AWS_PROFILE -u AWS_SESSION_TOKEN -u AWS_ENDPOINT_URL_EC2 -u AWS_ENDPOINT_URL_S3 \
    BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" AWS_ENDPOINT_URL="http://127.0.0.1:$port" \
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 CADASTRE_RESPONSE_URL="http://localhost:$port" \
    PERSIST_STATE=1 STATE_DIR="$state/services" S3_PERSIST=1 S3_DATA_DIR="$state/s3" TMPDIR="$state/tmp" \
    AUTH="$auth" LOG_LEVEL="${CADASTRE_EMULATOR_LOG:-WARNING}" \
    "$(dirname "$0")/../../.tools/emulator/bin/ministack"
