# PYTHON: an environment with `pip install -e ".[test,lint,web]"`
PYTHON ?= python

.PHONY: check lint types test test-all

check: lint types test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -n 2 -m "not slow"

test-all:
	$(PYTHON) -m pytest -n 2
