package websocket

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
)

// The queue has messages that somebody else than their sender writes: those of
// Send and Broadcast, answers that WriteMessage leaves to the reader, and those of
// writers that find another at work and wait for the result. A batch is all that
// is queued at one time. It is written at once, with the lock of messages held, by
// the flusher, a goroutine that exists while something is queued; by a reader
// before it waits, and by Send while nobody reads, as far as the socket takes it; by
// a writer without a limit, with its own message behind it; or by Close. A writer
// with a deadline or a context waits for the flusher, so that its limit cuts nobody
// else's message. What a socket does not take is the backlog, which goes before
// the next frame: see write_backlog.go. A write that fails is the end of writing.

// DefaultSendQueueLimit is the number of bytes of messages that [Conn.Send]
// queues where no other limit is set: 1 MiB.
const DefaultSendQueueLimit = 1 << 20

// A queue holds messages as frames, one after the other, not masked, and not
// compressed unless RSV1 says so.
type queue struct {
	// These can be looked at without mu: there is something in the queue, and
	// the timer is running.
	some, timing atomic.Bool

	mu       sync.Mutex
	pending  batch
	size     queueSize // of what nobody waits for and is not with the kernel, batches on their way included
	limit    int64     // of that; none if not positive
	away     int       // batches that were taken and not settled
	flushing bool      // there is a flusher, or about to be
	timer    *time.Timer
}

// A batch is all that is queued at one time.
type batch struct {
	buf    *bufpool.Buffer // nil if there are no frames
	n      int             // they are buf.B[:n]
	taken  bool            // it counts as away
	size   queueSize       // of what nobody waits for
	result *flushResult    // what the others wait for, nil if nobody does
}

// A flushResult is what became of a batch.
type flushResult struct {
	done chan struct{} // closed when err is known
	err  error
}

// A queueSize counts queued messages: the bytes of their payload, and those
// that have none, which count as one byte against the limit.
type queueSize struct{ payload, empty int64 }

func (s *queueSize) add(n queueSize) { s.payload, s.empty = s.payload+n.payload, s.empty+n.empty }
func (s *queueSize) sub(n queueSize) { s.payload, s.empty = s.payload-n.payload, s.empty-n.empty }

// sizeOf returns what a message with a payload of n bytes counts.
func sizeOf(n int) queueSize {
	if n == 0 {
		return queueSize{empty: 1}
	}
	return queueSize{payload: int64(n)}
}

// hasRoom reports whether there is room for n under the limit.
func (s queueSize) hasRoom(n queueSize, limit int64) bool {
	return limit <= 0 || n.payload+n.empty <= limit-s.payload-s.empty
}

func (b *batch) frames() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf.B[:b.n]
}

// append adds a frame. The payload is not masked.
func (b *batch) append(first firstByte, payload []byte) {
	b.reserve(headerSize(len(payload), false) + len(payload))
	dst := appendLength(append(b.buf.B[:b.n], byte(first)), uint64(len(payload)), 0)
	b.n = len(append(dst, payload...))
}

// reserve makes room for n more bytes.
func (b *batch) reserve(n int) {
	n += b.n
	switch {
	case b.buf == nil:
		b.buf = bufpool.Get(max(n, minBatch))
	case n > len(b.buf.B):
		larger := bufpool.Get(max(n, 2*len(b.buf.B)))
		copy(larger.B, b.frames())
		bufpool.Put(b.buf)
		b.buf = larger
	}
}

// minBatch is the size of the smallest buffer for a batch.
const minBatch = 1 << 10

// add queues a frame, if there is room for it.
func (q *queue) add(first firstByte, payload []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := sizeOf(len(payload))
	if !q.size.hasRoom(size, q.limit) {
		return ErrSendQueueFull
	}
	q.size.add(size)
	q.pending.size.add(size)
	q.append(first, payload)
	return nil
}

// addWaiting queues a frame whose sender waits for the result. There is as
// much room for those as there are senders.
func (q *queue) addWaiting(first firstByte, payload []byte) *flushResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.append(first, payload)
	return q.ownResult()
}

// awaitPending returns the result of what is queued, nil if nothing is.
func (q *queue) awaitPending() *flushResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending.n == 0 {
		return nil
	}
	return q.ownResult()
}

// ownResult returns that of the pending batch, with mu held.
func (q *queue) ownResult() *flushResult {
	if q.pending.result == nil {
		q.pending.result = &flushResult{done: make(chan struct{})}
	}
	return q.pending.result
}

// append queues a frame, with mu held.
func (q *queue) append(first firstByte, payload []byte) {
	q.pending.append(first, payload)
	if !q.some.Load() {
		q.some.Store(true)
	}
}

