PYTHON ?= python3
VENV   ?= .venv
MODEL  ?= smollm2
PROMPT ?= Why is the sky blue?

BIN  = $(VENV)/bin
PIP  = $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
       --no-header --no-annotate --no-emit-index-url

.PHONY: run setup test check format generate lock clean

run: setup  ## Set everything up, start the daemon, fetch the default model, answer PROMPT.
	@$(BIN)/omlx run $(MODEL) "$(PROMPT)"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "omlx needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV), this takes a minute or two" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

check: $(VENV)/.installed-dev  ## Format, lint, types.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

test: check  ## Everything that must hold.
	@$(BIN)/pytest -n 2 --dist worksteal

format: $(VENV)/.installed-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

generate: $(VENV)/.installed-dev  ## Completion scripts and man pages, from the commands.
	@$(BIN)/python -m scripts.generate

lock:  ## Refresh the lock files (needs uv): names, versions and hashes, no addresses.
	@$(LOCK) pyproject.toml --group build --output-file requirements.lock
	@$(LOCK) pyproject.toml --group build --group dev --output-file requirements-dev.lock
	@echo 'mlx[cuda13]' | $(LOCK) - --constraint requirements.lock --output-file requirements-cuda.lock

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
