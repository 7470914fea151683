# Each target does all its own set-up: Python 3.11 or newer and make are all it takes.
PYTHON ?= python3
VENV := .venv
# where an environment has its programs
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(SCRIPTS)
# versions of the libraries whose rules the tests drive
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: reproduce reproduce-from-raw test test-core test-oldest test-newest wheel verify verify-logs docs site pages bench paper figures studies findings same hard

reproduce: $(VENV)/.installed
	$(BIN)/earlystop reproduce

# from PROBEN1's files to table 1: trains all runs (about 35 minutes on one core), into results/from-raw/
reproduce-from-raw: $(VENV)/.installed
	@test -d "$(PROBEN1_DIR)" || { \
	    echo "PROBEN1_DIR = '$(PROBEN1_DIR)' is not a folder; expected the one with PROBEN1's .dt files:" \
	        "make reproduce-from-raw PROBEN1_DIR=..." >&2; exit 2; }
	$(BIN)/earlystop reproduce --proben1 "$(PROBEN1_DIR)"

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

# what needs no extra: as installed, with the oldest versions that pyproject.toml allows, and with the newest,
# pre-releases included; each in an environment of its own, of the Python that PYTHON names
CORE := $(addprefix earlystop_lab/,_common inference curves criteria engine measures) \
    $(addprefix tests/,_common inference curves engine measures cli/test_cli.py test_package.py) \
    $(addprefix tests/criteria/test_,criteria.py prechelt.py catalogue.py) tests/report/test_plots.py
# a library may use what a newer one of its own dependencies only deprecates
CORE_TESTS := -m pytest -n 2 -W default::DeprecationWarning -W default::PendingDeprecationWarning $(CORE)
TOOLS := pytest pytest-xdist hypothesis cloudpickle

test-core: $(VENV)-core/.installed
	$(VENV)-core/$(SCRIPTS)/python $(CORE_TESTS)

test-oldest: $(VENV)-oldest/.installed
	$(VENV)-oldest/$(SCRIPTS)/python $(CORE_TESTS)

test-newest: $(VENV)-newest/.uv
	$(VENV)-newest/$(SCRIPTS)/uv pip install --quiet --python $(VENV)-newest --upgrade \
	    --prerelease allow -e . $(TOOLS)
	$(VENV)-newest/$(SCRIPTS)/python $(CORE_TESTS)

# the wheel and the source distribution into dist/; then every command in an empty folder, in an
# environment with nothing but that wheel
wheel: $(VENV)-core/.installed
	$(PYTHON) -c "import shutil; shutil.rmtree('dist', ignore_errors=True)"
	$(VENV)-core/$(SCRIPTS)/python -m hatchling build -d dist
	$(PYTHON) -m venv --clear $(VENV)-wheel
	$(VENV)-wheel/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	EARLYSTOP_WHEEL=$(VENV)-wheel $(VENV)-core/$(SCRIPTS)/python -m pytest tests/test_wheel.py

$(VENV)-core/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-core
	$(VENV)-core/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check \
	    -e . $(TOOLS) hatchling
	touch $@

$(VENV)-oldest/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-oldest
	$(VENV)-oldest/$(SCRIPTS)/pip install --quiet --disable-pip-version-check uv
	$(VENV)-oldest/$(SCRIPTS)/uv pip install --quiet --python $(VENV)-oldest \
	    --resolution lowest-direct -e .
	$(VENV)-oldest/$(SCRIPTS)/uv pip install --quiet --python $(VENV)-oldest $(TOOLS)
	touch $@

