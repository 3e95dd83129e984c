//go:build !js

package browser

import (
	"context"
	"errors"
)

// Available reports whether this is GOOS=js.
const Available = false

// A Socket cannot be opened on this system.
type Socket struct{}

// Open returns errors.ErrUnsupported.
func (*Socket) Open(context.Context, string, []string, Receiver) error {
	return errors.ErrUnsupported
}

// The methods of a Socket: see websocket_js.go.

func (*Socket) Subprotocol() string     { return "" }
func (*Socket) Extensions() string      { return "" }
func (*Socket) BufferedAmount() int     { return 0 }
func (*Socket) IsOpen() bool            { return false }
func (*Socket) Send(bool, []byte) error { return ErrNotOpen }
func (*Socket) Close(int, string)       {}
func (*Socket) Detach()                 {}
