PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup up demo test check fix bench soak lock
help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(VENV)/.ready ## make the environment in .venv
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev,demo,parquet]'
	@touch $@

up: setup ## run all of it on this machine
	$(BIN)/touchstone up

demo: setup ## the whole path on small real models, no key needed
	$(BIN)/touchstone demo

test: setup ## the test suite
	$(BIN)/python -m pytest

check: setup ## format, lint, types, import contracts (never edits)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_shape.py

fix: setup ## let ruff edit
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## requests/s and CPU seconds per 1000 requests, beside the bare upstream
	$(BIN)/python tests/bench.py

soak: setup ## ten thousand streams that break in every way; nothing may be left
	$(BIN)/python tests/soak.py

lock: ## renew constraints.txt
	$(BIN)/uv pip compile --quiet --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt && echo uv==0.13.9 >> constraints.txt
