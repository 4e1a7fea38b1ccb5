# make prints the targets below.
GO         ?= go
GOFUMPT    := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
NFPM       := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
BENCHSTAT  := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
# Without the documentation generator of the command line library: its tables
# would cost every process 0.2 MB.
TAGS       := urfave_cli_no_docs
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null)
OUT        ?= bin
FUZZTIME   ?= 20s
CHAOSTIME  ?= 1h

.DEFAULT_GOAL := help
.PHONY: help run build deb test test-deps check fuzz bench bench-deps bench-micro soak chaos clean

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/handover, static
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags "-s -w -X main.version=$(VERSION)" -o $(OUT)/handover .

run: build ## build and start it: a welcome page on https://127.0.0.1:8443
	$(OUT)/handover run

# One package at a time: under the load of others clients think longer than they mean to.
test: ## every test, with the race detector (needs gcc)
	$(GO) test -race -count=1 -p 1 -timeout 40m ./...

deb: build ## bin/handover_VERSION_ARCH.deb
	@NFPM=$(NFPM) .package/build $(OUT)/handover "$(VERSION)" $(OUT)

test-deps: ## install what the tests need, where apt-get is
	@.ci/test-deps

check: ## format, vet, staticcheck
	@unformatted=$$($(GO) run $(GOFUMPT) -l .) && if [ -n "$$unformatted" ]; then \
	  echo "not formatted as gofumpt does:" >&2; echo "$$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

fuzz: ## each fuzz target for FUZZTIME (20s)
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/:func / /' | while read -r file target; do \
	  echo "$${file%/*} $$target" && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$${file%/*}" || exit 1; done

bench: ## beside other servers, 20 minutes; ONLY=REGEXP, PEERS=REGEXP: a part, not kept
	HANDOVER_BENCH=1 HANDOVER_BENCH_ONLY='$(ONLY)' HANDOVER_BENCH_PEERS='$(PEERS)' $(GO) test -v -count=1 -run '^TestBench$$' -timeout 60m ./integration/bench

bench-deps: ## install the servers to compare with, where apt-get is
	@.ci/bench-deps

bench-micro: ## the hot paths alone, COUNT (10) times; BASE=FILE: set against those
	@GO=$(GO) BENCHSTAT=$(BENCHSTAT) .ci/bench-micro "$(VERSION)" $(OUT)

soak: ## 200 reloads under a million requests, minutes
	HANDOVER_SOAK=1 $(GO) test -v -count=1 -run TestSoak -timeout 60m ./integration/

chaos: ## every fault in turn, by SEED, for CHAOSTIME (1h) under load
	HANDOVER_CHAOS=$(CHAOSTIME) HANDOVER_CHAOS_SEED=$(SEED) $(GO) test -v -count=1 -run TestChaos -timeout 0 ./integration/

clean: ## remove what was built
	rm -rf bin
