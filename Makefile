# Each of these sets up first: `make demo` runs the main job, `make check` is for every change (lint, and the tests that
# need one process and seconds; at most 3 minutes), `make test` runs all tests, `make docs` builds the site, `make notebooks`
# runs the notebooks of examples/. `make setup` does just that part.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
# What is set up already stays, unless another version is asked for.
TENSORFLOW ?= $(or $(patsubst $(VENV)/.done-%,%,$(firstword $(wildcard $(VENV)/.done-*))),2.21.0)
RUN := source $(VENV)/bin/activate &&
SETUP := $(VENV)/.done-$(TENSORFLOW)

# Without kept bytecode each process compiles TensorFlow's files anew: it takes two to three times as long to load.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo check test lint docs notebooks clean

setup: $(SETUP)

NEEDED := tools/setup.sh tools/pins.sh tools/build_horovod.sh tfdgan/cli/doctor/horovod_build.py requirements.lock $(wildcard tools/locks/*.lock) \
  setup.py pyproject.toml

$(SETUP): $(NEEDED)
	bash tools/setup.sh "$(PYTHON)" $(VENV) $(TENSORFLOW)
	touch $@
	@echo "ready: source $(VENV)/bin/activate"

demo: $(SETUP)
	rm -rf runs/demo
	$(RUN) horovodrun -np 4 python -m tfdgan.train --flagfile=configs/digits.flags --workdir=runs/demo
	@echo "grid of digits: $$(ls runs/demo/samples/*.png | tail -n 1)"
	@echo "TensorBoard:    $(VENV)/bin/tensorboard --logdir runs/demo"

test: $(SETUP)
	$(RUN) python tests/run_files.py -m "not alone"
	$(RUN) python -m pytest $$(grep -l "mark.alone" tests/*.py) -m alone --durations=30 --durations-min=5 --numprocesses=2 --dist=loadgroup

# The site: site/index.html opens from disk.
docs: $(VENV)/.docs
	$(RUN) python tools/list_errors.py --output=docs/errors.md && NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "open site/index.html"

# Every cell runs, and the files hold what the cells gave: tools/run_notebooks.py --write stores it anew.
notebooks: $(VENV)/.docs
	$(RUN) python tools/run_notebooks.py && python -m pytest -q tests/test_notebooks.py

$(VENV)/.docs: $(SETUP) requirements-docs.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-compile --requirement requirements-docs.lock
	touch $@

# Style, types, and which package may import which.
lint: $(SETUP)
	$(RUN) ruff check . && ruff format --check . && mypy && lint-imports --no-logo

check: lint
	$(RUN) python tests/run_files.py -m "not slow and not distributed and not alone and not data"

clean:
	rm -rf $(VENV) runs exported site
