#!/usr/bin/env bash
# make bench: limit, plain and ours in one workerd; QUICK=1 for a first look. The table goes to target/bench/bench.md, too.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"
scripts/setup.sh
. scripts/env.sh

if ! command -v wrk >/dev/null; then
  command -v apt-get >/dev/null || fail "the load generator wrk is needed: install it with your system's package manager"
  say "Installing the load generator wrk"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install -y --no-install-recommends wrk; } >"$TOOLS/logs/wrk.log" 2>&1 ||
    { tail -n 20 "$TOOLS/logs/wrk.log" >&2; fail "wrk can't be installed; the whole output is in $TOOLS/logs/wrk.log"; }
fi

# bundle FOLDER CONFIG: what would be deployed.
bundle() {
  rm -rf "$1"
  wrangler deploy --dry-run --config "$2" --outdir "$1" >"$TOOLS/logs/bundle.log" 2>&1 || { tail -n 20 "$TOOLS/logs/bundle.log" >&2; fail "the bundle can't be made"; }
}
say "Bundling the release build"
bundle "$ROOT/target/bench/bundle" wrangler.toml
bundle "$ROOT/target/bench/counted" tests/cost/wrangler.toml
BUNDLE="$ROOT/target/bench/bundle" COUNTED="$ROOT/target/bench/counted" node bench/run.mjs
