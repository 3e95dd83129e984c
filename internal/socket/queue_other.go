//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package socket

import (
	"errors"
	"syscall"
)

func canQueue() bool { return false }

// A Queue is not supported on this system: see CanQueue.
type Queue struct{}

// NewQueue returns errors.ErrUnsupported.
func NewQueue() (*Queue, error) { return nil, errors.ErrUnsupported }

// Add returns errors.ErrUnsupported.
func (*Queue) Add(syscall.RawConn, Key) error { return errors.ErrUnsupported }

// Remove returns errors.ErrUnsupported.
func (*Queue) Remove(syscall.RawConn) error { return errors.ErrUnsupported }

// Wait returns errors.ErrUnsupported.
func (*Queue) Wait([]Ready) ([]Ready, error) { return nil, errors.ErrUnsupported }

// Poll returns errors.ErrUnsupported.
func (*Queue) Poll([]Ready) ([]Ready, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Queue) Close() error { return nil }
