package websocket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Errors that end a connection match net.ErrClosed, so that
//
//	errors.Is(err, net.ErrClosed)
//
// tells "this connection is over" from "this call failed".
var (
	// ErrCloseSent is what writes return after a close frame has been sent:
	// RFC 6455, Section 5.5.1, allows nothing to follow it. It matches
	// net.ErrClosed.
	ErrCloseSent error = &terminalError{"websocket: close sent"}

	// ErrReadLimit is what reads return after a message that is longer than
	// the read limit; the peer got close code 1009. It matches net.ErrClosed.
	ErrReadLimit error = &terminalError{"websocket: read limit exceeded"}

	// ErrSendQueueFull is what [Conn.Send] returns when the message does not
	// fit into the queue; nothing was queued.
	ErrSendQueueFull = errors.New("websocket: send queue full")

	// ErrInvalidCloseCode is returned for a close frame with a code that must
	// not be sent, or with half a code; nothing was sent.
	ErrInvalidCloseCode = errors.New("websocket: invalid close code")

	// ErrCloseReasonTooLong is returned for a close reason of more than 123
	// bytes; nothing was sent.
	ErrCloseReasonTooLong = errors.New("websocket: close reason exceeds 123 bytes")
)

// Misuse: nothing was sent and the connection is as it was.
var (
	errBadMessageType     = errors.New("websocket: bad message type")
	errNotControlType     = errors.New("websocket: not a control message type")
	errControlPayload     = errors.New("websocket: control message exceeds 125 bytes")
	errCloseReasonInvalid = errors.New("websocket: close reason is not UTF-8")
	errWriterClosed       = errors.New("websocket: write to closed message writer")
)

// A terminalError ends one direction of a connection at least.
type terminalError struct{ text string }

func (e *terminalError) Error() string { return e.text }

// Is reports whether target is net.ErrClosed.
func (e *terminalError) Is(target error) bool { return target == net.ErrClosed }

// Is reports whether target is net.ErrClosed or, where there was no close frame
// (code 1006), io.ErrUnexpectedEOF.
func (e *CloseError) Is(target error) bool {
	return target == net.ErrClosed || target == io.ErrUnexpectedEOF && e.Code == CloseAbnormalClosure
}

// A ProtocolError is what reads return after the peer has broken the
// protocol. The connection has been closed with Code. It matches
// net.ErrClosed.
type ProtocolError struct {
	// Code is the close code sent to the peer: [CloseProtocolError],
	// [CloseInvalidFramePayloadData] or [ClosePolicyViolation].
	Code int

	// Reason says what was wrong. It was sent to the peer with the code.
	Reason string
}

// Error returns the reason.
func (e *ProtocolError) Error() string { return "websocket: " + e.Reason }

// Is reports whether target is net.ErrClosed.
func (e *ProtocolError) Is(target error) bool { return target == net.ErrClosed }

// Violations of RFC 6455 by the peer.
var (
	errReservedBits      = &ProtocolError{CloseProtocolError, "reserved bits set"}
	errReservedOpcode    = &ProtocolError{CloseProtocolError, "reserved opcode"}
	errNotMasked         = &ProtocolError{CloseProtocolError, "frame from client is not masked"}
	errMasked            = &ProtocolError{CloseProtocolError, "frame from server is masked"}
	errControlFragmented = &ProtocolError{CloseProtocolError, "fragmented control frame"}
	errControlTooLong    = &ProtocolError{CloseProtocolError, "control frame exceeds 125 bytes"}
	errNoMessage         = &ProtocolError{CloseProtocolError, "continuation frame outside a message"}
	errInMessage         = &ProtocolError{CloseProtocolError, "data frame inside a fragmented message"}
	errLengthNotMinimal  = &ProtocolError{CloseProtocolError, "payload length not in its shortest form"}
	errLengthHighBit     = &ProtocolError{CloseProtocolError, "payload length with its high bit set"}
	errCloseTruncated    = &ProtocolError{CloseProtocolError, "close frame with half a code"}
	errCloseCode         = &ProtocolError{CloseProtocolError, "invalid close code"}
	errCloseReasonUTF8   = &ProtocolError{CloseInvalidFramePayloadData, "close reason is not UTF-8"}
	errTextUTF8          = &ProtocolError{CloseInvalidFramePayloadData, "text is not UTF-8"}
	errDeflate           = &ProtocolError{CloseInvalidFramePayloadData, "compressed data is corrupt"}
	errEmptyFragments    = &ProtocolError{ClosePolicyViolation, "too many empty fragments"}
	errControlFlood      = &ProtocolError{ClosePolicyViolation, "too many control frames"}
	errIdleInput         = &ProtocolError{ClosePolicyViolation, "too many empty blocks"}
)

