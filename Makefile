# Two commands do everything: `make demo` and `make test`; with `make live` you watch a run.
# The environment is made on first use, below .venv.
PYTHON ?= python3
TRIALS ?= 2
BIN := .venv/bin

.PHONY: setup demo live test check mutation contracts clean

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=python3.12 make …)"; exit 2; }
	@echo "environment: installing into .venv (about a minute, some 150 MB)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# First run: two workloads on two real candidates, compared. About three minutes; TRIALS=5 takes longer and decides more.
demo: setup
	@$(BIN)/python bench.py demo --trials $(TRIALS)

# A run to watch: Prometheus, Grafana where it is installed, and a scenario. RUN="examples/burst.yaml --seed 2" runs another.
live: setup
	@$(BIN)/python tools/live.py $(if $(WEBHOOK),--webhook $(WEBHOOK)) -- $(RUN)

# Everything: style, types, architecture, unit tests, and tests against real nodes and a real browser.
test: setup
	@$(BIN)/python tools/test_needs.py
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/mypy bench.py && $(BIN)/mypy --explicit-package-bases benchmarks dashboards tools/test_needs.py tools/live.py tools/mutation.py && $(BIN)/lint-imports
	@$(BIN)/python -m pytest

# The same without live tests, on all cores, in about two minutes: before every commit.
check: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/mypy bench.py && $(BIN)/mypy --explicit-package-bases benchmarks dashboards tools/test_needs.py tools/live.py tools/mutation.py && $(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n auto -m 'not live'

# Which small changes of the statistics would no test notice? About half an hour; ONLY="bench.stats.interval.*" takes less.
mutation: setup
	@set -f; $(BIN)/python tools/mutation.py $(ONLY)

# Compile the workloads' contracts again, byte for byte (needs npm).
contracts: setup
	@node tools/contracts/build.mjs

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants
