# Everything a developer does. `make` alone lists it.

HOST ?= 127.0.0.1
PORT ?= 8000
VAR ?= var
PROVIDER ?= local
VENV ?= .venv
ARGS ?=
# What is installed into VENV: `.` (the sources, as they are edited) or the path of a wheel.
PACKAGE ?= .

PYTHON_IN_VENV = $(VENV)/bin/python
PIP = $(PYTHON_IN_VENV) -m pip install --disable-pip-version-check --no-input -c requirements/constraints.txt
WHEEL = $(filter %.whl,$(PACKAGE))
# The type checker cannot follow an editable install whose folders have other names.
TYPES = $(if $(WHEEL),,build/types/.installed)
SOURCES = $(shell find app providers -type f -not -name '*.pyc')

.DELETE_ON_ERROR:
.PHONY: help run run-local run-oidc test lint check bench faults machine load docs pins clean

help:  ## Show this list
	@echo "Usher decides who may use the authenticated chat, and mints the token for it."
	@echo
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	  printf '  make %-7s %s\n' "$$name" "$$text"; done
	@echo
	@echo "Start here:   make run                       then open the address that it prints"
	@echo "One test:     make test ARGS='-k sign_in'    (ARGS goes to pytest, or to the benchmark)"
	@echo "Another port: make run PORT=8010 HOST=127.0.0.1 VAR=var"

run: run-$(PROVIDER)  ## Serve Usher with a demo shop; PROVIDER=oidc beside a real OpenID provider, PROVIDER=host inside a Flask app

run-local: $(VENV)/.installed
	@$(VENV)/bin/usher demo --host $(HOST) --port $(PORT) --var $(VAR)

run-oidc: $(VENV)/.installed tests/node/node_modules/.package-lock.json
	@$(PYTHON_IN_VENV) scripts/run-with-openid-provider $(HOST) $(PORT) $(VAR)

run-host: $(VENV)/.installed
	@$(PYTHON_IN_VENV) examples/host_app/run.py --host $(HOST) --port $(PORT) --var $(VAR)/host_app

test: $(VENV)/.development tests/node/node_modules/.package-lock.json  ## Run the test suite on all processors; with ARGS, what they choose on one
	@scripts/install-system-packages chromium curl haproxy logrotate nginx postgresql redis-server softhsm2 systemd
	@scripts/unpack-prometheus
	@$(VENV)/bin/pytest $(or $(ARGS),--numprocesses=auto --dist=worksteal)

lint: $(VENV)/.development $(TYPES)  ## Check style and types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@MYPYPATH=$(dir $(TYPES)) $(VENV)/bin/mypy --strict --package flask_usher
	@MYPYPATH=examples/host_app:$(dir $(TYPES)) $(VENV)/bin/mypy --strict --explicit-package-bases \
	  examples/host_app

check:  ## Do all that the continuous integration does
	@.ci/run

bench: $(VENV)/.development benchmarks/node/node_modules/.package-lock.json  ## Measure speed and size against the budgets
	@scripts/install-system-packages wrk
	@$(PYTHON_IN_VENV) -m benchmarks $(ARGS)

faults: $(VENV)/.development  ## Break things in a whole deployment under load, and look at every token; ARGS=--short in two minutes
	@scripts/install-system-packages nginx postgresql redis-server
	@PYTHONPATH=tests $(PYTHON_IN_VENV) -m faults $(ARGS)

machine: $(VENV)/.development  ## Follow the page on deployment in a virtual machine, under systemd; as root, twenty minutes
	@scripts/install-system-packages debootstrap e2fsprogs openssh-client qemu-system-x86
	@PYTHONPATH=tests $(PYTHON_IN_VENV) -m machine $(ARGS)

load: $(VENV)/.development benchmarks/node/node_modules/.package-lock.json  ## Measure a whole deployment under page views; ARGS=half, peer or memory for other figures, ARGS=--help
	@scripts/install-system-packages nginx postgresql redis-server wrk
	@PYTHONPATH=tests $(PYTHON_IN_VENV) -m benchmarks.load $(ARGS)

docs: $(VENV)/.development  ## Build the documentation into docs/_build/html
	@$(PYTHON_IN_VENV) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

pins:  ## Renew requirements/constraints.txt with the newest versions
	@scripts/step "Resolving the newest versions" scripts/renew-constraints

clean:  ## Remove what was built (never the state under VAR)
	@rm -rf build dist docs/_build *.egg-info tests/node/node_modules benchmarks/node/node_modules

$(PYTHON_IN_VENV):
	@scripts/create-venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml requirements/constraints.txt $(WHEEL) | $(PYTHON_IN_VENV)
	@scripts/step "Installing Usher and its libraries into $(VENV)" \
	  $(PIP) $(if $(WHEEL),,--editable) '$(PACKAGE)[pkcs11,postgresql,redis,serve,tracing]'
	@touch $@

$(VENV)/.development: $(VENV)/.installed requirements/development.txt
	@scripts/step "Installing the development tools into $(VENV)" $(PIP) -r requirements/development.txt
	@touch $@

build/types/.installed: setup.cfg pyproject.toml $(SOURCES) | $(VENV)/.development
	@rm -rf build/types build/lib
	@$(PIP) --quiet --no-deps --no-build-isolation --target build/types .
	@touch $@

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@scripts/install-system-packages nodejs npm
	@if command -v npm >/dev/null; then \
	  scripts/step "Installing the Node.js libraries of $*" npm --prefix $* ci --no-audit --no-fund && touch $@; \
	else echo "No npm: what needs Node.js will say so."; fi