// errWriteTimeout is a write deadline that passed before anything was written.
var errWriteTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string        { return "websocket: write timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// A brokenError is a write that failed with a part of a frame on its way, or
// because of the transport, or because the connection had ended: nothing can be
// written after it. It is a net.Error, a timeout if the cause is one, and
// errors.As finds a [*CloseError] with code 1006 in it where it has ended the
// connection.
type brokenError struct {
	cause error
	end   brokenEnd
}

// A brokenEnd says what a brokenError means for the connection.
type brokenEnd byte

const (
	endNone brokenEnd = iota // the peer may have left a close frame to be read
	endCut                   // the peer waits for the rest of a frame, which cannot follow
	endSlow                  // WriteTimeout has passed
)

func (e *brokenError) Error() string { return "websocket: write failed: " + e.cause.Error() }
func (e *brokenError) Timeout() bool { return isTimeout(e.cause) }

// Temporary is there to make it a net.Error.
func (e *brokenError) Temporary() bool { return false }

// Is reports whether target is net.ErrClosed, or ErrSlowPeer where that is so.
func (e *brokenError) Is(target error) bool {
	return target == net.ErrClosed || target == ErrSlowPeer && e.end == endSlow
}

func (e *brokenError) Unwrap() []error {
	if e.end == endNone {
		return []error{e.cause}
	}
	return []error{&CloseError{Code: CloseAbnormalClosure, Text: e.cause.Error()}, e.cause}
}

// errWriteCut is what reads return, in a lostError, after an endCut.
var errWriteCut = errors.New("the deadline or context of a write ended in the middle of a frame")

// ErrSlowPeer is returned by reads after the connection was closed because the
// peer did not read: by WriteTimeout of [Upgrader], or by [SlowClose]. The errors
// of writes match it. It matches net.ErrClosed, and errors.As finds a
// [*CloseError] with code 1006 in it.
var ErrSlowPeer error = slowPeerError{}

type slowPeerError struct{}

func (slowPeerError) Error() string { return "websocket: the peer does not read" }

func (slowPeerError) Unwrap() error {
	return &CloseError{Code: CloseAbnormalClosure, Text: "the peer does not read"}
}

// A lostError is a connection that its transport gave up, with the cause. It
// is a net.Error, and errors.As finds a [*CloseError] with code 1006 in it.
type lostError struct{ cause error }

func (e *lostError) Error() string {
	return "websocket: close 1006 (abnormal closure): " + e.cause.Error()
}

// Timeout and Temporary are there to make it a net.Error: there is nothing to
// wait for, whatever the cause was.
func (e *lostError) Timeout() bool   { return false }
func (e *lostError) Temporary() bool { return false }

// Is reports whether target is net.ErrClosed.
func (e *lostError) Is(target error) bool { return target == net.ErrClosed }

func (e *lostError) Unwrap() []error {
	return []error{&CloseError{Code: CloseAbnormalClosure, Text: e.cause.Error()}, e.cause}
}

// isTimeout reports whether err is the end of a deadline.
func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() && !errors.Is(err, syscall.ETIMEDOUT) // the kernel gave the peer up: an end
}
