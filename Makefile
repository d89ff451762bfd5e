# `make demo` shows hotpatch at work; `make test` runs every test.
# Needs only cargo, python3 with pip, and make: the rest goes into .venv.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SOURCE := $(shell find crates python -name '*.rs' -o -name '*.toml' -o -name '*.py' -o -name '*.pyi') Cargo.toml Cargo.lock

# Rust tests must meet the interpreter that the extension is built for.
export PYO3_PYTHON := $(abspath $(BIN)/python)

# The engine's Rust tests run an interpreter inside the test binary and so need libpython
# (Debian: libpython3-dev). Without it the Python suite alone covers the engine.
NO_LIBPYTHON = $(filter True,$(shell $(BIN)/python -c 'import pathlib, sysconfig; \
	get = sysconfig.get_config_var; \
	print(not any(pathlib.Path(d, get("LDLIBRARY")).exists() for d in (get("LIBDIR"), get("LIBPL"))))'))

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
		rm -rf $(VENV); \
		$(PYTHON) -m pip install --quiet --target $(VENV).bootstrap virtualenv; \
		PYTHONPATH=$(VENV).bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); }

$(VENV)/.deps: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(VENV)/.build: $(SOURCE) $(VENV)/.deps
	env -u CONDA_PREFIX VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --quiet
	rm -f $(VENV)/.release
	touch $@

.PHONY: help build demo demo-rust test test-rust test-python lint format torture programs replays survey memory sanitize valgrind matrix bench
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(VENV)/.build ## Build the extension into .venv

demo: build ## Patch a web server while it is serving
	$(BIN)/python examples/web_server.py

demo-rust: $(VENV)/.release ## Rewrite the hot function of a program in Rust while it runs
	cargo build --locked --release --quiet --package rewrite-in-rust
	$(BIN)/python examples/rewrite_in_rust/main.py \
		$$(ls target/release/libfast_spelling.so target/release/libfast_spelling.dylib 2>/dev/null)

test: test-rust test-python ## Run every test

test-rust: $(VENV)/.deps ## Run the Rust tests
	$(if $(NO_LIBPYTHON),@echo 'no libpython found: leaving out the Rust tests of hotpatch-engine')
	cargo test --locked --workspace --quiet $(if $(NO_LIBPYTHON),--exclude hotpatch-engine)

test-python: build ## Run the Python tests
	$(BIN)/python -m pytest --numprocesses auto

lint: build ## Check form, types and lints, of Rust and of Python
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items --quiet
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest hotpatch._native
	PATH="$(abspath $(BIN)):$$PATH" basedpyright --verifytypes hotpatch --ignoreexternal

format: $(VENV)/.deps ## Bring the code into form
	cargo fmt
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

torture: $(VENV)/.release ## Run CPython's own tests with the functions under test patched
	$(BIN)/python -m torture

programs: $(VENV)/.release ## Run programs that were not written here with hooks on all of their functions
	$(BIN)/python -m pip install --quiet --requirement programs/requirements.txt
	$(BIN)/python -m programs

replays: $(VENV)/.release ## Replay released versions of packages with live reload
	$(BIN)/python -m pip install --quiet --requirement replays/requirements.txt
	$(BIN)/python -m replays

survey: build ## Patch every C function and method of the standard library, and call it
	$(BIN)/python -W ignore -m survey

bench: $(VENV)/.release ## Measure hotpatch beside what else one could use
	$(BIN)/python -m pip install --quiet --requirement benches/requirements.txt
	$(BIN)/python -m benches

memory: $(VENV)/.release ## Patch and undo 10 million times and see that memory does not grow
	$(BIN)/python scripts/memory.py

sanitize: $(VENV)/.deps ## Run the engine's tests under AddressSanitizer (needs a nightly toolchain)
	RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
		cargo +nightly test --locked --package hotpatch-engine --tests --quiet \
		--target $(shell rustc -vV | sed -n 's/^host: //p') --target-dir target/sanitize

valgrind: $(VENV)/.deps ## Run the tests of calls in flight under valgrind (needs valgrind)
	PATH="$$(scripts/pythons):$$PATH" $(BIN)/nox --session valgrind

matrix: $(VENV)/.deps ## Run the suite on every CPython that hotpatch supports
	PATH="$$(scripts/pythons):$$PATH" $(BIN)/nox --session suite

$(VENV)/.release: $(SOURCE) $(VENV)/.deps
	env -u CONDA_PREFIX VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet
	rm -f $(VENV)/.build
	touch $@
