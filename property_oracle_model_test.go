package websocket

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// This file is a second implementation of a receiver by RFC 6455 and RFC 7692, made to
// be compared with them and not to be fast. It has the whole stream from the beginning,
// and shares no code with the package.

// A modelResult is what a receiver gets of a stream, and what it sends.
type modelResult struct {
	messages []message
	sent     []string // payloads of the pongs, in order
	end      modelEnd
	code     int    // in the close frame that is sent: 0 for none, 1005 for one without a code
	reason   string // the peer's, if its close frame was the end
}

// A modelEnd is the kind of error that the application gets.
type modelEnd int

const (
	modelOpen     modelEnd = iota
	modelClosed            // by the peer's close frame
	modelViolated          // by a violation of the protocol
	modelTooLong           // a message beyond the read limit
	modelLost              // the stream ended without a close frame
)

// A model is one receiver of a stream.
type model struct {
	server   bool // frames have to be masked
	deflate  int  // the bits of the peer's window, 0 if permessage-deflate was not negotiated
	takeover bool // whether the peer takes over its context
	limit    int  // of a message, none if negative

	result modelResult

	// The message under way: its opcode, 0 if there is none.
	op         byte
	compressed bool
	payload    []byte // as received so far
	empty      int    // fragments of it without payload
	history    []byte // what a compressed message may refer to
}

// modelMaxEmptyFragments is the documented bound of empty fragments in a message.
const modelMaxEmptyFragments = 1024

// run returns the result for a stream.
func (m *model) run(stream []byte) modelResult {
	for m.result.end == modelOpen {
		stream = m.frame(stream)
	}
	return m.result
}

// fail ends the stream.
func (m *model) fail(end modelEnd, code int) []byte {
	m.result.end, m.result.code = end, code
	return nil
}

// A modelHeader is a frame without its payload: RFC 6455, Section 5.2.
type modelHeader struct {
	fin, masked bool
	rsv, op     byte
	key         []byte
	length      uint64
}

// modelParse parses a header. size is 0 if b has not all of it, and bad is set if its
// length violates the protocol.
func modelParse(b []byte) (h modelHeader, size int, bad bool) {
	if len(b) < 2 {
		return h, 0, false
	}
	h.fin, h.rsv, h.op, h.masked = b[0] >= 128, b[0]/16%8, b[0]%16, b[1] >= 128
	h.length, size = uint64(b[1]%128), 2
	if wide := map[uint64]int{126: 2, 127: 8}[h.length]; wide > 0 {
		if len(b) < 2+wide {
			return h, 0, false
		}
		least := h.length
		h.length = binary.BigEndian.Uint64(append(make([]byte, 8-wide), b[2:2+wide]...))
		if least == 127 {
			least = 1 << 16
		}
		// "the minimal number of bytes MUST be used", "the most significant bit
		// MUST be 0"
		if h.length < least || h.length >= 1<<63 {
			return h, 0, true
		}
		size += wide
	}
	if h.masked {
		if len(b) < size+4 {
			return h, 0, false
		}
		h.key = b[size : size+4]
		size += 4
	}
	return h, size, false
}

// frame receives a frame and returns the rest of the stream.
func (m *model) frame(b []byte) []byte {
	h, size, bad := modelParse(b)
	switch {
	case bad:
		return m.fail(modelViolated, 1002)
	case size == 0 && len(b) < 2:
		return m.fail(modelLost, 0)
	}
	if code := m.check(h); code != 0 {
		return m.fail(modelViolated, code)
	}
	// A violation is found with the first byte of a header, a length with its last.
	known := size > 0 || len(b) >= 2+map[byte]int{126: 2, 127: 8}[b[1]%128]
	if known && h.op < 8 && !m.compressed && m.limit >= 0 && h.length > uint64(m.limit-len(m.payload)) {
		return m.fail(modelTooLong, 1009)
	}
	if size == 0 {
		return m.fail(modelLost, 0)
	}
	whole := h.length <= uint64(len(b)-size)
	payload := b[size:]
	if whole {
		payload = payload[:h.length]
	}
	payload = bytes.Clone(payload)
	for i := range payload {
		if h.masked {
			payload[i] ^= h.key[i%4]
		}
	}
	if h.op >= 8 {
		if !whole {
			return m.fail(modelLost, 0)
		}
		m.control(h.op, payload)
	} else {
		m.payload = append(m.payload, payload...)
		m.data(h.fin && whole)
		if !whole && m.result.end == modelOpen {
			return m.fail(modelLost, 0)
		}
	}
	if m.result.end != modelOpen {
		return nil
	}
	return b[size+int(h.length):]
}

