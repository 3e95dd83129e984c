package websocket

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/socket"
)

// A backlog is what is to be written before the next frame: the rest of a
// write that the socket did not take as a whole, and pongs that could not be
// written without waiting. Whoever writes the next frame writes it first; in
// case nobody does there is a goroutine as long as there is a backlog.
type backlog struct {
	some atomic.Bool // there is something

	// Guarded by the lock of the frameWriter. A rest is only kept where it can
	// be cut again at any byte: on a socket.
	rest []byte
	done func(error) // called when the rest has been written, or cannot be; or nil

	encoded []byte // the memory of pongs that have become the rest

	mu       sync.Mutex
	pongs    []byte // frames, not masked
	count    int    // of them
	last     int    // where the last one begins
	flushing bool   // there is a goroutine that writes the backlog

	flush   func()        // what that goroutine calls, kept so that starting one does not allocate
	flushed chan struct{} // gets a value when that goroutine ends, if there is room
	timer   *time.Timer   // of awaitFlush
}

// maxPongs bounds the pongs that wait to be written. RFC 6455, Section 5.5.3: a
// pong may answer only the most recent ping.
const maxPongs = 16

// hasBacklog reports whether something is to be written before the next frame.
func (w *frameWriter) hasBacklog() bool {
	b := w.backlog.Load()
	return b != nil && b.some.Load()
}

// ownBacklog returns the backlog, which it makes if need be.
func (w *frameWriter) ownBacklog() *backlog {
	if b := w.backlog.Load(); b != nil {
		return b
	}
	w.backlog.CompareAndSwap(nil, &backlog{flushed: make(chan struct{}, 1)})
	return w.backlog.Load()
}

// acquireDirect takes the lock if the transport can be written to without
// waiting, and that at once. Nothing is to be written before then.
func (w *frameWriter) acquireDirect() bool {
	if w.transport.raw == nil || !w.lock.TryAcquire() {
		return false
	}
	if w.hasBacklog() || w.closing.writeError() != nil || w.setDeadline(unlimited) != nil {
		w.lock.Release()
		return false
	}
	return true
}

// writeDirect writes encoded frames as far as that needs no waiting, with lock
// held, and returns how many bytes that were. The caller keeps the rest.
func (w *frameWriter) writeDirect(frames []byte) (int, error) {
	n, err := socket.TryWrite(w.transport.raw, frames)
	if err != nil && !(w.hurried.Load() && isTimeout(err)) { // or else Close writes the rest
		return n, w.failed(n, err, unlimited)
	}
	w.observeEncoded(frames) // a rest is as good as written
	return n, nil
}

// keep leaves the rest of a write to the next writer, with lock held. The
// caller sees to it that there is one.
func (w *frameWriter) keep(rest []byte, done func(error)) {
	b := w.ownBacklog()
	b.rest, b.done = rest, done
	b.some.Store(true)
}

// isKept reports, after a write that failed, whether the rest of a write is left for
// Close, with lock held.
func (w *frameWriter) isKept() bool {
	return w.transport.socket && w.hurried.Load() && w.closing.writeError() == nil && len(w.ownBacklog().rest) > 0
}

// keepForClose leaves the rest of a write to Close, which has ended the write, with
// lock held. Close may have given up waiting for the lock, and tells nobody then.
func (w *frameWriter) keepForClose(rest []byte, done func(error)) {
	w.keep(rest, done)
	if w.closing.hasEnded() {
		w.backlog.Load().finish(net.ErrClosed)
	}
}

// keepBehind leaves encoded frames to Close too, behind the rest.
func (w *frameWriter) keepBehind(frames []byte, done func(error)) {
	b := w.ownBacklog()
	before := b.done
	w.keepForClose(slices.Concat(b.rest, frames), func(err error) {
		if before != nil {
			before(err)
		}
		done(err)
	})
}

// writeBacklog writes the backlog before a frame, with lock held and the
// deadline set.
func (w *frameWriter) writeBacklog(op opcode, l *waitLimit) error {
	b := w.backlog.Load()
	if err := w.writeRest(b, l); err != nil {
		return err
	}
	if !w.transport.socket && !l.isUnlimited() && op != opClose {
		return nil // pongs that were cut could not be finished: the goroutine writes them
	}
	w.takePongs(b)
	return w.writeRest(b, l)
}

// writeRest writes the rest of a write. What cannot be written of it stays.
func (w *frameWriter) writeRest(b *backlog, l *waitLimit) error {
	if len(b.rest) == 0 {
		return nil
	}
	n, err := w.writeWatched(b.rest, l)
	b.rest = b.rest[n:]
	if err != nil {
		return w.failed(0, err, l)
	}
	b.finish(nil)
	return nil
}

// finish tells whom it concerns what became of the rest.
func (b *backlog) finish(err error) {
	done := b.done
	b.rest, b.done = nil, nil
	b.mu.Lock()
	b.some.Store(b.count > 0)
	b.mu.Unlock()
	if done != nil {
		done(err)
	}
}

