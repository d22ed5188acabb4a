# Two commands to know: `make run` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000
NODE := tests/contract/node

export PORT
ifdef VAR
export VAR
endif
ifdef DEMO
export DEMO
endif
ifdef DATABASE_URL
export DATABASE_URL
endif
ifdef REDIS_URL
export REDIS_URL
endif
ifdef PEERS
export PEERS
endif

# A portal is a dozen processes; each would compile the whole code by itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-faults test-contract test-browser test-pages screenshots icons bench check lint format types requirements reference clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: .venv/runtime ## Run the portal (PORT=8000, VAR=var, DEMO=1); Ctrl-C stops it
	@exec $(BIN)/python -m portal.supervisor

test: .venv/dev ## Run the suite (own servers: DATABASE_URL=..., REDIS_URL=...)
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not faults and not contract and not browser" $(ARGS)

test-faults: .venv/dev ## Kill workers, stop servers, and see that nothing is lost
	$(BIN)/python -m pytest -m faults $(ARGS)

test-contract: .venv/contract $(NODE)/node_modules/.package-lock.json ## Have stock clients of others use the portal
	$(BIN)/python -m pytest -m contract $(ARGS)

test-browser: .venv/browser ## Work on pages in a real browser (CHROMIUM=/usr/bin/chromium)
	$(BIN)/python -m pytest -m "browser and not pages" $(or $(ARGS),tests/browser)

test-pages: .venv/browser ## Look at every page in a browser, and for what is not accessible
	$(BIN)/python -m pytest -m pages $(or $(ARGS),tests/browser)

screenshots: .venv/browser ## Pictures of the README, and of every page (ARGS=readme, ARGS=pages)
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

icons: .venv/browser ## Cut the font of icons down to those that pages show
	$(BIN)/python -m tests.browser.icons

bench: .venv/dev ## Measure speed, as ratios (ARGS="edge cost", PEERS=1: others beside)
	$(BIN)/python -m tests.bench $(ARGS)

check: lint types ## Everything but the tests that CI runs
	$(BIN)/python manage.py makemigrations --check --dry-run
	PRODUCTION=1 HTTPS=1 ALLOWED_HOSTS=portal.example.org \
	SECRET_KEY=$$(head -c 48 /dev/urandom | base64 -w0) \
	ENCRYPTION_KEYS=$$(head -c 48 /dev/urandom | base64 -w0) \
	DATABASE_URL=postgres://portal@db/portal REDIS_URL=redis://queue/0 \
	SEALER_KEY_FILE=/etc/portal/sealer-key LEDGER_ORIGIN=portal.example.org/ledger \
	CHECKPOINT_FILES=/mnt/witness/checkpoints.jsonl \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

lint: .venv/dev ## Format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: .venv/dev ## Put the format right
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: .venv/dev ## Check the types of the domains
	$(BIN)/mypy

requirements: ## Compile requirements*.txt from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		--generate-hashes --quiet --custom-compile-command "make requirements" \
		-o requirements.txt
	uv pip compile --group dev --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		-c requirements.txt --generate-hashes --quiet \
		--custom-compile-command "make requirements" -o requirements-dev.txt
	uv pip compile --group contract --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		-c requirements.txt --generate-hashes --quiet \
		--custom-compile-command "make requirements" -o requirements-contract.txt
	uv pip compile --group browser --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		-c requirements.txt --generate-hashes --quiet \
		--custom-compile-command "make requirements" -o requirements-browser.txt
	$(PYTHON) .ci/explain_requirements.py

reference: .venv/dev ## Generate docs/reference from the code
	$(BIN)/python manage.py write_reference

clean: ## Remove the environment and all data of this checkout
	rm -rf .venv var staticfiles .mypy_cache .ruff_cache .test-databases

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: Python 3.11 or newer is needed ($(PYTHON))" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "error: python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; \
		  rm -rf .venv; exit 1; }

.venv/runtime: .venv/bin/python requirements.txt
	@echo "Installing (half a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv/contract: .venv/dev requirements-contract.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-contract.txt
	@touch $@

.venv/browser: .venv/dev requirements-browser.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.txt
	@touch $@

$(NODE)/node_modules/.package-lock.json: $(NODE)/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix $(NODE) --silent && touch $@; \
		else echo "npm is missing: the JavaScript clients are left out" >&2; fi
