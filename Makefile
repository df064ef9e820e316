# Bare `make` prints the targets.
SHELL := /bin/bash
PYTHON_IN := .venv/bin/python
PYTEST := $(PYTHON_IN) -m pytest -n 2 --dist loadgroup
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo dev env env-test env-browser test test-fast lint format e2e e2e-postgres bench shots openapi

help:  ## this list
	@sed -n 's/^\([a-z][a-z0-9%-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

env:
	@deploy/setup.sh deploy/lock.txt

env-test:
	@deploy/setup.sh deploy/lock-test.txt

env-browser:
	@deploy/setup.sh deploy/lock-test.txt chromium

demo: env  ## the whole system on this machine, a simulated fleet brought up: HOSTS SPEED SEED FAULTS PORT ONCE CHAOS FRESH
	@exec $(PYTHON_IN) -m deploy.demo hosts=$(HOSTS) speed=$(SPEED) seed=$(SEED) faults=$(FAULTS) port=$(PORT) \
		once=$(ONCE) chaos=$(CHAOS) fresh=$(FRESH)

dev: env-test  ## the demo with pages that show their errors, of 16 hosts unless HOSTS says otherwise
	@exec env MUSTER_DEBUG=1 $(MAKE) --no-print-directory demo HOSTS=$(or $(HOSTS),16)

test: env-browser  ## every test but those with real peers
	@$(PYTEST) -m "not e2e" $(ARGS)

test-fast: env-test  ## tests without processes and browser, under a minute
	@$(PYTEST) -m "pure or db" $(ARGS)

lint: env-test  ## format, lint, types, import contracts, size limits, migrations, openapi.json
	@$(PYTHON_IN) -m ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(PYTHON_IN) -m ruff check --quiet .
	@$(PYTHON_IN) -m deploy.limits fleet provisioning deploy tests
	@out=$$(.venv/bin/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }
	@$(PYTHON_IN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run >/dev/null || \
		{ echo "models have no migration: manage.py makemigrations"; exit 1; }
	@new=$$(mktemp) && $(PYTHON_IN) manage.py openapi -o $$new >/dev/null && cmp -s $$new docs/openapi.json || \
		{ echo "docs/openapi.json is old: make openapi"; exit 1; }; rm -f $$new
	@$(PYTHON_IN) -m mypy fleet provisioning deploy
	@echo "lint: clean"

format: env-test  ## write the format that lint wants
	@$(PYTHON_IN) -m ruff format --quiet . && $(PYTHON_IN) -m ruff check --fix --quiet .

e2e: e2e-postgres  ## everything with real peers, at most an hour
	@$(PYTEST) -m e2e $(ARGS)

e2e-postgres: env-test  ## database and worker tests on Debian's own PostgreSQL and Redis
	@deploy/setup.sh deploy/lock-test.txt postgresql redis-server
	@MUSTER_TEST_EXTERNAL=1 $(PYTHON_IN) -m deploy.embedded --name external \
		--postgres-bin "$$(ls -d /usr/lib/postgresql/*/bin | tail -1)" --valkey-bin /usr/bin/redis-server \
		run $(PYTEST) -m "db or workers" --ignore=tests/deploy/test_embedded.py $(ARGS)

bench: env-test  ## every benchmark
	@for file in bench/[a-z]*.py; do name=$${file#bench/}; $(MAKE) --no-print-directory "bench-$${name%.py}" || exit 1; done

bench-%: env-test  ## one benchmark, the file bench/%.py
	@$(PYTHON_IN) -m bench.$(subst -,_,$*) $(ARGS)

shots: env-browser  ## a picture of every page, in .run/shots
	@$(PYTHON_IN) -m tests.support.shots $(ARGS)

openapi: env-test  ## write docs/openapi.json
	@$(PYTHON_IN) manage.py openapi -o docs/openapi.json
