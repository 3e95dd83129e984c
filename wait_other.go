//go:build !unix

package websocket

import (
	"errors"
	"syscall"
)

// rawConn returns nil: here nothing can be waited on without a buffer, or
// written to without waiting.
func rawConn(stream) syscall.RawConn { return nil }

type idleSocket struct{}

func (*readSide) waitsIdle() {}

func (*readSide) readIdle() error { return errors.ErrUnsupported }

type directSocket struct{}

func newDirectSocket(syscall.RawConn) *directSocket { return nil }

func (*directSocket) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
