//go:build !unix

package socket

import (
	"errors"
	"net"
	"syscall"
)

// A Conn is not supported on this system: see Detach.
type Conn struct{ net.Conn }

// isMultipath is never called.
func (*Conn) isMultipath() bool { return false }

// SyscallConn is never called.
func (*Conn) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

// Detach returns conn.
func Detach(conn net.Conn) net.Conn { return conn }

// TryRead returns errors.ErrUnsupported.
func TryRead(syscall.RawConn, net.Conn, []byte) (int, error) { return 0, errors.ErrUnsupported }

// WriteVector returns errors.ErrUnsupported.
func (*Conn) WriteVector(*[2][]byte) (int, error) { return 0, errors.ErrUnsupported }

// HasUnread returns false.
func HasUnread(syscall.RawConn) bool { return false }
