package websocket

import (
	"cmp"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/lock"
	"github.com/seed23105783/websocket/internal/socket"
)

// A waitLimit says how long a writer waits, for its turn and for the transport:
// until ctx ends or the deadline, if there is one, passes.
type waitLimit struct {
	ctx      context.Context
	deadline time.Time

	flushed bool // what was queued before the writer came has been written
}

// unlimited is the limit of those who wait until the connection ends.
var unlimited = &waitLimit{ctx: context.Background()}

// isUnlimited reports whether only the end of the connection ends the wait.
func (l *waitLimit) isUnlimited() bool { return l.deadline.IsZero() && l.ctx.Done() == nil }

// wait waits for ready within l, or until over is closed. It returns the
// error of l that has ended the wait, nil in the other cases.
func (l *waitLimit) wait(ready func(giveUp <-chan struct{}) bool) error {
	ctx := l.ctx
	if !l.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, l.deadline)
		defer cancel()
	}
	switch {
	case ready(ctx.Done()):
		return nil
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case ctx.Err() != nil:
		return errWriteTimeout
	}
	return nil
}

// A frameWriter puts frames on a transport. It is the only place that writes
// the transport once the connection is open.
type frameWriter struct {
	lock      lock.Mutex // held while a frame, or several at once, are written
	transport *transport
	closing   *closing
	observe   func(header)  // called with each frame that was written; or nil
	pool      BufferPool    // where the buffers for small frames come from, or nil
	timeout   time.Duration // as in Upgrader.WriteTimeout

	// Guarded by lock.
	deadline deadline
	timed    bool // the stream's deadline is that of timeout and not the writer's
	cut      bool // a frame was written in part: nothing can follow

	size    int32 // of small frames and fragments, which are copied to be written at once
	client  bool  // frames are masked
	zeroKey bool  // with a key of zero: they do not go to the network as they are

	hurried atomic.Bool             // the connection is about to be closed
	backlog atomic.Pointer[backlog] // nil until there is one
}

// configure makes w ready for use.
func (w *frameWriter) configure(t *transport, c *closing, config *connConfig) {
	w.transport, w.closing = t, c
	w.deadline.owner, w.deadline.writes = t, true
	w.client, w.zeroKey = config.client, config.zeroKey
	w.size = int32(bufferSize(config.writeBufferSize))
	w.pool = config.writeBufferPool
	w.timeout = config.writeTimeout
}

// acquire takes the lock l within a limit.
func (w *frameWriter) acquire(l *lock.Mutex, limit *waitLimit) error {
	if l.TryAcquire() {
		return nil
	}
	return w.acquireSlow(l, limit)
}

func (w *frameWriter) acquireSlow(l *lock.Mutex, limit *waitLimit) error {
	acquired := false
	err := limit.wait(func(giveUp <-chan struct{}) bool {
		acquired = l.Acquire(giveUp, w.closing.done())
		return acquired
	})
	if !acquired {
		err = cmp.Or(w.closing.writeError(), err)
	}
	return err
}

// release releases lock after a write.
func (w *frameWriter) release() {
	// RFC 8446, Section 4.6.3: an update of keys is answered, which crypto/tls does
	// within Read. The deadline of a writer is not meant for that: if it had passed,
	// nothing could be written any more.
	if !w.deadline.value.IsZero() && !w.hurried.Load() && w.transport.isTLS() {
		w.deadline.set(time.Time{})
	}
	w.lock.Release()
}

// A firstByte is the first byte of a frame: FIN, RSV1–RSV3 and the opcode.
type firstByte byte

func (b firstByte) opcode() opcode { return opcode(b & 0x0F) }

// header returns the header of a frame to be sent.
func (w *frameWriter) header(first firstByte, length int) header {
	h := header{fin: first&finBit != 0, rsv: byte(first & rsvBits), opcode: first.opcode(), length: uint64(length)}
	if w.client {
		// RFC 6455, Section 5.3: a fresh key for each frame.
		if h.masked = true; !w.zeroKey {
			h.key = newMaskingKey()
		}
	}
	return h
}

// appendFrame appends a frame to dst, which has room for it.
func (w *frameWriter) appendFrame(dst []byte, first firstByte, payload []byte) []byte {
	return appendFrame(dst, w.header(first, len(payload)), payload)
}

