package websocket

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A writeSide puts frames on a transport. It is the only place that writes
// the transport once the connection is open.
//
// Two locks order the writers. message is held from the first frame of a data
// message to its last, so that the fragments of two messages never mix
// (RFC 6455, Section 5.4); frame is held while one frame goes out, which is
// all that a control frame needs. Whoever takes both takes message first.
type writeSide struct {
	message  lock
	frame    lock
	deflater *deflater // nil unless compression was negotiated
	*transport
	trace   *tracer       // nil: nobody looks
	client  bool          // frames are masked
	batch   bool          // as in Upgrader.BatchWrites
	timeout deadlineWish  // the application's write deadline
	limit   time.Duration // of what the transport may take for a frame, none if zero
	size    int           // of small frames and fragments, which are copied to go out at once
	pool    BufferPool    // where the buffers for those come from, or nil

	// Guarded by frame.
	deadline deadline // what the stream was told
	limited  bool     // by limit and not by the writer
	ended    error    // the first error that ended the writing

	broken atomic.Pointer[brokenError] // ended, for those who do not hold frame

	unsent *unsent       // nil if there is nothing unsent
	direct *directSocket // nil until it is needed

	// queue is what is to be written by whoever writes next, nil until it is
	// needed: see writeSide.queued and outbox.
	queue      atomic.Pointer[queue]
	queueLimit int64

	open   lock           // guards writer and what it has collected
	writer *messageWriter // what NextWriter returned, until it is closed
}

// A deadlineWish is a deadline that the next call is to have.
type deadlineWish struct {
	some atomic.Bool // there is one
	mu   sync.Mutex
	t    time.Time
}

func (d *deadlineWish) load() time.Time {
	if !d.some.Load() {
		return time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.t
}

func (d *deadlineWish) store(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.t = t
	d.some.Store(!t.IsZero())
}

// A patience says how long a writer waits, for its turn and for the transport:
// until ctx ends or the deadline, if there is one, passes.
type patience struct {
	ctx      context.Context
	deadline time.Time
}

// isEndless reports whether only the end of the connection ends it.
func (p *patience) isEndless() bool { return p.deadline.IsZero() && p.ctx.Done() == nil }

// forever is the patience of those who write for others.
var forever = &patience{ctx: context.Background()}

// patience returns that of a write with no context of its own.
func (w *writeSide) patience() patience { return patience{context.Background(), w.timeout.load()} }

// acquire takes the lock l within p.
func (w *writeSide) acquire(l *lock, p *patience) error {
	if l.tryAcquire() {
		return nil
	}
	ctx := p.ctx
	if !p.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, p.deadline)
		defer cancel()
	}
	switch {
	case l.acquire(ctx.Done(), w.transport.over()):
		return nil
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case ctx.Err() != nil:
		return errWriteTimeout
	}
	return w.ending()
}

// ending returns the error of a write to a transport that is closed.
func (w *writeSide) ending() error {
	if w.closing.has(closeSent) {
		return ErrCloseSent
	}
	return &brokenError{net.ErrClosed}
}

// writeMessage writes a data message in one frame.
func (w *writeSide) writeMessage(op opcode, payload []byte, p *patience) error {
	if !w.message.tryAcquire() {
		if w.isSmall(payload) && p.isEndless() {
			return w.writeTogether(op, payload)
		}
		if err := w.acquire(&w.message, p); err != nil {
			return err
		}
	}
	defer w.message.release()
	if w.queued() {
		if w.isSmall(payload) {
			return w.writeBehind(op, payload, p)
		}
		if err := w.drain(p); err != nil {
			return err
		}
	}
	if w.deflater.wants(len(payload)) {
		return w.writeCompressed(op, payload, p)
	}
	return w.writeFrame(finBit|lead(op), payload, p)
}

// isSmall reports whether a payload is short enough to be copied.
func (w *writeSide) isSmall(payload []byte) bool { return len(payload)+maxHeaderSize <= w.size }

