# xbgateway. `make` lists what there is. It needs Python 3.11 or later; the rest is fetched.
# make PYTHON=/path/to/python3.12 takes another Python; make test TESTS=tests/unit/seal a part.
export PATH := $(CURDIR)/.venv/bin:$(HOME)/go/bin:$(PATH)
# A node that starts reads some three hundred modules: compiled once, that takes half the time.
unexport PYTHONDONTWRITEBYTECODE
INSTALLED := pyproject.toml hatch_build.py requirements/lock.txt scripts/setup.sh \
	$(wildcard native/*.go native/go.* native/build.py)
TESTS ?= tests
# Modules side by side, what measures time one by one (conftest.py); WORKERS=0: all one by one.
WORKERS ?= 2
PYTEST := pytest -n $(WORKERS) --no-loadscope-reorder

.PHONY: help demo demo-up test test-long soak check bench protos docs lock clean
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 11
.venv/ready-%: $(INSTALLED)
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $*
demo: .venv/ready-run ## two nodes and two agencies on loopback, the story on the terminal
	@python -m xbgateway.demo story
demo-up: .venv/ready-run ## the same left running, with how to call it
	@python -m xbgateway.demo up
test: .venv/ready-dev ## all tests at their default counts, at most ten minutes on two cores
	@$(PYTEST) $(TESTS)
test-long: .venv/ready-dev ## all tests at up to twenty times the counts; an hour or two
	@XB_TEST_SCALE=20 $(PYTEST) -m "long or not long" --timeout 3600 $(TESTS)
soak: .venv/ready-dev ## half an hour of random faults under load, then both sides compared
	@XB_SOAK_SECONDS=$${XB_SOAK_SECONDS:-1800} $(PYTEST) -n 0 tests/process/test_soak.py
check: .venv/ready-dev ## format, lint, types, imports, protos, policies, docs; no tests, < 2 min
	@python scripts/check.py
bench: .venv/ready-dev ## the figures, with their peers, as JSON
	@python -m bench
protos: .venv/ready-dev ## generate src/xbgateway/api from proto/
	@buf format -w && python scripts/gen_protos.py
docs: .venv/ready-dev ## generate the pages that come from code
	@for script in scripts/gen_*_doc.py; do python $$script || exit 1; done
lock: .venv/ready-dev ## newest versions into requirements/lock.txt
	@sh scripts/lock.sh
clean: ## remove everything made, except certificates and stores
	rm -rf .venv build dist .hypothesis .*_cache native/out src/xbgateway/policy/_native
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
