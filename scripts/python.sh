# Sourced by scripts whose tests are in Python. Needs env.sh.
# shellcheck shell=bash

# environment FOLDER WHAT REQUIREMENT…: makes a virtual environment with these packages, or those that files list, unless it is what
# it should be.
environment() {
  local folder="$1" what="$2" log stamp requirement arguments=()
  shift 2
  log="$folder.log"
  for requirement in "$@"; do
    if [ -f "$requirement" ]; then arguments+=(-r "$requirement"); else arguments+=("$requirement"); fi
  done
  stamp="$({
    for requirement in "$@"; do cat "$requirement" 2>/dev/null || echo "$requirement"; done
    python3 --version
  } | sha256sum)"
  [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$stamp" ] && return
  say "Installing $what"
  rm -rf "$folder"
  mkdir -p "$(dirname "$folder")"
  if ! { python3 -m venv "$folder" && "$folder/bin/pip" install --disable-pip-version-check "${arguments[@]}"; } >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    fail "$what could not be installed; the whole output is in $log"
  fi
  # Last: an installation that was interrupted is made anew.
  echo "$stamp" >"$folder/.stamp"
}
