#!/usr/bin/env bash
# The OpenAPI document against the service: Schemathesis sends what the document allows and what it does not, and holds every
# answer against it. A service of its own with empty state. Arguments go to Schemathesis (tests/contract/run.sh --seed 7).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/env.sh"
cd "$ROOT"

VENV="$TOOLS/contract-venv"

# Makes the virtual environment unless what it should hold is what it holds.
environment() {
  local log="$TOOLS/contract-venv.log" stamp
  stamp="$({ cat "$here/requirements.txt"; python3 --version; } | sha256sum)"
  [ "$(cat "$VENV/.stamp" 2>/dev/null)" = "$stamp" ] && return
  say "Installing Schemathesis"
  rm -rf "$VENV"
  mkdir -p "$TOOLS"
  if ! { python3 -m venv "$VENV" && "$VENV/bin/pip" install --disable-pip-version-check -r "$here/requirements.txt"; } >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    fail "the packages of tests/contract/requirements.txt could not be installed; the whole output is in $log"
  fi
  # Last: an installation that was interrupted is made anew.
  echo "$stamp" >"$VENV/.stamp"
}

environment

[ -f build/index.js ] || scripts/build.sh
. scripts/service.sh
start_service

export PYTHONDONTWRITEBYTECODE=1
"$VENV/bin/python" "$here/examples.py" public/openapi.json
"$VENV/bin/python" "$here/prepare.py"
export SCHEMATHESIS_HOOKS="$here/hooks.py"
"$VENV/bin/st" --config-file "$here/schemathesis.toml" run "$EDGE_KPI_URL/openapi.json" "$@"
