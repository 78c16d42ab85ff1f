# `make chat` and `make test` do everything on a machine with git, make and Python 3.11 or newer.
# Both install into $(VENV) the first time and start at once after that.

VENV    ?= .venv
PYTHON  ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
             $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
TORCH   := torch==2.13.0
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
ARGS    ?=

.PHONY: chat test lint format setup clean help

help:  ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

chat: $(STAMP)  ## Chat about a portrait (ARGS="photo.png" opens your own)
	@$(BIN)/python chat.py $(ARGS)

test: $(STAMP)  ## Run the tests (ARGS="-k undo" runs some)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: $(STAMP)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(STAMP)  ## Install only

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(BIN)/python:
	@test -n '$(PYTHON)' \
	  || { echo "Palimpsest needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@echo "== Making the virtual environment $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "This Python cannot make virtual environments (on Debian: apt install python3-venv)."; exit 1; }

# PyTorch first: the plain wheel is built for CUDA and weighs gigabytes, so machines without an
# NVIDIA GPU take the CPU build, from PyTorch's own index or, failing that, wherever pip finds it.
$(STAMP): pyproject.toml | $(BIN)/python
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then \
	  echo "== PyTorch is there already"; \
	elif nvidia-smi >/dev/null 2>&1; then \
	  echo "== An NVIDIA GPU: installing PyTorch with CUDA (a big download, once)"; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check '$(TORCH)'; \
	else \
	  echo "== No NVIDIA GPU: installing PyTorch for the CPU (about 200 MB, once)"; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --timeout 10 --retries 0 \
	      --index-url https://download.pytorch.org/whl/cpu '$(TORCH)' 2>/dev/null \
	  || { echo "== PyTorch's CPU index did not answer; asking pip's usual index, whose build may bring CUDA (gigabytes)"; \
	       $(BIN)/python -m pip install -qq --disable-pip-version-check '$(TORCH)'; }; \
	fi
	@echo "== Installing Palimpsest and its development tools"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[dev,eval]'
	@touch $(STAMP)
	@echo "== Ready"
