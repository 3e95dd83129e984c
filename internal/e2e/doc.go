// Package e2e tests the library from end to end against other implementations
// of the protocol: the Chromium browser, driven through the page of
// examples/echo, and Node.js with its ws package, both as client and as server.
//
// It needs the programs chromium and node, and the ws package that
// package-lock.json pins:
//
//	npm ci && go test ./...
//
// It is a module of its own, so that what it needs is no requirement of the
// library.
package e2e
