# make demo | make test: each does all its own set-up on a machine with python3, g++ and make.
SHELL := /bin/bash
RUN := . scripts/environment.sh && exec .venv/bin/python -m
export PYTHON TORCH_INDEX

.PHONY: help setup demo demo-lifelike demo-robot test test-matrix lint docs clean
help:            ## this list
	@sed -n 's/^\([a-z-]*\): *[a-z]*  *## /  make \1   /p' $(MAKEFILE_LIST)

setup:           ## .venv with pinned packages and compiled messages; quick when nothing changed
	@bash scripts/setup.sh

demo: setup      ## the whole path: a bag, the node killed and restarted, identities and changes
	@$(RUN) rescene4d_ros.cli.main demo $(ARGS)

demo-lifelike: setup  ## the same in a full room as real scanners give it: the first of its set, not chosen
	@$(RUN) rescene4d_ros.cli.main demo --set lifelike-long --timeout 300 $(ARGS)

demo-robot: setup  ## a simulated robot drives three visits as live topics, both nodes killed once
	@$(RUN) rescene4d_ros.cli.main demo-robot $(ARGS)

test: setup      ## the default tests, in three processes
	@$(RUN) pytest -n 3 --dist loadfile $(ARGS)

test-matrix:     ## the default tests for each Python and each set of ROS wheels that is there
	@bash scripts/test_matrix.sh $(ARGS)

docs: setup      ## the documentation, into out/docs
	@$(RUN) mkdocs build --strict

lint: setup      ## style, format and types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

clean:           ## remove what was built here (.venv, .matrix, build, out)
	rm -rf .venv .matrix build install log out *.egg-info
