# Everything starts here; `make help` lists the targets. Only make, Python (3.11 to 3.13) and pip are assumed, no root.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
ARGS ?=
TESTS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## create .venv with the tested versions

# Every file that is installed is held against its SHA-256; locks/renew.py says where they come from.
LOCKED := install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation

$(READY): pyproject.toml locks/build.txt locks/cpu.txt locks/dev.txt locks/cuda.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} cannot run GateBench: it must be 3.11, 3.12 or 3.13, as in make PYTHON=python3.11 setup")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip $(LOCKED) --requirement locks/build.txt
	@# Where pip is pointed at builds of torch for the CPU, one of those; else that of dev.txt, which says what it wants of CUDA.
	$(RUN) -m pip $(LOCKED) --requirement locks/cpu.txt 2> /dev/null || echo "No locked CPU build of torch is within reach: taking the index's own."
	$(RUN) -m pip $(LOCKED) --requirement locks/dev.txt
	if $(RUN) -m pip check | grep '^torch ' > /dev/null; then $(RUN) -m pip $(LOCKED) --requirement locks/cuda.txt; fi
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(RUN) -m pip check
	touch $(READY)

.PHONY: train
train: $(READY) ## train; make train ARGS="model=gru_bi seed=1"
	$(RUN) -m src.train $(ARGS)

.PHONY: evaluate
evaluate: $(READY) ## measure a run again; make evaluate ARGS="run=runs/..."
	$(RUN) -m src.evaluate $(ARGS)

.PHONY: benchmark
benchmark: $(READY) ## time our backends against PyTorch's; make benchmark ARGS="minutes=2"
	$(RUN) -m benchmarks.steps $(ARGS)

PEERS := .venv-peers

.PHONY: benchmark-peers
benchmark-peers: $(PEERS)/.ready ## the same beside oneDNN, onnxruntime, jax and flax, in an environment of its own
	$(PEERS)/bin/python -m benchmarks.steps 'peers=[onednn,onnxruntime,jax,flax]' 'backends=[auto]' $(ARGS)

