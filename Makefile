# Needs Python >= 3.11 and pip, nothing else. PYTHON=python3.12 make setup chooses another one.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test fast lint bench clean

setup: .venv/.done

.venv/.done: pyproject.toml requirements/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "otgan needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c requirements/constraints.txt torch
	$(BIN)/pip install --quiet -c requirements/constraints.txt -e '.[all]'
	touch $@

demo: setup  ## the image WGAN on real handwritten digits: samples, curves, scores
	@run=$$($(BIN)/otgan train images) && $(BIN)/otgan evaluate $$run --json $$run/scores.json \
	&& echo && echo "Samples over time  $$run/samples/" \
	&& echo "Real beside them   $$run/real.png" \
	&& echo "Curves             $$run/curves.png"

test: setup lint
	$(BIN)/pytest

fast: setup
	$(BIN)/pytest -m 'not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/critic_step.py
	$(BIN)/python benchmarks/graph_transport.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/whitening.py
	$(BIN)/python benchmarks/metric_intervals.py
	$(BIN)/python benchmarks/robustness.py
	$(BIN)/python benchmarks/label_noise.py
	$(BIN)/python benchmarks/committee.py
	$(BIN)/python benchmarks/node_distributions.py
	$(BIN)/python benchmarks/mode_coverage.py

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache
