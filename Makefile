# The two that do everything on a fresh machine: `make demo`, `make test`.
# `make check` is the fast part; `make bench` measures.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)

# What packaging/setup.sh installs: all that the tests need; for the demo, what it needs.
SETUP_FOR := tests

# Two tests at a time, each in a process and namespaces of its own. More would wait for each other:
# several assert how soon a daemon acts, and each has a few programs at work.
SPREAD := -n 2 --dist worksteal

# The tests start the daemon and its commands hundreds of times: none is to compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE

# How long, and with which keepalived, the fuzzers go on: a command, or "debian 13".
FUZZ_SECONDS ?= 600
KEEPALIVED ?= keepalived

.PHONY: help demo test check lint types imports pure netns test-packages test-director bench fuzz fuzz-judge fuzz-nftables fuzz-bytes setup clean

help:
	@echo "make demo    set up, and show the daemon at its job in a private network namespace"
	@echo "make test    set up, and run all tests (root, or sudo)"
	@echo "make test-director   build the package, and try it on a director in QEMU"
	@echo "make check   lint, types, import rules, pure tests"
	@echo "make test-packages   build the .deb and the .rpm, and look at what is in them"
	@echo "make bench   measure latencies and footprint, as ratios"
	@echo "make fuzz    read generated configurations as keepalived does, for FUZZ_SECONDS"
	@echo "make fuzz-judge   put generated rulesets and packets to the kernel and to the judge, likewise"
	@echo "make fuzz-nftables   write and read generated tables as nft does, likewise"
	@echo "make fuzz-bytes   any bytes as a configuration, guided by coverage (installs atheris)"

demo: SETUP_FOR := demo
demo: setup
	@$(AS_ROOT) unshare --net --mount $(BIN)/python -m demo

test: SETUP_FOR := director
test: setup check netns test-packages test-director

check: $(STAMP) lint types imports pure

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

pure: $(STAMP)
	$(BIN)/python -m pytest $(SPREAD) -m "not (netns or slow or packages or director)" -q

netns: setup
	$(AS_ROOT) $(BIN)/python -m pytest $(SPREAD) -m "(netns or slow) and not director"

# A director in QEMU, without KVM. Its image is built once, and kept in ~/.cache/lvsmarkd-director;
# setting up asks for root, nothing else does. SUITE=trixie: on that Debian, with a package for it.
SUITE :=
test-director: SETUP_FOR := director
test-director: setup
	sh packaging/$(if $(SUITE),deb-for.sh $(SUITE),deb.sh)
	DIRECTOR_SUITE=$(SUITE) $(BIN)/python -m pytest -n 3 --no-loadscope-reorder --durations 10 tests/director

# Builds both packages, which takes most of the minute.
test-packages: setup
	$(BIN)/python -m pytest -m packages

bench: setup
	$(AS_ROOT) $(BIN)/python -m tests.bench

fuzz: setup
	$(AS_ROOT) FUZZ_SECONDS=$(FUZZ_SECONDS) KEEPALIVED="$(KEEPALIVED)" $(BIN)/python -m tests.fuzz

fuzz-judge: setup
	$(AS_ROOT) FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m tests.fuzz.judge

fuzz-nftables: setup
	$(AS_ROOT) FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m tests.fuzz.nftables

fuzz-bytes: $(STAMP)
	$(BIN)/python -m pip install -q --disable-pip-version-check 'atheris>=2.3'
	$(BIN)/python -m tests.fuzz.bytes -max_total_time=$(FUZZ_SECONDS)

# What the system must have; installs what is missing (apt, dnf), else says what it is.
setup: packaging/setup.sh
	@$(AS_ROOT) sh packaging/setup.sh $(SETUP_FOR)
	@$(MAKE) --no-print-directory $(STAMP)

$(STAMP): pyproject.toml packaging/constraints.txt
	sh packaging/venv.sh $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
