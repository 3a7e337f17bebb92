# Two commands do everything: `make run` and `make test`. The others are for developers.

PYTHON ?= python3
CORES ?= all
CONFIG ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	--constraint constraints.txt

export PYTHONUNBUFFERED := 1
# Bytecode is kept, whatever the shell says: else every job would compile torch anew, for ten seconds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run config test test-quick test-least test-newest lint format benchmark docs unlock clean

help:  ## Say what can be done
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

# A configuration that names one of musicnn's taggers needs their weights.
MUSICNN := $(if $(CONFIG),$(shell grep -l 'published:.*musicnn/' "$(CONFIG)" 2>/dev/null))

# One that names integrated gradients needs Captum.
CAPTUM := $(if $(CONFIG),$(shell grep -l '^methods:.*integrated_gradients' "$(CONFIG)" 2>/dev/null))
STAMPS := .venv/run.stamp $(if $(MUSICNN),.venv/musicnn.stamp) $(if $(CAPTUM),.venv/captum.stamp)

run: config $(STAMPS)  ## Run the experiment (CONFIG=config/paper.yaml for another one)
	@echo "Running the experiment in $(or $(CONFIG),config/config.yaml) on $(CORES) cores."
	@$(BIN)/python -m auralise.cli run --cores $(CORES) $(if $(CONFIG),--config "$(CONFIG)")

config:
	@test -z "$(CONFIG)" || test -f "$(CONFIG)" || \
		{ echo "CONFIG: no file '$(CONFIG)'; there are" config/*.yaml; exit 2; }

test: .venv/test.stamp  ## Run all tests
	$(BIN)/python -m pytest

test-quick: .venv/test.stamp  ## Run the tests of the library that take no seconds, in under a minute
	$(BIN)/python -m pytest tests/unit tests/faults auralise -m "not slow"

# What the library needs, in the least versions that pyproject.toml allows; torch stays the one that
# has a build for processors everywhere.
.venv/least.txt: pyproject.toml .venv/run.stamp
	@awk '/^dependencies = \[/,/^\]/' pyproject.toml | grep -v '"torch>' | \
		sed -nE 's/^ *"([A-Za-z0-9_-]+)>=([0-9.]+)".*/\1==\2/p' > $@

test-least: .venv/least.txt  ## Run the tests of the library with the least versions that it may have
	@$(call test-with,least,--constraint .venv/least.txt)

test-newest: .venv/run.stamp  ## Run the tests of the library with the newest versions that there are
	@$(call test-with,newest,--upgrade)

# An environment of that name, what pip is to be told, and the tests of the library in it.
test-with = $(PYTHON) -m venv .venv/$(1) && \
	.venv/$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2) \
		torch==2.13.0 --editable '.[workflow,methods,dev]' && \
	.venv/$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		tinysoundfont==0.3.7 zennit==0.5.1 && \
	.venv/$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --requirement musicnn.txt && \
	.venv/$(1)/bin/python -m pytest tests/unit tests/faults auralise

lint: .venv/test.stamp  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/test.stamp  ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow
	$(BIN)/python -m auralise.experiment.guide

benchmark: .venv/test.stamp  ## Measure the deconvolution beside its alternatives, and writing
	$(BIN)/python -m benchmarks.deconvolution
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.writing

docs: .venv/test.stamp  ## Build the site, the gallery run anew, into docs/build/html
	@$(PIP) --editable '.[workflow,docs]'
	cd docs && ../$(BIN)/python -m sphinx -q -W -b html . build/html

unlock:  ## Release the lock that a killed run left behind
	$(BIN)/python -m snakemake --cores 1 $(if $(CONFIG),--configfile "$(CONFIG)") --unlock

clean:  ## Remove the virtual environment (results stay)
	rm -rf .venv

.venv/run.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "auralise needs Python 3.11 or newer; '$(PYTHON)' is" \
		"$$($(PYTHON) --version 2>&1 || echo missing). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Building .venv and installing what auralise needs (about 2 GB, a few minutes)."
	@$(PYTHON) -m venv .venv
	@$(PIP) torch==2.13.0 --editable '.[workflow]'
	@# Its metadata ask for pyaudio, which only live playback needs and few machines can build.
	@$(PIP) --no-deps tinysoundfont==0.3.7
	@touch $@

# Trained weights, of which nothing is run; what the package requires does not come along.
.venv/musicnn.stamp: .venv/run.stamp musicnn.txt
	@echo "Installing the weights of musicnn (29 MB)."
	@$(PIP) --no-deps --require-hashes --requirement musicnn.txt
	@touch $@

.venv/captum.stamp: .venv/run.stamp
	@$(PIP) --editable '.[workflow,methods]'
	@touch $@

.venv/test.stamp: .venv/run.stamp .venv/musicnn.stamp .venv/captum.stamp
	@echo "Installing what the tests need."
	@$(PIP) --editable '.[workflow,dev]'
	@# An oracle of the tests; its metadata ask for torchvision, which is not needed.
	@$(PIP) --no-deps zennit==0.5.1
	@# Beside the environment: in it, every snakemake call would look for a cluster first.
	@$(PIP) --no-deps --upgrade --target .venv/slurm snakemake-executor-plugin-slurm==2.8.0 \
		snakemake-executor-plugin-slurm-jobstep==0.6.1
	@# In an environment of its own, since it asks for an older version of rich.
	@$(PYTHON) -m venv .venv/validator
	@.venv/validator/bin/python -m pip install --quiet --disable-pip-version-check roc-validator==0.13.0
	@touch $@
