# Sourced by scripts that test against a service of their own. Needs env.sh.
# shellcheck shell=bash

# Starts a service with empty state on a free port, and ends it when the script ends. Tells EDGE_KPI_URL, EDGE_KPI_API_KEY (the
# root key), EDGE_KPI_STATE_DIR and EDGE_KPI_SERVICE_PID.
start_service() {
  EDGE_KPI_STATE_DIR="$(mktemp -d)"
  EDGE_KPI_API_KEY=root-key-of-the-tests
  local port
  port="$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')"
  EDGE_KPI_URL="http://127.0.0.1:$port"
  # Here already: the loop below may look before the service writes.
  : >"$EDGE_KPI_STATE_DIR/serve.out"
  PORT="$port" STATE_DIR="$EDGE_KPI_STATE_DIR" ROOT_API_KEY="$EDGE_KPI_API_KEY" \
    "$ROOT/scripts/serve.sh" >"$EDGE_KPI_STATE_DIR/serve.out" &
  EDGE_KPI_SERVICE_PID=$!
  export EDGE_KPI_URL EDGE_KPI_API_KEY EDGE_KPI_STATE_DIR EDGE_KPI_SERVICE_PID
  trap stop_service EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  until grep -q READY "$EDGE_KPI_STATE_DIR/serve.out"; do
    kill -0 "$EDGE_KPI_SERVICE_PID" 2>/dev/null || fail "the service under test did not start"
    sleep 0.2
  done
}

stop_service() {
  kill -TERM "$EDGE_KPI_SERVICE_PID" 2>/dev/null || true
  wait "$EDGE_KPI_SERVICE_PID" 2>/dev/null || true
  rm -rf "$EDGE_KPI_STATE_DIR"
}
