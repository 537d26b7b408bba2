#!/usr/bin/env bash
# Runs DynamoDB Local in the foreground, empty and in memory:
#
#   localstack/services/dynamodb.sh PORT
set -euo pipefail
port=${1:?"which port"}
cd "$(dirname "$0")/../../.tools/dynamodb-local"
exec java -Xmx2g -Djava.library.path=lib -cp 'lib/*' software.amazon.dynamodb.services.local.main.ServerRunner \
    -inMemory -sharedDb -port "$port" -disableTelemetry
