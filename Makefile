# Everything a developer or a build machine runs. Needs Go, gcc (for the race detector), make and git.

GO      ?= go
BUILD   := build
FUZZ    ?= 5s
SOAK    ?= 5m
CHAOS   ?= 1000
PLANT   ?= first
RESULTS := bench/results

.PHONY: run build test check fuzz bench bench-hub soak plant chaos clean

run: build ## build, and start everything on this machine
	./$(BUILD)/sidegate dev

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.built=$$(git describe --tags --always --dirty 2>/dev/null)" \
		-o $(BUILD)/sidegate ./cmd/sidegate

test: ## all tests, and each fuzz target for a few seconds
	$(GO) test -timeout 15m ./...
	$(MAKE) --no-print-directory fuzz FUZZ=3s

check: ## format, vet, staticcheck, house rules, race detector
	@test -z "$$(gofmt -l .)" || { echo "gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run 'House' ./cmd/sidegate
	@# under the race detector a sync.Pool forgets at random, so allocations are counted by make test alone; a hundred
	@# holders for an hour take two minutes there
	$(GO) test -race -skip 'NotAllocate|WithoutAllocating|StrandLittle|KilledAtAny' -timeout 15m ./checker/... ./replica/... ./sync/...

fuzz: ## every fuzz target in turn, FUZZ long; the go command now and then fails because its own time is up, without an input
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -h '^func Fuzz' $$dir/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9]*\).*/\1/'); do \
			echo "fuzz $$dir $$target $(FUZZ)"; \
			run() { $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) $$dir >$(BUILD)-fuzz.log 2>&1; }; \
			run || { ! grep -q 'Failing input' $(BUILD)-fuzz.log && run; } || { cat $(BUILD)-fuzz.log; exit 1; }; \
		done; \
	done; rm -f $(BUILD)-fuzz.log

# $(call keep,COMMAND,NAME) keeps the output of a command under RESULTS, and shows it when there is all of it.
keep = $(1) >$(RESULTS)/$(2); status=$$?; cat $(RESULTS)/$(2); exit $$status

bench: build bench-hub ## every figure of the README, into bench/results
	mkdir -p $(RESULTS)
	@$(call keep,$(GO) test -run '^$$' -bench 'Decide|Handler|Held|Scale' -count 5 ./checker ./checker/httpapi ./checker/index ./bench,core.txt)
	@$(call keep,./$(BUILD)/sidegate bench all --json $(RESULTS)/bench.json,bench.txt)

bench-hub: ## what counting costs a hub, and how much of a limit the dead strand; part of make bench, two minutes
	mkdir -p $(RESULTS)
	@$(call keep,{ $(hubfigures); },hub.txt)

# machine says on what a run took place, as sidegate bench does.
machine = echo "$$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $$(nproc) cores, $$($(GO) env GOVERSION)," \
	"$$($(GO) env GOOS)/$$($(GO) env GOARCH), load $$(cut -d ' ' -f 1-3 /proc/loadavg), $$(date -u +%FT%TZ)"

# In turn: folding in memory, on one core; a million open vectors; the log end to end, and a thousand holders; the dead.
hubfigures = echo "make bench-hub"; $(machine); \
	$(GO) test -count 1 -run '^$$' -bench 'Fold|Lease' -cpu 1 ./sync/hub/counting && \
	SIDEGATE_MEASURE=1 $(GO) test -count 1 -v -run 'OpenVectors' ./sync/hub/counting && \
	SIDEGATE_MEASURE=1 $(GO) test -count 1 -v -run 'CountingIsMeasured|AThousandHolders' ./sync/hub && \
	$(GO) test -count 1 -v -run 'StrandLittle' ./replica/meter

soak: build ## long campaigns: the oracle's ten million cases, a million histories of counting, ten million keys, each fuzz target for SOAK
	mkdir -p $(RESULTS)
	@$(call keep,{ $(machine); SIDEGATE_VAULT_LARGE=1 $(GO) test -v -count 1 -timeout 1h -run TenMillion ./replica/vault; },vault.txt)
	@$(call keep,SIDEGATE_ORACLE_CASES=10000000 $(GO) test -v -timeout 3h -run Oracle ./checker/catalog,oracle.txt)
	@$(call keep,SIDEGATE_EXPLORE=deep SIDEGATE_HISTORIES=1000000 $(GO) test -v -timeout 6h -run 'Explorer|Histories' ./replica/ledger,ledger.txt)
	@$(call keep,$(MAKE) --no-print-directory fuzz FUZZ=$(SOAK),fuzz.txt)

plant: ## take each rule of counting out in turn; a test must fail (PLANT=all: every one is asked, not up to the first)
	mkdir -p $(RESULTS)
	@$(call keep,SIDEGATE_PLANT=$(PLANT) $(GO) test -v -count 1 -timeout 3h -run Planted ./replica/ledger,planted.txt)

chaos: ## hubs, sidecars and three servers of NATS, killed and cut off under load; CHAOS kills; SIDEGATE_CHAOS_SEED and _FROM go on with one
	mkdir -p $(RESULTS)
	@$(call keep,SIDEGATE_CHAOS=$(CHAOS) $(GO) test -v -count 1 -timeout 2h -run Chaos ./cmd/sidegate,chaos.txt)

clean:
	rm -rf $(BUILD)
