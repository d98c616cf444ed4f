# Each target sets up what it needs: a fresh clone wants only make and a Python of 3.11 or later.

ENVIRONMENT := .venv
INSTALLED := $(ENVIRONMENT)/.installed
BIN := $(ENVIRONMENT)/bin
LOCAL := .venv-local
DOCS := .venv-docs
DOCS_INSTALLED := $(DOCS)/.installed
DOCS_BUILT := docs/_build/html
LOCAL_INSTALLED := $(LOCAL)/.installed
RELEASE := .venv-release
RELEASE_INSTALLED := $(RELEASE)/.installed
WORKERS ?= 2
# A test that hangs says where, and ends its worker; no test comes near it.
STUCK_S := 600
PYTEST = pytest -n $(WORKERS) -o faulthandler_timeout=$(STUCK_S) -o faulthandler_exit_on_timeout=true \
  $(PYTEST_OPTIONS)
COVERAGE_MINIMUM ?= 95
# In processes of their own: in one with the simulation's tests, a worker's tracing of these was lost.
QUICK_TESTS := tests/unit/stack tests/unit/ledger tests/unit/faults tests/unit/report
# Whole explorations, which take three times as long under coverage; they are not what it measures.
LONG_TESTS := tests/zoo tests/test_mutations.py
# With the emulator, in its environment; each has processes, folders and free ports of its own.
LOCAL_TESTS := tests/target tests/load tests/chaos
DEMO_REPORT := .storagefirst/demo
SURVEYED := .storagefirst/survey

.PHONY: help demo test lint docs tables bench emulators package compatibility survey clean

help:
	@echo "make demo    judge a sound stack and its broken twin"
	@echo "make test    the whole suite with coverage (WORKERS=$(WORKERS), COVERAGE_MINIMUM=$(COVERAGE_MINIMUM))"
	@echo "make lint    ruff and mypy --strict"
	@echo "make docs    the documentation as web pages, in $(DOCS_BUILT)"
	@echo "make tables  write what is generated from the code into the pages of docs/"
	@echo "make bench   the figures of the benchmarks, one JSON line each (FIGURES=\"schedules idle\": these alone)"
	@echo "make emulators  ask moto and ministack where they differ from AWS; writes docs/emulators.md"
	@echo "make package  build wheel and sdist, and use the wheel with each extra in environments of its own"
	@echo "make compatibility  test the lowest and newest versions of dependencies with each Python that is here"
	@echo "make survey CORPUS=DIR  survey the public templates; writes docs/evidence.md"
	@echo "make clean   remove all that the other targets made"

# A candidate is tried, not only looked up: a pyenv shim is found and fails, and Debian's python3
# may come without the module that makes environments.
define make_environment
	@for candidate in python3.13 python3.12 python3.11 python3 python; do \
	  if $$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "setting up $(1) with $$($$candidate --version)"; \
	    $$candidate -m venv --clear $(1) && \
	    $(1)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[$(2)]' && \
	    touch $@ && exit 0; \
	    exit 1; \
	  fi; \
	done; \
	echo "no Python of 3.11 or later that can make a virtual environment was found" >&2; \
	echo "(on Debian and Ubuntu: apt install python3 python3-venv)" >&2; \
	exit 1
endef

$(INSTALLED): pyproject.toml
	$(call make_environment,$(ENVIRONMENT),dev)

demo: $(INSTALLED)
	@echo "== examples/orders: a sound stack. Nothing is lost, whichever single thing fails."
	@$(BIN)/python -m pytest -p storagefirst examples/orders/template.yaml
	@echo
	@echo "== examples/orders_broken: its twin with a defect. This run is meant to fail, with the story of how."
	@rm -rf $(DEMO_REPORT)
	@$(BIN)/python -m pytest -p storagefirst --storagefirst-report=$(DEMO_REPORT) examples/orders_broken/template.yaml; \
	status=$$?; \
	echo; \
	if [ $$status -ne 1 ] || ! grep -q '"verdict": "violated"' $(DEMO_REPORT)/report.json; then \
	  echo "demo FAILED: the broken twin was to be found out (exit code 1 and a violated property), got exit code $$status" >&2; \
	  exit 1; \
	fi
	@echo "demo: as expected, the sound stack passed and the broken one was found out."

test: $(INSTALLED) $(LOCAL_INSTALLED)
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m $(PYTEST) $(QUICK_TESTS)
	$(BIN)/coverage run -m $(PYTEST) $(addprefix --ignore=,$(QUICK_TESTS) $(LONG_TESTS) $(LOCAL_TESTS))
	$(BIN)/python -m $(PYTEST) $(LONG_TESTS)
	$(LOCAL)/bin/coverage run -m $(PYTEST) $(LOCAL_TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=$(COVERAGE_MINIMUM)

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict

$(DOCS_INSTALLED): pyproject.toml
	$(call make_environment,$(DOCS),docs)

docs: $(DOCS_INSTALLED)
	@$(DOCS)/bin/python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --quiet docs $(DOCS_BUILT)
	@echo "$(DOCS_BUILT)/index.html"

tables: $(INSTALLED)
	@PYTHONPATH=docs/_ext $(BIN)/python -m generated

# ministack pins botocore: it gets an environment of its own.
$(LOCAL_INSTALLED): pyproject.toml | $(INSTALLED)
	@$(BIN)/python -m venv --clear $(LOCAL)
	@$(LOCAL)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,local]'
	@touch $@

bench: $(LOCAL_INSTALLED)
	@PATH="$(CURDIR)/$(LOCAL)/bin:$$PATH" $(LOCAL)/bin/python -m benchmarks $(FIGURES)

emulators: $(LOCAL_INSTALLED)
	@PATH="$(CURDIR)/$(LOCAL)/bin:$$PATH" $(LOCAL)/bin/python -m emulators

# What checks a release is no part of what is checked.
$(RELEASE_INSTALLED): | $(INSTALLED)
	@$(BIN)/python -m venv --clear $(RELEASE)
	@$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check build check-wheel-contents twine uv
	@touch $@

package: $(RELEASE_INSTALLED)
	@$(RELEASE)/bin/python -m release package

compatibility: $(RELEASE_INSTALLED)
	@$(RELEASE)/bin/python -m release compatibility

# The numbers of docs/evidence.md, over the templates that `python -m evidence lay` laid down in CORPUS.
survey: $(INSTALLED)
	@test -d "$(CORPUS)" || { echo "CORPUS=FOLDER: where the templates are; docs/evidence.md says how they come there" >&2; exit 2; }
	@rm -rf $(SURVEYED)
	$(BIN)/storagefirst survey "$(CORPUS)" --report $(SURVEYED)
	$(BIN)/storagefirst audit "$(CORPUS)" --no-witness --format json --output $(SURVEYED)/audit.json
	$(BIN)/python -m evidence take "$(CORPUS)" $(SURVEYED)
	STORAGEFIRST_CORPUS="$(abspath $(CORPUS))" $(BIN)/python -m pytest -q tests/docs/test_evidence.py tests/unit/stack/test_corpus.py tests/plugin/test_public_templates.py

clean:
	rm -rf $(ENVIRONMENT) $(LOCAL) $(DOCS) $(RELEASE) docs/_build .storagefirst .hypothesis .pytest_cache .mypy_cache .ruff_cache dist .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
