# Set up and run MemFactory Lab. Everything is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
# The tested build of torch. A GPU server sets TORCH to the build that suits its driver.
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin
PORT   ?= 8501
# Three at once, for many wait for processes or clocks; a file's tests together so that they share what it made;
# tests/conftest.py says which file comes first.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: setup lab demo test test-browser test-slow test-all bench lint clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev]"
# Here, on all processors, rather than at each first import: where PYTHONDONTWRITEBYTECODE is set, as in many containers,
# every start of the lab and of a run's worker would compile 2,600 files anew, eight seconds and more.
	$(BIN)/python -m compileall -q -j 0 -x '/(tests?|testing)/' $(VENV)/lib
	touch $@

lab: setup
	$(BIN)/memfactory lab --port $(PORT)

demo: setup
	$(BIN)/memfactory demo

# What every change must pass: no network, no GPU, no browser.
test: setup
	$(PYTEST)

# In a real browser: every page, runs, talks, lessons.
test-browser: setup
	$(PYTEST) -m "browser and not slow" tests/browser

# What is slow, but for what takes hours: the wheel in an empty environment, the Dockerfile's steps, every pair of parts.
test-slow: setup
	$(PYTEST) -m "slow and not hours"

# All tests, also the attacks that take hours.
test-all: setup
	$(PYTEST) -m ""

# Figures of docs/performance.md: bench.json and its tables, about five minutes on a calm machine.
bench: setup
	$(BIN)/python -m bench.report --out bench.json

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist *.egg-info
