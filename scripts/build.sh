#!/usr/bin/env bash
# Builds the Worker into build/ and tells its size. Does nothing when nothing changed since the last build.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

stamp=build/.stamp
log="$TOOLS/logs/build.log"
wanted="$(find src Cargo.toml Cargo.lock -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "Building the Worker (a few minutes the first time)"
  "$WORKER_BUILD" --release >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "the build failed; the whole output is in $log"; }
  echo "$wanted" >"$stamp"
fi
raw=$(stat -c %s build/index_bg.wasm)
zipped=$(gzip -9 -c build/index_bg.wasm | wc -c)
printf 'wasm: %d KB, gzipped %d KB\n' $((raw / 1024)) $((zipped / 1024)) >&2