// writeFrame writes a frame with the given payload.
func (w *writeSide) writeFrame(first lead, payload []byte, p *patience) error {
	if err := w.acquire(&w.frame, p); err != nil {
		return err
	}
	defer w.frame.release()
	if err := w.begin(first.opcode(), p); err != nil {
		return err
	}
	var n int
	var err error
	if p.ctx.Done() == nil {
		n, err = w.encode(first, payload)
	} else {
		n, err = w.encodeWatched(first, payload, p.ctx)
	}
	if err != nil {
		return w.outcome(n, err, p)
	}
	if w.ended != nil { // by begin: this was the close frame
		w.closing.add(closeWritten)
	}
	if w.trace != nil {
		w.trace.wrote(first, len(payload))
	}
	return nil
}

// writeEncoded writes a frame that is encoded already.
func (w *writeSide) writeEncoded(frame []byte, p *patience) error {
	if err := w.acquire(&w.frame, p); err != nil {
		return err
	}
	defer w.frame.release()
	if err := w.begin(lead(frame[0]).opcode(), p); err != nil {
		return err
	}
	stop := w.deadline.watch(p.ctx)
	n, err := w.Write(frame)
	stop()
	if err == nil && w.ended != nil {
		w.closing.add(closeWritten)
	}
	w.trace.wroteEncoded(frame, err)
	return w.outcome(n, err, p)
}

// begin makes the transport ready for a frame, with frame held.
func (w *writeSide) begin(op opcode, p *patience) error {
	if w.ended != nil {
		return w.ended
	}
	if !p.deadline.IsZero() && !time.Now().Before(p.deadline) {
		return errWriteTimeout
	}
	deadline := p.deadline
	w.limited = false
	if w.limit > 0 {
		if end := time.Now().Add(w.limit); deadline.IsZero() || end.Before(deadline) {
			deadline, w.limited = end, true
		}
	}
	if !deadline.Equal(w.deadline.value) {
		if err := w.deadline.apply(deadline); err != nil {
			return w.outcome(0, err, p)
		}
	}
	if w.unsent != nil {
		if err := w.finish(p); err != nil {
			return err
		}
	}
	if op == opClose {
		// RFC 6455, Section 5.5.1: "MUST NOT send any more data frames after
		// sending a Close frame".
		w.closing.add(closeSent)
		w.ended = ErrCloseSent
	}
	return nil
}

// header returns that of a frame.
func (w *writeSide) header(first lead, length int) header {
	h := header{fin: first&finBit != 0, rsv: byte(first & rsvBits), opcode: first.opcode(), length: uint64(length)}
	if w.client {
		// RFC 6455, Section 5.3: a fresh key for each frame.
		h.masked, h.key = true, newMaskingKey()
	}
	return h
}

// encodeWatched is encode until ctx ends.
func (w *writeSide) encodeWatched(first lead, payload []byte, ctx context.Context) (int, error) {
	defer w.deadline.watch(ctx)()
	return w.encode(first, payload)
}

// encode writes the frame in as few system calls and with as few copies as
// the transport allows, and returns how many bytes went out.
func (w *writeSide) encode(first lead, payload []byte) (int, error) {
	if len(payload)+maxHeaderSize > w.size {
		return w.encodeLong(first, payload)
	}
	buf := w.getBuffer(len(payload) + maxHeaderSize)
	n, err := w.Write(w.appendFrame(buf.b[:0], first, payload))
	w.putBuffer(buf)
	return n, err
}

// appendFrame appends a frame to dst, which has room for it.
func (w *writeSide) appendFrame(dst []byte, first lead, payload []byte) []byte {
	return appendFrame(dst, w.header(first, len(payload)), payload)
}

