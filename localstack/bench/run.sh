#!/usr/bin/env bash
# Builds the api function and runs the benchmarks on DynamoDB Local, whose
# address is CADASTRE_DYNAMODB_LOCAL_URL. Arguments go to the program:
# "-only core" runs one section, "-help" lists the others.
set -euo pipefail
cd "$(dirname "$0")/../.."

echo "building the api function and the benchmarks"
mkdir -p build/bench
CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags='-s -w -buildid=' -o build/bench/bootstrap ./functions/api
go build -o build/bench/bench ./localstack/bench
exec build/bench/bench -bootstrap build/bench/bootstrap "$@"
