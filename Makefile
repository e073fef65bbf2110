PYTHON ?= python3
INSTALL = .venv/bin/python -m pip install --quiet -c constraints.txt

.PHONY: demo dev docs test lint paper paper-figures catalog cluster cubes data export planetary-computer report view
demo: .venv/installed
	.venv/bin/unclouded demo --output demo --overwrite

# The paper's experiment, in the background of whatever else is done: hours. It goes on where it was stopped.
paper: data report
	.venv/bin/python scripts/paper.py

paper-figures: data report
	.venv/bin/python scripts/paper.py --figures

catalog cluster cubes data export planetary-computer report view: .venv/installed
	$(INSTALL) --editable '.[$@]'

dev: .venv/installed-dev

docs: .venv/installed
	$(INSTALL) --editable '.[docs]'
	.venv/bin/mkdocs build --strict

test: .venv/installed-dev
	.venv/bin/python -m pytest -m "not slow" -n 2 --dist loadfile --durations=20

lint: .venv/installed-dev
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

# torch goes first, by its exact version, so that the build at hand (on a machine without a GPU: for the CPU) is taken.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(INSTALL) --editable '.[dev,benchmark,catalog,cluster,cubes,data,docs,export,planetary-computer,report,view]'
	touch $@
