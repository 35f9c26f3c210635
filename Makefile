# `make demo` and `make test` are all that a newcomer needs: both install first, into .venv.

# Whoever names no interpreter is content with the one that is installed for.
ASKED_PYTHON := $(filter-out undefined,$(origin PYTHON))
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILING = $(if $(filter dev,$(SETS)),,--no-compile)
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(2 * (os.cpu_count() or 1), 16))')
SYSTEMS ?= $(shell $(PYTHON) -c 'import os; n = os.cpu_count() or 1; print(min(n + (n + 1) // 2, 12))')
# More than two a core, and a workflow of a test stands still for the two seconds that the SDK allows.
PARTS ?= $(WORKERS)
# The optional sets of pyproject.toml, each with a lock of its own; the stamp tells which are there (an empty one is of before it
# did). `make demo` alone is content with those.
ALL_SETS := stack mcp notices tracing dev
THERE := $(if $(wildcard $(STAMP)),$(or $(shell cat $(STAMP)),base $(ALL_SETS)))
SETS ?= $(if $(and $(filter demo,$(MAKECMDGOALS)),$(filter stack,$(THERE))),$(filter-out base,$(THERE)),$(ALL_SETS))
LOCKS := $(patsubst %,locks/%.txt,base $(SETS))
# Set in many an image; then each worker of a test run compiles all tests anew, and each process that a test starts our code.
unexport PYTHONDONTWRITEBYTECODE
# The real coding agents, for their tests and demo; shared by all checkouts, since they take 3 GB.
export MAKIMA_AGENTS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/makima/agents
AGENTS_BIN := $(MAKIMA_AGENTS)/node_modules/.bin

.PHONY: install demo demo-agent agents clients check test test-agents test-browser test-chaos test-guides lint bench chaos histories locks images clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [KEEP=1]  a goal becomes a pull request, on the real parts, in under a minute"
	@echo "make demo-agent     the same, planned and done by the real Claude Code against a fake model server"
	@echo "make check          lint and unit tests, under a minute"
	@echo "make test           all checks, and all tests but those of the next two lines"
	@echo "make test-chaos     what may die dies, a few times; test-guides types what the guides say; test-browser: Chromium"
	@echo "make test-agents    the real Claude Code, Codex and others, installed from npm, against a fake model server"
	@echo "make chaos          a daemon is killed at 30 random moments; then 10 rounds in which any part may die or freeze"
	@echo "make install        the installation alone, into $(VENV)"
	@echo "make bench          overhead, as ratios to something measured in the same run"

install: $(STAMP)

# Other sets, or another interpreter, than what is there: all is made anew, since nothing takes packages away again.
INTERPRETER := -c 'import os, sys; print(os.path.realpath(sys._base_executable), *sys.version_info)'
OTHER_SETS := $(if $(THERE),$(filter-out base $(SETS),$(THERE)) $(filter-out $(THERE),$(SETS)))
OTHER_PYTHON := $(if $(and $(ASKED_PYTHON),$(wildcard $(STAMP))),$(filter-out \
	$(shell $(BIN)/python $(INTERPRETER)),$(shell $(PYTHON) $(INTERPRETER))))
ANEW := $(strip $(OTHER_SETS) $(OTHER_PYTHON))
.PHONY: anew
$(STAMP): $(if $(ANEW),anew)

# uv where it is on the PATH, else venv and pip; every file that is installed has its hash in locks/. What only installs
# (pip, setuptools) and what Python compiles at its first run stay for the tests alone, and nothing reads the Rust sources in
# temporalio's wheel: without them it is 50 MB less.
$(STAMP): pyproject.toml $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Makima needs Python 3.11 or newer: set PYTHON=…" >&2; exit 1; }
	@echo "Installing Makima and $(words $(SETS)) sets of packages ($(SETS)) into $(VENV), each file by its hash;" \
		"without the tests' own: make install SETS='stack mcp tracing'" >&2
	@python="$$($(PYTHON) -c 'import sys; print(sys._base_executable)')" && rm -rf $(if $(ANEW),$(VENV),$@) && \
	if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python "$$python" $(VENV) && \
		uv pip install --quiet --python $(BIN)/python --require-hashes $(addprefix -r ,$(LOCKS)) && \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . && \
		$(if $(filter dev,$(SETS)),:,uv pip uninstall --quiet --python $(BIN)/python setuptools); \
	else \
		"$$python" -m venv $(VENV) && \
		$(PIP) $(COMPILING) --require-hashes $(addprefix -r ,$(LOCKS)) && \
		$(PIP) --no-deps --no-build-isolation -e . && \
		$(if $(filter dev,$(SETS)),:,$(BIN)/python -m pip uninstall --quiet --yes setuptools pip); \
	fi
	@rm -rf $(VENV)/lib/python3*/site-packages/temporalio/bridge/sdk-core
	@echo base $(SETS) >$@
	@echo "Installed: $$(du -sm $(VENV) | cut -f 1) MB. Next: . $(VENV)/bin/activate && makima up" >&2