// isSmall reports whether a payload is short enough to be copied.
func (w *frameWriter) isSmall(payload []byte) bool { return len(payload) <= int(w.size)-maxHeaderSize }

// write writes a frame with the given payload.
func (w *frameWriter) write(first firstByte, payload []byte, l *waitLimit) error {
	if err := w.acquire(&w.lock, l); err != nil {
		return err
	}
	defer w.release()
	if err := w.begin(first.opcode(), l); err != nil {
		return err
	}
	var n int
	var err error
	if l.ctx.Done() == nil {
		n, err = w.encode(first, payload)
	} else {
		n, err = w.encodeWatched(first, payload, l.ctx)
	}
	if err != nil {
		return w.failed(n, err, l)
	}
	if first.opcode() == opClose {
		w.closing.add(closeSent)
	}
	if w.observe != nil {
		w.observe(header{fin: first&finBit != 0, rsv: byte(first & rsvBits), opcode: first.opcode(), length: uint64(len(payload))})
	}
	return nil
}

// writeEncoded writes frames that are encoded already. None is a close frame
// unless it is the only one.
func (w *frameWriter) writeEncoded(frames []byte, l *waitLimit) error {
	if err := w.acquire(&w.lock, l); err != nil {
		return err
	}
	defer w.release()
	op := firstByte(frames[0]).opcode()
	if err := w.begin(op, l); err != nil {
		return err
	}
	n, err := w.writeWatched(frames, l)
	if err != nil {
		return w.failed(n, err, l)
	}
	if op == opClose {
		w.closing.add(closeSent)
	}
	w.observeEncoded(frames)
	return nil
}

// writeWatched writes to the transport within the limit.
func (w *frameWriter) writeWatched(p []byte, l *waitLimit) (int, error) {
	defer w.deadline.watch(l.ctx)()
	return w.transport.Write(p)
}

// begin makes the transport ready for a frame, with lock held.
func (w *frameWriter) begin(op opcode, l *waitLimit) error {
	if err := w.closing.writeError(); err != nil {
		return err
	}
	if !l.deadline.IsZero() && !time.Now().Before(l.deadline) {
		return errWriteTimeout
	}
	if err := w.setDeadline(l); err != nil {
		return err
	}
	if w.hasBacklog() {
		if err := w.writeBacklog(op, l); err != nil {
			return err
		}
	}
	if op == opClose {
		w.closing.add(closeSending)
	}
	return nil
}

// setDeadline makes the stream's deadline that of the writer, or that of
// timeout if it is earlier.
func (w *frameWriter) setDeadline(l *waitLimit) error {
	deadline := l.deadline
	w.timed = false
	if w.timeout > 0 {
		if end := time.Now().Add(w.timeout); deadline.IsZero() || end.Before(deadline) {
			deadline, w.timed = end, true
		}
	}
	if deadline.Equal(w.deadline.value) {
		return nil
	}
	if err := w.deadline.set(deadline); err != nil {
		return w.failed(0, err, l)
	}
	return nil
}

// failed returns the error for a write that failed after n bytes of a frame,
// or of several.
func (w *frameWriter) failed(n int, err error, l *waitLimit) error {
	timeout := isTimeout(err)
	byWriter := timeout && !(w.timed && l.ctx.Err() == nil)
	byStream := timeout && !w.timed && l.isUnlimited() && !w.hurried.Load()
	if timeout && l.ctx.Err() != nil {
		err = l.ctx.Err()
	}
	if n > 0 || !w.transport.socket || byStream {
		w.cut = true
	}
	if timeout && w.hurried.Load() && !w.cut {
		return &brokenError{cause: net.ErrClosed}
	}
	if byWriter && !w.cut && !w.closing.hasEnded() {
		w.closing.cancelClose() // it could only be that of this frame
		return err
	}
	broken := &brokenError{cause: err}
	switch {
	case byWriter:
		broken.end = endCut
	case timeout:
		broken.end = endSlow
	}
	if w.closing.has(peerSlow) {
		broken.end = endSlow // whatever it was that ended this write
	}
	w.closing.endWrites(broken)
	return broken
}

// observeEncoded tells of frames that were written.
func (w *frameWriter) observeEncoded(frames []byte) {
	if w.observe == nil {
		return
	}
	for len(frames) > 0 {
		h, n, _ := parseHeader(frames)
		w.observe(h)
		frames = frames[n+int(h.length):]
	}
}

