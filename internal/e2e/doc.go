// Package e2e tests the library from end to end against other implementations
// of the protocol: the browsers Chromium and Firefox, Node.js with its ws package, and Python
// with its packages websockets and tornado. Chromium is driven through the page
// of examples/echo and, for compression, a page of its own; ws and websockets are
// client as well as server. TestStream runs the tests of golang.org/x/net/nettest
// for implementations of net.Conn, and needs nothing else.
//
// The rest needs the programs chromium, firefox-esr, haproxy, nginx, node and python3, the ws package that
// package-lock.json pins, and the packages of requirements.txt:
//
//	npm ci
//	python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
//	go test ./...
//
// It is a module of its own, so that what it needs is no requirement of the
// library. So is the directory kubernetes, whose tests need no programs.
package e2e
