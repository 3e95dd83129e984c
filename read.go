package websocket

import (
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/seed23105783/websocket/internal/utf8x"
)

// A readSide turns what a transport delivers into frames and their payload.
// It is the only place that reads the transport while the connection lives.
//
// Every method leaves it where the next call goes on, also when it returns an
// error that is no end: a deadline costs nothing but time.
type readSide struct {
	lock lock // held by the one who reads a message, or a piece of one
	*transport
	deadline deadline
	limit    atomic.Int64 // of a message in bytes; none if not positive

	// head is the connection as net/http hands it over to a client, with what
	// it has read ahead in front. It is nil once that has been taken over.
	head io.Reader

	// The bytes that were read and not used yet are buf.b[start:end]. While
	// there are none, a socket needs no buffer.
	buf        *buffer
	start, end int
	size       int        // of buf, if not more comes at a time
	burst      int        // of the next, where it can be chosen anew
	idle       idleSocket // where the stream can be waited on without a buffer

	// alive is told of signs of life; nil if nobody wants to know.
	alive *keepAlive

	// The data frame under way. remaining is what of its payload has not been
	// read, pos the position of that in the masking key.
	frame     header
	remaining uint64
	sequence  sequence
	pos       uint8

	// The message under way: its opcode, zero if there is none, the check of
	// its text, and the length of its payload so far.
	kind     opcode
	text     utf8x.Checker
	received int64

	// more tells writers that the next frame is there already. It is kept only
	// when they want to know, which is when there is a queue. looked says that
	// it is about the buffered bytes as they are.
	more   atomic.Bool
	looked bool

	// Who gets the rest of the message: partial is what ReadMessage had of it
	// when a deadline came, reader is what NextReader returned, and without
	// either it goes to nobody if discard is set.
	discard bool
	partial []byte
	reader  *messageReader

	// inflater is nil unless compression was negotiated. What it inflates is
	// unmasked where it lies: the first clear of the buffered bytes have been.
	inflater *inflater
	clear    int

	// ended is the first error that ended the reading.
	ended error
}

// hasFrame reports whether the next frame can be read without waiting.
func (r *readSide) hasFrame() bool {
	b := r.buffered()
	h, n, err := parseHeader(b)
	return err != nil || n > 0 && h.length <= uint64(len(b)-n)
}

// buffered returns the bytes that were read and not used yet.
func (r *readSide) buffered() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf.b[r.start:r.end]
}

// nextFrame reads the header of the next frame and, of a control frame, the
// payload too, which stays valid until the next call. The payload of a data
// frame is what readPayload reads. The frame before must have been read to
// its end.
func (r *readSide) nextFrame() (header, []byte, error) {
	for {
		h, n, err := parseHeader(r.buffered())
		if err == nil && n > 0 {
			err = r.sequence.next(h)
		}
		if err != nil {
			return header{}, nil, err
		}
		need := n
		if h.opcode.isControl() {
			need += int(h.length)
		}
		if n > 0 && need <= r.end-r.start {
			control := r.buf.b[r.start+n : r.start+need]
			r.start += need
			return h, control, r.begin(h, control)
		}
		if err := r.fill(); err != nil {
			return header{}, nil, err
		}
	}
}

// begin takes over a frame: it unmasks the payload of a control frame, and
// makes a data frame the one under way if the read limit allows its payload.
func (r *readSide) begin(h header, control []byte) error {
	if h.opcode.isControl() {
		if h.masked {
			maskBytes(control, control, h.key, 0)
		}
		return nil
	}
	if h.opcode != opContinuation {
		r.kind, r.received = h.opcode, 0
		r.text.Reset()
		if r.inflater != nil {
			r.inflater.begin(h.isCompressed())
		}
	}
	// What the application gets is what counts: the inflated bytes.
	if !r.inflating() {
		if h.length > uint64(r.allowance()) {
			return ErrReadLimit
		}
		r.received += int64(h.length)
	}
	r.frame, r.remaining, r.pos = h, h.length, 0
	if h.length > maxBuffer/2 {
		r.burst = r.size // most of it does not come through the buffer
	}
	return nil
}

