# Sourced by the other scripts: where the tools are. Nothing here installs anything.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TOOLS="${EDGE_KPI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/edge-kpi}"
WORKER_BUILD_VERSION=0.8.7
# The toolchain that the Debian way (see setup.sh) links to the packaged compiler.
LINKED_TOOLCHAIN=edge-kpi-debian
LLD_VERSION=22

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

export WRANGLER_SEND_METRICS=false
export CI="${CI:-}"
# wrangler needs Node 22; the npm package node has it, whatever the machine has.
export PATH="$ROOT/node_modules/.bin:$TOOLS/bin:$PATH"

# The tools that worker-build would download are npm packages here.
export ESBUILD_BIN="$ROOT/node_modules/.bin/esbuild"
export WASM_OPT_BIN="$ROOT/node_modules/.bin/wasm-opt"

has_wasm_target() {
  local directory
  directory="$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" || return 1
  compgen -G "$directory/libcore-*.rlib" >/dev/null && compgen -G "$directory/libstd-*.rlib" >/dev/null
}

# One compiler for everything, native code too: the ordinary one if it can build WebAssembly, else the linked one.
if ! has_wasm_target && rustup toolchain list 2>/dev/null | grep -q "^$LINKED_TOOLCHAIN"; then
  export RUSTUP_TOOLCHAIN="$LINKED_TOOLCHAIN"
fi
if [ "${RUSTUP_TOOLCHAIN:-}" = "$LINKED_TOOLCHAIN" ]; then
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="wasm-ld-$LLD_VERSION"
fi

wasm_bindgen_version() {
  awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' "$ROOT/Cargo.lock"
}
# Without it worker-build downloads its own.
if [ -x "$TOOLS/wasm-bindgen-$(wasm_bindgen_version)/bin/wasm-bindgen" ]; then
  WASM_BINDGEN_BIN="$TOOLS/wasm-bindgen-$(wasm_bindgen_version)/bin/wasm-bindgen"
  export WASM_BINDGEN_BIN
fi
WORKER_BUILD="$TOOLS/worker-build-$WORKER_BUILD_VERSION/bin/worker-build"
