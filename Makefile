# Two commands: `make demo` runs the main job on the embedded default, `make test` passes the tests. Both set up first.
# `make emoji` runs a real stream of pictures (docs/emoji.md). `make gpu` is for a machine with a GPU (docs/accelerators.md).
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS := 1
export OMP_WAIT_POLICY := passive

# uv unpacks and compiles several packages at once. It knows nothing of pip's settings, so where it finds no
# packages, pip installs them
define install
$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[$(1)]" \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$(1)]"
endef

.PHONY: setup demo emoji test lint fast gpu docs clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(call install,dev)
	touch $@

demo: setup
	$(BIN)/python -m schema grids/demo.sql
	$(BIN)/python -m runner.sync --watch
	$(BIN)/python -m queries status
	$(BIN)/python -m queries retention_at_budget stream=world
	$(BIN)/python -m queries comparison stream=world
	@echo "Open the app:  $(BIN)/streamlit run app.py"

emoji: setup
	$(call install,emoji)
	$(BIN)/python -m grids.emoji
	$(BIN)/python -m schema lab/data/emoji/datasets.sql grids/emoji/emoji.sql
	$(BIN)/python -m runner.sync --watch
	$(BIN)/python -m queries comparison stream=emoji
	$(BIN)/python -m queries retention_at_budget stream=emoji

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fast: setup
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist worksteal

# Four processes for two cores: those of Slurm and of the browser mostly wait, and end when they are
# through (tests/conftest.py). All tests in one run, as each process collects them for a quarter of a minute
test: setup
	$(MAKE) --jobs 2 lint docs
	$(BIN)/python -m pytest -rsR --rerun-show-tracebacks -n 4 --dist loadfile

gpu: setup
	$(BIN)/python -m benchmarks.gpu

docs: setup
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet --jobs 2 docs docs/_site

clean:
	rm -rf .venv lab docs/_site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
