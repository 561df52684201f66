# Set-up is part of every command: the virtual environment and the control plane's programs are
# made when they are missing or when what they are made from has changed.

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := $(shell cat requirements/uv-version)
COMPILE = .dev/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header pyproject.toml

# Only a KUBECONFIG named on make's own command line chooses a cluster. One that happens to be
# exported in the shell must not get a demo.
ifeq ($(origin KUBECONFIG),command line)
CLUSTER := --kubeconfig "$(KUBECONFIG)"
endif

.DEFAULT_GOAL := help
.PHONY: help test lint fuzz drill demo up bench binaries programs lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    show the main job on an embedded control plane (KUBECONFIG=... uses that cluster)'
	@echo 'make up      the same, kept in the foreground until Ctrl-C; "source .dev/env" elsewhere'
	@echo 'make test    run all checks and tests'
	@echo 'make lint    run the checks alone: ruff, mypy, import-linter'
	@echo 'make fuzz    call the HTTP API 20,000 times with what schemathesis makes of its document'
	@echo 'make drill   have a CA call back the certificates of 500 domains at once'
	@echo 'make bench   measure speed and memory, print them beside the limits, write bench.json'
	@echo 'make lock    resolve the dependencies into requirements/ (delete a file first to upgrade all)'
	@echo 'make clean   remove the virtual environment and what runs left in the checkout'
	@echo
	@echo 'The first run takes some minutes (the control plane is built), later ones start at once.'

test: lint binaries programs
	@$(BIN)/python -m customdomains.devcluster.binaries --caddy --step-ca --cert-manager
	@$(BIN)/pytest --numprocesses=3 --dist=loadgroup

lint: .venv/.project
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fuzz: binaries
	@FUZZ_CASES=20000 $(BIN)/pytest -s tests/api/test_api_schemathesis.py

drill: binaries
	@DRILL_DOMAINS=500 $(BIN)/pytest -s tests/e2e/test_renewals.py

demo: binaries
	@$(BIN)/customdomains demo $(CLUSTER)

up: binaries
	@$(BIN)/customdomains demo --keep $(CLUSTER)

bench: binaries
	@$(BIN)/python -m customdomains.devcluster.binaries --step-ca
	@$(BIN)/python -m tests.bench

binaries: .venv/.project
	@$(BIN)/python -m customdomains.devcluster.binaries

# DNS servers and a browser from Debian's packages; without them their tests are skipped.
programs: .venv/.project
	@$(BIN)/python -m tests.programs.install

.venv/.dependencies: requirements/dev.txt
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: $(PYTHON) is not installed; Python 3.11 or newer is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed:" \
			"make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "error: $(PYTHON) comes without venv and ensurepip; install them" \
			"(on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo 'Making .venv from requirements/dev.txt (usually 15-40 s)' >&2
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/dev.txt
	@touch $@

.venv/.project: .venv/.dependencies pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

.dev/uv/bin/uv: requirements/uv-version
	@$(PYTHON) -m venv --clear .dev/uv
	@.dev/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

lock: .dev/uv/bin/uv
	@$(COMPILE) --output-file requirements/runtime.txt
	@$(COMPILE) --group dev --output-file requirements/dev.txt

clean:
	@rm -rf .venv .dev .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		dist bench.json
	@echo "The programs built for the control plane stay in $${XDG_CACHE_HOME:-~/.cache}/customdomains"
