#!/usr/bin/env bash
# The portal in a real browser, against a service of its own with the demo's data. Further arguments go to `node --test`.
# Screenshots of every page are left in target/screenshots.
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"
cd "$ROOT"
. scripts/service.sh

CHROMIUM="$(scripts/browser.sh)"
export CHROMIUM EDGE_KPI_ASSETS="$ROOT/build/portal"
start_service
export EDGE_KPI_DEMO="$EDGE_KPI_STATE_DIR/demo.json"
node scripts/demo.mjs --json "$EDGE_KPI_DEMO" >"$EDGE_KPI_STATE_DIR/demo.out"
node --test --test-concurrency=1 --test-reporter=spec "$@" tests/portal/*.test.mjs ||
  { tail -n 20 "$EDGE_KPI_STATE_DIR/wrangler.log" >&2; exit 1; }
