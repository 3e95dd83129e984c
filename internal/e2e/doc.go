// Package e2e tests the library from end to end against other implementations of the
// protocol: browsers, the libraries of other languages, and proxies. README.md lists them.
// Chromium is driven through the pages of the examples and, for compression, a page of its
// own. The programs in the directories languages, node and python are clients and servers.
// TestStream runs the tests of golang.org/x/net/nettest for implementations of net.Conn,
// and needs nothing else.
//
// The rest needs the programs that step_e2e of .ci/run installs, the packages that
// package-lock.json and requirements.txt pin, and what cargo downloads for
// languages/rust:
//
//	npm ci
//	python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
//	go test ./...
//
// It is a module of its own, so that what it needs is no requirement of the
// library. So is the directory kubernetes, whose tests need no programs.
package e2e
