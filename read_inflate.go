package websocket

import (
	"io"
	"math"
	"slices"
	"sync"

	"github.com/seed23105783/websocket/internal/deflate"
)

// An inflater is what a messageReader has for compressed messages.
type inflater struct {
	side    deflate.Side          // how the peer compresses
	history deflate.History       // between messages, with context takeover
	codec   *deflate.Decompressor // of the message under way
	active  bool                  // the message under way is compressed
	begun   bool                  // some of it has been inflated
	done    bool                  // all of it
	full    bool                  // there was no room for more: it may need no input
	idle    int                   // how much input has come since there was output
}

// Codecs are lent to a connection for the time of a message: one pool for each
// size of a window.
var (
	decompressors       [deflate.MaxWindowBits + 1]sync.Pool // with takeover
	singleDecompressors [deflate.MaxWindowBits + 1]sync.Pool // without
)

// pool returns where the codec comes from.
func (i *inflater) pool() *sync.Pool {
	if i.side.NoContextTakeover {
		return &singleDecompressors[i.side.WindowBits]
	}
	return &decompressors[i.side.WindowBits]
}

// begin prepares for a message.
func (i *inflater) begin(compressed bool) {
	i.active, i.begun, i.done, i.full, i.idle = compressed, false, false, false, 0
	if !compressed {
		return
	}
	var ok bool
	if i.codec, ok = i.pool().Get().(*deflate.Decompressor); !ok {
		i.codec = deflate.NewDecompressor(i.side.WindowBits, !i.side.NoContextTakeover)
	}
	i.exchange()
}

// exchange lends the codec the history, or takes it back.
func (i *inflater) exchange() {
	if !i.side.NoContextTakeover {
		i.codec.Exchange(&i.history)
	}
}

// restart goes back to the beginning of a message that was not inflated to its
// end, which the history does not have.
func (i *inflater) restart() {
	i.exchange()
	i.codec.Reset()
	i.exchange()
}

// end ends a message.
func (i *inflater) end() {
	i.exchange()
	i.codec.Reset()
	i.pool().Put(i.codec)
	i.codec, i.active = nil, false
}

// inflating reports whether the message under way is compressed.
func (m *messageReader) inflating() bool { return m.inflater != nil && m.inflater.active }

// appendInflated appends what is left of a compressed message to dst, of which
// dst[start:] has been inflated already. A message that is in the buffer as a
// whole is inflated in one go.
func (m *messageReader) appendInflated(dst []byte, start int) ([]byte, error) {
	f := &m.frames
	if !m.inflater.begun && f.frame.fin && f.remaining > 0 && f.remaining <= uint64(f.end-f.start) {
		if whole, ok := m.inflateAll(dst); ok {
			if err := m.checkText(whole[start:]); err != nil {
				return dst, err
			}
			return whole, m.end()
		}
	}
	for {
		if len(dst) > math.MaxInt/2 {
			return dst, ErrReadLimit // it could not grow on 32 bits
		}
		dst = m.growInflated(dst, start)
		n, err := m.readInflated(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// inflateAll inflates a message of which nothing has been inflated yet. If it
// cannot be inflated to its end nothing has been done: what is wrong first is
// found piece by piece.
func (m *messageReader) inflateAll(dst []byte) ([]byte, bool) {
	src, err := m.frames.chunk()
	if err != nil {
		return nil, false
	}
	limit := int(min(m.allowance(), math.MaxInt32))
	dst, err = m.inflater.codec.Append(dst, src, limit)
	if err != nil {
		m.inflater.restart()
		return nil, false
	}
	m.frames.used(len(src))
	return dst, true
}

// growInflated returns dst with room for more of a message whose length is not
// known. Memory follows what has been inflated.
func (m *messageReader) growInflated(dst []byte, start int) []byte {
	if len(dst) < cap(dst) {
		return dst
	}
	room := max(int(4*min(m.frames.remaining, trustedLength)), minBuffer, len(dst)-start)
	if allowance := m.allowance(); int64(room) > allowance {
		room = int(allowance) + 1 // the byte too many is to be seen
	}
	return slices.Grow(dst, room)
}

// maxIdleInput bounds the compressed bytes without a byte that comes of them,
// in empty blocks: they count nothing against the read limit.
const maxIdleInput = 64 << 10

// readInflated reads some of a compressed message, one byte at least, and
// returns io.EOF at its end.
func (m *messageReader) readInflated(p []byte) (int, error) {
	i := m.inflater
	i.begun = true
	for !i.done {
		src, last, err := m.compressed()
		if err != nil {
			return 0, err
		}
		n, used, done, corrupt := i.codec.Inflate(p, src, last)
		if err := m.checkInflated(p[:n], corrupt); err != nil {
			return 0, err
		}
		m.frames.used(used)
		i.done, i.full = done, n == len(p)
		if n > 0 {
			i.idle = 0
			return n, nil
		}
		if i.idle += used; i.idle > maxIdleInput {
			return 0, errIdleInput
		}
	}
	if err := m.end(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// checkInflated checks what was inflated, and what came of it, in the order of
// the message: so what is found does not depend on how it was cut.
func (m *messageReader) checkInflated(p []byte, corrupt error) error {
	allowed := int(min(m.allowance(), int64(len(p))))
	m.received += int64(allowed)
	if err := m.checkText(p[:allowed]); err != nil {
		return err
	}
	if allowed < len(p) {
		return ErrReadLimit
	}
	if corrupt != nil {
		return errDeflate
	}
	return nil
}

// compressed returns a piece of the payload of the message under way, and
// whether it is the last, in which case it may be empty.
func (m *messageReader) compressed() (src []byte, last bool, err error) {
	f := &m.frames
	if m.inflater.full && f.clear == 0 {
		return nil, f.frame.fin && f.remaining == 0, nil // not to wait while there is more to put out
	}
	for f.remaining == 0 && f.clear == 0 && !f.frame.fin {
		if err := m.nextData(); err != nil {
			return nil, false, err
		}
	}
	if f.remaining > 0 || f.clear > 0 {
		if src, err = f.chunk(); err != nil {
			return nil, false, err
		}
	}
	return src, f.frame.fin && f.remaining == 0, nil
}
