# Everything starts from a checkout, git, make and a Python of 3.11 or later: each target makes what it needs.

VENV := .venv
PY := $(VENV)/bin/python
PLUGINS := $(patsubst plugins/%/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))

# A Python to make the environment with; `make PYTHON=/opt/python3.13/bin/python3 test` names another.
CANDIDATES := $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14 python
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint types core plugins measure bench docs clean FORCE

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.package  ## the question that llmplan was written for, answered
	@$(PY) -m llmplan.cli.demo

# The core's tests come last, so that what is read last is what they say.
test: lint types plugins measure core  ## everything that must hold before a change goes in

lint: $(VENV)/.tools  ## style
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check

types: $(VENV)/.tools  ## types
	@$(PY) -m mypy

core: $(VENV)/.tools  ## the tests of the package alone
	@$(PY) -m pytest

plugins: $(PLUGINS:%=build/plugins/%)  ## each plugin's tests, beside the core as users install it

measure: build/measure/.installed  ## the tests that ask PyTorch itself
	@build/measure/bin/python -m pytest tests/measure -p no:cacheprovider

bench: $(VENV)/.tools  ## how long things take
	@$(PY) tests/bench.py

docs: $(VENV)/.docs  ## the documentation, in docs/_build
	@$(PY) -m sphinx --quiet --fail-on-warning --builder html docs docs/_build

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- Environments. Each stamp is an installation that is up to date with pyproject.toml. ----

$(PY):
	@for python in $(CANDIDATES); do \
		if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then \
			"$$python" -m venv $(VENV) && exec $(PY) -m pip install --quiet --upgrade 'pip>=25.1'; \
		fi; \
	done; \
	echo "llmplan needs Python 3.11 or later, with its venv module. Tried: $(strip $(CANDIDATES))." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; \
	exit 1

$(VENV)/.package: pyproject.toml | $(PY)
	@$(PY) -m pip install --quiet --editable '.[cli,report]'
	@touch $@

$(VENV)/.tools: pyproject.toml | $(PY)
	@$(PY) -m pip install --quiet --upgrade 'pip>=25.1'
	@$(PY) -m pip install --quiet --editable '.[cli,report,testing]' --group dev
	@touch $@ $(VENV)/.package

$(VENV)/.docs: pyproject.toml | $(PY)
	@$(PY) -m pip install --quiet --upgrade 'pip>=25.1'
	@$(PY) -m pip install --quiet --editable '.[cli,report,testing]' --group docs
	@touch $@ $(VENV)/.package

# The versions that predictions are measured on.
build/measure/.installed: pyproject.toml $(VENV)/.tools
	@$(PY) -m venv build/measure
	@build/measure/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@build/measure/bin/python -m pip install --quiet torch==2.13.0
	@build/measure/bin/python -m pip install --quiet --editable '.[measure,testing,cli]' transformers==5.24.0 --group tests
	@touch $@

# ---- Wheels. A plugin meets the core as a wheel, in an environment that is thrown away: no file of the checkout helps. ----

build/wheel: $(VENV)/.tools FORCE
	@rm -rf $@
	@$(PY) -m pip wheel --quiet --no-deps --wheel-dir $@ .

build/plugins/%: build/wheel FORCE
	@rm -rf $@
	@$(PY) -m pip wheel --quiet --no-deps --wheel-dir $@ plugins/$*
	@$(PY) -m venv $@/venv
	@$@/venv/bin/python -m pip install --quiet "$$(echo build/wheel/llmplan-*.whl)[testing]" $@/*.whl
	@cd plugins/$* && ../../$@/venv/bin/python -m pytest --config-file pyproject.toml --rootdir . --import-mode importlib -p no:cacheprovider

FORCE:
