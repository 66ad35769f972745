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

if wanted api || wanted crash || wanted faults || wanted operation || wanted cost || wanted overload || wanted oracle || wanted contract || wanted portal || wanted sdk; then
  header "Build"
  scripts/build.sh
fi

# with_service COMMAND…: runs it with a service of its own; shows the end of the service's log if it fails.
with_service() (
  . scripts/service.sh
  start_service
  "$@" || { tail -n 40 "$EDGE_KPI_STATE_DIR/wrangler.log" >&2; exit 1; }
)

portal_tests() {
  scripts/portal.sh check
  tests/portal/run.sh
}

if [ "$stage" = all ]; then
  # Beside the stages up to the fault tests, which wait more than they work. Each has a service of its own.
  header "The portal in a browser, in the background"
  portal_log="$TOOLS/logs/portal-tests.log"
  # A process group of its own, to end all of it should another stage fail.
  set -m
  portal_tests >"$portal_log" 2>&1 &
  portal=$!
  set +m
  trap 'kill -TERM -- "-$portal" 2>/dev/null || true; wait "$portal" 2>/dev/null || true' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
elif wanted portal; then
  header "The portal in a browser"
  portal_tests
fi

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

if [ "$stage" = all ]; then
  header "The end of the portal's tests"
  wait "$portal" || { cat "$portal_log" >&2; fail "the portal's tests failed"; }
  trap - EXIT
  grep -E '^ℹ (tests|pass|fail|skipped) ' "$portal_log"
fi

if wanted operation; then
  header "Operation: wrong and lost aggregates, deletion, limits"
  cargo test --quiet --test operation -- --nocapture
fi

if wanted cost; then
  header "Cost: calls, rows and the Worker's size"
  cargo test --quiet --test cost -- --nocapture
fi

if wanted overload; then
  header "Overload"
  # A connection takes a file of the test, and one of the service.
  ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
  cargo test --quiet --test overload -- --nocapture
fi

if wanted oracle; then
  header "Figures against scipy, statsmodels, pymannkendall and pandas"
  tests/oracle/run.sh
fi

if wanted contract; then
  header "Schemathesis over the OpenAPI document"
  tests/contract/run.sh
fi

if wanted sdk; then
  header "SDK tests"
  tests/sdk/run.sh
fi
