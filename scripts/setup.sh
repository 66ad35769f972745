#!/usr/bin/env bash
# Installs what is missing to build and run, and nothing else. Safe to run again; quick when all is there.
#
# The ordinary way: rustup adds the WebAssembly target, and worker-build downloads its own wasm-bindgen. Where those can't be
# reached: Debian's packaged compiler with a standard library built from its packaged source, and wasm-bindgen from its crate.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"
mkdir -p "$TOOLS/logs"

# Runs a command with its output in a log; shows the end of it if the command fails.
logged() {
  local log="$TOOLS/logs/$1.log"
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    fail "'$*' failed; the whole output is in $log"
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

node_packages() {
  local stamp=node_modules/.edge-kpi-stamp
  local wanted
  wanted="$(cat package.json package-lock.json | sha256sum)"
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  command -v npm >/dev/null || fail "npm is needed: install Node.js"
  say "Installing Node packages (wrangler, Node 22, esbuild, wasm-opt)"
  logged npm npm ci --no-fund --no-audit
  echo "$wanted" >"$stamp"
}

wasm_target() {
  command -v rustup >/dev/null || fail "rustup is needed: see https://rustup.rs"
  has_wasm_target && return
  say "Adding the WebAssembly target to Rust"
  if timeout 120 rustup target add wasm32-unknown-unknown >"$TOOLS/logs/target.log" 2>&1 && has_wasm_target; then
    return
  fi
  say "rustup can't download it; using Debian's Rust packages instead"
  command -v apt-get >/dev/null || { tail -n 5 "$TOOLS/logs/target.log" >&2; fail "the target can't be added, and this is no Debian system"; }
  logged apt-update as_root apt-get update
  logged apt as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web "lld-$LLD_VERSION"
  logged link rustup toolchain link "$LINKED_TOOLCHAIN" /usr
  export RUSTUP_TOOLCHAIN="$LINKED_TOOLCHAIN" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="wasm-ld-$LLD_VERSION"
  has_wasm_target || build_standard_library
}

build_standard_library() {
  say "Building Rust's standard library for WebAssembly (about 2 minutes, once)"
  local work directory
  work="$(mktemp -d)"
  (cd "$work" && cargo init --quiet --lib --name seed .)
  logged std env RUSTC_BOOTSTRAP=1 cargo build --release --manifest-path "$work/Cargo.toml" \
    --target-dir "$work/target" -Z build-std=std,panic_abort --target wasm32-unknown-unknown
  directory="$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib"
  rm -f "$work"/target/wasm32-unknown-unknown/release/deps/libseed-*
  as_root mkdir -p "$directory"
  as_root cp "$work"/target/wasm32-unknown-unknown/release/deps/*.rlib "$directory/"
  rm -rf "$work"
}

# cargo_tool NAME VERSION MINUTES [OPTION…]: a program of a crate, in a folder of its own, so that versions live side by side.
cargo_tool() {
  local name="$1" crate="$2" version="$3" minutes="$4"
  shift 4
  local home="$TOOLS/$name-$version"
  [ -x "$home/bin/$name" ] && return
  say "Building $name $version (about $minutes minutes, once)"
  logged "$name" cargo install "$crate" --version "$version" --root "$home" "$@"
}

# Whether worker-build will get wasm-bindgen by itself. Asked once; what was found out is kept.
downloads_wasm_bindgen() {
  local version note
  version="$(wasm_bindgen_version)"
  note="$TOOLS/wasm-bindgen-$version.downloads"
  [ -e "$note" ] && return
  curl -sfIL -m 20 -o /dev/null \
    "https://github.com/wasm-bindgen/wasm-bindgen/releases/download/$version/wasm-bindgen-$version-x86_64-unknown-linux-musl.tar.gz" || return 1
  touch "$note"
}

node_packages
wasm_target
cargo_tool worker-build worker-build "$WORKER_BUILD_VERSION" 6 --locked
if [ ! -x "$TOOLS/wasm-bindgen-$(wasm_bindgen_version)/bin/wasm-bindgen" ] && ! downloads_wasm_bindgen; then
  # Not --locked: the lock file of this version names a dependency that is gone.
  cargo_tool wasm-bindgen wasm-bindgen-cli "$(wasm_bindgen_version)" 4
fi