# It sees what .venv has through a path file, and adds the peers alone.
$(PEERS)/.ready: $(READY) locks/peers.txt
	test -x $(PEERS)/bin/python || $(RUN) -m venv $(PEERS)
	$(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/gatebench.pth
	$(PEERS)/bin/python -m pip $(LOCKED) --requirement locks/peers.txt
	touch $@

# A machine with a GPU and no network: its own Python, with torch, Triton, pytorch-lightning, torchmetrics and pytest, and
# what it lacks as wheels, which gpu-wheels has fetched elsewhere. No make setup.
GPU_PYTHON ?= $(PYTHON)
GPU_PYTHON_VERSION ?= 3.12
WHEELS := .whl
SITE := $(abspath build/gpu-site)
GPU_LACKS := hydra-core omegaconf pydantic pydantic-core annotated-types typing-inspection einops==0.8.2 flashrnn==1.0.8

.PHONY: gpu
gpu: ## measure and test everything on a GPU, in 8 minutes, without make setup; make gpu ARGS="out=DIR steps=[tests]"
	test -z "$(wildcard $(WHEELS)/*.whl)" || $(GPU_PYTHON) -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target $(SITE) $(WHEELS)/*.whl
	PYTHONPATH=$(SITE) $(GPU_PYTHON) -m benchmarks.gpu $(ARGS)

.PHONY: gpu-wheels
gpu-wheels: $(READY) ## fetch what a machine for `make gpu` lacks, as wheels in .whl
	mkdir -p build && sed -n 's/^\([^ ]*==[^ ;]*\).*/\1/p' locks/dev.txt > build/pins.txt
	$(RUN) -m pip wheel --quiet --no-deps --no-build-isolation --constraint build/pins.txt --wheel-dir $(WHEELS) antlr4-python3-runtime
	$(RUN) -m pip download --quiet --no-deps --only-binary=:all: --python-version $(GPU_PYTHON_VERSION) --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --constraint build/pins.txt --dest $(WHEELS) $(GPU_LACKS)

.PHONY: test
test: lint types docs ## lint, type-check, build the docs and test, the examples in docstrings included; make test TESTS=tests/runs
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist worksteal $(TESTS)

.PHONY: test-package
test-package: $(READY) ## the wheel in a fresh environment, with every way of starting processes; minutes
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist worksteal -m 'slow or not slow' tests/test_package.py

RAY := .venv-ray
STUDY := smoke
ALONE := unshare --net sh -c 'ip link set lo up && ip addr add 127.0.0.2/8 dev lo && exec "$$@"' sh

.PHONY: test-cluster
test-cluster: $(RAY)/.ready ## one study over real Slurm and Ray, on this machine alone; as root on Debian or Ubuntu
	@test "$$(id -u)" = 0 || { echo "make test-cluster installs and starts Slurm: it must be run as root." >&2; exit 1; }
	command -v slurmctld > /dev/null && command -v munged > /dev/null && command -v ip > /dev/null || { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends slurm-wlm munge iproute2; }
	OMP_NUM_THREADS=1 $(ALONE) env STUDY=$(STUDY) RAY_PYTHON=$(abspath $(RAY))/bin/python $(abspath $(RUN)) -m pytest -vv --durations=0 tests/cluster/launchers.py

.PHONY: setup-ray
setup-ray: $(RAY)/.ready ## create .venv-ray, the environment of hydra/launcher=ray

# Ray wants other versions than .venv has: it gets those, and sees the rest of .venv through a path file.
$(RAY)/.ready: $(READY) locks/ray.txt
	test -x $(RAY)/bin/python || $(RUN) -m venv $(RAY)
	$(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(RAY)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/gatebench.pth
	$(RAY)/bin/python -m pip $(LOCKED) --requirement locks/ray.txt
	touch $@

TOOLS := .venv-tools

.PHONY: notebook
notebook: $(READY) ## the notebooks of the documentation, from the parts of their pages between marks
	$(RUN) docs/notebook.py

.PHONY: lock
lock: $(TOOLS)/.ready ## renew locks/ after a change of pyproject.toml; make lock ARGS=--upgrade takes the newest of all
	PATH=$(abspath $(TOOLS))/bin:$$PATH $(TOOLS)/bin/python locks/renew.py $(ARGS)

.PHONY: licences
licences: $(READY) $(TOOLS)/.ready ## docs/licences.md, from what .venv holds
	{ printf '# Licences of what `make setup` installs\n\nFrom `make licences`, as the packages name them. Builds of torch for CUDA bring libraries of NVIDIA as well (`locks/cuda.txt`), under the terms that each has in its wheel.\n\n'; $(TOOLS)/bin/pip-licenses --python=$(RUN) --from=mixed --format=markdown --ignore-packages gatebench; } > docs/licences.md

.PHONY: audit
audit: $(TOOLS)/.ready ## known vulnerabilities of what is locked; asks a service
	failed=0; for lock in build dev cuda ray peers tools; do $(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --requirement locks/$$lock.txt || failed=1; done; exit $$failed

$(TOOLS)/.ready: locks/tools.txt
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip $(LOCKED) --requirement locks/tools.txt
	touch $@

DOCS := .venv-docs

.PHONY: docs
docs: $(DOCS)/.ready ## the documentation as a site in build/site, every link held against what is there
	$(DOCS)/bin/python docs/site.py build/pages
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build
	! grep -rlE '<blockquote|:[a-z]+:<code' build/site/python  # docs/docstrings.py rewrote every docstring

$(DOCS)/.ready: locks/docs.txt
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip $(LOCKED) --requirement locks/docs.txt
	touch $@

.PHONY: lint
lint: $(READY) ## ruff
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

.PHONY: types
types: $(READY) ## mypy
	$(RUN) -m mypy

.PHONY: format
format: $(READY) ## let ruff put the code in shape
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

.PHONY: clean
clean: ## remove .venv and its like, .whl, builds and caches (runs stay)
	rm -rf $(VENV) $(PEERS) $(RAY) $(TOOLS) $(DOCS) $(WHEELS) .mypy_cache .ruff_cache .pytest_cache *.egg-info build dist
