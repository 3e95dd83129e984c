//go:build !unix

package websocket

// An idleSocket is for systems on which a socket can be waited on without a
// buffer. Elsewhere the buffer stays.
type idleSocket struct{}

func newIdleSocket(*transport, int) *idleSocket { return nil }

func (*idleSocket) read() (*buffer, int, error) { panic("websocket: no idle sockets here") }

// A directSocket is for systems on which a socket can be written to without
// waiting.
type directSocket struct{}

func newDirectSocket(*transport) *directSocket { return nil }

func (*directSocket) write([]byte) (int, error) { panic("websocket: no direct sockets here") }
