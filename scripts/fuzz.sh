#!/usr/bin/env bash
# make fuzz: everything that reads what others send or what was stored, with new random input for FUZZ_MINUTES. What fails is
# kept in proptest-regressions/, and tried first from then on.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

minutes="${FUZZ_MINUTES:-5}"
# A round of some 2,000 random inputs a property takes half a minute.
cases="${FUZZ_CASES:-2000}"
# api::fuzz: bodies, fields, tables, paths, queries, cursors, the objects' replies. The rest: JSON, windows, stored formats.
properties=(api::fuzz api::json api::analysis domain::day domain::tally domain::segments)

cargo test --quiet --lib --no-run
end=$((SECONDS + minutes * 60))
rounds=0
while [ "$SECONDS" -lt "$end" ]; do
  PROPTEST_CASES="$cases" cargo test --quiet --lib -- "${properties[@]}"
  rounds=$((rounds + 1))
done
say "Fuzzed for $minutes minutes: $rounds rounds of $cases inputs for each property"
