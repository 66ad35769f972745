#!/usr/bin/env bash
# make soak: what `make test` does in short form, for long. SOAK_MINUTES (20), CHAOS_SEED. The figures go to target/reports.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

scripts/build.sh
export SOAK_MINUTES="${SOAK_MINUTES:-20}" REPORT_DIR="${REPORT_DIR:-$ROOT/target/reports}"
say "Faults of all kinds for $SOAK_MINUTES minutes"
cargo test --quiet --test faults chaos:: -- --nocapture
