# Two commands matter on a fresh machine: `make demo` and `make test`.
PY ?= python3
V := .venv
BASE := $(V)/.stamp-base
DEV := $(V)/.stamp-dev
INSTALL = $(V)/bin/pip install -q --disable-pip-version-check -c constraints.txt
THREADS := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
WORKERS ?= 2
# pip compiles nothing (half of its time): what is imported is compiled then, and kept
unexport PYTHONDONTWRITEBYTECODE
# what is committed is compared with what is found here
AGAINST = $(if $(wildcard benchmarks/results/$(1).json),--against committed)
SUITES := editing inpainting restoration vectorization radiance collapse regularizers cost

$(BASE): pyproject.toml constraints.txt
	@$(PY) -c 'import sys; sys.exit("DreamSampler needs Python 3.11 or newer: try `make PY=python3.12 ...`" if sys.version_info < (3, 11) else 0)'
	$(PY) -m venv $(V)
	$(INSTALL) --no-compile -e .
	@touch $@

$(DEV): $(BASE)
	$(INSTALL) -e ".[dev]"
	@touch $@

setup: $(DEV)             ## a .venv with everything that tests and documents need

demo: $(BASE)             ## edit a real picture with the bundled model
	$(V)/bin/dreamsampler demo

check: $(DEV)             ## format, lint, layers, types (of the package and of benchmarks), rules
	$(V)/bin/ruff format --check .
	$(V)/bin/ruff check .
	$(V)/bin/lint-imports
	$(V)/bin/pyright
	$(THREADS) $(V)/bin/python -m pytest tests/test_rules.py

test: $(DEV)              ## the tests, without network or GPU
	$(THREADS) $(V)/bin/python -m pytest -n $(WORKERS)

studio: studio/node_modules  ## the studio's page, from studio/src (needs node 20 and npm)
	cd studio && npm run build && npm test

studio/node_modules: studio/package-lock.json
	cd studio && npm ci
	@touch $@

test-ui: $(DEV)           ## the studio in a real browser (needs chromium; with npm also axe-core)
	@command -v chromium >/dev/null || { echo "make test-ui needs chromium: apt-get install chromium"; exit 2; }
	-@command -v npm >/dev/null && $(MAKE) -s studio/node_modules
	$(THREADS) $(V)/bin/python -m pytest tests/ui

test-batch: $(DEV)        ## batches on Ray (installs it: 200 MB of packages, 620 MB on the disk)
	$(INSTALL) -e ".[batch]"
	$(THREADS) $(V)/bin/python -m pytest tests/ray

test-comfyui: $(DEV)      ## the ComfyUI nodes in the engine itself: COMFYUI=its folder COMFYUI_PY=its python
	PYTHONPATH=src $(THREADS) $(or $(COMFYUI_PY),$(V)/bin/python) tests/comfyui_engine/check.py $(COMFYUI)

bench-quick: $(DEV)       ## beside baselines, reduced: minutes on two idle cores
	$(THREADS) $(V)/bin/python -m benchmarks editing --limit 6 --published-only --jobs 2 $(call AGAINST,editing) -o benchmarks/runs/quick/editing
	$(THREADS) $(V)/bin/python -m benchmarks vectorization --limit 4 --published-only --jobs 2 $(call AGAINST,vectorization) -o benchmarks/runs/quick/vectorization

bench: $(DEV)             ## beside baselines, whole (hours; goes on where it ended)
	for suite in $(SUITES); do $(THREADS) $(V)/bin/python -m benchmarks $$suite --jobs 2 -o benchmarks/runs/$$suite \
		$$(test ! -f benchmarks/results/$$suite.json || echo --against committed) || exit; done

evaluate-model: $(DEV)    ## the table of what the bundled model can do, and contact sheets (QUICK=1: a sample)
	$(THREADS) $(V)/bin/python -m training.evaluation $(if $(QUICK),--quick)

docs: $(DEV)              ## the site, strict, into site/
	NO_MKDOCS_2_WARNING=1 $(V)/bin/mkdocs build --strict

format: $(DEV)
	$(V)/bin/ruff format .
	$(V)/bin/ruff check --fix .

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

.PHONY: setup demo check test studio test-ui test-batch bench bench-quick evaluate-model docs format help
