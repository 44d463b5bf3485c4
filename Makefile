# Every target sets up what it needs in .venv; nothing has to be installed by hand but Python 3.11 or newer.

PYTHON ?= python3
DEMO ?= 1
ROUNDS ?= 20
MINUTES ?= 10
EXAMPLES ?= 5000
SEED ?=
NAME ?= requests
INFOBIP ?=
ARGS ?=
TABLES ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help serve test check kill soak hostile conformance bench docs specs codes clean

help:
	@echo "make serve        start the server with demo traffic (without: make serve DEMO=)"
	@echo "make test         run the tests"
	@echo "make check        rules, types, floors, fresh documents"
	@echo "make kill         kill a busy server again and again, and see that nothing is lost"
	@echo "make soak         let a server take facts in and forget them for MINUTES, and see that nothing grows"
	@echo "make conformance  run Microsoft's own live tests against a server, and export logs to Azurite"
	@echo "make hostile      send many more malformed requests than the tests do"
	@echo "make bench        measure a claim beside its peers: make bench NAME=requests (or ingest, query, vendors)"
	@echo "make docs         write the generated parts of the documents anew"
	@echo "make specs        hold our description of a vendor's API against the vendor's: make specs INFOBIP=file.json"
	@echo "make codes        hold the codes against copies of the vendors' tables: make codes TABLES=folder"
	@echo "make clean        remove what the targets made, but no data"

serve: $(VENV)/.served
	@exec $(BIN)/trunkline serve $(if $(DEMO),--demo) $(ARGS)

test: $(VENV)/.tested
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.checked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.docs --check

kill: $(VENV)/.tested
	@ROUNDS=$(ROUNDS) SEED=$(SEED) $(BIN)/python -m pytest -n 0 -m kill --timeout 0 --capture=no tests/crash tests/telemetry $(ARGS)

soak: $(VENV)/.tested
	@MINUTES=$(MINUTES) $(BIN)/python -m pytest -n 0 -m soak --timeout 0 --capture=no tests/soak $(ARGS)

conformance: $(VENV)/.conforming
	@$(BIN)/python -m tools.conformance $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m tools.azurite)

hostile: $(VENV)/.tested
	@HOSTILE_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest --timeout 0 tests/hostile $(ARGS)

bench: $(VENV)/.benched
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

docs: $(VENV)/.checked
	$(BIN)/python -m tools.docs

specs: $(VENV)/.checked
	@$(BIN)/python -m tools.specs tests/specs/infobip.json $(INFOBIP)

codes: $(VENV)/.checked
	@$(BIN)/python -m tools.codes $(TABLES)

clean:
	rm -rf $(VENV) .conformance .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Trunkline needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python cannot make virtual environments here; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.served: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) …"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) for the tests …"
	@$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/.served

$(VENV)/.benched: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) to measure …"
	@$(PIP) --editable ".[bench]"
	@touch $@ $(VENV)/.served

$(VENV)/.checked: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) for the checks …"
	@$(PIP) --editable ".[check]"
	@touch $@ $(VENV)/.served

$(VENV)/.conforming: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) for the conformance run …"
	@$(PIP) --editable ".[conformance]"
	@touch $@ $(VENV)/.served