// takePongs makes the pongs the rest, of which there is none.
func (w *frameWriter) takePongs(b *backlog) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.encoded = slices.Grow(b.encoded[:0], len(b.pongs)+maxHeaderSize*b.count)
	for frames := b.pongs; len(frames) > 0; {
		h, n, _ := parseHeader(frames)
		end := n + int(h.length)
		b.encoded = w.appendFrame(b.encoded, firstByte(frames[0]), frames[n:end])
		frames = frames[end:]
	}
	w.observeEncoded(b.pongs)
	b.rest = b.encoded
	b.pongs, b.count, b.last = b.pongs[:0], 0, 0
}

// addPong leaves a pong to the next writer. If as many wait as may, it takes
// the place of the last.
func (w *frameWriter) addPong(payload []byte) {
	b := w.ownBacklog()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count == maxPongs {
		b.pongs = b.pongs[:b.last]
		b.count--
	}
	b.last = len(b.pongs)
	b.count++
	h := header{fin: true, opcode: opPong, length: uint64(len(payload))}
	b.pongs = append(appendHeader(b.pongs, h), payload...)
	b.some.Store(true)
}

// pong sends a pong without waiting. It reports false if that was not possible
// and the pong is in the backlog.
func (w *frameWriter) pong(payload []byte) (sent bool, err error) {
	if !w.acquireDirect() {
		w.addPong(payload)
		return false, nil
	}
	defer w.lock.Release()
	buf := bufpool.Get(maxHeaderSize + len(payload))
	defer bufpool.Put(buf)
	frame := w.appendFrame(buf.B[:0], finBit|firstByte(opPong), payload)
	n, err := w.writeDirect(frame)
	if err != nil || n == len(frame) {
		return true, err
	}
	w.keep(slices.Clone(frame[n:]), nil)
	return false, nil
}

// wantsFlusher reports whether the caller is to start a goroutine that calls
// flush until isFlushed: there is a backlog and no such goroutine.
func (w *frameWriter) wantsFlusher() bool {
	b := w.ownBacklog()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flushing || !b.some.Load() {
		return false
	}
	b.flushing = true
	select {
	case <-b.flushed: // of the one before
	default:
	}
	return true
}

// flush writes the backlog.
func (w *frameWriter) flush() error {
	if err := w.acquire(&w.lock, unlimited); err != nil {
		return err
	}
	defer w.release()
	return w.begin(opPing, unlimited)
}

// isFlushed reports whether the backlog is empty, which ends the goroutine
// that was started for it. Where writing has ended what is left is dropped.
func (w *frameWriter) isFlushed() bool {
	if err := w.closing.writeError(); err != nil {
		w.drop(err)
	}
	b := w.backlog.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.some.Load() {
		return false
	}
	b.flushing = false
	select {
	case b.flushed <- struct{}{}:
	default:
	}
	return true
}

// awaitFlush waits for the end of the goroutine that has just been started, for
// at most d, and reports whether it has ended. Only the reader calls it.
func (w *frameWriter) awaitFlush(d time.Duration) bool {
	b := w.backlog.Load()
	if b.timer == nil {
		b.timer = time.NewTimer(d)
	} else {
		b.timer.Reset(d)
	}
	defer b.timer.Stop()
	select {
	case <-b.flushed:
		return true
	case <-b.timer.C:
		return false
	}
}

// drop empties the backlog. Nobody holds the lock for long any more, since
// nothing can be written.
func (w *frameWriter) drop(err error) {
	w.lock.Acquire(nil, nil)
	defer w.lock.Release()
	b := w.backlog.Load()
	b.mu.Lock()
	b.pongs, b.count, b.last = nil, 0, 0
	b.mu.Unlock()
	b.finish(err)
}

// hurry makes the write under way end as soon as it has to wait, or in
// closeTimeout where the transport is no socket and so cannot tell. It is the
// last thing before writing ends.
func (w *frameWriter) hurry() {
	w.hurried.Store(true)
	if w.transport.socket {
		w.deadline.interrupt()
		return
	}
	w.transport.SetWriteDeadline(time.Now().Add(closeTimeout))
}

// writeLast writes the rest and encoded frames as far as that needs no waiting,
// or hardly any, after hurry and with lock held. It ends the writing.
func (w *frameWriter) writeLast(frames []byte) error {
	if w.transport.socket {
		w.deadline.suspend() // another Close may hurry too
	}
	if w.transport.raw == nil { // it cannot be written to without waiting
		w.transport.SetWriteDeadline(time.Now().Add(closeTimeout))
	}
	if err := w.closing.writeError(); err != nil {
		return err
	}
	w.closing.endWrites(&brokenError{cause: net.ErrClosed})
	write := w.transport.Write
	if w.transport.raw != nil {
		write = func(p []byte) (int, error) { return socket.TryWrite(w.transport.raw, p) }
	}
	if b := w.backlog.Load(); b != nil && len(b.rest) > 0 {
		n, err := write(b.rest)
		if err != nil || n < len(b.rest) {
			b.finish(net.ErrClosed)
			return net.ErrClosed
		}
		b.finish(nil)
	}
	n, err := write(frames)
	if err == nil && n < len(frames) {
		err = net.ErrClosed
	}
	return err
}
