#!/usr/bin/env bash
# make test: every check there is, or the stage named. The last stage closes with pytest's own lines; any failure ends it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"
stage="${1:-all}"
began=$SECONDS

wanted() { [ "$stage" = all ] || [ "$stage" = "$1" ]; }
header() { say "$* ($((SECONDS - began)) s so far)"; }

scripts/setup.sh
. scripts/env.sh

if wanted lint; then
  header "Format and lints"
  cargo fmt --check
  cargo clippy --quiet --all-targets -- -D warnings
  cargo clippy --quiet --lib --target wasm32-unknown-unknown -- -D warnings
fi

if wanted unit; then
  header "Unit tests"
  cargo test --quiet --lib
fi

if wanted api || wanted crash || wanted faults || wanted oracle || wanted sdk; then
  header "Build"
  scripts/build.sh
fi

# with_service COMMAND…: runs it with a service of its own, with empty state.
with_service() {
  local state server status=0
  state="$(mktemp -d)"
  export PORT STATE_DIR="$state" ROOT_API_KEY=root-key-of-the-tests
  PORT="$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')"
  scripts/serve.sh >"$state/serve.out" &
  server=$!
  # shellcheck disable=SC2064
  trap "kill -TERM $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf '$state'" EXIT
  until grep -q READY "$state/serve.out"; do
    kill -0 "$server" 2>/dev/null || fail "the service under test did not start"
    sleep 0.2
  done
  EDGE_KPI_URL="http://127.0.0.1:$PORT" EDGE_KPI_API_KEY="$ROOT_API_KEY" EDGE_KPI_STATE_DIR="$state" "$@" || status=$?
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 40 "$state/wrangler.log" >&2
  trap - EXIT
  rm -rf "$state"
  unset PORT STATE_DIR ROOT_API_KEY
  return "$status"
}

if wanted api; then
  header "API tests against workerd"
  cargo test --quiet --test api --no-run
  with_service cargo test --quiet --test api
fi

if wanted crash; then
  header "Crash test"
  cargo test --quiet --test crash -- --nocapture
fi

if wanted faults; then
  header "Fault tests"
  cargo test --quiet --test faults -- --nocapture
fi

if wanted oracle; then
  header "Figures against scipy, statsmodels, pymannkendall and pandas"
  tests/oracle/run.sh
fi

if wanted sdk; then
  header "SDK tests"
  tests/sdk/run.sh
fi
