# The commands of CONTRIBUTING.md. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO ?= go

# All programs are static. nono-init insists on it: with cgo, go-landlock links libpsx and the launcher's threads can no longer
# be restricted together. The race detector is the one thing that needs cgo; it sets this for itself.
export CGO_ENABLED := 0
# A checkout that another user owns makes git, and so go's own stamping, fail; and nothing here may depend on git.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

# The build id tells nono that a layer beside it was built from the same sources. It is their digest, so two builds of one tree
# agree and a changed file shows, with git or without.
SOURCES := cmd core packaging plugins profiles sdk testllm go.mod go.sum
BUILD_ID = $$(LC_ALL=C find $(SOURCES) -type f ! -name '*_test.go' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)

# -count=1: the tests look at the kernel and at other programs, which go's cache of results does not know.
TESTFLAGS ?= -count=1 -timeout=20m
PACKAGES ?= ./...
REPORT := $(GO) run ./test/report -skips test/skips.txt

.PHONY: help build install demo test sdks interop soak race fuzz vet lint fmt generate tools npm-for-buf bench bench-rules bench-net bench-snapshot work agents kernels clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

LDFLAGS = -s -w -X github.com/nono-run/nono/sdk.Build=$(BUILD_ID)
# Of gRPC nobody looks at traces by a browser: without them no program has a web server for that.
BUILDFLAGS = -trimpath -tags grpcnotrace
# nono begins with instructions of its own, before Go's runtime: see cmd/nono/entry.go.
ENTRY := $(if $(filter Linux-x86_64 Linux-aarch64,$(shell uname -s)-$(shell uname -m)),-E main.entry)

build: ## static programs into bin/
	@mkdir -p bin
	@$(GO) build $(BUILDFLAGS) -ldflags "$(LDFLAGS)" -o bin/ $$($(GO) list ./cmd/... | grep -v '/cmd/nono$$')
	@$(GO) build $(BUILDFLAGS) -ldflags "$(LDFLAGS) $(ENTRY)" -o bin/ ./cmd/nono

