package websocket

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIsWireCloseCode(t *testing.T) {
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
