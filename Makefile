FUZZTIME = 10s
SOAK = 1h

# These packages compute and draw on one goroutine: the race detector would find nothing and take ten
# times as long. That holds for the tests with a browser too, which drive pages. Builds with the detector leave
# them out (!race), so ./report/web is tested without it for its pages, and with it for the rest.
UNRACED = ./report/web/browsertest ./loadgen/input ./loadgen/result ./loadgen/search ./loadgen/sweep ./report ./report/check ./report/ci ./report/cost \
	./report/text ./report/theory ./report/verdict

# These packages link the databases' libraries. To compile those for the race detector takes a third of the time of
# all tests, so make race does it.
STORES = ./transports/store ./transports/store/nats ./transports/store/postgres ./transports/store/redis ./transports/store/sqlite
LINKED = ./cmd/pushpull ./loadgen/agent $(STORES)

# The packages that take longest, apart from ./report/web and ./cmd/pushpull: they start first, as one that starts last
# runs alone.
LONGEST = ./loadgen ./loadgen/selftest

# The tools have module files of their own, so that go.mod lists only the
# dependencies of pushpull itself.
gofumpt = go tool -modfile=.ci/tools.mod gofumpt
golangci-lint = go tool -modfile=.ci/lint.mod golangci-lint

# The packages with tests that judge measured times.
TIMED = $(shell grep -rl '^//go:build timed' --include='*_test.go' . | xargs -n1 dirname | sort -u)

.PHONY: help build test race servers timed soak faults recovery scale vet format platforms parts programs fmt lint bench fuzz

help:
	@echo 'make test       vet, formatting, code for other platforms, and every test'
	@echo 'make race       the tests of the command and the stores with the race detector, and all code on other platforms'
	@echo 'make servers    the tests with foreign servers that take minutes to install, too'
	@echo 'make timed      the tests that judge measured times; nothing else should be running'
	@echo 'make soak       idle and rooms for SOAK=$(SOAK) each: memory, goroutines, descriptors and disk must stay flat'
	@echo 'make faults     break everything that can be broken, on the stores in STORES_OF_FAULTS; takes REPEAT x 25 minutes'
	@echo 'make recovery   how users come back by several rules of backoff, into results/recovery; takes ROUNDS x 12 minutes'
	@echo 'make scale      the users in SCALE by agents, with as many deliveries a second, into results/scale; takes ROUNDS x 17 minutes'
	@echo 'make lint       golangci-lint'
	@echo 'make fmt        format the code'
	@echo 'make bench      run the benchmarks of the code itself'
	@echo 'make fuzz       fuzz each target for FUZZTIME=$(FUZZTIME)'
	@echo 'make build      build ./pushpull'

build:
	go build -o pushpull ./cmd/pushpull

# The race detector needs a C compiler and its headers; building runtime/cgo
# shows whether both are there. Under PUSHPULL_CI they are required.
# vet has checked the tests already, hence -vet=off. The tests of pages wait for a browser most of the time, so
# they run beside the longest of the others, and then those of the stores. Not more than two run at a time, as some measure.
test: vet format programs
	@if go build -race runtime/cgo 2>/dev/null; then race=-race; \
	elif [ -n "$$PUSHPULL_CI" ]; then echo 'no race detector: CI needs cgo and a C compiler' >&2; exit 1; \
	else echo 'testing without -race: no C compiler, or cgo is off'; fi; \
	apart=$$(go list $(UNRACED) $(LINKED)) && longest=$$(go list $(LONGEST)) || exit 1; \
	others=$$(go list ./... | grep -vxF "$$longest" | grep -vxF "$$apart"); \
	set -x; { go test -vet=off -timeout 12m -p 1 ./report/web $(UNRACED) $(STORES) ./loadgen/agent && make parts; } & beside=$$!; \
	trap 'kill $$beside' INT TERM; \
	go test -vet=off -timeout 12m ./cmd/pushpull && \
	go test $$race -vet=off -timeout 12m -p 1 $$longest && go test $$race -vet=off -timeout 12m $$others; status=$$?; \
	wait $$beside && exit $$status

