# Each target does all its own set-up: Python 3.11 or newer and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: reproduce test paper

reproduce: $(VENV)/.installed
	$(BIN)/earlystop reproduce

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

paper: $(VENV)/.installed-paper reproduce
	$(BIN)/python -c "import typst; typst.compile('paper/paper.typ', output='paper/paper.pdf', root='.')"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@

$(VENV)/.installed-paper: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[paper]"
	touch $@