// allowance returns how many bytes the message under way may still have: by
// subtraction, since the sum could overflow, and zero where the limit was
// lowered below what has been received.
func (r *readSide) allowance() int64 {
	limit := r.limit.Load()
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return max(limit-r.received, 0)
}

// inflating reports whether the message under way is compressed.
func (r *readSide) inflating() bool { return r.inflater != nil && r.inflater.active }

// chunk returns what there is of the rest of the data frame under way, unmasked
// where it lies in the buffer, waiting for one byte at least. The caller says
// by used what it does not need to get again.
func (r *readSide) chunk() ([]byte, error) {
	if r.clear == 0 {
		if r.start == r.end {
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
		r.clear = int(min(uint64(r.end-r.start), r.remaining))
		b := r.buf.b[r.start : r.start+r.clear]
		r.unmask(b, b)
	}
	return r.buf.b[r.start : r.start+r.clear], nil
}

// used gives back n bytes of a chunk.
func (r *readSide) used(n int) { r.start, r.clear = r.start+n, r.clear-n }

// readPayload reads what there is of the rest of the data frame under way,
// waiting for one byte at least, and unmasks it.
func (r *readSide) readPayload(p []byte) (int, error) {
	p = p[:min(uint64(len(p)), r.remaining)]
	if r.start == r.end {
		// What would fill the buffer goes past it. Less than that goes through
		// it, since the next frame may come with it in one system call.
		if len(p) >= r.size && r.head == nil {
			n, err := r.await(r.stream, p)
			r.unmask(p[:n], p[:n])
			return n, err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := min(len(p), r.end-r.start)
	r.unmask(p[:n], r.buf.b[r.start:r.start+n])
	r.start += n
	return n, nil
}

// unmask moves payload of the frame under way from src to dst.
func (r *readSide) unmask(dst, src []byte) {
	r.remaining -= uint64(len(src))
	if r.frame.masked {
		r.pos = uint8(maskBytes(dst, src, r.frame.key, int(r.pos)))
	} else if len(src) > 0 && &dst[0] != &src[0] {
		copy(dst, src)
	}
}

// fill reads at least one more byte behind those that are buffered.
func (r *readSide) fill() (err error) {
	if r.start == r.end {
		r.start, r.end = 0, 0
		if r.raw != nil && r.head == nil {
			r.release()
			err := r.readIdle()
			if err == nil {
				r.alive.listen()
			}
			return err
		}
	}
	if r.buf == nil {
		r.buf = getBuffer(r.size)
	}
	if r.start > 0 {
		r.end = copy(r.buf.b, r.buf.b[r.start:r.end])
		r.start = 0
	}
	var src io.Reader = r.stream
	if r.head != nil {
		src = r.head
	}
	n, err := r.await(src, r.buf.b[r.end:])
	if err != nil {
		return err
	}
	// One read takes all that net/http had read ahead: see Dialer.handOver.
	r.head = nil
	r.end += n
	return nil
}

// release gives the buffer back. There must be nothing in it.
func (r *readSide) release() {
	if r.buf != nil {
		putBuffer(r.buf)
		r.buf = nil
	}
}

// fail ends the reading with its first error.
func (r *readSide) fail(err error) {
	if r.ended == nil {
		r.ended = err
		r.note(err)
	}
	r.partial, r.start, r.end, r.clear = nil, 0, 0, 0
	r.release()
}

const (
	// trustedLength is the declared length up to which a message gets its
	// memory at once. What is longer has to arrive to be believed: from there
	// on memory grows to growth times what has been received.
	trustedLength = 64 << 10
	growth        = 16
)

// grow returns dst with room for payload: for all that remains of the frame
// under way, if a peer is to be believed so much.
func (r *readSide) grow(dst []byte, received int) []byte {
	free := cap(dst) - len(dst)
	if r.remaining <= uint64(free) || free > 0 && r.remaining > trustedLength {
		return dst
	}
	room := min(r.remaining, uint64(max(trustedLength, (growth-1)*received)))
	return slices.Grow(dst, int(room))
}
