package websocket

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/lock"
	"github.com/seed23105783/websocket/internal/utf8x"
)

// DefaultReadLimit is the length in bytes of the longest message that is
// received where no other limit is set: 32 MiB.
const DefaultReadLimit = 32 << 20

// errControlFrame is what the methods of a messageReader return when a control
// frame has come: control returns it. Whoever has done what it asks for calls
// the method again.
var errControlFrame = errors.New("websocket: control frame")

// A messageReader turns frames into messages. Every method leaves it where the
// next call goes on, also when it returns errControlFrame or a timeout: neither
// loses anything. Any other error ends the reading.
type messageReader struct {
	lock   lock.Mutex // held by the one who reads a message, or a piece of one
	frames frameReader
	limit  atomic.Int64 // of a message in bytes; none if not positive

	// The control frame that came last: its opcode and the length of its payload.
	controlOpcode opcode
	controlLength uint8

	// The message under way: its opcode, zero if there is none, the check of
	// its text, and the length of its payload so far.
	kind     opcode
	text     utf8x.Checker
	received int64

	// Who gets the rest of the message: partial is what ReadMessage had of it
	// when a deadline came, piecewise is the reader that NextReader returned, and
	// without either it goes to nobody if skipping is set.
	partial   *partialMessage
	piecewise *pieceReader
	skipping  bool

	// more tells writers that the next message is there already. looked says that
	// it is about the buffered bytes as they are.
	looked bool
	more   atomic.Bool

	// inflater is nil unless compression was negotiated.
	inflater *inflater
}

// A pieceReader is the application's reader of a message, or was.
type pieceReader struct {
	cut bool // the rest was discarded
}

// A partialMessage is what was received of a message when its reading was cut short. It
// is not empty.
type partialMessage struct{ p []byte }

// configure makes m ready for use.
func (m *messageReader) configure(limit int64) {
	if limit == 0 {
		limit = DefaultReadLimit
	}
	m.limit.Store(limit)
}

// isIdle reports whether the next thing to do is to wait for the stream with
// nothing begun.
func (m *messageReader) isIdle() bool {
	return m.kind == 0 && m.piecewise == nil && !m.skipping && m.frames.isEmpty()
}

// begin leaves m inside a message of which the application has seen nothing:
// one that was cut short by a deadline, or the next.
func (m *messageReader) begin() error {
	if m.piecewise != nil {
		m.piecewise, m.skipping, m.partial = nil, true, nil
	}
	if m.skipping {
		if err := m.skip(); err != nil {
			return err
		}
	}
	if m.kind != 0 {
		return nil
	}
	return m.nextData()
}

// abandon leaves it to begin to skip the rest of the message under way.
func (m *messageReader) abandon() {
	if m.piecewise != nil {
		m.piecewise.cut = true
	}
	m.piecewise, m.partial, m.skipping = nil, nil, m.kind != 0
}

