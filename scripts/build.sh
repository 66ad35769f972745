#!/usr/bin/env bash
# Builds the Worker and its static files into build/, and tells the Worker's size. Does nothing when nothing changed since the last build.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

stamp=build/.stamp
log="$TOOLS/logs/build.log"
# src/api/openapi is of the tests only.
wanted="$(find src build.rs scripts/build.sh Cargo.toml Cargo.lock -type f -not -path "src/api/openapi/*" -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "Building the Worker (a few minutes the first time)"
  "$WORKER_BUILD" --release >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "the build failed; the whole output is in $log"; }
  # What counts is the size compressed. Inlining would make the code shorter, but less alike, and add a sixth; functions of one
  # name side by side compress better. Their names are dropped: a panic says its file and line.
  "$WASM_OPT_BIN" build/index_bg.wasm -o build/index_bg.wasm -Os --enable-exception-handling \
    --always-inline-max-function-size=0 --one-caller-inline-max-function-size=0 --flexible-inline-max-function-size=0 \
    --reorder-functions-by-name --strip-debug --strip-producers >>"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; fail "wasm-opt failed; the whole output is in $log"; }
  echo "$wanted" >"$stamp"
fi

# The static files: public/, the portal, and of the viewer's package what the page needs.
viewer=node_modules/swagger-ui-dist
portal=()
if [ -d portal ]; then
  scripts/portal.sh
  portal=(build/portal)
fi
assets="$(find public "$viewer/package.json" "${portal[@]}" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
if [ "$(cat build/.assets-stamp 2>/dev/null)" != "$assets" ] || [ ! -d build/assets ]; then
  rm -rf build/assets
  mkdir -p build/assets
  cp -r public/. build/assets/
  if [ -n "${portal[*]}" ]; then
    cp build/portal/index.html build/assets/
    cp -r build/portal/portal build/assets/
  fi
  cp "$viewer"/{swagger-ui.css,swagger-ui-bundle.js,favicon-32x32.png} build/assets/docs/
  cp "$viewer/swagger-ui-bundle.js.LICENSE.txt" build/assets/docs/swagger-ui-bundle.js.LICENSE.txt
  cp "$viewer/LICENSE" build/assets/docs/LICENSE.txt
  echo "$assets" >build/.assets-stamp
fi

raw=$(stat -c %s build/index_bg.wasm)
zipped=$(gzip -9 -c build/index_bg.wasm | wc -c)
printf 'wasm: %d KB, gzipped %d KB\n' $((raw / 1024)) $((zipped / 1024)) >&2
