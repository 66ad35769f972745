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

# beside NAME COMMAND…: runs it in the background, its output in a log; in a process group of its own, to end all of it should another
# stage fail. Stages that ask and wait leave half of the machine free.
declare -A running
beside() {
  local name="$1"
  shift
  set -m
  "$@" >"$TOOLS/logs/test-$name.log" 2>&1 &
  running[$name]=$!
  set +m
}

# joined NAME PATTERN: waits for it; shows the lines of its output that match, or all of it if it failed.
joined() {
  wait "${running[$1]}" || { cat "$TOOLS/logs/test-$1.log" >&2; fail "the stage '$1' failed"; }
  unset "running[$1]"
  grep -E "$2" "$TOOLS/logs/test-$1.log"
}

end_those_running() {
  local name
  for name in "${!running[@]}"; do
    kill -TERM -- "-${running[$name]}" 2>/dev/null || true
    wait "${running[$name]}" 2>/dev/null || true
  done
}
trap end_those_running EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

portal_tests() {
  scripts/portal.sh check
  tests/portal/run.sh
}

if [ "$stage" = all ]; then
  header "The portal in a browser, in the background"
  beside portal portal_tests
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
  joined portal '^ℹ (tests|pass|fail|skipped) '
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

if [ "$stage" = all ]; then
  header "Schemathesis over the OpenAPI document, in the background"
  beside contract tests/contract/run.sh
elif wanted contract; then
  header "Schemathesis over the OpenAPI document"
  tests/contract/run.sh
fi

if wanted oracle; then
  header "Figures against scipy, statsmodels, pymannkendall and pandas"
  tests/oracle/run.sh
fi

if [ "$stage" = all ]; then
  header "The end of Schemathesis"
  joined contract ' generated, '
fi

if wanted sdk; then
  header "SDK tests"
  tests/sdk/run.sh
fi
