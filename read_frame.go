package websocket

import (
	"io"
	"sync/atomic"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/socket"
)

// Sizes of buffers in bytes.
const (
	minBuffer     = bufpool.Min // room for any control frame
	maxBuffer     = 64 << 10    // the largest to read into or for small frames
	defaultBuffer = 4 << 10

	// handOverSize is the size of the buffer in which net/http reads ahead on a
	// client, and the least to read into for the first time.
	handOverSize = 4 << 10
)

// bufferSize returns the size to use for a size that the application asked
// for: zero stands for the default.
func bufferSize(n int) int {
	if n <= 0 {
		n = defaultBuffer
	}
	return min(max(n, minBuffer), maxBuffer)
}

// A frameReader turns what a transport delivers into frames. It is the only
// place that reads the transport while the connection lives. Whoever uses it
// holds the lock of its messageReader.
//
// Every method leaves it where the next call goes on, also when it returns a
// timeout. After any other error nothing can be read.
type frameReader struct {
	transport *transport
	deadline  deadline

	// head is the connection as net/http hands it over to a client, with what
	// it has read ahead in front. It is nil once that has been read.
	head *streamHead

	// The bytes that were read and not used yet are buf.B[start:end]. While
	// there are none, a socket needs no buffer.
	buf        *bufpool.Buffer
	start, end int
	size       int32          // of buf, if not more comes at a time
	burst      int32          // of the next one, where it can be chosen anew
	waiter     *socket.Reader // where the stream is waited on without a buffer; nil until then

	first [8]byte // the first bytes of a frame, where fillFirst waits for them

	ready   atomic.Pointer[readiness] // set if it must not wait
	status  *readStatus               // for KeepAlive; or nil
	observe func(header)              // called with each frame that was read; or nil

	// The data frame under way. remaining is what of its payload has not been
	// read, pos the position of that in the masking key. The first clear of the
	// buffered bytes have been unmasked where they are.
	frame     header
	remaining uint64
	landed    *landed // its next bytes, where they did not go through the buffer; nil until some did not
	clear     int32
	pos       uint8
	sequence  sequence
	count     uint32 // of data frames so far; it may overflow
}

// A streamHead is the beginning of a stream, and what follows it.
type streamHead struct{ io.Reader }

// A readStatus is what a frameReader tells of what the peer sends.
type readStatus struct {
	read    atomic.Bool // bytes were read; whoever looks resets it
	waiting atomic.Bool // a read waits for bytes
}

// configure makes r ready for use. early are bytes of the stream that have
// been read already.
func (r *frameReader) configure(t *transport, client bool, size int, head io.Reader, early []byte) {
	r.transport = t
	r.deadline.owner = t
	r.sequence.masked = !client
	r.size = int32(bufferSize(size))
	r.burst = r.size
	switch {
	case head != nil:
		r.head = &streamHead{head}
		r.buf = bufpool.Get(max(int(r.size), handOverSize))
	case len(early) > 0:
		r.buf = bufpool.Get(max(int(r.size), len(early)))
		r.end = copy(r.buf.B, early)
	}
}

// buffered returns the bytes that were read and not used yet.
func (r *frameReader) buffered() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf.B[r.start:r.end]
}

// isEmpty reports whether a read has to wait for the stream.
func (r *frameReader) isEmpty() bool { return r.start == r.end && r.head == nil }

// hasMessage reports whether a control frame or a message of one frame can be
// read without waiting.
func (r *frameReader) hasMessage() bool {
	b := r.buffered()
	if len(b) < 2 {
		return false
	}
	if length := b[1] &^ maskBit; length < length16 { // the usual case, cheaply
		return b[0]&finBit != 0 && len(b) >= headerSize(int(length), b[1]&maskBit != 0)+int(length)
	}
	h, n, err := parseHeader(b)
	return err != nil || n > 0 && h.fin && h.length <= uint64(len(b)-n)
}

// frameLimits bounds the payload of a data frame that begins a message, and of
// one that continues one.
type frameLimits struct{ first, more uint64 }

