# `make` lists the targets. Everything lives in this folder: .boot holds uv, .venv the programs, .bellhop the data.

PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .boot/bin/uv
BIN := .venv/bin
# Two for each of two cores: most of a test is waiting.
TEST_PROCESSES ?= 4

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-quick token key migrate epoch secrets lint types fmt bench drills drill docs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: .venv/run.stamp ## start everything on this machine and keep it running (Ctrl-C ends it)
	@exec $(BIN)/python -m launcher run $(ARGS)

test: lint types ## lint, types and every test: make test ARGS="-n 0 tests/unit"
	@$(BIN)/pytest -n $(TEST_PROCESSES) --no-loadscope-reorder $(ARGS)

test-quick: .venv/test.stamp ## run the tests that need no server and take seconds
	@$(BIN)/pytest -m "not slow and not e2e and not browser" tests/unit tests/architecture $(ARGS)

token: .venv/run.stamp ## print a token that signs a user in: make token USER=ana
ifneq ($(origin USER),command line)
	@echo "usage: make token USER=ana" >&2; exit 2
endif
	@$(BIN)/python -m launcher token --user '$(subst ','\'',$(USER))' $(ARGS)

key: .venv/run.stamp ## print the development API key
	@$(BIN)/python -m launcher key

migrate: .venv/run.stamp ## bring the database to the newest schema
	@$(BIN)/python -m launcher migrate

epoch: .venv/run.stamp ## after the database was restored from a backup: end the epoch of every app
	@$(BIN)/python -m launcher epoch

secrets: ## make the passwords and keys that docker-compose.yml needs, each once, into the folder secrets
	@sh deploy/secrets.sh

lint: .venv/test.stamp ## look for faults and for unformatted code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/test.stamp ## check the types
	@$(BIN)/mypy

fmt: .venv/test.stamp ## format the code and mend what can be mended by itself
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: .venv/test.stamp ## run the benchmarks, one JSON line each: make bench ARGS=...
	@$(BIN)/python -m bench $(ARGS)

drills: .venv/test.stamp ## hurt the real system in every way we know and look for losses: make drills ARGS=...
	@$(BIN)/python -m drills all $(ARGS)

drill: .venv/test.stamp ## run one drill and its controls: make drill NAME=D1
ifeq ($(NAME),)
	@$(BIN)/python -m drills list; echo "usage: make drill NAME=D1" >&2; exit 2
endif
	@$(BIN)/python -m drills $(NAME) $(ARGS)

docs: .venv/run.stamp ## write the generated documents
	@$(BIN)/python -m shared.config table > docs/configuration.md
	@$(BIN)/python -m shared.config env > .env.example

lock: $(UV) ## settle the versions of all dependencies anew: make lock ARGS=--upgrade
	@$(UV) pip compile $(LOCK) $(ARGS) pyproject.toml -o requirements.lock >/dev/null
	@$(UV) pip compile $(LOCK) $(ARGS) --group test pyproject.toml -o requirements-test.lock >/dev/null

clean: ## remove what was built; the data in .bellhop stays
	rm -rf .boot .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# uv in a private environment. Debian splits python3-venv off: without it pip puts uv into a folder.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "bellhop: Python 3.11 or newer is needed (make PYTHON=/path/to/python3)" >&2; exit 2; }
	@rm -rf .boot
	@if $(PYTHON) -m venv .boot >/dev/null 2>&1; \
	  then .boot/bin/python -m pip install --quiet uv==$(UV_VERSION); \
	  else rm -rf .boot; $(PYTHON) -m pip install --quiet --target .boot uv==$(UV_VERSION); fi \
	  || { echo "bellhop: neither python3-venv nor pip is there; install one of them" >&2; rm -rf .boot; exit 2; }

.venv/bin/python: | $(UV)
	@$(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv

# The test environment holds all that a run needs: once it is there, a run leaves it as it is.
.venv/run.stamp: requirements.lock $(wildcard .venv/test.stamp) | $(UV) .venv/bin/python
	@if [ -e .venv/test.stamp ]; then $(MAKE) --silent --no-print-directory .venv/test.stamp; \
	  else $(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock; fi
	@touch $@

.venv/test.stamp: requirements-test.lock | $(UV) .venv/bin/python
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements-test.lock
	@touch $@