// encodeLong writes a frame that is not to be copied as a whole.
func (w *writeSide) encodeLong(first lead, payload []byte) (int, error) {
	h := w.header(first, len(payload))
	switch {
	case h.masked:
		return w.encodeMasked(h, payload)
	case w.socket:
		return w.encodeVector(h, payload)
	}
	// Not a slice of its own for the header: under TLS that were a record.
	buf := getBuffer(w.size)
	defer putBuffer(buf)
	b := appendHeader(buf.b[:0], h)
	head := min(cap(b)-len(b), len(payload))
	n, err := w.Write(append(b, payload[:head]...))
	if err != nil || head == len(payload) { // to write nothing can wait too
		return n, err
	}
	m, err := w.Write(payload[head:])
	return n + m, err
}

// encodeMasked writes a long frame through a buffer, since the payload is the
// caller's to keep and masking needs a copy.
func (w *writeSide) encodeMasked(h header, payload []byte) (int, error) {
	buf := getBuffer(min(maxHeaderSize+len(payload), maxMasked))
	defer putBuffer(buf)
	b := appendHeader(buf.b[:0], h)
	written, pos := 0, 0
	for {
		part := min(cap(b)-len(b), len(payload))
		pos = maskBytes(b[len(b):cap(b)], payload[:part], h.key, pos)
		payload = payload[part:]
		n, err := w.Write(b[:len(b)+part])
		written += n
		if err != nil || len(payload) == 0 {
			return written, err
		}
		b = buf.b[:0]
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
func (w *writeSide) encodeVector(h header, payload []byte) (int, error) {
	v := vectors.Get().(*vector)
	v.slices = [2][]byte{appendHeader(v.header[:0], h), payload}
	v.rest = v.slices[:]
	n, err := v.rest.WriteTo(w.stream)
	v.slices, v.rest = [2][]byte{}, nil
	vectors.Put(v)
	return int(n), err
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

// awaitFrame waits for the frame that is being written, but not for long.
func (w *writeSide) awaitFrame() {
	p := shortPatience()
	if w.acquire(&w.frame, &p) == nil {
		w.frame.release()
	}
}

// outcome turns what became of a frame into the error that the caller gets:
// n of its bytes went out before err.
func (w *writeSide) outcome(n int, err error, p *patience) error {
	if err == nil {
		return nil
	}
	interrupted := isTimeout(err)
	if interrupted && p.ctx.Err() != nil {
		err = p.ctx.Err()
	}
	if interrupted && n == 0 && w.socket && !(w.limited && p.ctx.Err() == nil) {
		if w.ended != nil { // by begin, for this very frame
			w.ended = nil
			w.closing.remove(closeSent)
		}
		return err // the frame was not begun
	}
	broken := &brokenError{err}
	err = broken
	w.ended = err // also where begin has set it, for a close frame that did not get out
	w.broken.Store(broken)
	switch {
	case interrupted && w.limited && p.ctx.Err() == nil:
		w.closeFor(errPeerStuck)
	case interrupted:
		// The peer waits for the rest of the frame, which cannot follow. After
		// any other error the peer may have left a close frame to be read.
		w.close()
	}
	return err
}

// getBuffer returns a buffer with b at least n long, n being at most w.size.
func (w *writeSide) getBuffer(n int) *buffer {
	if w.pool == nil {
		return getBuffer(n)
	}
	if buf, ok := w.pool.Get().(*buffer); ok && len(buf.b) >= w.size {
		return buf
	}
	return &buffer{make([]byte, w.size)}
}

func (w *writeSide) putBuffer(buf *buffer) {
	if w.pool == nil {
		putBuffer(buf)
		return
	}
	w.pool.Put(buf)
}

// writeControl checks and writes a control frame.
func (w *writeSide) writeControl(op opcode, payload []byte, p *patience) error {
	if err := checkControlPayload(op, payload); err != nil {
		return err
	}
	if op == opClose {
		w.drainBeforeClose(p)
	}
	return w.writeFrame(finBit|lead(op), payload, p)
}

// checkControlPayload checks what is to be the payload of a control frame; it
// has nothing to say of a data message's.
func checkControlPayload(op opcode, payload []byte) error {
	switch {
	case op == opClose:
		return checkClosePayload(payload)
	case op.isControl() && len(payload) > maxControlPayload:
		return errControlPayload
	}
	return nil
}
