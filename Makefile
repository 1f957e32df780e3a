# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
PYTHON ?= python3
RUN = .venv/bin/python

.PHONY: help venv demo test test-long test-fault test-builder test-builder-fault lint unit units integration molecule step bench browser machines pins changelog clean
.DEFAULT_GOAL := help

help: ## show this help
	@echo 'freehyve.builder: build bootable FreeBSD images on a remote FreeBSD host'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-18s %s\n' "$$name" "$$text"; done

venv: ## make .venv with the pinned tools; as root, install missing system packages
	@$(PYTHON) tests/tooling/bootstrap

browser: ## make venv, and Chromium, which the tests of the report look through
	@$(PYTHON) tests/tooling/bootstrap --browser

machines: ## make venv, and QEMU with what the guest of tests/vm is made of
	@$(PYTHON) tests/tooling/bootstrap --machines

demo: venv ## build an image in the lab, a simulated builder, and show the artifacts
	@$(RUN) tests/tooling/demo

test: browser ## run the whole test suite
	@$(RUN) tests/tooling/suite test

test-long: machines ## the long tests, which CI runs too: sanity, molecule, provisioning, faults by name, images, machines, the lab
	@$(RUN) tests/tooling/suite long

test-fault: venv ## break a build in labs at every position, as CI does; 17 minutes on two cores
	@$(RUN) tests/tooling/suite fault

test-builder: machines ## run the same scenarios on FREEHYVE_TEST_BUILDER=user@host:port with FREEHYVE_TEST_KEY=path
	@test -n "$$FREEHYVE_TEST_BUILDER" || { echo 'make: FREEHYVE_TEST_BUILDER is not set; give it as user@host:port' >&2; exit 1; }
	@$(RUN) tests/tooling/suite builder

test-builder-fault: venv ## break a build on that builder at every position; hours
	@test -n "$$FREEHYVE_TEST_BUILDER" || { echo 'make: FREEHYVE_TEST_BUILDER is not set; give it as user@host:port' >&2; exit 1; }
	@$(RUN) -m tests.fault

lint: venv ## ruff, mypy, yamllint, ansible-lint, changelog
	@$(RUN) tests/tooling/suite lint

unit: venv ## unit tests
	@$(RUN) tests/tooling/suite unit

units: venv ## unit tests once more, as ansible-test runs them
	@$(RUN) tests/tooling/ansible-test units

integration: venv ## integration targets of the modules in a lab; TARGET=name for one
	@$(RUN) -m pytest -v tests/integration $(if $(TARGET),-k '$(TARGET)')

molecule: machines ## molecule scenarios of the roles in a lab; SCENARIO=name for one
	@$(RUN) tests/tooling/molecule $(SCENARIO)

step: venv ## one step of the suite with its output: make step STEP=sanity
	@$(RUN) tests/tooling/suite --verbose $(STEP)

bench: venv ## remote executions and seconds of a first and a second build in the lab
	@$(RUN) tests/bench/bench

pins: ## write constraints.txt anew from requirements-dev.txt
	@$(PYTHON) tests/tooling/pins

changelog: venv ## write CHANGELOG.rst from changelogs/
	@.venv/bin/antsibull-changelog generate

clean: ## remove .venv, caches and the labs of tests
	@for name in demo bench; do tests/lab/lab destroy --name $$name 2>/dev/null; done; true
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .ansible .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