// take takes all that is queued. What becomes of it has to be told by settle.
func (q *queue) take() batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.pending
	q.pending = batch{}
	q.some.Store(false)
	if b.n > 0 {
		b.taken = true
		q.away++
	}
	return b
}

// count counts what nobody waits for and has not gone through the queue.
func (q *queue) count(size queueSize) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size.add(size)
}

// hasAny reports whether something has not been written yet, be it in the
// queue or on its way.
func (q *queue) hasAny() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending.n > 0 || q.away > 0
}

// settle tells the senders of a batch what became of it.
func (q *queue) settle(b batch, err error) {
	if b.taken || b.size != (queueSize{}) {
		q.mu.Lock()
		if b.taken {
			q.away--
		}
		if err == nil {
			q.size.sub(b.size)
		}
		q.mu.Unlock()
	}
	if b.result != nil {
		b.result.err = err
		close(b.result.done)
	}
	if b.buf != nil {
		bufpool.Put(b.buf)
	}
}

// wantsFlusher reports whether the caller is to start a flusher: there is none.
func (q *queue) wantsFlusher() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.flushing {
		return false
	}
	q.flushing = true
	return true
}

// isFlushed reports whether the queue is empty, which is the end of the
// flusher.
func (q *queue) isFlushed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending.n > 0 {
		return false
	}
	q.flushing = false
	return true
}

// buffered returns how many bytes of payload that nobody waits for are not
// with the kernel yet.
func (q *queue) buffered() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size.payload
}

// startTimer has f called after d, unless it is about to be called already.
func (q *queue) startTimer(d time.Duration, f func()) {
	if q.timing.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timing.Store(true)
	if q.timer == nil {
		q.timer = time.AfterFunc(d, f)
		return
	}
	q.timer.Reset(d)
}

// ownQueue returns the queue, which it makes if need be.
func (m *messageWriter) ownQueue() *queue {
	if q := m.queue.Load(); q != nil {
		return q
	}
	m.queue.CompareAndSwap(nil, &queue{limit: m.queueLimit})
	return m.queue.Load()
}

// hasQueued reports whether something is queued.
func (m *messageWriter) hasQueued() bool {
	q := m.queue.Load()
	return q != nil && q.some.Load()
}

// flush writes what is queued. It is the flusher's.
func (m *messageWriter) flush() error {
	err := m.frames.acquire(&m.lock, unlimited)
	if err != nil {
		m.ownQueue().settle(m.ownQueue().take(), err)
		return err
	}
	defer m.lock.Release()
	return m.writeQueued()
}

// writeQueued writes what is queued, with lock held and for as long as it
// takes.
func (m *messageWriter) writeQueued() error { return m.writeBatch(m.ownQueue().take()) }

// writeBehind writes what is queued and a frame behind it at once, with lock
// held.
func (m *messageWriter) writeBehind(op opcode, payload []byte) error {
	b := m.ownQueue().take()
	b.append(finBit|firstByte(op), payload)
	return m.writeBatch(b)
}

// writeBatch writes a batch, with lock held and for as long as it takes.
func (m *messageWriter) writeBatch(b batch) error {
	if b.n == 0 {
		m.ownQueue().settle(b, nil)
		return nil
	}
	encoded, buf := m.encodeBatch(b.frames())
	defer putCompressedBuffer(buf)
	kept, err := m.writeEncodedBatch(encoded, b)
	if err != nil {
		m.deflater.end(false)
	}
	if !kept {
		m.ownQueue().settle(b, err)
	}
	return err
}

// writeEncodedBatch is writeBatch for the encoded frames of b. If Close ends the
// write on a socket, or one before it, what was not written is kept, for Close to try.
func (m *messageWriter) writeEncodedBatch(frames []byte, b batch) (kept bool, err error) {
	w := &m.frames
	if err := w.acquire(&w.lock, unlimited); err != nil {
		return false, err
	}
	defer w.release()
	if err := w.begin(opBinary, unlimited); err != nil {
		if w.isKept() {
			w.keepBehind(frames, m.settler(b))
			return true, err
		}
		return false, err
	}
	n, err := w.transport.Write(frames)
	switch {
	case err == nil:
		w.observeEncoded(frames)
		return false, nil
	case w.transport.socket && w.hurried.Load() && isTimeout(err):
		w.keepForClose(slices.Clone(frames[n:]), m.settler(b))
		return true, &brokenError{cause: net.ErrClosed}
	}
	return false, w.failed(n, err, unlimited)
}

// settler returns a function that settles b.
func (m *messageWriter) settler(b batch) func(error) {
	return func(err error) { m.ownQueue().settle(b, err) }
}

