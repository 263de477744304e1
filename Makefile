# Plumbline. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/schemas libs/domain libs/connectors libs/runtime libs/simulators deploy/local \
	services/ingest-webhooks services/matcher services/writeback services/reconciler services/console
ARGS ?=
N ?= 1
CASE ?=
JOBS ?= 2
MINUTES ?= 30
SEED ?= 1
RATE ?= 100
# Tests beside each other, each with its own Kafka and PostgreSQL; 0: all in one process, as for tests
# that are named, which one wants to see.
WORKERS ?= $(if $(ARGS),0,2)

# Containers often set it: then every start of a service compiles again all that it imports, which
# is half of the time that a start takes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up test unit monitoring lint format schemas dashboard bench chaos mrr-mutants histories storm soak lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1|\2/' | column -t -s '|'

setup: $(VENV)/.ready ## Build .venv with every pinned dependency and the packages of this checkout

$(VENV)/.ready: requirements/bootstrap.txt requirements/dev.txt $(PACKAGES:%=%/pyproject.toml)
	@echo "setup: building $(VENV) (first time: about a minute and 350 MB of downloads)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(PACKAGES:%=-e ./%)
	@touch $@

demo: setup ## Start everything with seeded simulators and play a story (ARGS=--exit leaves at the end)
	@$(BIN)/plumbline demo $(ARGS)

up: setup ## Run Plumbline with plumbline.toml (ARGS="--config other.toml")
	@$(BIN)/plumbline up $(ARGS)

test: setup ## Every test, on a real Kafka and PostgreSQL (two workers; WORKERS=0: one process)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

unit: setup ## Only the tests that need no server (under a minute)
	@$(BIN)/python -m pytest -m "not server and not prometheus" $(ARGS)

monitoring: setup ## Alert rules, dashboard and a real Prometheus (needs prometheus and promtool)
	@command -v promtool >/dev/null && command -v prometheus >/dev/null || \
		{ echo "monitoring: install prometheus, which brings promtool (Debian: apt-get install prometheus)"; exit 1; }
	@promtool check rules deploy/prometheus/rules/*.yml
	@promtool test rules deploy/prometheus/tests/*.yml
	@$(BIN)/python -m pytest -m prometheus $(ARGS)

lint: setup ## Formatting, style, types, import directions, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m plumbline_schemas.generate --check
	@$(BIN)/python deploy/grafana/generate.py --check

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schemas: setup ## Regenerate the JSON Schemas from the models
	@$(BIN)/python -m plumbline_schemas.generate

dashboard: setup ## Regenerate the Grafana dashboard from its data
	@$(BIN)/python deploy/grafana/generate.py

bench: setup ## Latency and throughput, printed as a table and JSON
	@$(BIN)/python -m bench $(ARGS)

chaos: setup ## Every fault case N times in a row, invariants printed (N=20 CASE=name JOBS=2)
	@$(BIN)/python -m tests.chaos -n $(N) --jobs $(JOBS) $(CASE:%=--case %) $(ARGS)

mrr-mutants: setup ## Break each switch and rule of MRR in turn: some case must notice (ARGS=--rows names them)
	@$(BIN)/python -m tests.mrr.mutants $(ARGS)

histories: setup ## Histories of simulated accounts in any order against the truth (N=10000 SEED=1)
	@$(BIN)/python -m tests.histories -n $(N) --seed $(SEED) $(ARGS)

storm: setup ## 5,000 customers arrive twice while matchers are killed: an account for each organisation, three seeds
	@PLUMBLINE_STORM_ORGANISATIONS=1000 $(BIN)/python -m pytest -s services/matcher/tests/test_identity_storm.py \
		-k processes $(ARGS)

soak: setup ## A random choice of the faults under load (MINUTES=30 SEED=1 RATE=100)
	@$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) --seed $(SEED) --rate $(RATE) $(ARGS)

lock: ## Compile requirements/*.in to hashed requirements/*.txt
	@for f in bootstrap runtime local dev; do $(BIN)/uv pip compile -q --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header requirements/$$f.in -o requirements/$$f.txt; done

clean: ## Remove the virtual environment, local data and caches
	rm -rf $(VENV) .plumbline .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
