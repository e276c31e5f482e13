# Fallout: everything a person or a pipeline runs. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test faults bench bench-desk bench-recovery lint sqlx sqlx-check engines

ARGS ?=

help: ## this table
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (JDK 17, Maven, PostgreSQL 15, make) and build the engine host
	@scripts/setup.sh camunda

engines: ## as setup, and the host of Operaton and a Kafka broker too
	@scripts/setup.sh camunda operaton
	@scripts/kafka.sh

demo: setup ## run 100 orders end to end; more with ARGS="--keep --kafka --engine operaton --orders FILE"
	@case "$(ARGS)" in *--kafka*) scripts/kafka.sh ;; esac
	@cargo build -p fallout
	@cargo run -q -p fallout -- demo $(ARGS)

test: engines ## run the whole suite on the real engines and a real Postgres
	cargo test --workspace --no-fail-fast
	FALLOUT_TEST_ENGINE=operaton cargo test -p fallout-tests --test suite

faults: engines ## the whole fault matrix, half an hour or so; parts with ARGS="--part stalls --engine operaton"
	@cargo build -q -p fallout-tests --bin fallout-faults
	@cargo run -q -p fallout-tests --bin fallout-faults -- $(ARGS)

bench: setup ## what the ledger costs, in ratios taken in one run; ARGS="--pairs 3", or ARGS="--soak 100000" for its memory
	@cargo bench -q -p fallout-tests --bench throughput -- $(ARGS)

bench-desk: setup ## what a signal costs at the desk, a storm of them, and worklists over a million cases; ARGS="--pairs 3 --cases 0"
	@cargo bench -q -p fallout-tests --bench desk -- $(ARGS)

bench-recovery: setup ## how soon a recovery is dispatched, and 10,000 at once against the engine's rate; ARGS="--pairs 5 --cases 1000"
	@cargo bench -q -p fallout-tests --bench recovery -- $(ARGS)

lint: ## formatting and clippy, as the pipeline checks them
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

sqlx: ## regenerate workers/store/.sqlx after a change of a query or a migration
	@scripts/sqlx.sh

sqlx-check: ## fail when workers/store/.sqlx is not what the queries need
	@scripts/sqlx.sh --check
