.PHONY: demo test test-everything check coverage bench soak mutants compat compat-oldest compat-newest audit windows
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PYTEST_OPTIONS ?=
# Where this is set, each of the many processes of the tests would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
# How much `make soak` takes: histories on a virtual clock, broken files, rows, and real histories.
SEEDS ?= 20000
FILES ?= 5000
ROWS ?= 100000
HISTORIES ?= 500

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Rehearses the sample against the embedded emulator; bad rows are part of it, so it exits 1.
demo: $(VENV)/.installed
	@$(BIN)/python sample_data/demo.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 $(PYTEST_OPTIONS)

# Measured: fails where too few lines and branches were run (pyproject.toml says how many).
# `test-everything` has besides what takes programs that pip does not install (tests/outside and
# tests/schedules: Chromium, LibreOffice, strace, a C compiler, systemd, shellcheck, axe-core), and
# what takes minutes (tests/costly: files that would take all memory).
test-everything: EVERYTHING := tests --override-ini="norecursedirs=.* benchmarks soak windows"
coverage test-everything: $(VENV)/.installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 $(EVERYTHING) $(PYTEST_OPTIONS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python tests/benchmarks/bench.py

# Each part runs, whatever became of the one before; fails at the end where any failed.
soak: $(VENV)/.installed
	@red=; for part in "-m tests.support.simulation 0 $(SEEDS)" "-m tests.support.fuzzing $(FILES)" \
		"tests/soak/soak.py $(ROWS)" "tests/soak/walk.py $(HISTORIES)"; do \
		echo "$(BIN)/python $$part"; $(BIN)/python $$part || red="$$red\n  $$part"; \
	done; [ -z "$$red" ] || { printf "red:$$red\n"; exit 1; }

# Fails where a changed operator or number is noticed by no test and is not in survivors.toml.
mutants: build/mutants/.installed
	build/mutants/bin/python tests/mutants/mutants.py $(PARTS)

# Exits 1 where something is known against a pinned package, and 3 where that cannot be looked up.
audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip-audit
	@build/audit/bin/python tests/audit/audit.py build/audit/bin/pip-audit

# The oldest and the newest versions that pyproject.toml allows, each in an environment of its own.
compat: compat-oldest compat-newest
compat-oldest: RESOLUTION := --resolution lowest-direct
compat-oldest compat-newest: compat-%:
	$(PYTHON) -m venv --clear build/$*
	build/$*/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/$*/bin/uv pip compile --quiet $(RESOLUTION) --extra excel --output-file build/$*.txt pyproject.toml
	build/$*/bin/uv pip install --quiet --python build/$* --requirements build/$*.txt --editable '.[dev]'
	build/$*/bin/python -m pytest -n 2 $(PYTEST_OPTIONS)

# Windows's own Python under Wine: the sample's rehearsal, and every test that makes sense there.
windows: $(VENV)/.installed
	@$(BIN)/python -m tests.windows.windows $(TESTS)

build/mutants/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv build/mutants
	build/mutants/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	build/mutants/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[mutation]'
	touch $@
