# One target per habit. Everything installs into .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check ui bench schemas formats lock clean install

install: $(STAMP)

# torch comes first and on its own: a plain requirement would take a CUDA build of several GB where an
# index offers one. See README, "Installing torch".
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -c constraints.txt -e '.[ui,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/incident-pipeline demo

test: $(STAMP)
	$(BIN)/pytest -n 2

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m incident_pipeline.model.schemas --check schemas
	$(BIN)/python -m incident_pipeline.parsers.catalogue --check docs/formats.md

ui: $(STAMP)
	DAGSTER_HOME=$(CURDIR) $(BIN)/incident-pipeline ui

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py

schemas: $(STAMP)
	$(BIN)/python -m incident_pipeline.model.schemas schemas

formats: $(STAMP)
	$(BIN)/python -m incident_pipeline.parsers.catalogue docs/formats.md

lock: $(STAMP)
	{ echo '# Every direct and transitive version, as installed and tested together on Python 3.11. Made by `make lock`.'; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//; s/ @ file.*//'; } > constraints.txt

clean:
	rm -rf $(VENV) out
