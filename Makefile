# `make` without a target lists the targets.
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# Setuptools says of every editable installation that it is one, as a warning.
QUIET := ignore:Editable installation

.DEFAULT_GOAL := help
.PHONY: help install packages web web-check hooks demo serve test check fix lint types imports prose schema webhooks locale-data bench bench-live bench-analytics bench-dashboard pictures chaos soak attack audit sbom lock clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: packages ## make .venv with everything in it, and build widget and dashboard where that can be done
	@$(BIN)/python -m scripts.build_web --optional

packages: $(VENV)/.installed

web: packages ## build widget and dashboard into server/static, with Node 20.19 or newer
	$(BIN)/python -m scripts.build_web

web-check: packages ## types, style and unit tests of web/
	$(BIN)/python -m scripts.check_web

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	PYTHONWARNINGS="$(QUIET)" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

hooks: install ## install the git hooks (needs pre-commit) and the commit template
	git config commit.template .gitmessage
	pre-commit install

demo: install ## serve a sample workspace with simulated customers, and print where to look
	$(BIN)/baton demo

serve: install ## serve
	$(BIN)/baton serve

# Tests wait about as long as they compute: two more processes than cores keep the cores busy. The longest files
# begin first (tests/support/file_order.py), so that no process ends long after the others. Bytecode is kept:
# without it each of the processes would compile all modules and rewrite the assertions of all tests.
TEST_PROCESSES ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)

test: install ## run every test, with two more processes than there are cores (TEST_PROCESSES=4)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

check: lint types imports prose web-check ## ruff, mypy, import contracts, prose, and the checks of web/

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fix: install ## format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

prose: install ## check the language of docstrings, comments, messages and docs
	$(BIN)/python -m scripts.check_prose

schema: install ## print schema/schema.graphql, docs/permissions.md and schema/widget_documents.json
	$(BIN)/baton schema > schema/schema.graphql
	$(BIN)/baton schema --permissions > docs/permissions.md
	$(BIN)/python -m scripts.widget_documents > schema/widget_documents.json

webhooks: install ## print the events into docs/webhooks.md
	$(BIN)/python -m notifications.webhook.docs docs/webhooks.md

locale-data: install ## make the words of languages from Unicode CLDR
	$(BIN)/python -m scripts.make_locale_data > rules/locale_data.json

bench: install ## measure and print figures, single requests and the live part next to other servers
	$(BIN)/python -m bench
	$(BIN)/python -m bench.requests
	$(BIN)/python -m bench.writers
	$(BIN)/python -m bench.fanout

bench-live: install ## measure only the live part
	$(BIN)/python -m bench.fanout $(BENCH)

bench-analytics: install ## load two years of escalations and measure the analytics, next to plain SQL (BENCH="--scale 0.1")
	$(BIN)/python -m bench.analytics $(BENCH)

bench-dashboard: install ## measure the dashboard in Chromium
	$(BIN)/python -m bench.dashboard

pictures: install ## take the pictures of docs/pictures from the demo, with Chromium
	$(BIN)/python -m scripts.take_pictures

chaos: install ## break everything again and again, and compare what arrived with what was committed
	$(BIN)/python -m chaos $(CHAOS)

soak: install ## an hour of mixed traffic, and the slopes of memory, descriptors and connections (SOAK="--minutes 5")
	$(BIN)/python -m bench.soak $(SOAK)

attack: install ## run hostile cases against a fresh server, and measure what each costs (ATTACK="--short")
	$(BIN)/python -m attack $(ATTACK)

audit: install ## check the pinned packages against advisories
	$(BIN)/python -m scripts.audit

sbom: install ## write the bill of materials (CycloneDX) to sbom.json
	$(BIN)/python -m scripts.make_sbom sbom.json

lock: ## resolve and pin all versions again
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --extra dev --extra oidc --extra otel \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.lock pyproject.toml

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