// encodeWatched is encode until ctx ends.
func (w *frameWriter) encodeWatched(first firstByte, payload []byte, ctx context.Context) (int, error) {
	defer w.deadline.watch(ctx)()
	return w.encode(first, payload)
}

// encode writes the frame in as few system calls and with as few copies as
// the transport allows, and returns how many bytes were written.
func (w *frameWriter) encode(first firstByte, payload []byte) (int, error) {
	if !w.isSmall(payload) {
		return w.encodeLong(first, payload)
	}
	buf := w.getBuffer(len(payload) + maxHeaderSize)
	n, err := w.transport.Write(w.appendFrame(buf.B[:0], first, payload))
	w.putBuffer(buf)
	return n, err
}

// encodeLong writes a frame that is not to be copied as a whole.
func (w *frameWriter) encodeLong(first firstByte, payload []byte) (int, error) {
	h := w.header(first, len(payload))
	switch {
	case h.masked:
		return w.encodeMasked(h, payload)
	case w.transport.socket:
		return w.encodeVector(h, payload)
	}
	// The header is not a slice of its own: under TLS it would be a record.
	buf := bufpool.Get(int(w.size))
	defer bufpool.Put(buf)
	b := appendHeader(buf.B[:0], h)
	start := min(cap(b)-len(b), len(payload))
	n, err := w.transport.Write(append(b, payload[:start]...))
	if err != nil || start == len(payload) { // to write nothing can wait too
		return n, err
	}
	m, err := w.transport.Write(payload[start:])
	return n + m, err
}

// maxMasked is how many bytes a client masks and writes at once: what is
// written in many pieces wakes the peer as often.
const maxMasked = 256 << 10

// encodeMasked writes a long frame through a buffer, since the payload is the
// caller's to keep and masking needs a copy.
func (w *frameWriter) encodeMasked(h header, payload []byte) (int, error) {
	buf := bufpool.Get(min(maxHeaderSize+len(payload), maxMasked))
	defer bufpool.Put(buf)
	b := appendHeader(buf.B[:0], h)
	written, pos := 0, 0
	for {
		part := min(cap(b)-len(b), len(payload))
		pos = maskBytes(b[len(b):cap(b)], payload[:part], h.key, pos)
		payload = payload[part:]
		n, err := w.transport.Write(b[:len(b)+part])
		written += n
		if err != nil || len(payload) == 0 {
			return written, err
		}
		b = buf.B[:0]
	}
}

// A vector is what writev needs, lent for the time of a call.
type vector struct {
	header [maxHeaderSize]byte
	slices [2][]byte
	rest   net.Buffers // of slices
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

// encodeVector writes a long frame without copying the payload.
func (w *frameWriter) encodeVector(h header, payload []byte) (int, error) {
	v := vectors.Get().(*vector)
	v.slices = [2][]byte{appendHeader(v.header[:0], h), payload}
	v.rest = v.slices[:]
	n, err := w.transport.writeVector(v)
	v.slices, v.rest = [2][]byte{}, nil
	vectors.Put(v)
	return int(n), err
}

// writeVector writes the slices of v with one call if it can.
func (t *transport) writeVector(v *vector) (int64, error) {
	if c, ok := t.stream.(*socket.Conn); ok {
		n, err := c.WriteVector(&v.slices)
		return int64(n), err
	}
	return v.rest.WriteTo(t.stream)
}

// appendFrame appends a frame: its header and the payload, masked if the
// header says so. dst has room for it.
func appendFrame(dst []byte, h header, payload []byte) []byte {
	dst = appendHeader(dst, h)
	if !h.masked {
		return append(dst, payload...)
	}
	end := len(dst) + len(payload)
	maskBytes(dst[len(dst):end], payload, h.key, 0)
	return dst[:end]
}

// getBuffer returns a buffer with B at least n long, n being at most w.size.
func (w *frameWriter) getBuffer(n int) *bufpool.Buffer {
	if w.pool == nil {
		return bufpool.Get(n)
	}
	if buf, ok := w.pool.Get().(*bufpool.Buffer); ok && len(buf.B) >= int(w.size) {
		return buf
	}
	return &bufpool.Buffer{B: make([]byte, w.size)}
}

func (w *frameWriter) putBuffer(buf *bufpool.Buffer) {
	if w.pool == nil {
		bufpool.Put(buf)
		return
	}
	w.pool.Put(buf)
}
