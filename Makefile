FUZZTIME = 10s
PLATFORMS = darwin/arm64 windows/amd64

# These reckon and draw on one goroutine: the race detector would find nothing, in ten times the time.
UNRACED = ./report ./report/check ./report/ci ./report/text ./report/theory

# The tools have module files of their own, so that go.mod names only what
# pushpull itself is made of.
gofumpt = go tool -modfile=.ci/tools.mod gofumpt
golangci-lint = go tool -modfile=.ci/lint.mod golangci-lint

.PHONY: help build test vet format platforms programs fmt lint bench fuzz

help:
	@echo 'make test       vet, formatting, other platforms, and every test'
	@echo 'make lint       golangci-lint'
	@echo 'make fmt        format the code'
	@echo 'make bench      run the benchmarks of the code itself'
	@echo 'make fuzz       fuzz each target for FUZZTIME=$(FUZZTIME)'
	@echo 'make build      build ./pushpull'

build:
	go build -o pushpull ./cmd/pushpull

# The race detector needs a C compiler and its headers; building runtime/cgo
# asks for both. Under PUSHPULL_CI a test without it would be a skipped test.
# What vet has looked at is not vetted again as it is tested.
test: vet format platforms programs
	@if go build -race runtime/cgo 2>/dev/null; then race=-race; \
	elif [ -n "$$PUSHPULL_CI" ]; then echo 'no race detector: CI needs cgo and a C compiler' >&2; exit 1; \
	else echo 'testing without -race: no C compiler, or cgo is off'; fi; \
	unraced=$$(go list $(UNRACED)) || exit 1; \
	set -x; go test $$race -vet=off -timeout 12m $$(go list ./... | grep -vxF "$$unraced") && \
	go test -vet=off -timeout 12m $(UNRACED)

vet:
	go vet ./...

format:
	@files=$$($(gofumpt) -l .) || exit 1; \
	[ -z "$$files" ] || { echo 'not formatted (make fmt does it):'; echo "$$files"; exit 1; }

# What runs elsewhere must at least compile there, the tests too. Nobody runs it here: what the
# libraries are compiled to need not be fast. Windows stands for all in what has no file of its own for
# a platform: each costs more than a minute of compiling libraries.
platforms:
	@for platform in $(PLATFORMS); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0; \
		packages=./...; \
		[ $$GOOS = windows ] || packages=$$(go list -f '{{if .IgnoredGoFiles}}{{.ImportPath}}{{end}}' ./...); \
		echo "GOOS=$$GOOS GOARCH=$$GOARCH go vet" $$packages; \
		go vet -gcflags='all=-N -l' $$packages || exit 1; \
	done

# PostgreSQL, Redis and Chromium; what is missing is installed, or its tests are skipped.
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
