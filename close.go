package websocket

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Close codes: RFC 6455, Section 11.7, and what the IANA registry added.
const (
	CloseNormalClosure           = 1000
	CloseGoingAway               = 1001
	CloseProtocolError           = 1002
	CloseUnsupportedData         = 1003
	CloseNoStatusReceived        = 1005 // never sent: the close frame had no code
	CloseAbnormalClosure         = 1006 // never sent: there was no close frame
	CloseInvalidFramePayloadData = 1007
	ClosePolicyViolation         = 1008
	CloseMessageTooBig           = 1009
	CloseMandatoryExtension      = 1010
	CloseInternalServerErr       = 1011
	CloseServiceRestart          = 1012
	CloseTryAgainLater           = 1013
	CloseBadGateway              = 1014
	CloseTLSHandshake            = 1015 // never sent
)

var closeCodeNames = map[int]string{
	CloseNormalClosure:           "normal",
	CloseGoingAway:               "going away",
	CloseProtocolError:           "protocol error",
	CloseUnsupportedData:         "unsupported data",
	CloseNoStatusReceived:        "no status",
	CloseAbnormalClosure:         "abnormal closure",
	CloseInvalidFramePayloadData: "invalid payload data",
	ClosePolicyViolation:         "policy violation",
	CloseMessageTooBig:           "message too big",
	CloseMandatoryExtension:      "mandatory extension missing",
	CloseInternalServerErr:       "internal server error",
	CloseServiceRestart:          "service restart",
	CloseTryAgainLater:           "try again later",
	CloseBadGateway:              "bad gateway",
	CloseTLSHandshake:            "TLS handshake error",
}

// maxCloseReason is the longest reason of a close frame in bytes: the code
// takes two of the payload.
const maxCloseReason = maxControlPayload - 2

// A CloseError says how the peer ended the connection. Reads return it as it
// is, not wrapped, once the peer's close frame has arrived, and with code
// [CloseAbnormalClosure] when the connection ended without one.
//
// errors.Is(err, net.ErrClosed) holds for every CloseError.
type CloseError struct {
	// Code is one of the codes above or one from 3000 to 4999.
	Code int

	// Text is the peer's reason: UTF-8, at most 123 bytes.
	Text string
}

// Error returns the code, its name and the reason.
func (e *CloseError) Error() string {
	s := "websocket: close " + strconv.Itoa(e.Code)
	if name := closeCodeNames[e.Code]; name != "" {
		s += " (" + name + ")"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// IsCloseError reports whether err is or wraps a [*CloseError] with one of
// the codes.
func IsCloseError(err error, codes ...int) bool {
	e, ok := errors.AsType[*CloseError](err)
	return ok && slices.Contains(codes, e.Code)
}

// IsUnexpectedCloseError reports whether err is or wraps a [*CloseError] with
// none of the expected codes. It is false for every other error.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	e, ok := errors.AsType[*CloseError](err)
	return ok && !slices.Contains(expectedCodes, e.Code)
}

// FormatCloseMessage returns the payload of a close frame with the given code
// and reason, to be written as a [CloseMessage]. It is empty for
// [CloseNoStatusReceived]. Whether both may be sent is checked when they are
// written.
func FormatCloseMessage(closeCode int, text string) []byte {
	if closeCode == CloseNoStatusReceived {
		return []byte{}
	}
	return appendClose(make([]byte, 0, 2+len(text)), closeCode, text)
}

func appendClose(dst []byte, code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}

// parseClose parses the payload of a close frame (RFC 6455, Section 5.5.1).
// An empty one stands for [CloseNoStatusReceived].
func parseClose(payload []byte) (code int, reason string, err error) {
	if len(payload) == 0 {
		return CloseNoStatusReceived, "", nil
	}
	if len(payload) == 1 {
		return 0, "", errCloseTruncated
	}
	code = int(binary.BigEndian.Uint16(payload))
	if !isWireCloseCode(code) {
		return 0, "", errCloseCode
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", errCloseReasonUTF8
	}
	return code, string(payload[2:]), nil
}

// isWireCloseCode reports whether a close frame may carry the code: RFC 6455,
// Section 7.4, and the registry's 1012–1014.
func isWireCloseCode(code int) bool {
	switch {
	case code < 1000, code >= 5000:
		return false
	case code >= 3000:
		return true
	case code == 1004, code == CloseNoStatusReceived, code == CloseAbnormalClosure:
		return false
	}
	return code <= CloseBadGateway
}

// checkClosePayload checks a close frame's payload before it is sent, so that
// a mistake is told to the one who made it and not to the peer.
func checkClosePayload(payload []byte) error {
	if len(payload) > 2+maxCloseReason {
		return ErrCloseReasonTooLong
	}
	_, _, err := parseClose(payload)
	switch err {
	case nil:
		return nil
	case errCloseReasonUTF8:
		return errCloseReasonInvalid
	}
	return ErrInvalidCloseCode
}

// A State is the state of a [Conn]: readyState in the browser, with the same
// numbers.
type State int

// The states of a connection. A Conn is born open: [Dialer.Dial] and
// [Upgrader.Upgrade] return when the opening handshake is done.
const (
	StateConnecting State = iota // the opening handshake is under way
	StateOpen                    // messages flow both ways
	StateClosing                 // a close frame was sent or received
	StateClosed                  // the transport is closed
)

// String returns the name of s in lower case.
func (s State) String() string {
	switch s {
	case StateConnecting:
		return "connecting"
	case StateOpen:
		return "open"
	case StateClosing:
		return "closing"
	case StateClosed:
		return "closed"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}