BINDIR ?= $(HOME)/.local/bin
install: build ## all of nono's programs side by side into BINDIR (~/.local/bin)
	@install -d "$(BINDIR)"
	@install -m 755 $(patsubst %,bin/%,$(notdir $(wildcard cmd/*))) "$(BINDIR)"

demo: build ## a Python agent in the sandbox of examples/demo/agent.hcl, and what it could and could not do; then one that has a key
	@cd examples/demo && PATH="$(CURDIR)/bin:$$PATH" python3 demo.py
	@echo
	@$(MAKE) -s $(SDK_PYTHON) || { echo "demo: what a stolen key is worth is left out: OpenAI's client could not be installed" >&2; exit 0; }; \
		cd examples/demo && PATH="$(CURDIR)/bin:$$PATH" nono-testllm -- python3 keys.py "$(CURDIR)/bin/sdks/python/bin/python"

test: build ## every test, as whoever you are
	@$(REPORT) -- $(GO) test -json $(TESTFLAGS) $(PACKAGES)

# Clients of providers as their users install them, pinned by the locks beside the agents. Node's agent is copied, for Node looks for what a
# script imports from the script's place on.
SDK_PYTHON := bin/sdks/python/.installed
SDK_NODE := bin/sdks/node_modules/.installed

$(SDK_PYTHON): test/credentials/sdks/requirements.txt
	@rm -rf $(@D) && mkdir -p bin/sdks
	@/usr/bin/python3 -m venv $(@D)
	@$(@D)/bin/pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(SDK_NODE): $(addprefix test/credentials/sdks/,package.json package-lock.json agent.mjs)
	@mkdir -p bin/sdks && cp $^ bin/sdks
	@npm ci --silent --prefix bin/sdks --ignore-scripts --omit=optional --omit=peer
	@touch $@

sdks: $(SDK_PYTHON) $(SDK_NODE) ## OpenAI's and Anthropic's own clients for Python and Node into bin/sdks, for the tests that use them

COSIGN_VERSION := v3.1.3
COSIGN := bin/cosign/$(COSIGN_VERSION)/cosign

$(COSIGN):
	@echo "building cosign $(COSIGN_VERSION), which takes minutes"
	@GOBIN="$(CURDIR)/$(@D)" $(GO) install -trimpath github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_VERSION)

interop: build $(COSIGN) ## cosign verifies what nono signs, and nono what cosign signs, with keys and without a connection
	@$(GO) run ./test/interop -nono bin/nono -cosign $(COSIGN)

SOAKFLAGS ?=
QUESTIONS ?= 100000
soak: build ## a thousand starts and ends under load, with kills, umasks and limits; what they leave; two hundred kills, and what the next start makes of them, in both tiers; load on the network, and on a service with a key; the kernel asked what nono why says; a minute of attacks on the network; two thousand kills of who writes snapshots; two thousand starts while a signed file is swapped
	@mkdir -p bin/soak
	@$(GO) build -trimpath -o bin/soak/ ./test/soak ./test/layers/echo ./test/layers/keeper
	@bin/soak/soak -nono bin/nono -layers bin/soak $(SOAKFLAGS)
	@bin/soak/soak -nono bin/nono -layers bin/soak -tier B $(SOAKFLAGS)
	@bin/soak/soak -nono bin/nono -snapshots
	@bin/soak/soak -nono bin/nono -network
	@bin/soak/soak -nono bin/nono -credentials
	@bin/soak/soak -nono bin/nono -signed
	@$(GO) test -count=1 -timeout=3h -run '^TestTheKernelDoesWhat' ./test/e2e -questions $(QUESTIONS)
	@$(GO) test -count=1 -run '^TestStorm$$' ./test/network -storm 60s
	@$(GO) test -count=1 -timeout=1h -run '^TestKills$$' ./plugins/snapshot/store -kills 2000

race: export CGO_ENABLED := 1
# What lies beneath test runs programs that are built without it, so there it would look at nothing but the tests. A process that
# it looks at sleeps for a second at its end, unless it is told otherwise, and each package has one.
race: ## the tests with the race detector (needs a C compiler)
	@GORACE=atexit_sleep_ms=10 $(REPORT) -- $(GO) test -json -race $(TESTFLAGS) $$($(GO) list $(PACKAGES) | grep -v /test/)

# go runs one fuzz target at a time, so they are found by their names first.
FUZZTIME ?= 30s
fuzz: ## every fuzz target in turn, for FUZZTIME (30s) each
	@$(GO) test -list '^Fuzz' $(PACKAGES) \
		| awk '/^Fuzz/ { names[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' \
		| while read -r package name; do \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done

vet: ## go vet, also for macOS
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...

# Tools are pinned in tools/, a module of its own, so that they weigh on nobody's go.mod.
TOOLS := bin/tools/.built
BUF := tools/node_modules/.bin/buf

$(TOOLS): tools/go.mod tools/go.sum
	@mkdir -p bin/tools
	cd tools && $(GO) build -trimpath -o ../bin/tools/ tool
	@touch $@

# Looked for before the other tools are built, which takes minutes.
npm-for-buf:
	@[ -e $(BUF) ] || command -v npm >/dev/null || { \
		echo "make: npm is missing: it fetches buf, which checks and generates the contract (Debian: apt install npm)" >&2; \
		exit 1; \
	}

$(BUF): tools/package.json tools/package-lock.json
	npm ci --prefix tools --ignore-scripts
	@touch $@

tools: npm-for-buf $(TOOLS) $(BUF) ## the pinned linter and generators

lint: npm-for-buf $(TOOLS) $(BUF) ## every linter of .golangci.yml, and buf's
	bin/tools/golangci-lint run ./...
	$(BUF) lint

fmt: npm-for-buf $(TOOLS) $(BUF) ## format Go and proto
	bin/tools/golangci-lint fmt ./...
	$(BUF) format -w

generate: npm-for-buf $(TOOLS) $(BUF) ## sdk/layerpb and sdk/codec from sdk/proto, the default profile as data, docs/policy.md and docs/threats.md
	$(BUF) generate
	$(GO) generate ./...

bench: build ## start-up beside bubblewrap, firejail and the Codex sandbox, and what work costs inside, then the Go benchmarks; PAGE=1 writes bench/RESULTS.md
	@{ command -v npm >/dev/null && npm ci --prefix bench --ignore-scripts; } || \
		echo "bench: the Codex sandbox is left out: npm is missing, or could not install it" >&2
	@mkdir -p bin/bench
	@$(GO) build $(BUILDFLAGS) -ldflags "$(LDFLAGS)" -o bin/bench/nono-layer-idle ./bench/idle
	@$(GO) build $(BUILDFLAGS) -ldflags "-s -w" -o bin/bench/goplugin ./bench/goplugin
	$(GO) run ./bench/startup -nono bin/nono -codex bench/node_modules -n 60 $(BENCHFLAGS) $(if $(PAGE),-markdown bench/RESULTS.md)
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-rules: build ## start-up against the size of the policy and the project, stored sessions and signed files; PAGE=1 writes bench/RULES.md
	@$(GO) run ./bench/startup -rules -nono bin/nono $(BENCHFLAGS) $(if $(PAGE),-markdown bench/RULES.md)

bench-net: build ## the network layer beside nginx, tinyproxy and squid, and the credential layer beside nginx, as an ordinary user; PAGE=1 writes bench/NETWORK.md
	@$(GO) run ./bench/network -nono bin/nono $(if $(PAGE),-markdown bench/NETWORK.md)

bench-snapshot: ## a snapshot beside restic, git and cp; as root on other file systems too; PAGE=1 writes bench/SNAPSHOT.md
	@$(GO) run ./bench/snapshot $(if $(PAGE),-markdown bench/SNAPSHOT.md)

work: build ## a day's work, outside and inside; ONLY=git for some of it, PAGE=1 writes docs/work.md
	@$(GO) run ./test/work -nono bin/nono -only '$(ONLY)' $(if $(PAGE),-page docs/work.md)

agents: build ## claude and codex, fetched by npm, do a piece of work inside; what is installed starts; needs tmux; PAGE=1 writes docs/agents.md
	@$(GO) run ./test/agents -nono bin/nono -in bin/agents -only '$(ONLY)' $(if $(PAGE),-page docs/agents.md)

kernels: build ## the kernels that Debian's packages offer, each booted under qemu: the demo, the table of attacks and the launcher's tests; ONLY='^6\.1$$' for some, TRY=', attack$$' for some of what is tried, PAGE=1 writes docs/kernels.md
	@$(GO) run ./test/kernels -nono bin -in bin/kernels $(if $(ONLY),-only '$(ONLY)') $(if $(TRY),-try '$(TRY)') $(if $(PAGE),-page docs/kernels.md)

clean: ## remove what make made
	rm -rf bin tools/node_modules bench/node_modules examples/demo/.demo
