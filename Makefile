# The handful of words to run and develop the desk. Plain `make` lists them.
# Each word builds .venv on first use and again when requirements.lock has changed.

.POSIX:
.PHONY: help install demo up test check bench soak oracle drawing clean

PYTHONS = python3.13 python3.12 python3.11 python3
BIN = .venv/bin
INSTALLED = .venv/.installed
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
ARGS =

help: ## This list
	@awk -F ' *## *' '/^[a-z]+:.*##/ { sub(/:.*/, "", $$1); printf "make %-9s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "ARGS passes options on: make demo ARGS=--yes, make test ARGS='-k gate'"

install: $(INSTALLED) ## Build .venv from requirements.lock, once

demo: $(INSTALLED) ## Underwrite three synthetic applicants, from letterbox to decision
	@$(BIN)/credit-desk demo $(ARGS)

up: $(INSTALLED) ## Start the whole desk on this machine and keep it running
	@$(BIN)/credit-desk up $(ARGS)

test: $(INSTALLED) ## Run every test
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadgroup --no-loadscope-reorder $(ARGS)

check: $(INSTALLED) ## Format, lint, types and import arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## Measure the numbers the desk has to hold
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(INSTALLED) ## Run fault, browser, batch, job, API, metric, stack, price and property tests in full
	$(BIN)/python -m pytest tests/faults tests/browser tests/flows/portfolio \
	  tests/flows/runtime/worker/test_job_process.py tests/api/test_openapi_properties.py \
	  tests/api/mcp/test_conformance.py tests/api/security/test_observatory.py tests/flows/test_ag_ui.py \
	  tests/smoke/test_metrics.py tests/stack tests/tools/test_apr_against_curo.py \
	  tests/flows/test_properties.py --soak -o faulthandler_timeout=0 $(ARGS)

oracle: $(INSTALLED) ## Let optbinning judge the bins of scorecards, in an environment of its own
	$(BIN)/python -m venv .venv-oracle
	.venv-oracle/bin/python -m pip --quiet install --upgrade "pip>=25.1"
	.venv-oracle/bin/python -m pip --quiet install -e ".[modelling,postgres]" --group dev --group oracle
	.venv-oracle/bin/python -m pytest tests/tools/modelling/test_bins_against_optbinning.py --soak $(ARGS)

drawing: $(INSTALLED) ## Draw flows/workflow.svg again after a change of the map; needs Graphviz
	$(BIN)/python -m flows.runtime.graph.drawing.redraw flows.workflow:WORKFLOW flows/workflow.svg

clean: ## Remove the environments and every cache; a desk's folder stays
	rm -rf .venv .venv-oracle .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	find api flows agents tools data tests -name __pycache__ -type d -prune -exec rm -rf {} +

# `python -m venv` on a .venv that is there keeps its packages and mends a missing pip.
$(INSTALLED): requirements.lock pyproject.toml
	@found=; for python in $(PYTHONS); do \
	  if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: Python 3.11 or newer with its venv module is needed, and this machine has" >&2; \
	  for python in $(PYTHONS); do \
	    $$python -c 'import sys; print("  %s: Python %d.%d" % (sys.argv[1], *sys.version_info[:2]))' \
	      $$python >&2 2>/dev/null || echo "  $$python: not found" >&2; \
	  done; \
	  echo "On Debian and Ubuntu: apt-get install python3 python3-venv" >&2; \
	  exit 1; \
	fi; \
	echo "Building .venv with $$($$found --version): a minute or two, once"; \
	$$found -m venv .venv
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $(INSTALLED)
	@echo "Installed: $(BIN)/credit-desk"
