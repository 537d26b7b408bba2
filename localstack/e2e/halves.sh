#!/usr/bin/env bash
# Runs the suite's two halves on the emulator at once, in the environment of the
# services deployment and twin (with.sh), and then the test of its coverage:
#
#   localstack/e2e/halves.sh [pytest's arguments]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=localstack/beside.sh
. "$here/../beside.sh"

export CADASTRE_E2E_CALLED=$beside/called
begin first env CADASTRE_E2E_HALF=first "$here/run.sh" emulator "$@"
begin second env CADASTRE_E2E_HALF=second AWS_ENDPOINT_URL="$CADASTRE_TWIN_URL" \
    CADASTRE_ENDPOINT="${CADASTRE_ENDPOINT/"$AWS_ENDPOINT_URL"/"$CADASTRE_TWIN_URL"}" "$here/run.sh" emulator "$@"
end first second
CADASTRE_E2E_HALF=coverage "$here/run.sh" emulator "$@"
