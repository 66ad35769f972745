#!/usr/bin/env bash
# The OpenAPI document against the service: Schemathesis sends what the document allows and what it does not, and holds every
# answer against it. A service of its own with empty state. Arguments go to Schemathesis (tests/contract/run.sh --seed 7).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/env.sh"
cd "$ROOT"

VENV="$TOOLS/contract-venv"

. scripts/python.sh
environment "$VENV" "Schemathesis" "$here/requirements.txt"

[ -f build/index.js ] || scripts/build.sh
. scripts/service.sh
start_service

export PYTHONDONTWRITEBYTECODE=1
"$VENV/bin/python" "$here/examples.py" public/openapi.json
"$VENV/bin/python" "$here/prepare.py"
export SCHEMATHESIS_HOOKS="$here/hooks.py"
"$VENV/bin/st" --config-file "$here/schemathesis.toml" run "$EDGE_KPI_URL/openapi.json" "$@"
