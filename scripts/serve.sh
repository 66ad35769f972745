#!/usr/bin/env bash
# Serves a build that exists: applies the migrations, runs `wrangler dev`, and ends everything it started when it ends.
# PORT, STATE_DIR and ROOT_API_KEY must be set; CONFIG may name another wrangler.toml. wrangler's output goes to STATE_DIR/wrangler.log.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

# Else the health check below would be answered by whatever listens there.
if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
  fail "port $PORT is in use: end what listens there, or set PORT to another"
fi

mkdir -p "$STATE_DIR"
STATE_DIR="$(cd "$STATE_DIR" && pwd)"
# In a file, not on the command line: a process list must not show the key.
(umask 077 && printf 'ROOT_API_KEY=%s\n' "$ROOT_API_KEY" >"$STATE_DIR/vars.env")

CONFIG="${CONFIG:-$ROOT/wrangler.toml}"
if ! wrangler d1 migrations apply DB --config "$CONFIG" --local --persist-to "$STATE_DIR" </dev/null >"$STATE_DIR/migrations.log" 2>&1; then
  tail -n 20 "$STATE_DIR/migrations.log" >&2
  fail "the migrations could not be applied"
fi

# A process group of its own: ending the group ends wrangler and every workerd that it started.
set -m
wrangler dev --config "$CONFIG" --port "$PORT" --ip 127.0.0.1 --inspector-port 0 --persist-to "$STATE_DIR" --env-file "$STATE_DIR/vars.env" \
  --test-scheduled --show-interactive-dev-session=false </dev/null >"$STATE_DIR/wrangler.log" 2>&1 &
server=$!
set +m
trap 'kill -TERM -- "-$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for _ in $(seq 240); do
  if curl -sf -m 2 "http://127.0.0.1:$PORT/health" >/dev/null; then
    printf 'READY http://127.0.0.1:%s\n' "$PORT"
    wait "$server"
    exit
  fi
  kill -0 "$server" 2>/dev/null || break
  sleep 0.25
done
tail -n 30 "$STATE_DIR/wrangler.log" >&2
fail "the service did not start; the whole output is in $STATE_DIR/wrangler.log"
