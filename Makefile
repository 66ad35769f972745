# Edge KPI. `make dev` runs it, `make test` tests it.
.DEFAULT_GOAL := help
.PHONY: help setup build dev demo test test-unit test-api test-oracle test-contract test-large test-portal test-sdk test-crash test-faults test-operation test-cost test-overload bench soak record fuzz fmt lint openapi deploy clean distclean

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing
	@scripts/setup.sh

build: setup ## Build the Worker and tell its size
	@scripts/build.sh

dev: ## Serve on PORT (8787), state in STATE_DIR (.state), and print the URL and a key
	@scripts/dev.sh

demo: setup ## Fill the running service with the use cases of a GenAI team
	@bash -c '. scripts/env.sh && node scripts/demo.mjs'

test: ## Everything: format, lints, unit, API, crash, fault, operation, cost, overload, oracle, contract, portal and SDK tests
	@scripts/test.sh

test-unit: ## Unit tests
	@scripts/test.sh unit

test-api: ## API tests against real workerd
	@scripts/test.sh api

test-crash: ## Ten kills of workerd in the middle of a write load
	@scripts/test.sh crash

test-faults: ## Faults of D1, resets of objects, kills, repeated requests and crons, singly and together
	@scripts/test.sh faults

test-operation: ## Aggregates that are wrong, unreadable or lost; what deletion leaves behind; limits and origins
	@scripts/test.sh operation

test-cost: ## Calls and rows that requests cost in D1 and objects, and the size of the Worker, against maxima
	@scripts/test.sh cost

fuzz: setup ## Random input for all that reads what others send, for FUZZ_MINUTES (5); not in `make test`, which tries little of it
	@scripts/fuzz.sh

bench: ## Ours beside the platform's limit and the plain design, in 8 minutes; QUICK=1 in 2. Table in target/bench/bench.md
	@scripts/bench.sh

test-overload: setup ## Five times the load that can be served, for a minute (OVERLOAD_SECONDS)
	@OVERLOAD_SECONDS="$${OVERLOAD_SECONDS:-60}" REPORT_DIR="$(CURDIR)/target/reports" scripts/test.sh overload

soak: setup ## Faults of all kinds for 20 minutes (SOAK_MINUTES); figures in target/reports
	@scripts/soak.sh

record: ## Put the figures of the last soak and overload test into docs/RELIABILITY.md
	@scripts/record.sh

test-oracle: ## Every figure against scipy, statsmodels, pymannkendall and pandas; EDGE_KPI_URL and EDGE_KPI_API_KEY as below
	@scripts/test.sh oracle

test-contract: ## Schemathesis over the whole OpenAPI document; about a minute
	@scripts/test.sh contract

test-large: build ## A million scores in and out, and an import of 10 MB; about two minutes, not in `make test`
	@TESTS=tests/large tests/oracle/run.sh -s

test-portal: ## The portal in Chromium, against a service with the demo's data; screenshots in target/screenshots
	@scripts/test.sh portal

test-sdk: ## The four published SDK packages; against EDGE_KPI_URL and EDGE_KPI_API_KEY (the root key) if set
	@scripts/test.sh sdk

fmt: ## Format the code
	@bash -c '. scripts/env.sh && cargo fmt'

openapi: ## Write public/openapi.json anew from the code
	@bash -c '. scripts/env.sh && WRITE_OPENAPI=1 cargo test --quiet --lib openapi::tests::the_published_document'

lint: ## Format check and clippy
	@scripts/test.sh lint

deploy: build ## Apply the migrations remotely and deploy; DRY_RUN=1 only checks
	@scripts/deploy.sh

clean: ## Remove what was built and the local state
	rm -rf target build .state .state-* .wrangler .venv

distclean: clean ## The same, and the installed packages and tools
	rm -rf node_modules "$${EDGE_KPI_TOOLS:-$${XDG_CACHE_HOME:-$$HOME/.cache}/edge-kpi}"
