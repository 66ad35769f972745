#!/usr/bin/env bash
# make deploy: migrations first, so that the new code finds what it needs. DRY_RUN=1 bundles and checks, and sends nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

if [ -n "${DRY_RUN:-}" ]; then
  say "Checking the deployment (nothing is sent)"
  exec wrangler deploy --dry-run --outdir build/deploy
fi
say "Applying the migrations to the remote database"
wrangler d1 migrations apply DB --remote
say "Deploying"
wrangler deploy
