# Everything a developer runs. The only things needed are Python 3.11 (or newer) and make.
.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-ducklake test-dbt rest quick standins check coverage lint types format schema \
	questions docs picture build bench audit clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV     := $(shell command -v uv || echo .uv/bin/uv)
BIN    := .venv/bin
READY  := .venv/.ready
# DuckLake needs another version of DuckDB than the rest: see [tool.uv] in pyproject.toml.
LAKE   := .venv/ducklake
STANDINS := .venv-standins
# dbt needs other versions of packages, too, and a Python that it supports. The notebook shares it.
DBT    := .venv-dbt
CORES  := $(shell getconf _NPROCESSORS_ONLN)
# What `make test` leaves out.
MARKED := slow or process or postgres or browser or ducklake or standins or dbt
# What needs an environment of its own.
ELSEWHERE := ducklake or standins or dbt
# The files with tests of such an environment, which may lack what other files import.
marked = $(shell grep -rlE 'mark\.$(1)\b' tests --include='test_*.py')
# Slow tests whose coverage is measured.
COVERED := covered and not repeated
OPTIONS = --dist worksteal $(if $(COVERAGE),--cov --cov-append --cov-report= --cov-fail-under=0)
PYTEST  = $(BIN)/python -m pytest $(OPTIONS)

# Where this is set, every process that the tests start compiles the package and the tests anew.
export PYTHONDONTWRITEBYTECODE =
export UV_PYTHON_DOWNLOADS = never
export UV_PROJECT_ENVIRONMENT = .venv

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Set up, sync a made-up API into DuckDB, show what landed and write a report
	$(BIN)/argos-sync demo

test: $(READY) ## Set up, then run the fast tests
	$(PYTEST) -n $(CORES) -m "not ($(MARKED))"
	@echo "Left out: tests marked $(MARKED). Run everything with: make test-all"

test-all: test rest test-ducklake test-dbt ## Run all tests; needs PostgreSQL and Chromium

test-ducklake: $(LAKE)/.ready ## Run the tests of DuckLake, in an environment of its own; needs PostgreSQL
	COVERAGE_FILE=$(LAKE)/.coverage $(LAKE)/bin/python -m pytest $(OPTIONS) -n $(CORES) \
		-m ducklake $(call marked,ducklake) tests/promises

test-dbt: $(READY) $(DBT)/.ready ## Run the dbt package and the notebook on warehouses and copies; needs PostgreSQL
	$(BIN)/python -m pytest -m dbt $(call marked,dbt)

# They wait much of their time, for processes, databases and retries: more workers than cores.
rest: $(READY)
	$(PYTEST) -n $$((3 * $(CORES))) -m "($(or $(ONLY),$(MARKED))) and not ($(ELSEWHERE))"

# The fast tests, those that are fast once there are PostgreSQL and Chromium, and slow ones without
# which coverage would miss what they test.
quick: $(READY)
	$(PYTEST) -n $(CORES) -m "(not (slow or process) or $(COVERED)) and not ($(ELSEWHERE))"

# The stand-ins are large and slow, so CI runs them once a week.
standins: $(STANDINS)/.ready ## Run tests on stand-ins: the promises on chdb (ClickHouse), the views on fakesnow (Snowflake)
	$(STANDINS)/bin/python -m pytest --dist worksteal -n $(CORES) -m standins $(call marked,standins) tests/promises

# Coverage is measured where it is cheap: in tests without processes of their own. DuckLake's has a
# folder of its own: whichever run ends last takes in all files .coverage.* of its folder.
check: $(READY) $(LAKE)/.ready $(DBT)/.ready ## What CI runs: lint, types, all tests, 95 % branch coverage
	rm -f .coverage .coverage.* $(LAKE)/.coverage*
	$(MAKE) --jobs=4 --output-sync lint types quick test-ducklake test-dbt COVERAGE=1
	$(BIN)/coverage combine --quiet --append $(LAKE)/.coverage
	$(BIN)/coverage report
	$(MAKE) rest ONLY="(slow or process) and not ($(COVERED))"

coverage: $(READY) ## Show which lines the fast tests do not reach
	rm -f .coverage .coverage.*
	-$(MAKE) test COVERAGE=1
	$(BIN)/coverage report --fail-under=0

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

schema: $(READY) ## Write what is derived from schemas/*.yaml and from code, and kept in the repository
	$(BIN)/python -m argos_sync.dictionary schemas docs/destinations.md

questions: $(READY) ## Write the answers in docs/questions.md anew
	$(BIN)/python tests/questions.py docs/questions.md

docs: $(READY) ## Build the documentation into docs/_build/html; a broken link is an error
	$(UV) sync --quiet --frozen --inexact --group docs --python $(PYTHON)
	$(BIN)/sphinx-build -W --keep-going -n -E -q -c docs . docs/_build/html

picture: $(READY) ## Take the pictures of the demo and the report that the README shows; needs Chromium
	$(BIN)/python tests/terminal_picture.py docs/images/demo.svg
	$(BIN)/python tests/picture.py docs/images/report.webp

build: $(READY) ## Build the wheel and the source distribution into dist/
	$(UV) build --quiet

bench: $(READY) ## Measure the backfill against dlt's own sources and DuckDB, and how it scales
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/scale.py

EXPORT = $(UV) export --quiet --frozen --no-emit-project --no-hashes
AUDIT  = $(UV) tool run --quiet 'pip-audit>=2.10,<3' --strict --disable-pip --no-deps --progress-spinner off

audit: $(READY) $(LAKE)/.ready $(DBT)/.ready ## Check licences of what uv.lock pins, and ask PyPI for known vulnerabilities
	$(BIN)/python tests/licences.py
	$(LAKE)/bin/python tests/licences.py
	$(DBT)/bin/python tests/licences.py
	$(EXPORT) --group docs --all-extras --no-extra ducklake --output-file .venv/locked.txt
	$(EXPORT) --no-default-groups --group ducklake --output-file $(LAKE)/locked.txt
	$(EXPORT) --only-group dbt --only-group notebook --output-file $(DBT)/locked.txt
	$(AUDIT) --requirement .venv/locked.txt
	$(AUDIT) --requirement $(LAKE)/locked.txt
	$(AUDIT) --requirement $(DBT)/locked.txt

clean: ## Remove everything that make made
	rm -rf .venv $(STANDINS) $(DBT) .uv dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		docs/_build

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet uv

$(READY): pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	$(UV) sync --quiet --frozen --compile-bytecode --python $(PYTHON)
	@# Where PYTHONDONTWRITEBYTECODE is set, each process would compile the package again.
	@$(BIN)/python -m compileall -q pipelines/argos_sync
	@touch $@

$(STANDINS)/.ready: pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	UV_PROJECT_ENVIRONMENT=$(STANDINS) $(UV) sync --quiet --frozen --compile-bytecode --no-default-groups \
		--group standins --python $(PYTHON)
	@touch $@

$(LAKE)/.ready: $(READY)
	UV_PROJECT_ENVIRONMENT=$(LAKE) $(UV) sync --quiet --frozen --compile-bytecode --no-default-groups \
		--group ducklake --python $(PYTHON)
	@touch $@

$(DBT)/.ready: pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	UV_PROJECT_ENVIRONMENT=$(DBT) $(UV) sync --quiet --frozen --compile-bytecode --only-group dbt \
		--only-group notebook --python '>=3.11,<3.14'
	@touch $@