// allow reports whether h is within the limits. What is compressed has its
// limit when it is inflated.
func (l frameLimits) allow(h *header) bool {
	switch {
	case h.opcode.isControl(), h.isCompressed():
		return true
	case h.opcode == opContinuation:
		return h.length <= l.more
	}
	return h.length <= l.first
}

// next reads the header of the next frame and, of a control frame, the
// payload too, which stays valid until the next call. The payload of a data
// frame is what read and chunk read. The frame before must have been read to
// its end.
func (r *frameReader) next(limits frameLimits) (header, []byte, error) {
	for {
		b := r.buffered()
		h, n, err := parseHeader(b)
		if n == 0 {
			err = r.checkPart(&h, len(b), err, limits)
		} else if err = r.sequence.check(&h); err == nil && !limits.allow(&h) {
			err = ErrReadLimit
		}
		if err != nil {
			return header{}, nil, err
		}
		need := n
		if h.opcode.isControl() {
			need += int(h.length)
		}
		if n > 0 && need <= len(b) {
			payload := b[n:need]
			r.start += need
			r.begin(&h, payload)
			return h, payload, nil
		}
		if err := r.fill(); err != nil {
			return header{}, nil, err
		}
	}
}

// checkPart checks a header of which n bytes have come, and err is what
// parseHeader has found: a rule that is broken is found with the first byte that
// breaks it.
func (r *frameReader) checkPart(h *header, n int, err error, limits frameLimits) error {
	if n < 2 {
		return nil
	}
	// The first two bytes come before what err is about.
	if err := r.sequence.check(h); err != nil {
		return err
	}
	known := n >= headerSize(int(min(h.length, 1<<16)), false) // all of the length
	if err == nil && known && !limits.allow(h) {
		err = ErrReadLimit
	}
	return err
}

// begin makes a data frame the one under way, and unmasks the payload of a
// control frame.
func (r *frameReader) begin(h *header, control []byte) {
	r.sequence.add(h)
	if h.opcode.isControl() {
		if h.masked {
			maskBytes(control, control, h.key, 0)
		}
	} else {
		r.count++
		r.frame, r.remaining, r.pos = *h, h.length, 0
		r.expect(h.length)
	}
	if r.observe != nil {
		r.observe(*h)
	}
}