// skip reads what is left of the message under way for nobody.
func (m *messageReader) skip() error {
	buf := bufpool.Get(defaultBuffer)
	defer bufpool.Put(buf)
	for {
		_, err := m.readPiece(buf.B)
		if err == io.EOF {
			m.skipping = false
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// resume returns dst with what had been received of the message under way when
// its reading was cut short.
func (m *messageReader) resume(dst []byte) []byte {
	if m.partial == nil {
		return dst
	}
	partial := m.partial.p
	m.partial = nil
	if dst == nil {
		return partial
	}
	return append(dst, partial...)
}

// pause keeps what has been received of the message under way. It is copied
// unless it is ours.
func (m *messageReader) pause(received []byte, ours bool) {
	if len(received) == 0 {
		return
	}
	if !ours {
		received = bytes.Clone(received)
	}
	m.partial = &partialMessage{received}
}

// readPartial reads what had been received of the message under way when its
// reading was cut short, which it has been.
func (m *messageReader) readPartial(p []byte) int {
	n := copy(p, m.partial.p)
	if m.partial.p = m.partial.p[n:]; len(m.partial.p) == 0 {
		m.partial = nil
	}
	return n
}

// appendRest appends what is left of the message under way to dst, of which
// dst[start:] has been received already.
func (m *messageReader) appendRest(dst []byte, start int) ([]byte, error) {
	if m.inflating() {
		return m.appendInflated(dst, start)
	}
	for {
		more, err := m.hasRest()
		if !more {
			return dst, err
		}
		buffered := uint64(len(m.frames.buffered()))
		if dst == nil && m.frames.remaining > max(trustedLength, growth*buffered) {
			if dst, err = m.startLong(); err != nil {
				return dst, err
			}
			continue
		}
		if len(dst) > math.MaxInt/2 {
			return dst, ErrReadLimit // it cannot grow on 32 bits
		}
		dst = m.grow(dst, uint64(len(dst)-start)+buffered)
		n, err := m.readPayload(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err != nil {
			return dst, err
		}
	}
}

const (
	// trustedLength is the declared length up to which a message gets its
	// memory at once. What is longer has to arrive to be believed: from there
	// on memory grows to growth times what has been received.
	trustedLength = 64 << 10
	growth        = 16
)

// startLong receives the first trustedLength bytes of a longer frame. They
// come into a buffer of the pool, so that most messages get the memory that
// they need in one piece and no other.
func (m *messageReader) startLong() ([]byte, error) {
	buf := bufpool.Get(trustedLength)
	defer bufpool.Put(buf)
	first := buf.B[:0]
	for len(first) < trustedLength {
		n, err := m.readPayload(buf.B[len(first):trustedLength])
		first = first[:len(first)+n]
		if err != nil {
			return bytes.Clone(first), err
		}
	}
	room := min(m.frames.remaining, (growth-1)*trustedLength)
	return append(make([]byte, 0, trustedLength+room), first...), nil
}

// grow returns dst with room for payload: for all that remains of the frame
// under way, if the declared length is to be believed after the bytes that have come.
func (m *messageReader) grow(dst []byte, received uint64) []byte {
	free, remaining := cap(dst)-len(dst), m.frames.remaining
	if remaining <= uint64(free) || free > 0 && remaining > trustedLength {
		return dst
	}
	room := min(remaining, max(trustedLength, (growth-1)*received), math.MaxInt/2)
	return slices.Grow(dst, int(room))
}

// readPiece reads some of the message under way, one byte at least, and
// returns io.EOF at its end.
func (m *messageReader) readPiece(p []byte) (int, error) {
	if m.inflating() {
		return m.readInflated(p)
	}
	more, err := m.hasRest()
	switch {
	case err != nil:
		return 0, err
	case !more:
		return 0, io.EOF
	}
	return m.readPayload(p)
}

// readPayload reads some of the data frame under way, one byte at least.
func (m *messageReader) readPayload(p []byte) (int, error) {
	n, err := m.frames.read(p)
	if err != nil {
		return n, err
	}
	if err := m.checkText(p[:n]); err != nil {
		return 0, err
	}
	return n, nil
}

// checkText checks what has been read of a message. RFC 6455, Section 8.1:
// text that is not UTF-8 fails the connection, and the sooner the better.
func (m *messageReader) checkText(p []byte) error {
	if m.kind == opText && !m.text.Append(p) {
		return errTextUTF8
	}
	return nil
}

// hasRest reports whether there is more of the message under way, and reads
// frame headers until it knows. At the end of the message it returns false
// and no error.
func (m *messageReader) hasRest() (bool, error) {
	for m.frames.remaining == 0 {
		if m.frames.frame.fin {
			return false, m.end()
		}
		if err := m.nextData(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// nextData reads up to the payload of the next data frame.
func (m *messageReader) nextData() error {
	m.looked = false
	h, payload, err := m.frames.next(m.limits())
	if err != nil {
		return err
	}
	if h.opcode.isControl() {
		m.controlOpcode, m.controlLength = h.opcode, uint8(len(payload))
		return errControlFrame
	}
	if h.opcode != opContinuation {
		m.kind, m.received = h.opcode, 0
		m.text.Reset()
		if m.inflater != nil {
			m.inflater.begin(h.isCompressed())
		}
	}
	if !m.inflating() {
		m.received += int64(h.length) // which limits bounds
	}
	return nil
}

// control returns the control frame that came last. The payload is valid until
// the next call of another method.
func (m *messageReader) control() (opcode, []byte) {
	f := &m.frames
	return m.controlOpcode, f.buf.B[f.start-int(m.controlLength) : f.start]
}

// limits returns what the read limit leaves to the next data frame.
func (m *messageReader) limits() frameLimits {
	limit := m.limit.Load()
	if limit <= 0 {
		limit = math.MaxInt64
	}
	if m.inflating() {
		return frameLimits{uint64(limit), math.MaxUint64}
	}
	return frameLimits{uint64(limit), uint64(m.allowance())}
}

// allowance returns how many bytes the message under way may still have: by
// subtraction, since the sum could overflow, and zero where the limit was
// lowered below what has been received.
func (m *messageReader) allowance() int64 {
	limit := m.limit.Load()
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return max(limit-m.received, 0)
}

// end ends the message under way, all of which has been read.
func (m *messageReader) end() error {
	if m.kind == opText && !m.text.Complete() {
		return errTextUTF8
	}
	m.kind = 0
	if m.inflating() {
		m.inflater.end()
	}
	return nil
}

// hasMore reports whether the next message is there already, and lets writers
// know.
func (m *messageReader) hasMore() bool {
	if m.looked {
		return m.more.Load()
	}
	more := m.frames.hasMessage()
	if m.more.Load() != more {
		m.more.Store(more)
	}
	m.looked = true
	return more
}

// discard forgets what has come and was not read.
func (m *messageReader) discard() {
	m.partial = nil
	m.frames.discard()
}
