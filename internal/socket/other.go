//go:build !unix

package socket

import (
	"errors"
	"syscall"

	"github.com/seed23105783/websocket/internal/bufpool"
)

const supported = false

// A Reader is not supported on this system: see Raw.
type Reader struct{}

// NewReader returns nil.
func NewReader() *Reader { return nil }

// Read returns errors.ErrUnsupported.
func (*Reader) Read(syscall.RawConn, any, int) (*bufpool.Buffer, int, error) {
	return nil, 0, errors.ErrUnsupported
}

// CanScatter is whether [Reader.ReadAround] is supported.
const CanScatter = false

// ReadAround returns errors.ErrUnsupported.
func (*Reader) ReadAround(syscall.RawConn, any, int, int, []byte) (*bufpool.Buffer, int, error) {
	return nil, 0, errors.ErrUnsupported
}

// TryWrite returns errors.ErrUnsupported.
func TryWrite(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
