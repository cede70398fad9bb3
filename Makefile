# Everything is run from here; `make help` lists it. Needs Python 3.11, git and make, nothing else
# (test-kafka also needs Java 17 and Maven, the browser tests Debian's chromium).

VENV ?= .venv
DATA ?= .dunning
ARGS ?=
PYTEST_ARGS ?=
# The first Python that is new enough; another one: make setup PYTHON=/path/to/python3.11
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done || true)

PY := $(VENV)/bin/python
COMPILED := build/compiled
# Paths are relative everywhere, so that the checkout may lie in a folder with spaces. The stamps carry
# the folder's checksum: a checkout that was moved installs itself again.
HERE := $(shell pwd | cksum | cut -d' ' -f1)
RUNTIME := $(VENV)/.runtime-$(HERE)
DEV := $(VENV)/.dev-$(HERE)
OWN := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml)
INSTALL = $(if $(PYTHON),"$(PYTHON)",python3) deploy/standalone/install.py --venv "$(VENV)"
PACKAGES := libs/common/src services/invoice-ingest/src services/dunning-engine/src \
	services/notifier/src services/kpi/src deploy/standalone/src

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run check format test test-compiled compiled model test-kafka faults e2e bench lock events-docs policy-docs \
	docker-secrets clean

help: ## Say what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | \
		awk 'BEGIN {FS = ":.*## "} {printf "  make %-15s %s\n", $$1, $$2}'

run: $(RUNTIME) ## Start the whole platform on this machine (DATA=folder, ARGS="...")
	@"$(PY)" -m standalone.cli.main up --data "$(DATA)" $(ARGS)

setup: $(RUNTIME) ## Make .venv with everything that running needs

setup-dev: $(DEV) ## Make .venv with everything that testing needs as well

$(RUNTIME): requirements.lock requirements-tools.lock deploy/standalone/install.py $(OWN)
	@$(INSTALL) --lock requirements.lock
	@touch "$@"

$(DEV): requirements-dev.lock requirements-tools.lock deploy/standalone/install.py $(OWN)
	@$(INSTALL) --lock requirements-dev.lock
	@touch "$@" "$(RUNTIME)"

check: $(DEV) ## Format, lint, types, import rules, unit and architecture tests
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m ruff check .
	@"$(PY)" -m mypy $(PACKAGES)
	@"$(PY)" -m pytest -q -n 2 tests/unit tests/architecture $(PYTEST_ARGS)

format: $(DEV) ## Put the code into its format
	@"$(PY)" -m ruff format .
	@"$(PY)" -m ruff check --fix-only -q .

test: $(DEV) ## All tests that need nothing but the wheels
	@"$(PY)" -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not benchmark and not slow" tests $(PYTEST_ARGS)

compiled: $(DEV) ## The engine's core as machine code, in build/compiled (needs a C compiler)
	@rm -rf "$(COMPILED)" && mkdir -p "$(COMPILED)"
	@cp -r libs/common/src/dunning_common services/dunning-engine/src/dunning_engine "$(COMPILED)"
	@"$(PY)" deploy/compile_core.py "$(COMPILED)"

test-compiled: compiled ## The tests of the engine's core again, on the compiled one
	@PYTHONPATH="$(COMPILED)" DUNNING_COMPILED=1 "$(PY)" -m pytest -q -n 2 \
		tests/unit/dunning_engine tests/simulation tests/integration/dunning_engine $(PYTEST_ARGS)

model: $(DEV) ## 10,000 random histories against a slow model of the rules (some minutes)
	@DUNNING_MODEL_RUNS=$(or $(RUNS),10000) "$(PY)" -m pytest -q --timeout 7200 \
		tests/unit/dunning_engine/test_model_of_decisions.py $(PYTEST_ARGS)

test-kafka: $(DEV) ## Integration, end-to-end and fault tests again, on Apache Kafka (needs Java 17 and Maven)
	@"$(PY)" -m standalone.embedded.kafka run -- \
		"$(PY)" -m pytest -m "not benchmark and not slow" tests/integration tests/e2e tests/faults $(PYTEST_ARGS)

faults: $(DEV) ## Kill, pause, lie and pay in between for a long while (docs/reliability.md; ARGS="--kills 300")
	@"$(PY)" -m tests.faults $(ARGS)

e2e: $(DEV) ## End-to-end tests only, with the slow ones
	@"$(PY)" -m pytest -m "not benchmark" tests/e2e $(PYTEST_ARGS)

bench: ## Measure, each figure beside its limit, as JSON lines (docs/performance.md)
	@$(MAKE) --no-print-directory compiled >&2
	@DUNNING_COMPILED_CORE="$(CURDIR)/$(COMPILED)" "$(PY)" -m tests.benchmarks $(PYTEST_ARGS)

lock: $(DEV) ## Write the lock files again from requirements*.in (UPGRADE=--upgrade for new versions)
	@for name in requirements requirements-dev requirements-tools requirements-compile; do \
		echo "$$name.lock"; \
		"$(PY)" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE) \
			$$(test $$name = requirements-dev && echo "-c requirements.lock") \
			"$$name.in" -o "$$name.lock" >/dev/null || exit 1; \
	done
	@! grep -nE 'https?://|--index|--find-links|--extra-index' requirements*.lock

events-docs: $(DEV) ## Write docs/events.md and the AsyncAPI document from the event models
	@"$(PY)" -m dunning_common.events.catalogue docs/

policy-docs: $(DEV) ## Write docs/policies.md from the shipped policies, the law and the rates
	@"$(PY)" -m dunning_engine.entrypoints.policy_catalogue docs/

docker-secrets: $(RUNTIME) ## Make the keys and passwords that docker-compose.yml asks for
	@"$(PY)" -m standalone.docker_secrets deploy/docker/secrets .env

clean: ## Remove the virtual environment and caches (the platform's data stay: rm -r .dunning)
	@rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
