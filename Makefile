# Two commands: `make up` plays a payment day on this machine, `make test` proves the rest.
# Needs Python 3.13, make and git. Everything else lands in .venv and .local.
PYTHON ?= python3.13
PORT   ?= 8080
STACK  ?= payvand
UV     := .local/uv/bin/uv
BIN    := .venv/bin
ENVS   := .venv/.stamp .local/emulator/.stamp .local/sam/.stamp
LINT   := .local/lint/.stamp

# Environments load faster with bytecode, whatever the caller's shell prefers.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH VIRTUAL_ENV

.PHONY: up down deploy test check soak lint envs lint-env browser bench bench-settlement lock audit
.DEFAULT_GOAL := up

up: envs           ## Start the local stack, play a day, follow its logs (PORT=8080)
	@exec $(BIN)/payvand up --port $(PORT)
down:              ## Stop what `make up` started
	@test ! -x $(BIN)/payvand || exec $(BIN)/payvand down
deploy: envs       ## Into this shell's AWS account, what holds data first (STACK=payvand); asks before each of the two
	@$(BIN)/python -m tools.before_deploy $(STACK)
	@.local/sam/bin/sam deploy --config-env data --stack-name $(STACK)-data
	@UV=$(CURDIR)/$(UV) LAYER_PYTHON=$(CURDIR)/$(BIN)/python PATH="$(CURDIR)/$(BIN):$$PATH" .local/sam/bin/sam build
	@.local/sam/bin/sam deploy --stack-name $(STACK)
test: envs lint-env browser ## Everything: lint, types, template, tests
	@exec $(BIN)/python tools/check.py
check: envs lint-env ## What fits in three minutes: lint, types, unit and handler tests
	@exec $(BIN)/python tools/check.py --quick
soak: export PAYVAND_HOME := $(CURDIR)/.local/soak
soak: envs         ## Half an hour of load on a stack of its own (PORT=8080); its report goes to docs/load.*
	@$(BIN)/payvand up --port $(PORT) --no-demo --detach
	@$(BIN)/payvand load --seconds 1800 --turn 90 --actors 6 --payments 20000 --json docs/load.json; \
	  code=$$?; $(BIN)/payvand down; exit $$code
	@$(BIN)/python -m tools.load_page
lint: envs lint-env ## Only the static half of `make test`
	@exec $(BIN)/python tools/check.py --static
envs:              ## Create or refresh the environments
	@$(MAKE) -s -j3 $(ENVS)
lint-env: envs     # what judges the template; `make up` does without
	@$(MAKE) -s $(LINT)
browser:
	@sh tools/browser.sh
bench: envs .local/bench/.stamp ## Compare with others; BENCH="--help" says what else
	@exec .local/bench/bin/python -m bench $(BENCH)
bench-settlement: envs ## What settling a day costs, up to a million payments; BENCH="--record" keeps it
	@exec $(BIN)/python -m bench.settlement $(BENCH)

.local/uv/.stamp: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || { echo "Python 3.13 is needed: make PYTHON=/path/to/python3.13 ..."; exit 1; }
	@echo "environments: creating (once)"
	@$(PYTHON) -m venv --clear .local/uv
	@.local/uv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@
.local/%/.stamp: requirements/%.txt .local/uv/.stamp
	@$(UV) venv -q --clear --python .local/uv/bin/python .local/$*
	@$(UV) pip sync -q --require-hashes --python .local/$*/bin/python $<
	@touch $@
.venv/.stamp: requirements/dev.txt pyproject.toml .local/uv/.stamp
	@test -x .venv/bin/python || $(UV) venv -q --clear --python .local/uv/bin/python .venv
	@$(UV) pip sync -q --require-hashes --python .venv/bin/python $<
	@$(UV) pip install -q --no-deps --no-build-isolation --python .venv/bin/python -e .
	@touch $@

lock: .local/uv/.stamp ## Renew the pins of requirements/*.txt
	@cd requirements && for f in uv emulator sam lint layer papers dev bench audit; do \
	  ../$(UV) pip compile -q --universal --python-version 3.13 --generate-hashes --no-header --upgrade $$f.in -o $$f.txt || exit 1; done

audit: .local/audit/.stamp ## Ask the vulnerability service about every pin (needs the network)
	@failed=0; for f in requirements/*.txt; do echo "$$f"; \
	  .local/audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$f || failed=1; done; exit $$failed
