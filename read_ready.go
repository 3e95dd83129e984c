package websocket

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/mempipe"
	"github.com/seed23105783/websocket/internal/poller"
	"github.com/seed23105783/websocket/internal/socket"
)

// A readiness says what a frameReader may read of a stream that it must not wait
// for: a poller tells when there is something. Whoever uses it holds the lock of
// the messageReader.
type readiness struct {
	task poller.Task
	raw  syscall.RawConn // leads to the socket, also where the stream is TLS over it

	// waits is set where there is no poller, and a goroutine waits in its place.
	waits bool

	// taken is set where there was a poller: what comes from now on is waited for.
	taken bool

	reads  int8 // how many reads are left before others get their turn
	hangup bool // the peer has closed its side: the end can be read
	empty  bool // all has been read

	unread bool // there may be something in the socket below TLS

	over bool // there will be no other timer; guarded by mu

	// Where there is room for what a started connection has more.
	stage uint8         // see stageNew
	guess bufpool.Guess // of the length of the next message

	// Of the read deadline.
	timed atomic.Bool // there is one
	mu    sync.Mutex  // guards timer
	timer *time.Timer
}

// errNotReady is returned in place of waiting. Like a timeout it loses nothing.
var errNotReady error = notReadyError{}

type notReadyError struct{ timeoutError }

func (notReadyError) Error() string { return "websocket: nothing to read" }

const (
	// readsInTurn is how often a connection reads before others get their turn.
	readsInTurn = 8

	// recordWait is how long a read waits for the rest of a TLS record. If that takes
	// longer the poller tells when there is more.
	recordWait = 5 * time.Millisecond
)

// begin begins the turn of a connection.
func (r *readiness) begin(hangup bool) {
	r.reads, r.hangup, r.empty, r.unread = readsInTurn, hangup, false, true
}

// setTimer has the task run when the read deadline d, as it is now, passes.
func (r *readiness) setTimer(d *deadline) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopTimer()
	if t := d.get(); !t.IsZero() && !r.waits && !r.over {
		r.timed.Store(true) // first, for the task that the timer wakes
		r.timer = time.AfterFunc(time.Until(t), func() {
			if time.Until(d.get()) <= 0 {
				r.task.Wake()
			} else { // the clock has been set back
				r.setTimer(d)
			}
		})
	}
}

// endTimer stops the timer for good.
func (r *readiness) endTimer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopTimer()
	r.over = true
}

// stopTimer stops the timer, with mu held.
func (r *readiness) stopTimer() {
	r.timed.Store(false)
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// hasMore reports whether the turn has ended with something left to read.
func (r *readiness) hasMore() bool { return !r.empty }

// read reads what is there, or returns errNotReady.
func (r *readiness) read(t *transport, p []byte) (int, error) {
	if r.empty || r.reads <= 0 {
		return 0, errNotReady
	}
	r.reads--
	if pipe, ok := t.stream.(*mempipe.Conn); ok {
		return r.readPipe(pipe, p)
	}
	if t.raw == nil {
		return r.readRecord(t, p)
	}
	n, err := socket.TryRead(t.raw, t.conn(), p)
	// What does not fill p was all there is, and the poller tells of more.
	r.empty = n < len(p) && !(r.hangup && n > 0)
	if n == 0 && err == nil {
		return 0, errNotReady
	}
	return n, unexpectedEOF(err)
}

// readPipe is read where the stream is a pipe.
func (r *readiness) readPipe(pipe *mempipe.Conn, p []byte) (int, error) {
	n, err := pipe.TryRead(p)
	r.empty = n == 0
	if n == 0 && err == nil {
		return 0, errNotReady
	}
	return n, unexpectedEOF(err)
}

// readRecord is read where the stream is TLS. crypto/tls does not tell what it has
// read and not decrypted. A read whose deadline has passed returns that and leaves
// the socket alone.
func (r *readiness) readRecord(t *transport, p []byte) (int, error) {
	for {
		deadline := longAgo
		if r.unread {
			deadline = time.Now().Add(recordWait)
		}
		t.SetReadDeadline(deadline)
		n, err := t.Read(p)
		r.unread = false
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			continue
		case !os.IsTimeout(err):
			return 0, unexpectedEOF(err)
		}
		// The poller tells of the rest of a record. What is in the socket now it may
		// have told of already: the deadline can have passed before the first byte.
		if r.unread = socket.HasUnread(r.raw); !r.unread {
			r.empty = true
			return 0, errNotReady
		}
	}
}

// fillReady is fill without waiting.
func (r *frameReader) fillReady(ready *readiness) error {
	if r.start == r.end {
		r.start, r.end = 0, 0
		if r.buf != nil && len(r.buf.B) < int(r.burst) {
			r.release()
		}
	} else if r.start > 0 {
		r.end = copy(r.buf.B, r.buf.B[r.start:r.end])
		r.start = 0
	}
	if r.buf == nil {
		r.buf = bufpool.Get(int(r.burst))
	}
	n, err := ready.read(r.transport, r.buf.B[r.end:])
	if n == 0 {
		if r.end == 0 {
			r.release()
		}
		return err
	}
	if r.end == 0 {
		r.adapt(n)
	}
	r.end += n
	if r.status != nil {
		r.status.recordRead()
	}
	return nil
}

// polled returns what says whether there is something to read, nil if r has to wait.
func (r *frameReader) polled() *readiness {
	if ready := r.ready.Load(); ready != nil && !ready.waits && !ready.taken {
		return ready
	}
	return nil
}

// wait makes r wait from now on, although a poller tells when there is something.
func (r *frameReader) wait() {
	if ready := r.polled(); ready != nil {
		ready.taken = true
		r.deadline.detach(false)
	}
}

// takeHead takes what net/http has read ahead on a client, without waiting.
func (r *frameReader) takeHead() {
	if r.head == nil {
		return
	}
	r.deadline.interrupt()
	n, _ := r.head.Read(r.buf.B[r.end:]) // what ends the stream is found again
	r.deadline.resume()
	r.head = nil
	r.end += n
	if r.end == 0 {
		r.release()
	}
}
