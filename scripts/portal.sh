#!/usr/bin/env bash
# Builds the portal into build/portal/, with the types of the API made of its OpenAPI document. Does nothing when nothing changed
# since the last build. `check` checks its types as well.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

stamp=build/.portal-stamp
log="$TOOLS/logs/portal.log"
types=portal/src/lib/schema.d.ts
mkdir -p build "$TOOLS/logs"
wanted="$(find portal public/openapi.json package-lock.json scripts/portal.sh -type f -not -path "$types" -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || [ ! -f "$types" ] || [ ! -f build/portal/index.html ]; then
  say "Building the portal"
  { openapi-typescript public/openapi.json -o "$types" && vite build portal; } >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; fail "the portal could not be built; the whole output is in $log"; }
  # What the licenses of the parts ask for: that they go along.
  for file in node_modules/{svelte/LICENSE.md,openapi-fetch/LICENSE,echarts/LICENSE,echarts/NOTICE,zrender/LICENSE}; do
    printf '%s\n\n%s\n\n\n' "${file#node_modules/}" "$(cat "$file")"
  done >build/portal/portal/licenses.txt
  echo "$wanted" >"$stamp"
fi
if [ "${1:-}" = check ]; then
  svelte-check --workspace portal --tsconfig ./tsconfig.json --threshold warning --fail-on-warnings --output human
fi
