# `make demo` sets up and runs the main job, `make test` sets up and runs the tests, `make setup` does just that part.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := source $(VENV)/bin/activate &&
SETUP := $(VENV)/.done

.PHONY: setup demo test lint clean

setup: $(SETUP)

$(SETUP): tools/setup.sh tools/build_horovod.sh requirements.lock setup.py
	bash tools/setup.sh "$(PYTHON)" $(VENV)
	touch $@
	@echo "ready: source $(VENV)/bin/activate"

demo: $(SETUP)
	rm -rf runs/demo
	$(RUN) horovodrun -np 4 python -m tfdgan.train --flagfile=configs/digits.flags --workdir=runs/demo
	@echo "grid of digits: $$(ls runs/demo/samples/*.png | tail -n 1)"
	@echo "TensorBoard:    $(VENV)/bin/tensorboard --logdir runs/demo"

test: $(SETUP)
	$(RUN) python -m pytest tests -m "not alone" --numprocesses=2 --dist=loadfile --no-loadscope-reorder
	$(RUN) python -m pytest tests -m alone --numprocesses=2 --dist=loadfile --no-loadscope-reorder

lint: $(SETUP)
	$(RUN) ruff check . && ruff format --check .

clean:
	rm -rf $(VENV) runs exported
