#!/usr/bin/env bash
# make deploy: migrations first, so that the new code finds what it needs. DRY_RUN=1 bundles and checks, and sends nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

if [ -n "${DRY_RUN:-}" ]; then
  say "Checking the deployment (nothing is sent)"
  exec wrangler deploy --dry-run --outdir build/deploy
fi
if grep -q '^database_id = "00000000-0000-0000-0000-000000000000"' wrangler.toml; then
  fail "wrangler.toml has no database yet: run 'npx wrangler d1 create edge-kpi' and put the database_id that it prints there"
fi
say "Applying the migrations to the remote database"
wrangler d1 migrations apply DB --remote
say "Deploying"
wrangler deploy
if ! wrangler secret list | grep -q ROOT_API_KEY; then
  say "No root key is set, so every request is refused: run 'npx wrangler secret put ROOT_API_KEY'"
fi
