# Everything a developer runs. The only things needed are Python 3.11 (or newer) and make.
.DEFAULT_GOAL := help
.PHONY: help demo test test-all rest quick standins check coverage lint types format schema docs picture build bench \
	audit clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV     := $(shell command -v uv || echo .uv/bin/uv)
BIN    := .venv/bin
READY  := .venv/.ready
CORES  := $(shell getconf _NPROCESSORS_ONLN)
# What `make test` leaves out.
MARKED := slow or process or postgres or browser
# Slow tests whose coverage is measured.
COVERED := covered and not repeated
PYTEST  = $(BIN)/python -m pytest --dist worksteal $(if $(COVERAGE),--cov --cov-append --cov-report= --cov-fail-under=0)

# Where this is set, every process that the tests start compiles the package and the tests anew.
export PYTHONDONTWRITEBYTECODE =
export UV_PYTHON_DOWNLOADS = never
export UV_PROJECT_ENVIRONMENT = .venv

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Set up, then sync a made-up API into DuckDB and show what landed
	$(BIN)/argos-sync demo

test: $(READY) ## Set up, then run the fast tests
	$(PYTEST) -n $(CORES) -m "not ($(MARKED))"
	@echo "Left out: tests marked $(MARKED). Run everything with: make test-all"

test-all: test rest ## Run all tests; needs PostgreSQL and Chromium

# They wait much of their time, for processes, databases and retries: more workers than cores.
rest: $(READY)
	$(PYTEST) -n $$((3 * $(CORES))) -m "$(or $(ONLY),$(MARKED))"

# The fast tests, those that are fast once there are PostgreSQL and Chromium, and slow ones without
# which coverage would miss what they test.
quick: $(READY)
	$(PYTEST) -n $(CORES) -m "not (slow or process) or $(COVERED)"

# The stand-ins are large and slow, so CI runs them once a week.
standins: ## Run the promise suite on stand-ins for databases: ClickHouse on chdb
	UV_PROJECT_ENVIRONMENT=.venv-standins $(UV) sync --quiet --frozen --group standins --python $(PYTHON)
	.venv-standins/bin/python -m pytest -n $(CORES) tests/promises -k clickhouse

# Coverage is measured where it is cheap: in tests without processes of their own.
check: $(READY) ## What CI runs: lint, types, all tests, 95 % branch coverage
	rm -f .coverage .coverage.*
	$(MAKE) --jobs=3 --output-sync lint types quick COVERAGE=1
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

docs: $(READY) ## Build the documentation into docs/_build/html; a broken link is an error
	$(UV) sync --quiet --frozen --inexact --group docs --python $(PYTHON)
	$(BIN)/sphinx-build -W --keep-going -n -E -q -c docs . docs/_build/html

picture: $(READY) ## Take the picture of the report that the README shows; needs Chromium
	$(BIN)/python tests/picture.py docs/images/report.webp

build: $(READY) ## Build the wheel and the source distribution into dist/
	$(UV) build --quiet

bench: $(READY) ## Measure the backfill against dlt's own sources and DuckDB, and how it scales
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/scale.py

audit: $(READY) ## Check licences of what uv.lock pins, and ask PyPI for known vulnerabilities
	$(BIN)/python tests/licences.py
	$(UV) export --quiet --frozen --all-groups --all-extras --no-emit-project --no-hashes \
		--output-file .venv/locked.txt
	$(UV) tool run --quiet 'pip-audit>=2.10,<3' --strict --disable-pip --no-deps \
		--progress-spinner off --requirement .venv/locked.txt

clean: ## Remove everything that make made
	rm -rf .venv .venv-standins .uv dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		docs/_build

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet uv

$(READY): pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	$(UV) sync --quiet --frozen --compile-bytecode --python $(PYTHON)
	@# Where PYTHONDONTWRITEBYTECODE is set, each process would compile the package again.
	@$(BIN)/python -m compileall -q pipelines/argos_sync
	@touch $@
