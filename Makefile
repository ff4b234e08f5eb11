# Two commands do everything: `make synth` and `make test`. Both need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
DEPLOYMENT ?= deployment.yaml

.PHONY: help synth test cloud tempest soak check lint types schema schemas lock bench bench-failover clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

synth: $(VENV)/.ready ## Write dist/ from deployment.yaml (DEPLOYMENT=path for another)
	@$(BIN)/python main.py $(DEPLOYMENT)

test: $(VENV)/.ready-dev ## Run the tests
	@$(BIN)/python -m pytest -n auto -q -rR

cloud: $(VENV)/.ready-dev ## Boot all services together from their manifests, and use them: a quarter of an hour
	@$(BIN)/python -m pytest -q -rR -m cloud tests/real/test_boot.py

tempest: $(VENV)/.ready-dev ## Boot identity, images, network, volumes and compute from their manifests, and run Tempest there
	@$(BIN)/python -m pytest -q -rR -s -m soak -k "a_service and tempest" tests/real/test_boot.py

soak: $(VENV)/.ready-dev ## Strike a real database with every fault, then at random (SOAK_SECONDS=600, SOAK_SEED=n)
	@$(BIN)/python -m pytest -q -m "soak or not soak" tests/real/test_galera*.py tests/real/test_mariadb_backup.py tests/real/test_mariadb_restore.py tests/real/test_failover.py tests/real/test_soak.py

check: lint types test ## Everything that a change must pass

lint: $(VENV)/.ready-dev ## Style and import floors
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache

types: $(VENV)/.ready-dev ## Types
	@$(BIN)/mypy

schemas: $(VENV)/.ready-dev ## Renew what the services can be told, from their published packages: minutes
	@$(BIN)/python -m scripts.option_schemas

schema: $(VENV)/.ready ## Renew the generated files under docs/
	@$(BIN)/stackloom schema --output docs/deployment.schema.json
	@$(BIN)/stackloom reference --output docs/reference.md

bench: $(VENV)/.ready-dev ## Measure a synth against an empty cdk8s app, and what the check of options takes of it
	@$(BIN)/python benchmarks/synth.py && $(BIN)/python benchmarks/options.py

bench-failover: $(VENV)/.ready-dev ## Measure how long a database takes no writes after a fault; a quarter of an hour
	@$(BIN)/python benchmarks/failover.py

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade

lock: $(VENV)/.ready-dev ## Renew the locked dependencies
	@cd requirements && PATH=../$(BIN):$$PATH && $(LOCK) ../pyproject.toml run.in -o run.lock && $(LOCK) node.in -o node.lock && $(LOCK) dev.in -o dev.lock

clean: ## Remove what the other targets made, but for dist/
	rm -rf $(VENV) node_modules build .cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stackloom needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)

# cdk8s runs on Node.js. Where no supported one is on PATH, one comes from PyPI, into the environment.
$(VENV)/.ready: requirements/run.lock requirements/node.lock pyproject.toml | $(BIN)/python
	@$(PIP) --require-hashes -r requirements/run.lock
	@node -e 'process.exit(parseInt(process.versions.node) < 22)' 2>/dev/null || $(PIP) --require-hashes -r requirements/node.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements/dev.lock $(VENV)/.ready
	@$(PIP) --require-hashes -r requirements/dev.lock
	@touch $@
