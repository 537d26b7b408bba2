#!/usr/bin/env bash
# Runs the end-to-end suite against both backends at once, each with services of its
# own, and prints the whole output of each when it ends:
#
#   localstack/e2e/both.sh [pytest's arguments, such as --durations=20]
#
# If a run fails, its services' logs are copied to a folder in CADASTRE_LOGS, if that
# is set. with.sh and run.sh list the other variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=localstack/beside.sh
. "$here/../beside.sh"

logs() { echo "CADASTRE_LOGS=${CADASTRE_LOGS:+$CADASTRE_LOGS/$1}"; }
begin emulator env "$(logs emulator)" "$here/../with.sh" deployment twin -- "$here/halves.sh" "$@"
begin front env "$(logs front)" "$here/../with.sh" dynamodb -- "$here/run.sh" front "$@"
echo "the suite runs on the emulator and behind the front at once; their output follows"
end front emulator
