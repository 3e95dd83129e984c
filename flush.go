package websocket

import (
	"slices"
	"time"
)

// How queued messages get written: together with the next message, by a
// reader that is about to wait, or by a flusher, which is a goroutine that
// exists while there is something for it to do.

// outbox returns the queue, which it makes if need be.
func (w *writeSide) outbox() *queue {
	if q := w.queue.Load(); q != nil {
		return q
	}
	w.queue.CompareAndSwap(nil, &queue{limit: w.queueLimit})
	return w.queue.Load()
}

// queued reports whether something is to be written before all else: what is
// in the queue, or unsent.
func (w *writeSide) queued() bool {
	q := w.queue.Load()
	return q != nil && (q.some.Load() || q.rest.Load())
}

// writeTogether has a frame written by a flusher, with those of all others who
// come while the one before is being written.
func (w *writeSide) writeTogether(op opcode, payload []byte) error {
	verdict, err := w.outbox().addWaiting(finBit|lead(op), payload)
	if err != nil {
		return err
	}
	w.startFlusher()
	<-verdict.done
	return verdict.err
}

// startFlusher makes sure that there is a flusher.
func (w *writeSide) startFlusher() {
	if w.outbox().wantsFlusher() {
		go w.flush()
	}
}

// flush is the flusher.
func (w *writeSide) flush() {
	for {
		err := w.acquire(&w.message, forever)
		if err == nil {
			err = w.drain(forever)
			w.message.release()
		}
		if err != nil {
			w.abandon(err)
		}
		if w.outbox().flushed(err) {
			return
		}
	}
}

// turn takes message and writes what was queued before.
func (w *writeSide) turn(p *patience) error {
	if err := w.acquire(&w.message, p); err != nil || !w.queued() {
		return err
	}
	err := w.drain(p)
	if err != nil {
		w.message.release()
	}
	return err
}

// drain writes what is queued, with message held.
func (w *writeSide) drain(p *patience) error {
	b := w.outbox().take()
	err := w.writeBatch(b, len(b.frames()), p)
	return w.batchOutcome(b, err)
}

// drainPatience is how long a close frame waits for what is queued: less than
// those who have little patience with the close frame itself.
const drainPatience = controlTimeout / 2

// drainBeforeClose writes what was queued before a close frame, which nothing
// can follow (RFC 6455, Section 5.5.1). A flusher that has taken it already is
// waited for; but not for long, since message may be held between two fragments.
func (w *writeSide) drainBeforeClose(p *patience) {
	if q := w.queue.Load(); q == nil || !q.owes() {
		return
	}
	short := *p
	if end := time.Now().Add(drainPatience); p.deadline.IsZero() || end.Before(p.deadline) {
		short.deadline = end
	}
	if w.acquire(&w.message, &short) != nil {
		return
	}
	defer w.message.release()
	if w.queued() {
		w.drain(p)
	}
}

// writeBehind writes what is queued and a frame behind it at once, with
// message held.
func (w *writeSide) writeBehind(op opcode, payload []byte, p *patience) error {
	b := w.outbox().take()
	queued := b.n
	b.append(finBit|lead(op), payload)
	err := w.writeBatch(b, b.n, p)
	b.n = queued // the last one's sender is told here
	return w.batchOutcome(b, err)
}

// batchOutcome puts a batch back that was not begun, and lets its senders know
// of any other end.
func (w *writeSide) batchOutcome(b batch, err error) error {
	if err == nil {
		w.outbox().settle(b, nil)
		return nil
	}
	// Those who wait for the batch are not concerned with how much patience we
	// had, but with whether anything can be written.
	if end := w.writable(); end != nil {
		w.outbox().settle(b, end)
		return err
	}
	w.outbox().putBack(b)
	if b.n > 0 {
		w.startFlusher() // the one before may have found the queue empty and gone
	}
	return err
}

// writeBatch writes the first n bytes of a batch.
func (w *writeSide) writeBatch(b batch, n int, p *patience) error {
	if err := w.acquire(&w.frame, p); err != nil {
		return err
	}
	defer w.frame.release()
	if err := w.begin(opBinary, p); err != nil || n == 0 {
		return err
	}
	frames, buf := w.encodeBatch(b.buf.b[:n])
	defer putCompressedBuffer(buf)
	stop := w.deadline.watch(p.ctx)
	written, err := w.Write(frames)
	stop()
	w.trace.wroteEncoded(frames, err)
	err = w.outcome(written, err, p)
	if err != nil && w.deflater != nil {
		w.deflater.end(false)
	}
	return err
}

// encodeBatch returns the frames as they go out, and the buffer that they lie
// in, nil if that is their own: a server without compression has them so.
func (w *writeSide) encodeBatch(frames []byte) ([]byte, *compressedBuffer) {
	if !w.client && w.deflater == nil {
		return frames, nil
	}
	buf := compressedBuffers.Get().(*compressedBuffer)
	dst := slices.Grow(buf.b[:0], len(frames))
	for len(frames) > 0 {
		h, n, _ := parseHeader(frames)
		end := n + int(h.length)
		dst = w.appendQueued(dst, lead(frames[0]), frames[n:end])
		frames = frames[end:]
	}
	buf.b = dst
	return dst, buf
}

