#!/usr/bin/env bash
# Runs the end-to-end suite against one backend:
#
#   localstack/e2e/run.sh emulator|front [pytest's arguments, such as test_tags.py]
#
# PYTHON names an interpreter with requirements.txt installed. conftest.py lists
# the environment that each backend needs. both.sh runs both, with their services.
set -euo pipefail
backend=${1:?"which backend: emulator or front"}
shift
cd "$(dirname "$0")"
echo "end-to-end suite, backend $backend"
CADASTRE_E2E_BACKEND=$backend PYTHONDONTWRITEBYTECODE=1 exec "${PYTHON:-python3}" -m pytest -c pytest.ini "$@"
