# The commands of this project; `make help` lists them.
#
#     .cache/packages-X   system packages of demo, debian, test, engines, bench   tools/setup packages X
#     .venv/.runtime      the virtual environment, with the package           tools/setup venv runtime
#     .venv/.dev          the same, and the tools for development             tools/setup venv dev
#     .cache/NAME.tar     a root file system                                  rootfs/NAME/build
#
# Each is made once: a second run downloads nothing.  What needs root is run through SUDO.

export VENV := .venv
export SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BIN := $(CURDIR)/$(VENV)/bin
MINICONTAINER := $(SUDO) $(BIN)/minicontainer
# As root, nothing may be left that its owner cannot remove: no bytecode, no cache.
ROOT_PYTEST := $(SUDO) $(BIN)/python -B -m pytest -p no:cacheprovider

# Not tests/engines: two minutes of other people's daemons, a target of their own.
ROOT_TIERS := $(addprefix root-,integration conformance faults kernel security fuzz)
# What a container around it can change; verbs that only read or arrange what these make are left out.
NESTED_TESTS := tests/unit tests/architecture tests/kernel tests/security \
	$(wildcard tests/integration/test_run*.py) tests/integration/test_exec.py tests/integration/test_limits.py
# What another cgroup version can change.
V2_TESTS := tests/kernel/cgroups \
	$(addprefix tests/kernel/libcontainer/test_,$(addsuffix .py,life exec failures mounts namespaces process)) \
	tests/integration/test_limits.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help fuzz demo man rootfs rootfs-debian test test-unit test-root test-v2 test-nested test-engines test-faults test-stress test-runtime-tools bench \
	lint typecheck format clean ready-demo ready-test ready-bench $(ROOT_TIERS)

# $(call side_by_side,TARGETS), the longest first: each has hosts of its own, and waits more than it computes.
# The output of one comes when it has ended; if one fails, the others still end, and then all has failed.
side_by_side = echo "make: $(or $(TEST_JOBS),2) at a time, each told when it has ended: $(1)" && $(MAKE) \
	--no-print-directory --keep-going --jobs=$(or $(TEST_JOBS),2) --output-sync=target SIDE_BY_SIDE=1 $(1)
# Nothing else is made side by side; and what is, has been given all that it needs before.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
test-nested: rootfs
endif

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

demo: rootfs ## set everything up; run a container, change it, commit it, run the change
	@MINICONTAINER='$(MINICONTAINER)' tools/demo

man: ready-demo ## the manual pages, into .venv/share/man: with .venv/bin in the PATH, man finds them there
	@$(BIN)/python -B tools/manual.py $(VENV)/share/man
	@echo "man: $(VENV)/share/man; try: man -M $(VENV)/share/man minicontainer"

rootfs: ready-demo .cache/busybox.tar ## build the busybox image and import it
	@$(call import,busybox,["sh"])

rootfs-debian: ready-demo .cache/packages-debian .cache/debian.tar ## the same with a minimal Debian that has python3
	@$(call import,debian,["bash"])

# import NAME CMD: unless the image is there already and no older than its recipe
define import
if [ .cache/$(1).tar -nt .cache/$(1).imported ] || [ -z "$$($(MINICONTAINER) images -q $(1))" ]; then \
	$(MINICONTAINER) import --change 'CMD $(2)' .cache/$(1).tar $(1) >.cache/$(1).id && \
	touch .cache/$(1).imported && echo "rootfs: imported as $(1):latest, $$(cut -c1-19 .cache/$(1).id)"; \
else \
	echo "rootfs: the image $(1):latest is there"; \
fi
endef

.cache/%.tar: rootfs/%/build
	@mkdir -p .cache
	@echo "rootfs: $< $@"
	@PATH=$(BIN):$$PATH $< $@

test: rootfs test-unit ## every tier that this host can run, TEST_JOBS=2 at a time, saying which
	@$(call side_by_side,root-integration test-v2 test-nested $(filter-out root-integration,$(ROOT_TIERS)))
	@for engine in podman dockerd containerd; do \
		PATH=$$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v $$engine >/dev/null && \
		echo "test: $$engine is here: make test-engines drives minicontainer-runtime by it" || \
		echo "test: $$engine skipped, not installed: make test-engines installs it"; done

