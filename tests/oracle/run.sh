#!/usr/bin/env bash
# Every figure of dashboards and analyses against scipy, statsmodels, pymannkendall, pandas and numpy, from the raw scores.
# Against EDGE_KPI_URL with EDGE_KPI_API_KEY (the root key) if both are set, else against a service of its own with empty state.
# Arguments go to pytest (tests/oracle/run.sh -k trend). TESTS names another folder of tests than this one (make test-large).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/env.sh"
cd "$ROOT"

VENV="$TOOLS/oracle-venv"

# Makes the virtual environment unless what it should hold is what it holds.
environment() {
  local log="$TOOLS/oracle-venv.log" stamp
  stamp="$({ cat "$here/requirements.txt"; python3 --version; } | sha256sum)"
  [ "$(cat "$VENV/.stamp" 2>/dev/null)" = "$stamp" ] && return
  say "Installing scipy, statsmodels, pymannkendall and pandas (about a minute, once)"
  rm -rf "$VENV"
  mkdir -p "$TOOLS"
  if ! { python3 -m venv "$VENV" && "$VENV/bin/pip" install --disable-pip-version-check -r "$here/requirements.txt"; } >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    fail "the packages of tests/oracle/requirements.txt could not be installed; the whole output is in $log"
  fi
  # Last: an installation that was interrupted is made anew.
  echo "$stamp" >"$VENV/.stamp"
}

environment

if [ -z "${EDGE_KPI_URL:-}" ] || [ -z "${EDGE_KPI_API_KEY:-}" ]; then
  [ -f build/index.js ] || scripts/build.sh
  . scripts/service.sh
  start_service
fi

# Bytecode stays out of the source tree.
PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" -m pytest -q -p no:cacheprovider "${TESTS:-$here}" "$@"