// encodeBatch returns the frames as they are to be written, and the buffer
// that they are in, nil if that is their own: a server without compression has
// them so.
func (m *messageWriter) encodeBatch(frames []byte) ([]byte, *compressedBuffer) {
	if !m.frames.client && m.deflater == nil {
		return frames, nil
	}
	buf := compressedBuffers.Get().(*compressedBuffer)
	dst := slices.Grow(buf.b[:0], len(frames))
	for len(frames) > 0 {
		h, n, _ := parseHeader(frames)
		end := n + int(h.length)
		dst = m.appendQueued(dst, firstByte(frames[0]), frames[n:end])
		frames = frames[end:]
	}
	buf.b = dst
	return dst, buf
}

// appendQueued appends a frame that was queued, compressed and masked.
func (m *messageWriter) appendQueued(dst []byte, first firstByte, payload []byte) []byte {
	switch {
	case first&rsvCompressed != 0:
		m.deflater.end(false) // prepared: see choose
	case m.deflater.wants(len(payload)):
		buf := compressedBuffers.Get().(*compressedBuffer)
		defer putCompressedBuffer(buf)
		if m.compress(buf, payload) {
			first, payload = first|rsvCompressed, buf.b
		}
		m.deflater.end(true)
	}
	return m.frames.appendFrame(slices.Grow(dst, maxHeaderSize+len(payload)), first, payload)
}

// acquireDirect takes both locks if the transport can be written to without
// waiting, and that at once.
func (m *messageWriter) acquireDirect() bool {
	if m.frames.transport.raw == nil || !m.lock.TryAcquire() {
		return false
	}
	if m.frames.acquireDirect() {
		return true
	}
	m.lock.Release()
	return false
}

func (m *messageWriter) releaseDirect() {
	m.frames.lock.Release()
	m.lock.Release()
}

// flushDirect writes what is queued as far as that needs no waiting. flushed
// says that nothing is queued any more, rest that there is one.
func (m *messageWriter) flushDirect() (flushed, rest bool, err error) {
	if !m.acquireDirect() {
		return false, false, nil
	}
	defer m.releaseDirect()
	q := m.ownQueue()
	b := q.take()
	if b.n == 0 {
		return true, false, nil
	}
	encoded, buf := m.encodeBatch(b.frames())
	defer putCompressedBuffer(buf)
	n, err := m.frames.writeDirect(encoded)
	if err == nil && n < len(encoded) {
		m.frames.keep(slices.Clone(encoded[n:]), m.settler(b))
		return true, true, nil
	}
	q.settle(b, err)
	return true, false, err
}

// offer writes a prepared data message as far as that needs no waiting, and
// queues it if its turn has not come. rest says that there is a rest, queued
// that it has been queued.
func (m *messageWriter) offer(pm *PreparedMessage) (queued, rest bool, err error) {
	if !m.hasQueued() && m.acquireDirect() {
		if !m.hasQueued() {
			defer m.releaseDirect()
			rest, err = m.offerDirect(pm)
			return false, rest, err
		}
		m.releaseDirect()
	}
	f := pm.plain
	if m.deflater.wants(len(f.payload())) {
		f = pm.compressed(m.deflater)
	}
	err = m.ownQueue().add(firstByte(f.frame[0]), f.payload())
	return err == nil, false, err
}

// offerDirect is offer with both locks held.
func (m *messageWriter) offerDirect(pm *PreparedMessage) (rest bool, err error) {
	f := m.choose(pm)
	frame := f.frame
	if m.frames.client {
		buf := bufpool.Get(maxHeaderSize + len(frame))
		defer bufpool.Put(buf)
		frame = m.frames.appendFrame(buf.B[:0], firstByte(frame[0]), f.payload())
	}
	n, err := m.frames.writeDirect(frame)
	if err != nil || n == len(frame) {
		return false, err
	}
	unsent := frame[n:]
	if m.frames.client { // of the buffer, and not of what all members share
		unsent = slices.Clone(unsent)
	}
	b := batch{size: sizeOf(len(f.payload()))}
	m.ownQueue().count(b.size)
	m.frames.keep(unsent, m.settler(b))
	return true, nil
}

// flushLast writes what was accepted and has not been written, as far as that
// needs no waiting, before the transport is closed.
func (m *messageWriter) flushLast() {
	q := m.queue.Load()
	if (q == nil || !q.hasAny()) && !m.frames.hasBacklog() || m.fragmented.Load() {
		return
	}
	m.frames.hurry()
	giveUp := make(chan struct{})
	defer time.AfterFunc(closeTimeout, func() { close(giveUp) }).Stop()
	if !m.lock.Acquire(giveUp, nil) {
		return
	}
	defer m.lock.Release()
	if !m.frames.lock.Acquire(giveUp, nil) {
		return
	}
	defer m.frames.lock.Release()
	b := m.ownQueue().take()
	encoded, buf := m.encodeBatch(b.frames())
	defer putCompressedBuffer(buf)
	m.ownQueue().settle(b, m.frames.writeLast(encoded))
}
