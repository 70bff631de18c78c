# make demo   measure the bundled model on this machine, end to end; OUT=runs/again measures anew
# make test   lint, types, tests; make pytest-rest: those that take long or need an engine
# make bench  the speed of the tool itself
# make peers  our variants beside other servers, about five hours; PEERS_OUT=runs/peers
#
# On a machine without a GPU, spare yourself gigabytes of CUDA libraries:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
OUT ?= runs/demo
PEERS_OUT ?= runs/peers
BIN := .venv/bin
USUAL := not docker and not thorough
# Tests that wait for no server and mind no clock.
CALM := tests/analysis tests/variants tests/deploy/k3s tests/builder/test_cli.py \
	tests/builder/test_prepare.py

# Each server, build and load generator is a process of its own: where container images forbid
# compiled modules to be kept, each would compile all of torch and transformers again, for 12 s.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint types pytest pytest-rest bench peers clean
.DELETE_ON_ERROR:

demo: .venv/installed-demo
	$(BIN)/optbuild ablate onnx+quantized+batching+workers=2 --quick --out $(OUT) --resume

test: lint types pytest

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy

# Most tests wait for servers and builds; the calm ones compute meanwhile.
pytest: .venv/installed-test
	@mkdir -p build; \
	nice -n 19 $(BIN)/python -m pytest -m '$(USUAL)' -rs $(CALM) >build/calm-tests 2>&1 & \
	calm=$$!; trap "kill $$calm 2>/dev/null" EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/python -m pytest -m '$(USUAL)' -rs $(CALM:%=--ignore=%); failed=$$?; \
	wait $$calm || failed=1; cat build/calm-tests; exit $$failed

pytest-rest: .venv/installed-test
	$(BIN)/python -m pytest -m 'docker or thorough' -rs

bench: .venv/installed-test
	@failed=0; for run in bench_commands.py bench_report.py "bench_report.py --large" bench_load.py; do \
		$(BIN)/python tests/benchmarks/$$run || failed=1; done; exit $$failed

peers: .venv/installed-demo
	$(BIN)/python -m builder.peers --out $(PEERS_OUT) --resume

clean:
	rm -rf .venv build

# Not compiled: half of the time went into modules that nobody imports. Python compiles the others.
.venv/installed-%: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed: make PYTHON=python3.11'; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-compile --constraint constraints.txt --editable '.[$*]' \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@
