#!/usr/bin/env bash
# Every figure of dashboards and analyses against scipy, statsmodels, pymannkendall, pandas and numpy, from the raw scores.
# Against EDGE_KPI_URL with EDGE_KPI_API_KEY (the root key) if both are set, else against a service of its own with empty state.
# Arguments go to pytest (tests/oracle/run.sh -k trend). TESTS names another folder of tests than this one (make test-large).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/env.sh"
cd "$ROOT"

VENV="$TOOLS/oracle-venv"

. scripts/python.sh
environment "$VENV" "scipy, statsmodels, pymannkendall and pandas (about a minute, once)" "$here/requirements.txt"

if [ -z "${EDGE_KPI_URL:-}" ] || [ -z "${EDGE_KPI_API_KEY:-}" ]; then
  [ -f build/index.js ] || scripts/build.sh
  . scripts/service.sh
  start_service
fi

# Bytecode stays out of the source tree.
PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" -m pytest -q -p no:cacheprovider "${TESTS:-$here}" "$@"