// appendQueued appends a frame that was queued, compressed and masked.
func (w *writeSide) appendQueued(dst []byte, first lead, payload []byte) []byte {
	switch {
	case first&rsvCompressed != 0:
		w.deflater.end(false) // prepared: see writePrepared
	case w.deflater.wants(len(payload)):
		buf := compressedBuffers.Get().(*compressedBuffer)
		defer putCompressedBuffer(buf)
		if w.compress(buf, payload) {
			first, payload = first|rsvCompressed, buf.b
		}
		w.deflater.end(true)
	}
	return w.appendFrame(slices.Grow(dst, maxHeaderSize+len(payload)), first, payload)
}

// An unsent is what a write that was not to wait has left over: the first to
// hold frame after that finishes it. As long as there is one there is a flusher.
type unsent struct {
	rest  []byte // the end of what was written of
	batch batch
}

// keep leaves the rest of a write to others, with both locks held. The caller
// starts a flusher.
func (w *writeSide) keep(rest []byte, b batch) {
	w.unsent = &unsent{rest, b}
	w.outbox().rest.Store(true)
}

// forget ends what is unsent, with frame held.
func (w *writeSide) forget(err error) {
	b := w.unsent.batch
	w.unsent = nil
	w.outbox().rest.Store(false)
	w.outbox().settle(b, err)
}

// abandon tells those who wait for what is unsent that it stays so. Nobody
// holds frame for long any more, since nothing can be written.
func (w *writeSide) abandon(err error) {
	w.frame.acquire(nil, nil)
	defer w.frame.release()
	if w.unsent != nil {
		w.forget(err)
	}
}

// finish writes what is unsent, with frame held. It can be cut short at any
// byte, since the rest is kept.
func (w *writeSide) finish(p *patience) error {
	u := w.unsent
	stop := w.deadline.watch(p.ctx)
	n, err := w.Write(u.rest)
	stop()
	u.rest = u.rest[n:]
	if err != nil {
		return w.outcome(0, err, p)
	}
	w.forget(nil)
	return nil
}

// flushNow writes what is queued as far as that needs no waiting, and reports
// whether nothing is left to a flusher.
func (w *writeSide) flushNow() bool {
	if !w.acquireDirect() {
		return false
	}
	defer w.releaseDirect()
	b := w.outbox().take()
	if b.n == 0 {
		w.outbox().settle(b, nil)
		return true
	}
	frames, buf := w.encodeBatch(b.frames())
	defer putCompressedBuffer(buf)
	n, err := w.direct.write(frames)
	switch {
	case err != nil:
		w.outbox().settle(b, w.outcome(n, err, forever))
		return false
	case n < len(frames):
		w.trace.wroteEncoded(frames, nil) // or as good as
		w.keep(slices.Clone(frames[n:]), b)
		return false
	}
	w.trace.wroteEncoded(frames, nil)
	w.outbox().settle(b, nil)
	return true
}

// acquireDirect takes both locks if the transport can be written to without
// waiting, and that at once.
func (w *writeSide) acquireDirect() bool {
	if w.raw == nil || !w.message.tryAcquire() {
		return false
	}
	if w.frame.tryAcquire() {
		if w.unsent == nil && w.begin(opBinary, forever) == nil {
			if w.direct == nil {
				w.direct = newDirectSocket(w.raw)
			}
			return true
		}
		w.frame.release()
	}
	w.message.release()
	return false
}

func (w *writeSide) releaseDirect() {
	w.frame.release()
	w.message.release()
}

// offer writes a prepared data message as far as that needs no waiting, and
// queues what is left, or all if its turn has not come.
func (w *writeSide) offer(pm *PreparedMessage) error {
	if err := w.writable(); err != nil {
		return err
	}
	if !w.queued() && w.acquireDirect() {
		if !w.queued() { // still: what was on its way may have been put back
			defer w.releaseDirect()
			return w.offerDirect(pm)
		}
		w.releaseDirect()
	}
	f := pm.plain
	if w.deflater.wants(len(f.payload())) {
		f = pm.compressed(w.deflater)
	}
	if err := w.outbox().add(lead(f.frame[0]), f.payload()); err != nil {
		return err
	}
	w.startFlusher()
	return nil
}

// offerDirect is offer with both locks held.
func (w *writeSide) offerDirect(pm *PreparedMessage) error {
	f := w.choose(pm)
	frame := f.frame
	if w.client {
		buf := newBuffer(maxHeaderSize + len(frame))
		defer putBuffer(buf)
		frame = w.appendFrame(buf.b[:0], lead(frame[0]), f.payload())
	}
	n, err := w.direct.write(frame)
	if err != nil {
		return w.outcome(n, err, forever)
	}
	w.trace.wroteEncoded(frame, nil)
	if n < len(frame) {
		rest := frame[n:]
		if w.client { // of the buffer, and not of what all members share
			rest = slices.Clone(rest)
		}
		weight := weigh(len(f.payload()))
		w.outbox().hold(weight)
		w.keep(rest, batch{held: weight})
		w.startFlusher()
	}
	return nil
}
