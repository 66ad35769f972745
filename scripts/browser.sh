#!/usr/bin/env bash
# Prints the path of the Chromium that the browser tests drive: CHROMIUM, or one that is installed, or else Debian's package.
set -euo pipefail
. "$(dirname "$0")/env.sh"

find_one() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    [ -n "$name" ] && command -v "$name" && return
  done
  return 1
}

find_one && exit
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
command -v apt-get >/dev/null || fail "the browser tests need Chromium or Chrome: install one, or set CHROMIUM to its path"
say "Installing Chromium for the browser tests"
mkdir -p "$TOOLS/logs"
{ as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } \
  >"$TOOLS/logs/chromium.log" 2>&1 || { tail -n 20 "$TOOLS/logs/chromium.log" >&2; fail "Chromium can't be installed"; }
find_one
