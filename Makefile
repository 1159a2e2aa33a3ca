# `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.8# reads constraints.txt as `make lock` wrote it
# --compile-bytecode: otherwise each command, worker and sub-process compiles torch and Lightning anew, 20 s of CPU, where
# the environment says PYTHONDONTWRITEBYTECODE.
QUICK := -m "not slow"
STARTED := $(shell date +%s)
TOOK = echo "$@ took $$(( $$(date +%s) - $(STARTED) )) s"

.PHONY: help setup lock demo test test-all lint types unit docs bench bench-gpu soak fuzz ablation

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/.ready ## make .venv with the pinned packages and this one

$(BIN)/.ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check "uv==$(UV_VERSION)"
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --compile-bytecode -r constraints.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --no-deps -e .
	VIRTUAL_ENV=.venv $(BIN)/uv pip check
	@touch $@

lock: ## resolve the newest packages into constraints.txt
	$(BIN)/uv pip compile -q --upgrade --universal --no-header --no-annotate --all-extras pyproject.toml -o constraints.txt

demo: setup ## forge, train, test and localize on clips rendered here
	$(BIN)/outpaint-lightning demo --overwrite
	@$(TOOK)

test: setup lint types unit ## lint, types and the quick tests
	@$(TOOK)

test-all: QUICK :=
test-all: test ## lint, types and all tests, as CI does

lint: setup ## style and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy in strict mode: [JOBS=2]
	$(BIN)/mypy -n $(or $(JOBS),2)

unit: setup ## the quick tests alone, in as many processes as JOBS says: [JOBS=2]
	$(BIN)/pytest $(QUICK) -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder

docs: setup ## render docs/ to site/index.html
	$(BIN)/sphinx-build -q -W --keep-going docs site
	@echo site/index.html

bench: setup ## speed against peers, as ratios, into docs/results/speed.md: [ROUNDS=5]
	$(BIN)/python benchmarks/speed.py --rounds $(or $(ROUNDS),5) --out docs/results/speed.md

bench-gpu: setup ## everything that needs a GPU, in 8 minutes, into OUT/gpu.json: [OUT=runs/gpu]
	$(BIN)/python benchmarks/gpu.py $(or $(OUT),runs/gpu)

soak: setup ## kill fit, forge, sweep and localize at random moments: [OUT=DIR KILLS=20]
	$(BIN)/python benchmarks/soak.py $(or $(OUT),runs/soak) --kills $(or $(KILLS),20)
	@$(TOOK)

fuzz: setup ## read files that are nearly right: [FUZZ=50000 mutants a reader, FUZZ_FROM=0]
	FUZZ=$(or $(FUZZ),50000) FUZZ_FROM=$(or $(FUZZ_FROM),0) FUZZ_KEEP=$(or $(OUT),runs/fuzz) $(BIN)/pytest tests/fuzz --durations=0
	@$(TOOK)

ablation: setup ## the source's ablation: CLIPS=DIR [MANIFEST=FILE OUT=DIR SCALE=full|two-cores JOBS=N]
	@test -n "$(CLIPS)" || { echo "make ablation: CLIPS is missing; expected CLIPS=DIR, a folder of clean clips"; exit 2; }
	$(BIN)/python benchmarks/ablation.py $(CLIPS) $(or $(OUT),runs/ablation) $(if $(MANIFEST),--manifest $(MANIFEST)) \
		$(if $(SCALE),--scale $(SCALE)) $(if $(JOBS),--jobs $(JOBS))
