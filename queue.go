package websocket

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A queue holds messages that somebody else than their sender is to write: as
// frames, one after the other, not masked, and not compressed unless RSV1
// says so. What was taken from it and could not be written can be put back.
type queue struct {
	// These can be looked at without mu: there is something in the queue, the
	// timer is running, and there is something unsent.
	some, timing, rest atomic.Bool

	mu       sync.Mutex
	pending  batch
	held     held  // what nobody waits for and is not with the kernel, batches on their way included
	limit    int64 // for that; none if not positive
	away     int   // batches that were taken and not settled or put back
	flushing bool  // a flusher is at work, or about to be
	timer    *time.Timer
	ended    error // why nothing more can be queued
}

// A batch is a part of a queue: frames that go out together.
type batch struct {
	buf     *buffer    // nil if there are none
	n       int        // they are buf.b[:n]
	taken   bool       // it counts as away
	held    held       // the part of them that nobody waits for
	waiting []*verdict // of those who wait for the others
}

// A verdict is what those wait for who have put frames into the same batch.
type verdict struct {
	done chan struct{} // closed when err is known
	err  error
}

// A held counts queued messages: the bytes of their payload, and those that
// have none, which count as one byte against the limit.
type held struct{ payload, empty int64 }

func (h *held) add(n held) { h.payload, h.empty = h.payload+n.payload, h.empty+n.empty }
func (h *held) sub(n held) { h.payload, h.empty = h.payload-n.payload, h.empty-n.empty }

// weigh returns what a message with a payload of n bytes counts.
func weigh(n int) held {
	if n == 0 {
		return held{empty: 1}
	}
	return held{payload: int64(n)}
}

// fits reports whether there is room for n under the limit.
func (h held) fits(n held, limit int64) bool {
	return limit <= 0 || n.payload+n.empty <= limit-h.payload-h.empty
}

func (b *batch) frames() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf.b[:b.n]
}

// append adds a frame. The payload is not masked.
func (b *batch) append(first lead, payload []byte) {
	b.reserve(headerSize(len(payload), false) + len(payload))
	dst := appendLength(append(b.buf.b[:b.n], byte(first)), uint64(len(payload)), 0)
	b.n = len(append(dst, payload...))
}

// reserve makes room for n more bytes.
func (b *batch) reserve(n int) {
	n += b.n
	switch {
	case b.buf == nil:
		b.buf = newBuffer(max(n, minBatch))
	case n > len(b.buf.b):
		larger := newBuffer(max(n, 2*len(b.buf.b)))
		copy(larger.b, b.frames())
		putBuffer(b.buf)
		b.buf = larger
	}
}

// minBatch is the size of the smallest buffer for a batch.
const minBatch = 1 << 10

// add queues a frame without masking key, if there is room for it.
func (q *queue) add(first lead, payload []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	weight := weigh(len(payload))
	switch {
	case q.ended != nil:
		return q.ended
	case !q.held.fits(weight, q.limit):
		return ErrSendQueueFull
	}
	q.held.add(weight)
	q.pending.held.add(weight)
	q.append(first, payload)
	return nil
}

// addWaiting queues a frame whose sender waits for the verdict. There is as
// much room for those as there are senders.
func (q *queue) addWaiting(first lead, payload []byte) (*verdict, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended != nil {
		return nil, q.ended
	}
	b := &q.pending
	if len(b.waiting) == 0 {
		b.waiting = append(b.waiting, &verdict{done: make(chan struct{})})
	}
	q.append(first, payload)
	return b.waiting[0], nil
}

// append queues a frame, with mu held.
func (q *queue) append(first lead, payload []byte) {
	q.pending.append(first, payload)
	if !q.some.Load() {
		q.some.Store(true)
	}
}

// take takes all that is queued. What becomes of it has to be told by settle
// or putBack.
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

// hold counts what nobody waits for and has not gone through the queue.
func (q *queue) hold(n held) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held.add(n)
}

// owes reports whether something has not been written yet, be it in the queue
// or on its way.
func (q *queue) owes() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending.n > 0 || q.away > 0 || q.rest.Load()
}

// settle tells the senders of a batch what became of it.
func (q *queue) settle(b batch, err error) {
	if b.taken || b.held != (held{}) {
		q.mu.Lock()
		if b.taken {
			q.away--
		}
		if err == nil {
			q.held.sub(b.held)
		}
		q.mu.Unlock()
	}
	for _, o := range b.waiting {
		o.err = err
		close(o.done)
	}
	if b.buf != nil {
		putBuffer(b.buf)
	}
}

// putBack queues again a batch of which nothing was written, before all else.
func (q *queue) putBack(b batch) {
	if b.n == 0 {
		q.settle(b, nil)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if later := q.pending; later.n > 0 {
		b.reserve(later.n)
		copy(b.buf.b[b.n:], later.frames())
		putBuffer(later.buf)
		b.n += later.n
		b.held.add(later.held)
		b.waiting = slices.Concat(b.waiting, later.waiting)
	}
	q.away--
	b.taken = false
	q.pending = b
	q.some.Store(true)
}

// wantsFlusher reports whether the caller is to start a flusher: there is
// none, and something for it to do.
func (q *queue) wantsFlusher() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.flushing {
		return false
	}
	q.flushing = true
	return true
}

// flushed ends the work of a flusher, or reports that it is not done. An error
// that ended the writing ends the queue too.
func (q *queue) flushed(err error) bool {
	q.mu.Lock()
	if err == nil && (q.pending.n > 0 || q.rest.Load()) {
		q.mu.Unlock()
		return false
	}
	q.flushing = false
	if err == nil {
		q.mu.Unlock()
		return true
	}
	q.ended = err
	b := q.pending
	q.pending = batch{}
	q.some.Store(false)
	q.mu.Unlock()
	q.settle(b, err)
	return true
}

// buffered returns how many bytes of payload that nobody waits for are not
// with the kernel yet.
func (q *queue) buffered() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held.payload
}
