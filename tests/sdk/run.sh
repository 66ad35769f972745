#!/usr/bin/env bash
# The four published SDK packages, unmodified, each in its own virtual environment, run the same flows.
# Against EDGE_KPI_URL with EDGE_KPI_API_KEY if both are set, else against a service of its own with empty state.
# Arguments go to pytest (tests/sdk/run.sh -k dashboard). All four run even when one fails.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/env.sh"
cd "$ROOT"

# Generation and package.
PACKAGES=(G1=payi==0.1.0a60 G2=payi==0.1.0a131 G3=payi==0.1.0a183 G4=ascerta==0.1.0a3)
PYTEST=pytest==8.4.2
VENVS="$TOOLS/sdk-venvs"

. scripts/python.sh
for entry in "${PACKAGES[@]}"; do
  package="${entry#*=}"
  environment "$VENVS/${package//==/-}" "$package" "$package" "$PYTEST"
done

if [ -z "${EDGE_KPI_URL:-}" ] || [ -z "${EDGE_KPI_API_KEY:-}" ]; then
  [ -f build/index.js ] || scripts/build.sh
  . scripts/service.sh
  start_service
fi

failed=0
for entry in "${PACKAGES[@]}"; do
  generation="${entry%%=*}" package="${entry#*=}"
  say "$generation: $package"
  # Bytecode stays out of the source tree; a key or an address that the caller's shell holds for another service stays out too.
  env -u PAYI_API_KEY -u PAYI_BASE_URL -u ASCERTA_API_KEY -u ASCERTA_BASE_URL -u ASCERTA_CUSTOM_HEADERS \
    PYTHONDONTWRITEBYTECODE=1 EDGE_KPI_DIALECT="$generation" \
    "$VENVS/${package//==/-}/bin/python" -m pytest -q -p no:cacheprovider "$here" "$@" || failed=1
done
# Nothing is printed from here on: pytest's closing line is the last one.
exit "$failed"
