#!/usr/bin/env bash
# The four published SDK packages, unmodified, each in its own virtual environment, run the same flows.
# Against EDGE_KPI_URL with EDGE_KPI_API_KEY if both are set, else against a service of its own.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/env.sh"
cd "$ROOT"

# Dialect and package.
PACKAGES=(G1=payi==0.1.0a60 G2=payi==0.1.0a131 G3=payi==0.1.0a183 G4=ascerta==0.1.0a3)
PYTEST=pytest==8.4.2

environment() { # PACKAGE -> its folder, made if there is none
  local package="$1" folder="$TOOLS/sdk/${1//==/-}"
  if [ "$(cat "$folder/.stamp" 2>/dev/null)" != "$package $PYTEST" ]; then
    say "Installing $package"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$package" "$PYTEST" >&2
    echo "$package $PYTEST" >"$folder/.stamp"
  fi
  echo "$folder"
}

folders=()
for entry in "${PACKAGES[@]}"; do folders+=("$(environment "${entry#*=}")"); done

if [ -z "${EDGE_KPI_URL:-}" ] || [ -z "${EDGE_KPI_API_KEY:-}" ]; then
  [ -f build/index.js ] || scripts/build.sh
  state="$(mktemp -d)"
  PORT="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  export PORT EDGE_KPI_URL="http://127.0.0.1:$PORT" EDGE_KPI_API_KEY=root-key-of-the-sdk-tests
  STATE_DIR="$state" ROOT_API_KEY="$EDGE_KPI_API_KEY" scripts/serve.sh >"$state/serve.out" &
  server=$!
  trap 'kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$state"' EXIT
  until grep -q READY "$state/serve.out"; do
    kill -0 "$server" 2>/dev/null || fail "the service under test did not start"
    sleep 0.2
  done
fi

status=0
for at in "${!PACKAGES[@]}"; do
  dialect="${PACKAGES[$at]%%=*}"
  say "$dialect: ${PACKAGES[$at]#*=}"
  EDGE_KPI_DIALECT="$dialect" "${folders[$at]}/bin/python" -m pytest -q -p no:cacheprovider "$here" || status=1
done
exit "$status"
