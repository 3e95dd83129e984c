package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCloseCodesOnTheWire(t *testing.T) {
	allowed := func(code int) bool {
		switch code {
		case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014:
			return true
		}
		return 3000 <= code && code <= 4999
	}
	for code := range 1 << 16 {
		require.Equal(t, allowed(code), isWireCloseCode(code), "code %d", code)
	}
}

func TestParseClose(t *testing.T) {
	for _, test := range []struct {
		payload string
		code    int
		reason  string
		err     error
	}{
		{"", CloseNoStatusReceived, "", nil},
		{"\x03\xE8", 1000, "", nil},
		{"\x03\xE8bye", 1000, "bye", nil},
		{"\x0F\xA1" + strings.Repeat("é", 61), 4001, strings.Repeat("é", 61), nil},
		{"\x03", 0, "", errCloseTruncated},
		{"\x03\xE7", 0, "", errCloseCode},
		{"\x03\xED", 0, "", errCloseCode},
		{"\x00\x00", 0, "", errCloseCode},
		{"\xFF\xFF", 0, "", errCloseCode},
		{"\x03\xE8\xFF", 0, "", errCloseReasonUTF8},
		{"\x03\xE8\xE2\x82", 0, "", errCloseReasonUTF8},
	} {
		code, reason, err := parseClose([]byte(test.payload))
		if test.err != nil {
			assert.Equal(t, test.err, err, "%x", test.payload)
			continue
		}
		require.NoError(t, err, "%x", test.payload)
		assert.Equal(t, test.code, code)
		assert.Equal(t, test.reason, reason)
		assert.Equal(t, test.payload, string(FormatCloseMessage(code, reason)))
	}
}

func TestCheckClosePayload(t *testing.T) {
	for _, test := range []struct {
		payload []byte
		want    error
	}{
		{nil, nil},
		{FormatCloseMessage(CloseNoStatusReceived, "ignored"), nil},
		{FormatCloseMessage(1000, strings.Repeat("x", 123)), nil},
		{FormatCloseMessage(1000, strings.Repeat("x", 124)), ErrCloseReasonTooLong},
		{FormatCloseMessage(1006, ""), ErrInvalidCloseCode},
		{FormatCloseMessage(999, ""), ErrInvalidCloseCode},
		{FormatCloseMessage(5000, ""), ErrInvalidCloseCode},
		{[]byte{3}, ErrInvalidCloseCode},
		{FormatCloseMessage(1000, "\xFF"), errCloseReasonInvalid},
	} {
		assert.Equal(t, test.want, checkClosePayload(test.payload), "%x", test.payload)
	}
}

func TestCloseErrorText(t *testing.T) {
	for want, err := range map[string]*CloseError{
		"websocket: close 1000 (normal)":                              {Code: 1000},
		"websocket: close 1001 (going away): tab closed":              {Code: 1001, Text: "tab closed"},
		"websocket: close 1006 (abnormal closure): unexpected EOF":    {Code: 1006, Text: io.ErrUnexpectedEOF.Error()},
		"websocket: close 4000":                                       {Code: 4000},
		"websocket: close 4000: mine":                                 {Code: 4000, Text: "mine"},
		"websocket: close 1005 (no status)":                           {Code: 1005},
		"websocket: close 1015 (TLS handshake error): not a real one": {Code: 1015, Text: "not a real one"},
	} {
		assert.Equal(t, want, err.Error())
	}
}

func TestCloseErrorPredicates(t *testing.T) {
	closed := error(&CloseError{Code: CloseGoingAway})
	wrapped := fmt.Errorf("reading: %w", closed)
	lost := error(&lostError{errors.New("reset")})
	for _, err := range []error{closed, wrapped} {
		assert.True(t, IsCloseError(err, CloseNormalClosure, CloseGoingAway))
		assert.False(t, IsCloseError(err, CloseNormalClosure))
		assert.False(t, IsCloseError(err))
		assert.False(t, IsUnexpectedCloseError(err, CloseGoingAway))
		assert.True(t, IsUnexpectedCloseError(err, CloseNormalClosure))
	}
	assert.True(t, IsCloseError(lost, CloseAbnormalClosure))
	for _, err := range []error{nil, io.EOF, ErrReadLimit, errTextUTF8} {
		assert.False(t, IsCloseError(err, CloseNormalClosure))
		assert.False(t, IsUnexpectedCloseError(err, CloseNormalClosure), "no CloseError: %v", err)
	}
}

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

func TestClosingSteps(t *testing.T) {
	var c closing
	assert.Equal(t, StateOpen, c.state())
	assert.True(t, c.add(closeReceived))
	assert.False(t, c.add(closeReceived), "only once")
	assert.Equal(t, StateClosing, c.state())
	assert.False(t, c.has(closeSent))
	assert.True(t, c.add(closeSending))
	c.cancelClose()
	assert.NoError(t, c.writeError())
	assert.True(t, c.add(closeSending))
	assert.Equal(t, ErrCloseSent, c.writeError())
	assert.Equal(t, StateClosing, c.state())
	assert.Zero(t, c.info())
	assert.True(t, c.end(net.ErrClosed))
	assert.False(t, c.end(net.ErrClosed), "only once")
	assert.False(t, c.add(closeSent), "too late")
	assert.Equal(t, StateClosed, c.state())
}

func TestStateNumbersAreTheBrowsers(t *testing.T) {
	for want, s := range []State{StateConnecting, StateOpen, StateClosing, StateClosed} {
		assert.Equal(t, want, int(s))
	}
	assert.Equal(t, "connecting open closing closed State(4)",
		fmt.Sprint(StateConnecting, " ", StateOpen, " ", StateClosing, " ", StateClosed, " ", State(4)))
}
