PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
DOCS_STAMP := $(VENV)/.installed-docs
# One thread for models in each worker. Whatever the machine says, modules are compiled
# once and kept: many tests start processes.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
# Side by side, a file's tests together and all that need a browser (`tests/conftest.py`); one
# worker more than a small machine has cores, since each waits for a browser, a process or a
# database for a part of its time. In the order of the folders: e2e and the slow files of
# integration first, so that no worker is left with one of them at the end.
PARALLEL ?= -n 3 --dist loadfile --no-loadscope-reorder
NODE_STAMP := node_modules/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run install test check check-again check-types check-style check-pages format docs site mutants simulate

run: $(STAMP)  ## ingest the examples and start the service
	@exec $(BIN)/countersign serve --ingest examples/documents

install: $(STAMP)  ## create the virtual environment with pinned dependencies

test: $(TEST_STAMP)  ## every test: unit, integration on SQLite and PostgreSQL, browser
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest $(PARALLEL)

check: $(TEST_STAMP)  ## format, lint, types, import contracts, docs, pages, tests
	@$(MAKE) --no-print-directory --jobs=2 check-types check-style check-pages
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest $(PARALLEL)

# A shared machine holds up a process for seconds now and then. A real fault fails twice.
check-again: $(TEST_STAMP)  ## after `make check`: the rest of it, and the tests that failed, one by one
	@$(MAKE) --no-print-directory check-types check-style check-pages
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest --last-failed

check-types: $(TEST_STAMP)
	$(BIN)/mypy

check-style: $(TEST_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

# The service never needs Node.js; only the checks of its pages do.
check-pages:  ## review_ui: format, lint, types, and the tests of the modules without a page
	@if command -v npm >/dev/null; then \
	    $(MAKE) --no-print-directory $(NODE_STAMP) && npm run --silent check; \
	elif [ -n "$$COUNTERSIGN_REQUIRE_NODE" ]; then \
	    echo "npm WAS NOT FOUND: review_ui cannot be checked." >&2; exit 1; \
	else \
	    echo "npm WAS NOT FOUND: review_ui was not checked. Install Node.js 20 or later."; \
	fi

SEEDS ?= 2000
simulate: $(TEST_STAMP)  ## random days with kills and faults: SEEDS of them, or SEED=n again, step by step
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

mutants: $(TEST_STAMP)  ## do the tests notice changes in policy and gate? on demand, about 15 minutes
	$(PIP) install --constraint constraints.txt mutmut==3.8.1
	$(BIN)/mutmut run

format: $(TEST_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	@if command -v npm >/dev/null; then $(MAKE) $(NODE_STAMP) && npm run --silent format; fi

docs: $(STAMP)  ## regenerate docs/settings.md
	$(BIN)/python -m cli.settings_page > docs/settings.md

site: $(DOCS_STAMP)  ## docs/ as a site in site/; a link that leads nowhere fails it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# torch first and alone: asked for by its exact version it comes with what the machine offers,
# and nothing installed after it can ask for another build.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt torch==2.13.0
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(TEST_STAMP): $(STAMP)
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@

$(DOCS_STAMP): $(STAMP)
	$(PIP) install --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(NODE_STAMP): package.json package-lock.json
	npm ci --silent
	@touch $@