$(VENV)-newest/.uv:
	$(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/$(SCRIPTS)/pip install --quiet --disable-pip-version-check uv
	touch $@

# rules against their libraries' own code, also the large libraries: installs some GB. GROUP names
# one part: own (libraries with a rule of their name), or plain, more, java, keras1, keras2, paddle,
# tensorflow, the groups of the others, each in an environment of its own; every part takes less than
# 15 minutes
verify: $(VENV)/.installed-verify
ifneq ($(filter-out own,$(or $(GROUP),all)),)
	$(BIN)/python experiments/verify_libraries.py $(GROUP)
endif
ifneq ($(filter own,$(or $(GROUP),own)),)
	EARLYSTOP_SETS=240 $(BIN)/pytest -n 2 tests/criteria/test_libraries.py tests/criteria/test_patience.py \
	    tests/criteria/test_rates.py tests/engine/test_replay.py
	EARLYSTOP_SETS=240 $(BIN)/pytest -n 2 tests/criteria/test_pruning.py -k library
endif

# importers against what each tool wrote, in environments of their own: installs some GB
verify-logs: $(VENV)/.installed-test
	$(BIN)/python experiments/verify_logs.py $(TOOL)

docs: $(VENV)/.installed-test
	$(BIN)/earlystop criteria --markdown > docs/criteria.md.new
	mv docs/criteria.md.new docs/criteria.md
	$(BIN)/python tests/live/test_trained.py
	$(BIN)/python tests/log_page.py > docs/logs.md.new
	mv docs/logs.md.new docs/logs.md

# the documentation as pages, in docs/_build/html/
site: $(VENV)/.installed-docs
	rm -rf docs/_build
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo "docs/_build/html/index.html"

# every page of the site in a browser, light and dark, on a telephone and on a screen; needs
# Chromium and chromedriver, and skips without them
pages: $(VENV)/.installed-test
	EARLYSTOP_PAGES=all $(BIN)/pytest -n 0 tests/docs/test_site.py -k readers

# speed against peers and against commit BASE, as ratios; takes some 20 minutes, 4 GB of memory and
# 7 GB of disk; PART names one of the three
BASE ?= 4fa5c29
PART ?= waits bench logs
bench: $(VENV)/.installed-bench $(VENV)/.installed-report
	@for part in $(PART); do \
	    BASE=$(BASE) $(BIN)/python benchmarks/$$part.py || exit 1; \
	done

paper: $(VENV)/.installed-paper reproduce
	$(BIN)/python -c "import typst; typst.compile('paper/paper.typ', output='paper/paper.pdf', root='.')"

# every figure of figures/, from committed data
figures: $(VENV)/.installed reproduce
	$(BIN)/python -m experiments.figures

# answers to open questions: data/studies/, figures/, docs/questions.md, docs/guesses.md; takes some minutes. Corpora
# that are not in a checkout are read from EARLYSTOP_CORPORA; without it, what needs them is left as it is
studies: $(VENV)/.installed-test
	$(BIN)/python -m experiments.answers
	$(BIN)/python -m experiments.guesses

# what we found in other programs, shown anew: each script says what it needs and what it shows
findings:
	@failed=; for script in findings/*.sh; do \
	    if said=$$(PYTHON=$(PYTHON) bash "$$script" 2>&1); then echo "$$script: shown"; \
	    else echo "$$script: FAILED, exit code $$?"; echo "$$said"; failed=1; fi; \
	done; test -z "$$failed"

# answers beside those of commit BASE, and what differs; takes some ten minutes a tree
same: $(VENV)/.installed-report
	$(BIN)/python benchmarks/same_numbers.py --base $(BASE)

# what the tests try in small, many times over: commands that are killed or meet a full disk, two
# writers of one output, damaged files, hostile posts; takes about an hour. PART names some of:
# kills,disks,races,same,posts,damage,logs
hard: $(VENV)/.installed-test
	$(BIN)/python tests/hard $(if $(PART),--only $(PART))

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(PIP) -e .
	@# compiles all rules once, so that the first run takes no longer than the next
	EARLYSTOP_COMPILE=1 $(BIN)/earlystop replay data/curves/prechelt1997/cancer.parquet -o $(VENV)/first.csv \
	    -c "any_of(GL(2), PQ(1), UP(2), Progress(0.1), MaxEpochs(3000))"
	@# rules of learning rates need runs that have some
	for each in prechelt1997/cancer modern-nets/digits; do \
	    EARLYSTOP_COMPILE=1 $(BIN)/earlystop survey data/curves/$$each.parquet -o $(VENV)/first-survey.csv \
	        || exit 1; \
	done
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

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) -e ".[docs]"
	touch $@

$(VENV)/.installed-paper: $(VENV)/.installed
	$(PIP) -e ".[paper]"
	touch $@
