# What one does with this checkout. `make help` lists it.

PREFIX ?= /usr/local
PACKAGES := libssl-dev libsodium-dev libsqlite3-dev libzstd-dev pkg-config
SOURCES := Package.swift Sources Tests

.DEFAULT_GOAL := help
.PHONY: help setup build test demo format lint install proto clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## install the system packages that are missing (Debian, Ubuntu)
	@command -v swift >/dev/null || { echo "swift is not on the PATH: install Swift 6.2 or later (https://swift.org/install)" >&2; exit 1; }
	@if command -v dpkg-query >/dev/null; then \
	  missing=""; \
	  for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	  done; \
	  if [ -n "$$missing" ]; then \
	    echo "installing$$missing" >&2; \
	    if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
	    $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$missing >/dev/null; \
	  fi; \
	else \
	  for library in openssl libsodium sqlite3 libzstd; do \
	    pkg-config --exists $$library || { echo "install the development files of OpenSSL 3, libsodium, SQLite 3 and zstd, and pkg-config (on Debian: $(PACKAGES))" >&2; exit 1; }; \
	  done; \
	fi

build: setup ## build the release binary
	swift build -c release --product entente

test: setup ## run all tests
	swift build --build-tests
	@Tests/side-by-side "$$(swift build --show-bin-path)/ententePackageTests.xctest"

demo: build ## three nodes on this machine share real records, in a minute
	@$$(swift build -c release --show-bin-path)/entente demo

format: ## lay out the sources
	swift format -i -p -r $(SOURCES)

lint: ## check the layout of the sources
	swift format lint --strict -p -r $(SOURCES)

install: setup ## install to PREFIX (default /usr/local), with the Swift runtime inside
	swift build -c release --product entente --static-swift-stdlib
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $$(swift build -c release --static-swift-stdlib --show-bin-path)/entente $(DESTDIR)$(PREFIX)/bin/entente

proto: ## regenerate the protocol's messages (needs protoc and protoc-gen-swift)
	protoc --proto_path=Sources/Reconciliation/Protocol --swift_out=Sources/Reconciliation/Protocol \
	  --swift_opt=Visibility=Package --swift_opt=UseAccessLevelOnImports=true entente.proto

clean: ## remove what was built
	rm -rf .build
