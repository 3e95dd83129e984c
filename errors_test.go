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
	assert.NotErrorIs(t, errWriteTimeout, net.ErrClosed, "a timeout does not end the connection")
	for _, err := range []error{ErrInvalidCloseCode, ErrCloseReasonTooLong, errBadMessageType} {
		assert.NotErrorIs(t, err, net.ErrClosed, "an invalid call does not end the connection")
	}
}
