# Each target does all its own set-up: Python 3.11 or newer and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# versions of the libraries whose rules the tests drive
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: reproduce test verify verify-logs docs bench paper findings same hard

reproduce: $(VENV)/.installed
	$(BIN)/earlystop reproduce

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

# rules against their libraries' own code, also the large libraries: installs some GB
verify: $(VENV)/.installed-verify
	$(BIN)/pytest -n 2 tests/criteria/test_libraries.py tests/criteria/test_patience.py \
	    tests/criteria/test_rates.py tests/engine/test_replay.py

# importers against what each tool wrote, in environments of their own: installs some GB
verify-logs: $(VENV)/.installed-test
	$(BIN)/python experiments/verify_logs.py $(TOOL)

docs: $(VENV)/.installed
	$(BIN)/earlystop criteria --markdown > docs/criteria.md.new
	mv docs/criteria.md.new docs/criteria.md

# speed against peers, as ratios; takes some minutes, 4 GB of memory and 7 GB of disk
bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/logs.py

paper: $(VENV)/.installed-paper reproduce
	$(BIN)/python -c "import typst; typst.compile('paper/paper.typ', output='paper/paper.pdf', root='.')"

# what we found in other programs, shown anew: each script says what it needs and what it shows
findings:
	@failed=; for script in findings/*.sh; do \
	    if said=$$(PYTHON=$(PYTHON) bash "$$script" 2>&1); then echo "$$script: shown"; \
	    else echo "$$script: FAILED, exit code $$?"; echo "$$said"; failed=1; fi; \
	done; test -z "$$failed"

# numbers and texts beside those of an older commit; takes some ten minutes a tree
BASE ?= 4fa5c29
same: $(VENV)/.installed-report
	$(BIN)/python benchmarks/same_numbers.py --base $(BASE)

# what the tests try in small, many times over: damaged curve files; takes some five minutes
hard: $(VENV)/.installed
	$(BIN)/python tests/damage.py --count 10000

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(PIP) -e .
	@# compiles the study's rules once, so that the first run takes no longer than the next
	$(BIN)/earlystop replay data/curves/prechelt1997/cancer.parquet -o $(VENV)/first.csv \
	    -c "any_of(GL(2), PQ(1), UP(2), Progress(0.1), MaxEpochs(3000))"
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed constraints.txt
	$(PIP) -c $(CONSTRAINTS) -e ".[test]"
	touch $@

$(VENV)/.installed-verify: $(VENV)/.installed-test
	$(PIP) -c $(CONSTRAINTS) -e ".[test,verify]"
	$(PIP) -c $(CONSTRAINTS) --no-deps fastai ultralytics
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP) -e ".[bench]"
	touch $@

$(VENV)/.installed-report: $(VENV)/.installed
	$(PIP) -e ".[report]"
	touch $@

$(VENV)/.installed-paper: $(VENV)/.installed
	$(PIP) -e ".[paper]"
	touch $@
