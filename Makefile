# make demo | make test: each does all its own set-up on a machine with python3, g++ and make.
SHELL := /bin/bash
RUN := . scripts/environment.sh && exec .venv/bin/python -m
export PYTHON TORCH_INDEX

.PHONY: help setup demo test lint docs clean
help:            ## this list
	@sed -n 's/^\([a-z]*\): *[a-z]*  *## /  make \1   /p' $(MAKEFILE_LIST)

setup:           ## .venv with pinned packages and compiled messages; quick when nothing changed
	@bash scripts/setup.sh

demo: setup      ## the whole path: a bag, the node killed and restarted, identities and changes
	@$(RUN) rescene4d_ros.cli.main demo $(ARGS)

test: setup      ## the default tests, in two processes
	@$(RUN) pytest -n 2 --dist loadfile $(ARGS)

lint: setup      ## style
	@$(RUN) ruff check .

docs: setup      ## the documentation, into out/docs
	@$(RUN) mkdocs build --strict

clean:           ## remove what was built here (.venv, build, out)
	rm -rf .venv build install log out *.egg-info
