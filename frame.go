package websocket

import "encoding/binary"

// An opcode says how the payload of a frame is interpreted.
//
// RFC 6455, Section 5.2: bit 3 tells control frames (0x8–0xF) from data
// frames (0x0–0x7); 0x3–0x7 and 0xB–0xF are reserved.
type opcode byte

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xA
)

func (op opcode) isControl() bool { return op&0x8 != 0 }

func (op opcode) isReserved() bool {
	return op > opPong || (op > opBinary && op < opClose)
}

// The message types: the opcodes of RFC 6455, Section 11.8.
const (
	// TextMessage is a message of UTF-8 text. What is received is checked;
	// what is sent is the caller's to get right.
	TextMessage = 1

	// BinaryMessage is a message of any bytes.
	BinaryMessage = 2

	// CloseMessage is a close frame. Its payload is what FormatCloseMessage
	// returns.
	CloseMessage = 8

	// PingMessage is a ping with up to 125 bytes of any content.
	PingMessage = 9

	// PongMessage is a pong with up to 125 bytes of any content.
	PongMessage = 10
)

// messageOpcode returns the opcode of a message type.
func messageOpcode(messageType int) (opcode, error) {
	switch messageType {
	case TextMessage, BinaryMessage, CloseMessage, PingMessage, PongMessage:
		return opcode(messageType), nil
	}
	return 0, errBadMessageType
}

const (
	// maxControlPayload is the longest payload of a control frame.
	// RFC 6455, Section 5.5.
	maxControlPayload = 125

	// maxHeaderSize is two fixed bytes, eight of extended length and four of
	// masking key.
	maxHeaderSize = 2 + 8 + 4
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80

	// rsvCompressed is RSV1, which marks the first frame of a compressed
	// message where permessage-deflate was negotiated: RFC 7692, Section 6.
	rsvCompressed = 0x40

	length16 = 126 // the length follows in two bytes
	length64 = 127 // the length follows in eight bytes
)

// A header is everything in a frame but its payload (RFC 6455, Section 5.2).
type header struct {
	fin    bool
	rsv    byte // RSV1–RSV3 in place, 0x70 at most
	opcode opcode
	masked bool
	key    [4]byte // the masking key, zero unless masked
	length uint64  // of the payload; unchecked but for its encoding
}

// isCompressed reports whether h begins a compressed message, RSV1 being the
// only reserved bit set and the frame one that may have it.
func (h *header) isCompressed() bool {
	return h.rsv == rsvCompressed && (h.opcode == opText || h.opcode == opBinary)
}

// parseHeader parses the header at the start of b and returns the number of
// bytes it takes. n == 0 means that b ends before the header does. If b has at
// least two bytes, h then has what they say; its length is the least that the
// length can be, or the length itself if all of that is there.
//
// Only what no context can make right is an error here: a length with its
// high bit set, or not in the shortest form. It comes with h as above. The rules
// that depend on the role and on earlier frames are sequence.next's.
func parseHeader(b []byte) (h header, n int, err error) {
	if len(b) < 2 {
		return header{}, 0, nil
	}
	h = header{
		fin:    b[0]&finBit != 0,
		rsv:    b[0] & rsvBits,
		opcode: opcode(b[0] & 0x0F),
		masked: b[1]&maskBit != 0,
		length: uint64(b[1] &^ maskBit),
	}
	n = 2
	switch h.length {
	case length16:
		if len(b) < n+2 {
			return h, 0, nil
		}
		length := uint64(binary.BigEndian.Uint16(b[n:]))
		n += 2
		if length < length16 {
			return h, 0, errLengthNotMinimal
		}
		h.length = length
	case length64:
		h.length = 1 << 16
		if len(b) < n+8 {
			return h, 0, nil
		}
		length := binary.BigEndian.Uint64(b[n:])
		n += 8
		if length>>63 != 0 {
			return h, 0, errLengthHighBit
		}
		if length < 1<<16 {
			return h, 0, errLengthNotMinimal
		}
		h.length = length
	}
	if h.masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		h.key = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// appendHeader appends the encoding of h to dst.
func appendHeader(dst []byte, h header) []byte {
	b0, b1 := h.rsv|byte(h.opcode), byte(0)
	if h.fin {
		b0 |= finBit
	}
	if h.masked {
		b1 = maskBit
	}
	dst = appendLength(append(dst, b0), h.length, b1)
	if h.masked {
		dst = append(dst, h.key[:]...)
	}
	return dst
}

// appendLength appends the length of a payload, with the mask bit as given.
func appendLength(dst []byte, length uint64, mask byte) []byte {
	// RFC 6455, Section 5.2: the minimal number of bytes MUST be used.
	switch {
	case length < length16:
		return append(dst, mask|byte(length))
	case length <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, mask|length16), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, mask|length64), length)
}

// headerSize returns how many bytes appendHeader appends for a frame with a
// payload of the given length.
func headerSize(length int, masked bool) int {
	n := 2
	switch {
	case length > 0xFFFF:
		n += 8
	case length >= length16:
		n += 2
	}
	if masked {
		n += 4
	}
	return n
}

// maxEmptyFragments bounds the fragments without payload in one message: they
// count nothing against the read limit, so that a peer could send them for ever.
const maxEmptyFragments = 1024

// A sequence holds the rules for the order of the frames that one side
// receives. Its zero value expects the first frame of a connection.
type sequence struct {
	masked   bool // frames are masked: the receiver is a server
	compress bool // messages may be compressed

	inMessage bool   // a fragmented message has begun and not ended
	empty     uint16 // fragments without payload in it
}

// next checks h against the frames before it and takes it into the sequence.
// When it returns an error the sequence is unchanged.
func (s *sequence) next(h header) error {
	if err := s.check(&h); err != nil {
		return err
	}
	s.add(&h)
	return nil
}

// add takes h into the sequence, after check.
func (s *sequence) add(h *header) {
	switch {
	case h.opcode.isControl():
	case h.fin:
		s.inMessage, s.empty = false, 0
	default:
		s.inMessage = true
		if h.length == 0 {
			s.empty++
		}
	}
}

// check checks h against the frames before it. All that it looks at is in the
// first two bytes of a frame: a length that is less than the real one will do.
func (s *sequence) check(h *header) error {
	switch {
	case h.rsv != 0 && !(s.compress && h.isCompressed()):
		// RFC 6455, Section 5.2: "MUST be 0 unless an extension is negotiated".
		return errReservedBits
	case h.opcode.isReserved():
		return errReservedOpcode
	case s.masked && !h.masked:
		// RFC 6455, Section 5.1: a server closes on a frame that is not masked …
		return errNotMasked
	case !s.masked && h.masked:
		// … and a client on one that is.
		return errMasked
	case h.opcode.isControl():
		return checkControl(h)
	case h.opcode == opContinuation && !s.inMessage:
		return errNoMessage
	case h.opcode != opContinuation && s.inMessage:
		// RFC 6455, Section 5.4: fragments of two messages are not interleaved.
		return errInMessage
	case h.length == 0 && !h.fin && s.empty >= maxEmptyFragments:
		return errEmptyFragments
	}
	return nil
}

// checkControl checks what RFC 6455, Section 5.5 asks of control frames alone.
func checkControl(h *header) error {
	if !h.fin {
		return errControlFragmented
	}
	if h.length > maxControlPayload {
		return errControlTooLong
	}
	return nil
}
