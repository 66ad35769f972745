#!/usr/bin/env bash
# make dev: sets up, builds, applies the migrations and serves, with a key to use.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

export PORT="${PORT:-8787}" STATE_DIR="${STATE_DIR:-$ROOT/.state}"
scripts/setup.sh
. scripts/env.sh
scripts/build.sh

mkdir -p "$STATE_DIR"
key_file="$STATE_DIR/root_api_key"
if [ -z "${ROOT_API_KEY:-}" ]; then
  [ -s "$key_file" ] || (umask 077 && printf 'ekpi_dev_%s' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$key_file")
  ROOT_API_KEY="$(cat "$key_file")"
else
  (umask 077 && printf '%s' "$ROOT_API_KEY" >"$key_file")
fi
export ROOT_API_KEY

say "Starting the service on port $PORT, with its state in $STATE_DIR"
scripts/serve.sh > >(
  while read -r line; do
    [[ "$line" == READY* ]] || continue
    cat <<TXT

  Edge KPI is ready.

    Portal   http://127.0.0.1:$PORT   (sign in with the key)
    API key  $ROOT_API_KEY

    curl -H "xProxy-api-key: $ROOT_API_KEY" http://127.0.0.1:$PORT/api/v1/dashboard

  Its log: $STATE_DIR/wrangler.log. Ctrl-C stops it.

TXT
  done
) &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
wait "$server"