demo: install
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

# What is there already in these versions is not downloaded again. npm takes the registry that it is told to use. Of what
# packages would run while they are installed only Claude Code's own script is: others compile what nobody needs here.
agents:
	@command -v npm >/dev/null || { echo "npm is needed for the coding agents: install Node.js" >&2; exit 1; }
	@cmp -s tests/agents/package-lock.json "$(MAKIMA_AGENTS)/installed.json" || { \
		mkdir -p "$(MAKIMA_AGENTS)" && cp tests/agents/package.json tests/agents/package-lock.json "$(MAKIMA_AGENTS)" && \
		npm ci --prefix "$(MAKIMA_AGENTS)" --ignore-scripts --no-audit --no-fund --loglevel=error && \
		npm rebuild --prefix "$(MAKIMA_AGENTS)" --loglevel=error @anthropic-ai/claude-code && \
		cp tests/agents/package-lock.json "$(MAKIMA_AGENTS)/installed.json" || { \
			echo "The coding agents are not installed: look whether npm reaches its registry (npm ping) and" \
				"$(MAKIMA_AGENTS) has 3 GB of room, then: make agents" >&2; exit 1; }; \
	}

# Clients of forges from npm, for their one test; without npm it is skipped.
CLIENTS := tests/clients
clients:
	@command -v npm >/dev/null || exit 0; cmp -s $(CLIENTS)/package-lock.json $(CLIENTS)/node_modules/.installed.json || { \
		npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel=error && \
		cp $(CLIENTS)/package-lock.json $(CLIENTS)/node_modules/.installed.json || \
			echo "octokit is not installed, and its test is skipped: npm ping, then: make clients" >&2; \
	}

demo-agent: install agents
	@PATH="$(AGENTS_BIN):$$PATH" $(BIN)/python -m demo --agent $(if $(KEEP),--keep)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/pytest --numprocesses $(WORKERS) --quiet tests/unit tests/workflows/test_replay.py

# A file's tests stay together: they share daemons of their own. They wait most of the time: more workers than cores; those
# that wait longest begin (tests/acceptance/conftest.py). Those of the whole system start processes all the time: fewer of
# them.
IN_FILES := --dist loadfile --no-loadscope-reorder
test: lint clients
	@failed=0; set -x; \
	$(BIN)/pytest --numprocesses $(SYSTEMS) $(IN_FILES) tests/acceptance || failed=1; \
	$(BIN)/pytest --numprocesses $(PARTS) $(IN_FILES) tests/attacks tests/integration tests/workflows tests/unit || failed=1; \
	exit $$failed

test-chaos test-guides test-browser: install
	$(BIN)/pytest $(@:test-%=tests/%)

# Those of many agents wait for their starts; of the others, one file waits for as long as all the rest takes, and begins.
test-agents: install agents
	@failed=0; set -x; \
	$(BIN)/pytest --numprocesses 2 tests/agents/test_acp.py || failed=1; \
	$(BIN)/pytest --numprocesses 2 $(IN_FILES) tests/agents --ignore=tests/agents/test_acp.py || failed=1; \
	exit $$failed

chaos: install
	MAKIMA_CHAOS_ROUNDS=30 $(BIN)/pytest tests/chaos/test_kill_any_time.py
	MAKIMA_CHAOS_ROUNDS=$${MAKIMA_CHAOS_ROUNDS:-10} $(BIN)/pytest -v tests/chaos/test_whole_system.py

bench: install
	$(BIN)/python -m bench
	$(BIN)/python -m bench.cold_start
	$(BIN)/python -m bench.load

# After a change of pyproject.toml, constraints.txt or tests/agents/package.json. Needs uv and npm.
locks:
	@$(PYTHON) locks/update.py

# The images of docker-compose.yml and the Dockerfile by digest, as a registry tells them: make images REGISTRY=URL
images: install
	@$(BIN)/python locks/images.py "$(REGISTRY)"

histories: install
	$(BIN)/python -m tests.histories.record

clean:
	rm -rf $(VENV) build *.egg-info
