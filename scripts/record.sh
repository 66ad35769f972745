#!/usr/bin/env bash
# make record: puts the figures of the last soak and of the last long overload test into docs/RELIABILITY.md.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

for name in soak overload; do
  table="target/reports/$name.md"
  [ -s "$table" ] || fail "$table is missing: run \`make soak\` and \`make test-overload\` first"
  for marker in "<!-- $name, by scripts/record.sh -->" "<!-- end of $name -->"; do
    [ "$(grep -cxF -- "$marker" docs/RELIABILITY.md)" = 1 ] || fail "docs/RELIABILITY.md must have the line '$marker' once"
  done
  awk -v name="$name" -v table="$table" '
    $0 == "<!-- end of " name " -->" { inside = 0 }
    !inside { print }
    $0 == "<!-- " name ", by scripts/record.sh -->" { inside = 1; while ((getline line < table) > 0) print line }
  ' docs/RELIABILITY.md >target/reports/RELIABILITY.md
  cp target/reports/RELIABILITY.md docs/RELIABILITY.md
done
