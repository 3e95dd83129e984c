package websocket

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTerminalErrorsMatchErrClosed(t *testing.T) {
	cause := errors.New("cause")
	for _, err := range []error{
		&CloseError{Code: 1000}, ErrCloseSent, ErrReadLimit, errReservedBits, &lostError{cause}, &brokenError{cause: cause},
	} {
		assert.ErrorIs(t, err, net.ErrClosed, "%T", err)
		assert.NotErrorIs(t, err, io.EOF, "%T", err)
	}
	assert.ErrorIs(t, &lostError{cause}, cause)
	assert.ErrorIs(t, &brokenError{cause: cause}, cause)
	assert.NotErrorIs(t, errWriteTimeout, net.ErrClosed, "a timeout is no end")
	for _, err := range []error{ErrInvalidCloseCode, ErrCloseReasonTooLong, errBadMessageType} {
		assert.NotErrorIs(t, err, net.ErrClosed, "misuse is no end")
	}
}
