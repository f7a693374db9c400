# Set up and run MemFactory Lab. Everything is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
# The tested build of torch. A GPU server sets TORCH to the build that suits its driver.
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin
PORT   ?= 8501

.PHONY: setup lab demo test lint clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

lab: setup
	$(BIN)/memfactory lab --port $(PORT)

demo: setup
	$(BIN)/memfactory demo

test: setup
	$(BIN)/python -m pytest -q

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info