test-unit: ready-test ## unit and architecture tiers; needs no root
	$(BIN)/python -m pytest tests/unit tests/architecture

test-root: ready-test ## kernel, integration, conformance, faults, security and (briefly) fuzz tiers, as root
	@$(call side_by_side,$(ROOT_TIERS))

$(ROOT_TIERS): root-%: ready-test
	$(ROOT_PYTEST) tests/$*

test-v2: ready-test ## the control group tests on a real cgroup v2 kernel, in User-Mode Linux
	@$(SUDO) env PYTHON=$(BIN)/python tests/uml/run -p no:cacheprovider $(V2_TESTS) \
	|| { [ $$? = 77 ] && echo "test-v2: skipped, for the reason above"; }

test-engines: ready-test .cache/packages-engines ## podman, dockerd and containerd on minicontainer-runtime; installs what is missing
	$(ROOT_PYTEST) tests/engines

test-nested: ready-test ## unit, architecture, kernel, security, run and exec: in a privileged container of minicontainer's
	@MINICONTAINER='$(MINICONTAINER)' tests/nested $(NESTED_TESTS)

fuzz: ready-test ## spoiled documents and command lines, for about FUZZ_SECONDS=300
	$(SUDO) env FUZZ_SECONDS='$(or $(FUZZ_SECONDS),300)' $(BIN)/python -B -m pytest -p no:cacheprovider \
	-o timeout=0 tests/fuzz

test-faults: ready-test ## every step of every operation fails and dies, FAULT_JOBS=2 at a time: a table in .cache/faults.txt
	$(SUDO) $(BIN)/python -B -m tests.faults '$(or $(FAULT_JOBS),2)'

test-stress: ready-test ## STRESS_CONTAINERS=200 started and removed by 16 callers at once, for STRESS_SECONDS=600
	$(SUDO) env STRESS_SECONDS='$(or $(STRESS_SECONDS),600)' STRESS_CONTAINERS='$(or $(STRESS_CONTAINERS),200)' \
	$(BIN)/python -B -m pytest -p no:cacheprovider -s tests/faults/test_stress.py

test-runtime-tools: ready-test ## the OCI validation programs, built in RUNTIME_TOOLS=CHECKOUT, where someone has them
	@$(SUDO) env RUNTIME_TOOLS='$(RUNTIME_TOOLS)' RUNTIME='$(or $(RUNTIME),$(BIN)/minicontainer-runtime)' \
	$(BIN)/python -B tests/conformance/runtime_tools.py

bench: rootfs ready-bench ## ratios to runc, crun, bubblewrap, podman and docker; BENCH=life: of one group or comparison
	$(SUDO) .cache/bench-venv/bin/python -B -m bench $(if $(BENCH),--only $(BENCH))

lint: ready-test ## ruff (rules and format) and the floors, by import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

typecheck: ready-test ## mypy, strict
	$(BIN)/mypy

format: ready-test ## let ruff format and sort imports
	$(BIN)/ruff check --select I --fix
	$(BIN)/ruff format

clean: ## remove what make has made here (images and containers stay)
	$(SUDO) rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	$(SUDO) find . -name __pycache__ -prune -exec rm -rf {} +

ready-demo: .cache/packages-demo $(VENV)/.runtime
ready-test: .cache/packages-test $(VENV)/.dev
# Its own environment, as a user has it: with the tools for development in it, msgspec imports more.
ready-bench: .cache/packages-bench .cache/bench-venv/.runtime

.cache/packages-%: tools/setup
	@mkdir -p .cache
	@tools/setup packages $*
	@touch $@

$(VENV)/.runtime: pyproject.toml tools/setup | .cache/packages-demo
	@tools/setup venv runtime
	@touch $@

.cache/bench-venv/.runtime: pyproject.toml tools/setup | .cache/packages-demo
	@VENV=.cache/bench-venv tools/setup venv runtime
	@touch $@

$(VENV)/.dev: pyproject.toml tools/setup | .cache/packages-test
	@tools/setup venv dev
	@touch $@ $(VENV)/.runtime