// read reads what there is of the rest of the data frame under way, waiting
// for one byte at least, and unmasks it.
func (r *frameReader) read(p []byte) (int, error) {
	p = p[:min(uint64(len(p)), r.remaining)]
	if r.landed != nil && r.landed.p != nil {
		return r.readLanded(p), nil
	}
	if r.start == r.end {
		// What would fill the buffer goes past it. Less than that goes through
		// it, since the next frame may come with it in one system call.
		if len(p) >= int(r.size) && r.head == nil {
			n, err := r.readStream(p)
			r.unmask(p[:n], p[:n])
			return n, err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := min(len(p), r.end-r.start)
	r.unmask(p[:n], r.buf.B[r.start:r.start+n])
	r.start += n
	return n, nil
}

// chunk returns what there is of the rest of the data frame under way, unmasked
// where it is in the buffer, waiting for one byte at least. The caller says
// with used what it does not need to get again.
func (r *frameReader) chunk() ([]byte, error) {
	if r.clear == 0 {
		if r.start == r.end {
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
		r.clear = int32(min(uint64(r.end-r.start), r.remaining))
		b := r.buf.B[r.start : r.start+int(r.clear)]
		r.unmask(b, b)
	}
	return r.buf.B[r.start : r.start+int(r.clear)], nil
}

// used gives back n bytes of a chunk.
func (r *frameReader) used(n int) { r.start, r.clear = r.start+n, r.clear-int32(n) }

// unmask moves payload of the frame under way from src to dst.
func (r *frameReader) unmask(dst, src []byte) {
	r.remaining -= uint64(len(src))
	if r.frame.masked {
		r.pos = uint8(maskBytes(dst, src, r.frame.key, int(r.pos)))
	} else if len(src) > 0 && &dst[0] != &src[0] {
		copy(dst, src)
	}
}

// readStream reads some bytes that do not go through the buffer, which is empty.
func (r *frameReader) readStream(p []byte) (int, error) {
	ready := r.polled()
	if ready == nil {
		return r.await(r.transport.stream, p)
	}
	n, err := ready.read(r.transport, p)
	if n > 0 && r.status != nil {
		r.status.recordRead()
	}
	return n, err
}

// fill reads at least one more byte behind those that are buffered.
func (r *frameReader) fill() error {
	if ready := r.polled(); ready != nil {
		return r.fillReady(ready)
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
		switch {
		case r.head != nil:
		case r.transport.raw != nil:
			return r.fillIdle()
		case r.remaining == 0 && r.transport.isTLS():
			return r.fillFirst()
		}
	}
	if r.buf == nil {
		r.buf = bufpool.Get(int(r.size))
	}
	if r.start > 0 {
		r.end = copy(r.buf.B, r.buf.B[r.start:r.end])
		r.start = 0
	}
	var src io.Reader = r.transport.stream
	if r.head != nil {
		src = r.head
	}
	n, err := r.await(src, r.buf.B[r.end:])
	if err != nil {
		return err
	}
	// One read takes all that net/http had read ahead: see Dialer.handOver.
	r.head = nil
	r.end += n
	return nil
}

// fillIdle is fill for a socket and an empty buffer, which it does not hold
// while it waits.
func (r *frameReader) fillIdle() error {
	r.release()
	if r.waiter == nil {
		r.waiter = socket.NewReader()
	}
	buf, n, err := r.waiter.Read(r.transport.raw, r.transport.stream, int(r.burst))
	if err != nil {
		return unexpectedEOF(err)
	}
	r.buf, r.end = buf, n
	r.adapt(n)
	if r.status != nil {
		r.status.recordRead()
	}
	return nil
}

// fillFirst is fill for TLS and an empty buffer, which it does not hold while it waits
// for a frame: the first bytes come into r itself. crypto/tls has the rest of their
// record in its own buffer then, and the next read does not wait for it.
func (r *frameReader) fillFirst() error {
	r.release()
	n, err := r.await(r.transport.stream, r.first[:])
	if err != nil {
		return err
	}
	r.buf = bufpool.Get(int(r.size))
	r.end = copy(r.buf.B, r.first[:n])
	return nil
}

// expect chooses the size of the next buffer for a frame as long as the last.
func (r *frameReader) expect(length uint64) {
	if length += maxHeaderSize; length > uint64(r.burst) {
		r.burst = int32(bufpool.SizeFor(int(min(length, maxBuffer))))
	}
}

// adapt chooses the size of the next buffer, after n bytes have come into one that
// was empty. What fills a buffer is followed by more, and system calls are what
// many short messages cost most.
func (r *frameReader) adapt(n int) {
	switch size := len(r.buf.B); {
	case n == size:
		r.burst = int32(min(2*size, maxBuffer))
	case n < size/4:
		r.burst = max(int32(size/2), r.size)
	}
}

// await reads at least one byte from src, which is the stream or goes before
// it.
func (r *frameReader) await(src io.Reader, p []byte) (int, error) {
	if r.status == nil {
		n, err := io.ReadAtLeast(src, p, 1)
		return n, unexpectedEOF(err)
	}
	r.status.waiting.Store(true)
	n, err := io.ReadAtLeast(src, p, 1)
	r.status.waiting.Store(false)
	if n > 0 {
		r.status.recordRead()
	}
	return n, unexpectedEOF(err)
}

// unexpectedEOF returns the error for the end of the stream, which io.EOF must
// not be: that is the end of a message.
func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// recordRead records that bytes were read. It is a load as a rule.
func (s *readStatus) recordRead() {
	if !s.read.Load() {
		s.read.Store(true)
	}
}

// release gives the buffer back. There must be nothing in it that is needed.
func (r *frameReader) release() {
	if r.buf != nil {
		bufpool.Put(r.buf)
		r.buf = nil
	}
}

// discard forgets what is buffered.
func (r *frameReader) discard() {
	r.landed = nil
	r.start, r.end, r.clear = 0, 0, 0
	r.release()
}
