# make run   environment, demo collections, the app on http://127.0.0.1:8501
# make test  the same environment plus test tools and a Chromium, then every test
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run init test lint browser clean

run: init
	$(BIN)/python -m streamlit run app.py --server.port $(PORT)

init: .venv/run.stamp
	$(BIN)/python -m data init

test: .venv/test.stamp browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest $(TESTS)

browser: .venv/test.stamp
	@PLAYWRIGHT_PYTHON=$(BIN)/python sh tests/browser/install.sh

lint: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Cropcheck needs Python 3.11 or newer; name one with: make run PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

.venv/test.stamp: requirements.txt requirements-test.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	@touch $@ .venv/run.stamp

clean:
	rm -rf .venv
