#!/usr/bin/env bash
# Runs the end-to-end suite against one backend, or both in turn:
#
#   localstack/e2e/run.sh emulator|front|both [pytest's arguments, such as test_tags.py]
#
# PYTHON names an interpreter with requirements.txt installed. conftest.py lists
# the environment that each backend needs.
set -euo pipefail
backends=${1:?"which backend: emulator, front or both"}
shift
[ "$backends" != both ] || backends='emulator front'
cd "$(dirname "$0")"
for backend in $backends; do
    echo "end-to-end suite, backend $backend"
    CADASTRE_E2E_BACKEND=$backend PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" -m pytest -c pytest.ini "$@"
done
