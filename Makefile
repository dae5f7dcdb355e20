# Needs make and a Python of 3.11 or newer; everything else comes from requirements.lock. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
READY := .venv/.ready
BESIDE := .venv/beside
COMPARED := $(BESIDE)/.ready
OUT ?= dist
SOURCES := runtime actors serve storage src/greenroom
# Ray would restart every worker through `uv run` when it finds a uv parent.
export RAY_ENABLE_UV_RUN_RUNTIME_ENV := 0

.PHONY: help setup demo up test check fmt lint types imports fault kills simulate cluster docs wheel bench bench-recovery bench-parked bench-storage probe lock

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv from requirements.lock and install the project into it, editable
	@echo "ready: $(BIN)"

demo: $(READY) ## run the demo (DOCS=folder QUESTION="…")
	@$(BIN)/greenroom demo $${DOCS:+--docs "$$DOCS"} $${QUESTION:+--question "$$QUESTION"}

up: $(READY) ## serve an application (APP=module:app)
	@$(BIN)/greenroom up $${APP:+"$$APP"}

test: $(READY) ## run every test that belongs in CI (ARGS="-k name" narrows it)
	@$(BIN)/pytest tests $(ARGS)

check: lint types imports ## lint, types and import rules

fmt: $(READY) ## format, and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

lint: $(READY) ## ruff, rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY) ## mypy and pyright, both strict
	@$(BIN)/mypy && $(BIN)/pyright

imports: $(READY) ## who may import whom
	@$(BIN)/lint-imports --no-logo

fault: $(READY) ## crash and damage tests in their long form (thousands of kills)
	@$(BIN)/pytest tests/fault --long -o faulthandler_timeout=3600 $(ARGS)

simulate: $(READY) ## crash schedules from seeds (ARGS="--seeds 1000000", or --seed N)
	@$(BIN)/python -m tests.simulation $(ARGS)

kills: $(READY) ## kill processes of a cluster under load, 200 times (ARGS="--kills 20 --seed 7")
	@$(BIN)/python -m tests.kills $(ARGS)

cluster: $(READY) ## tests on a real Ray
	@$(BIN)/pytest tests -m cluster $(ARGS)

docs: $(READY) ## run the examples in docstrings and pages
	@$(BIN)/pytest tests/test_docs.py $(ARGS)

wheel: $(READY) ## build wheel and sdist (OUT=folder)
	@$(BIN)/uv build --quiet --no-build-isolation --out-dir "$(OUT)" && ls "$(OUT)"

bench: $(READY) ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

bench-recovery: $(READY) ## from kill -9 to the next durable step (ARGS="--rounds 20 --open 1000")
	@$(BIN)/python -m benchmarks.recovery $(ARGS)

bench-parked: $(READY) ## a hundred thousand runs that wait: memory, disk, resumes, a restart (ARGS="--runs 2000")
	@$(BIN)/python -m benchmarks.parked $(ARGS)

bench-storage: $(COMPARED) ## the file store beside SQLite and LangGraph (ARGS="--quick --only open")
	@PYTHONPATH=$(BESIDE) $(BIN)/python -m benchmarks.storage $(ARGS)

probe: $(COMPARED) ## six promises of a resumed run, on us and on others (ARGS="--quick --only greenroom")
	@$(BIN)/python -m benchmarks.probe --beside $(BESIDE) $(ARGS)

lock: $(READY) ## resolve requirements.lock anew (ARGS=--upgrade)
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra notebook --extra s3 --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-emit-index-url --output-file requirements.lock $(ARGS)
	@$(BIN)/uv pip compile --quiet benchmarks/requirements.in --constraint requirements.lock --universal \
	    --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate \
	    --output-file benchmarks/requirements.lock $(ARGS)

# Beside the environment, not in it: some of these hook into pytest.
$(COMPARED): $(READY) benchmarks/requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(BESIDE) --require-hashes --no-deps \
	    -r benchmarks/requirements.lock
	@touch $@

# The stamp is newer than the lock and the project file when the environment matches both. uv is taken from the lock too.
$(READY): requirements.lock pyproject.toml
	@[ -x $(BIN)/python ] || { python=$$(PYTHON="$(PYTHON)" bash .ci/python) && "$$python" -m venv .venv; }
	@awk '/^[a-z]/ { mine = /^uv==/ } mine' requirements.lock > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.txt
	@# Compiled once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, each of Ray's processes would do it again.
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m compileall -q $(SOURCES)
	@touch $@