race: platforms
	go test -race -vet=off -timeout 20m $(LINKED)

# These tests fail on a busy machine, so plain go test leaves them out. A failed package is run again, at
# most twice, as the regression check measures again: a noisy minute passes, a fault stays.
timed:
	@for package in $(TIMED); do \
		for try in 1 2 3; do \
			echo "timed tests of $$package, try $$try"; \
			go test -tags timed -vet=off -count=1 -parallel 1 -timeout 5m -run '^TestTimed' $$package && continue 2; \
		done; \
		exit 1; \
	done

# It needs Linux, whose /proc says what a process takes. SOAK_TRANSPORT names another transport than websocket.
soak:
	SOAK=$(SOAK) go test -tags timed -vet=off -count=1 -timeout 0 -run '^TestSoak$$' -v ./cmd/pushpull

# Memory has one server, the others share theirs between two. More stores: make faults
# STORES_OF_FAULTS='nats: redis://127.0.0.1:6379 postgres://postgres@127.0.0.1/postgres'
REPEAT = 1
STORES_OF_FAULTS = nats: sqlite:$(or $(TMPDIR),/tmp)/pushpull-faults.db
faults: build
	./pushpull faults --repeat $(REPEAT)
	./pushpull faults --repeat $(REPEAT) --servers 2 $(foreach store,$(STORES_OF_FAULTS),--store '$(store)')

# The rules are measured in turns, so that a noisy minute meets all of them. Exit code 4 is a finding here.
ROUNDS = 1
RECOVERING = 2000
recovery: build
	@for round in $$(seq $(ROUNDS)); do for backoff in 100ms/none 50ms..2s/none 50ms..2s/half 50ms..2s/full 50ms..2s/decorrelated; do \
		./pushpull faults recovery --fault restart,outage --users $(RECOVERING) --backoff $$backoff --seed $$round --repeat 1 \
			--transports short-poll@1s,long-poll@30s,sse,websocket --out results/recovery/$$(echo $$backoff | tr / -)-$$round || [ $$? = 4 ] || exit 1; \
	done; done

# The more users there are, the more seldom each writes: 15,000 deliveries a second in all. Once without heartbeats, whose
# number grows with the users, and once with them. Smaller: make scale SCALE=100,1000 DELIVERIES=500 WINDOW=10s OUT=results/small
SCALE = 1000,10000,50000,100000,250000
SCALED = websocket-lean
DELIVERIES = 15000
WINDOW = 60s
OUT = results/scale
scale: build
	@for beat in 10m:deliveries 15s:heartbeats; do \
		./pushpull sweep idle --vary users=$(SCALE) --deliveries $(DELIVERIES) --agents auto --room-size 100 --senders 2 \
			--transports $(SCALED) --heartbeat $${beat%:*} --warmup 20s --duration $(WINDOW) --rounds $(ROUNDS) \
			--out $(OUT)/$${beat#*:} || [ $$? = 4 ] || exit 1; \
	done

vet:
	go vet -tags timed ./...

format:
	@files=$$($(gofumpt) -l .) || exit 1; \
	[ -z "$$files" ] || { echo 'not formatted (run make fmt):'; echo "$$files"; exit 1; }

# The code must at least compile on the other platforms. It isn't run, so optimizing the libraries would
# waste time. parts compiles the packages that have files for some platforms, but for the command; platforms compiles
# everything on Windows, with its tests.
parts:
	@set -e; packages=$$(go list -tags timed -f '{{if and .IgnoredGoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./...); set -x; \
	for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 go build -gcflags='all=-N -l' $$packages; done

platforms: parts
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go vet -tags timed -gcflags='all=-N -l' ./...

# PostgreSQL, Redis, Chromium and foreign servers: missing programs are installed, or their tests are skipped.
programs:
	@.ci/programs

fmt:
	$(gofumpt) -w .

lint:
	$(golangci-lint) run

bench:
	go test -run '^$$' -bench . -benchmem ./...

# go test fuzzes one target at a time.
fuzz:
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done