// check returns the close code for a header that may not come now, and makes
// the first frame of a message the message under way.
func (m *model) check(h modelHeader) int {
	begins := h.op == 1 || h.op == 2
	switch {
	// RFC 7692, Section 6: RSV1 is for the first frame of a compressed message.
	case h.rsv != 0 && !(m.deflate > 0 && h.rsv == 4 && begins):
		return 1002
	case h.op >= 3 && h.op <= 7 || h.op >= 11: // Section 5.2: reserved
		return 1002
	case h.masked != m.server: // Section 5.1
		return 1002
	case h.op >= 8 && (!h.fin || h.length > 125): // Section 5.5
		return 1002
	case h.op == 0 && m.op == 0, begins && m.op != 0: // Section 5.4
		return 1002
	case h.op >= 8:
		return 0
	}
	if begins {
		m.op, m.compressed, m.payload, m.empty = h.op, h.rsv == 4, nil, 0
	}
	if h.length == 0 && !h.fin {
		m.empty++
	}
	if m.empty > modelMaxEmptyFragments {
		return 1008
	}
	return 0
}

// control receives a control frame: RFC 6455, Section 5.5.
func (m *model) control(op byte, payload []byte) {
	switch {
	case op == 9:
		m.result.sent = append(m.result.sent, string(payload))
	case op == 10:
	case len(payload) == 0:
		m.fail(modelClosed, 1005)
	case len(payload) == 1 || !modelValidCloseCode(int(binary.BigEndian.Uint16(payload))):
		m.fail(modelViolated, 1002)
	case !utf8.Valid(payload[2:]):
		m.fail(modelViolated, 1007)
	default:
		m.result.reason = string(payload[2:])
		m.fail(modelClosed, int(binary.BigEndian.Uint16(payload)))
	}
}

// modelValidCloseCode reports whether a close code may be sent: RFC 6455, Section 7.4,
// and the codes that IANA has registered since.
func modelValidCloseCode(code int) bool {
	for _, r := range [][2]int{{1000, 1003}, {1007, 1014}, {3000, 4999}} {
		if r[0] <= code && code <= r[1] {
			return true
		}
	}
	return false
}

// data checks the message under way, of which all was received if whole is set.
func (m *model) data(whole bool) {
	data, corrupt := m.payload, false
	if m.compressed {
		var ended bool
		data, ended, corrupt = modelInflate(m.history, m.payload, m.deflate)
		corrupt = corrupt || whole && !ended
	}
	within := data
	if m.limit >= 0 && len(data) > m.limit {
		within = data[:m.limit]
	}
	switch {
	case m.op == 1 && !modelTextPrefix(within): // RFC 6455, Section 8.1
		m.fail(modelViolated, 1007)
	case len(within) < len(data):
		m.fail(modelTooLong, 1009)
	case corrupt, whole && m.op == 1 && !utf8.Valid(data):
		m.fail(modelViolated, 1007)
	case whole:
		m.result.messages = append(m.result.messages, message{int(m.op), string(data)})
		if m.compressed && m.takeover {
			m.history = append(m.history, data...)
			m.history = m.history[max(0, len(m.history)-1<<15):]
		}
		m.op, m.compressed, m.payload = 0, false, nil
	}
}

// modelTextPrefix reports whether b is the beginning of a valid text.
func modelTextPrefix(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(b)
		}
		b = b[size:]
	}
	return true
}
