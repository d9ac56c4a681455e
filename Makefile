# make demo      a study of two networks on real data, from nothing to its report
# make test      the guarantees, briefly; prints time and memory by part
# make test-all  the long ones too
# make docs      the documentation as HTML: docs/_build/html/index.html
# make lint      ruff and mypy
# make bench     the tables of docs/speed.md, against PyTorch
# make tables    pages, figures and README's claims, from experiments/results
# make golden    AGAINST=COMMIT: does that commit compute the same numbers?
# make lock      resolve requirements.lock anew

PYTHON ?= python3
PY := .venv/bin/python
SPREAD := --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

.PHONY: demo test test-all docs lint bench tables golden lock clean

demo: .venv/installed
	$(PY) -m experiments.cnn_vs_mlp

test: .venv/installed
	$(PY) -m pytest $(SPREAD) -m "not long"

test-all: .venv/installed
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(PY) -m pytest $(SPREAD)

docs: .venv/installed
	JAX_PLATFORMS=cpu $(PY) -m sphinx --builder html --fail-on-warning --keep-going \
	  --jobs auto --quiet docs docs/_build/html

lint: .venv/installed
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: .venv/installed
	$(PY) -c "import torch" || $(PY) -m pip install -e '.[bench]'
	$(PY) -m experiments.bench.step_time
	$(PY) -m experiments.bench.study_time --network=cnn
	$(PY) -m experiments.bench.study_time --network=lstm
	$(PY) -m experiments.bench.array_time
	$(PY) -m experiments.bench.decode_time

tables: .venv/installed
	$(PY) -m dljax.reporting.result_tables

golden: .venv/installed
	$(PY) tests/compare_commits.py $(AGAINST)

lock:
	uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -o requirements.lock

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
	  'dljax needs Python 3.11 or newer: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf .venv runs
