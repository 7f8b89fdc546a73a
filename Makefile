# Every path here is relative, so that the folder may lie under any name, spaces included.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
FAISS ?= cpu
PORT ?= 8080
ONCE ?=
DATA ?=
MINUTES ?= 30

OTHER_FAISS := $(if $(filter gpu,$(FAISS)),cpu,gpu)
INSTALLED := .venv/.installed-$(FAISS)

# Both variables, because pip before 25.3 reads the first and later ones the second when they build the package.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What Python compiles is kept, also where the environment says not to: else every process of a test compiles all of Feast again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check lint chaos soak bench pictures clean

help:
	@echo "Ratoon: make TARGET [PYTHON=python3.12] [FAISS=cpu|gpu]"
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 10

demo: $(INSTALLED) ## run the whole loop on MovieLens-100K and serve it [ONCE=1] [DATA=DIR] [PORT=8080]
	@.venv/bin/ratoon demo --port "$(PORT)" $(if $(filter-out 0,$(ONCE)),--once) $(if $(DATA),--data "$(DATA)")

# By one thread each: processes of tests on two processors would have theirs wait for each other.
# Three, as many tests wait for servers.
test: export OMP_NUM_THREADS ?= 1
test: lint ## all checks, then all tests
	@.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: lint ## lint, format, types, import contracts and architecture, without the other tests
	@.venv/bin/python -m pytest tests/architecture

lint: $(INSTALLED)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

chaos: $(INSTALLED) ## everything that can go wrong, at every stage, and whether all holds that has to [half an hour] [JSON=1]
	@.venv/bin/ratoon bench chaos $(if $(JSON),--json)
	@.venv/bin/python -m pytest -m chaos

soak: $(INSTALLED) ## live replay under random kills, joins beside Feast's own, the index under everything at once [an hour] [MINUTES=30]
	@.venv/bin/ratoon bench soak --minutes "$(MINUTES)" $(if $(DATA),--data "$(DATA)")
	@.venv/bin/python -m pytest -m soak -n 2 --dist load -o faulthandler_timeout=7200
	@.venv/bin/python -m pytest -m "hypothesis and not chaos and not soak" --hypothesis-profile soak -n 2 -o faulthandler_timeout=7200

bench: $(INSTALLED) ## measure every table of the README again
	@.venv/bin/ratoon bench loop
	@.venv/bin/ratoon bench features
	@.venv/bin/ratoon bench serve
	@$(if $(DATA),.venv/bin/ratoon bench refresh --data "$(DATA)",echo "bench refresh: not run; DATA=DIR says where its sets are")

pictures: $(INSTALLED) ## take the README's pictures of a demo that is serving (needs Chromium) [PORT=8080]
	@.venv/bin/python -m ratoon.bench.screenshots docs/pictures --user 196 --url "http://127.0.0.1:$(PORT)/"

clean: ## remove .venv, caches and var/ (releases and event log included)
	@for path in .venv var build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis; do \
	    if [ -e "$$path" ]; then echo "removing $$path"; rm -rf "$$path"; fi; done
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp per kind of faiss: the two distributions overwrite each other's files, so asking for one removes the other.
$(INSTALLED): pyproject.toml constraints.txt
	@case "$(FAISS)" in cpu|gpu) ;; *) echo "FAISS is cpu or gpu, found '$(FAISS)'" >&2; exit 1;; esac
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
	    "Ratoon needs Python 3.11, 3.12 or 3.13, found %d.%d: run make PYTHON=/path/to/python3.12" % v)'
	@echo "installing (about 2 minutes the first time)"
	@rm -f .venv/.installed-*
	@if ! .venv/bin/python -c "" 2>/dev/null; then \
	    "$(PYTHON)" -m venv --clear .venv >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear --without-pip .venv; fi
	@if .venv/bin/python -c "import pip" 2>/dev/null; then pip=(.venv/bin/python -m pip); \
	    elif "$(PYTHON)" -c "import pip" 2>/dev/null; then pip=("$(PYTHON)" -m pip --python .venv/bin/python); \
	    else echo "No pip for $(PYTHON): install the system package python3-venv or python3-pip" >&2; exit 1; fi; \
	    "$${pip[@]}" uninstall -qq -y faiss-$(OTHER_FAISS); \
	    "$${pip[@]}" install -qq --no-compile --prefer-binary -e ".[$(FAISS),dev,otel,tune]"
	@touch "$@"
