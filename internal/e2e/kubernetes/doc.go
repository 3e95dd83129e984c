// Package kubernetes tests that the port-forward library of kubectl works
// through this module. It imports github.com/gorilla/websocket, which go.mod
// replaces by the package in gorilla: the same API in terms of this module.
package kubernetes
