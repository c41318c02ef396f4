PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
# Side by side, a file's tests together; one thread for models in each of both workers.
PARALLEL ?= -n 2 --dist loadfile
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run install test check format docs mutants

run: $(STAMP)  ## ingest the examples and start the service
	@exec $(BIN)/countersign serve --ingest examples/documents

install: $(STAMP)  ## create the virtual environment with pinned dependencies

test: $(TEST_STAMP)  ## every test: unit, integration on SQLite and PostgreSQL, browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

check: $(TEST_STAMP)  ## format, lint, types, import contracts, docs, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

mutants: $(TEST_STAMP)  ## do the tests notice changes in policy and gate? on demand, about 15 minutes
	$(PIP) install --constraint constraints.txt mutmut==3.8.1
	$(BIN)/mutmut run

format: $(TEST_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## regenerate docs/settings.md
	$(BIN)/python -m cli.settings_page > docs/settings.md

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
