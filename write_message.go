package websocket

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/lock"
)

// A messageWriter turns messages into frames, in the order in which they come.
// Fragments of two messages never mix (RFC 6455, Section 5.4), while control
// frames may come between those of one: lock is held from the first frame of a
// data message to its last, and the lock of frames while one is written. Whoever
// takes both takes this one first.
type messageWriter struct {
	lock     lock.Mutex
	frames   frameWriter
	deflater *deflater                     // nil unless compression was negotiated
	deadline atomic.Pointer[writeDeadline] // nil until there was one

	// queue is what somebody else than its sender is to write, nil until it is
	// needed: see write_queue.go.
	queue      atomic.Pointer[queue]
	queueLimit int64

	open       lock.Mutex      // guards fragments and what it has collected
	fragments  *fragmentWriter // what NextWriter returned, until it is closed
	fragmented atomic.Bool     // it holds lock: a part of its message has been sent

	immediate bool // as in Upgrader.WriteImmediately
}

// configure makes m ready for use.
func (m *messageWriter) configure(config *connConfig) {
	m.queueLimit = config.sendQueueLimit
	if config.sendQueueLimit == 0 {
		m.queueLimit = DefaultSendQueueLimit
	}
	m.immediate = config.writeImmediately
}

// A writeDeadline is the application's, which holds for the writes that begin
// from now on.
type writeDeadline struct {
	some atomic.Bool // there is one
	mu   sync.Mutex
	t    time.Time
}

// hasDeadline reports whether there is a write deadline.
func (m *messageWriter) hasDeadline() bool {
	d := m.deadline.Load()
	return d != nil && d.some.Load()
}

// loadDeadline returns the write deadline.
func (m *messageWriter) loadDeadline() time.Time {
	if !m.hasDeadline() {
		return time.Time{}
	}
	d := m.deadline.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.t
}

// storeDeadline sets the write deadline.
func (m *messageWriter) storeDeadline(t time.Time) {
	d := m.deadline.Load()
	if d == nil {
		m.deadline.CompareAndSwap(nil, &writeDeadline{})
		d = m.deadline.Load()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.t = t
	d.some.Store(!t.IsZero())
}

// errQueuedFirst is what the methods of a messageWriter return when what is
// queued has to be written first and the caller's limit must not cut that.
// Nothing was done. Whoever has waited for it calls the method again, with
// waitLimit.flushed set.
var errQueuedFirst = errors.New("websocket: queued messages go first")

// begin takes the lock for a message. A writer without a limit writes what is
// queued with the message or before it; one with a limit has it written by
// others, since a limit is about its own message and must not cut theirs.
func (m *messageWriter) begin(l *waitLimit) error {
	if !l.flushed && m.hasQueued() && !l.isUnlimited() {
		return errQueuedFirst
	}
	return m.frames.acquire(&m.lock, l)
}

// writeMessage writes a data message in one frame.
func (m *messageWriter) writeMessage(op opcode, payload []byte, l *waitLimit) error {
	if err := m.begin(l); err != nil {
		return err
	}
	defer m.lock.Release()
	if m.hasQueued() && l.isUnlimited() {
		if m.frames.isSmall(payload) {
			return m.writeBehind(op, payload)
		}
		if err := m.writeQueued(); err != nil {
			return err
		}
	}
	if m.deflater.wants(len(payload)) {
		return m.writeCompressed(op, payload, l)
	}
	return m.frames.write(finBit|firstByte(op), payload, l)
}

// writePrepared writes a prepared data message: on a server the very bytes, on
// a client the payload under a key of its own.
func (m *messageWriter) writePrepared(pm *PreparedMessage, l *waitLimit) error {
	if err := m.begin(l); err != nil {
		return err
	}
	defer m.lock.Release()
	if m.hasQueued() && l.isUnlimited() {
		if err := m.writeQueued(); err != nil {
			return err
		}
	}
	f := m.choose(pm)
	if m.frames.client {
		return m.frames.write(firstByte(f.frame[0]), f.payload(), l)
	}
	return m.frames.writeEncoded(f.frame, l)
}

// choose returns the form of a prepared message to be written next, with lock
// held.
func (m *messageWriter) choose(pm *PreparedMessage) preparedFrame {
	if !m.deflater.wants(len(pm.plain.payload())) {
		return pm.plain
	}
	// The peer's window goes on with this message and ours does not: the next
	// message of ours must not refer to what was before.
	m.deflater.end(false)
	return pm.compressed(m.deflater)
}

// openMessageWait is how long a close frame waits for those who wait for the
// end of a message that NextWriter has begun.
const openMessageWait = 500 * time.Millisecond

// writeClose writes a close frame behind all that was sent or queued before:
// RFC 6455, Section 5.5.1, allows nothing to follow it. If patient is not set a
// message that NextWriter has begun is not waited for, and those behind it no
// longer than openMessageWait.
func (m *messageWriter) writeClose(payload []byte, patient bool, l *waitLimit) error {
	switch {
	case m.frames.closing.writeError() != nil:
		return m.frames.closing.writeError()
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case !l.deadline.IsZero() && !time.Now().Before(l.deadline):
		return errWriteTimeout
	case m.fragmented.Load() && !patient && !m.hasQueued() && !m.lock.HasWaiters():
		return m.frames.write(finBit|firstByte(opClose), payload, l)
	}
	if err := m.acquireForClose(patient, l); err == nil {
		defer m.lock.Release()
		switch {
		case !m.hasQueued():
		case l.isUnlimited():
			if err := m.writeQueued(); err != nil {
				return err
			}
		case !l.flushed:
			return errQueuedFirst
		}
	} else if err != errOpenMessage {
		return err
	}
	return m.frames.write(finBit|firstByte(opClose), payload, l)
}

// errOpenMessage is what acquireForClose returns when the lock was not to be
// had because of a message that NextWriter has begun.
var errOpenMessage = errors.New("websocket: open message")

// acquireForClose takes the lock for a close frame.
func (m *messageWriter) acquireForClose(patient bool, l *waitLimit) error {
	if m.lock.TryAcquire() {
		return nil
	}
	if patient {
		return m.frames.acquire(&m.lock, l)
	}
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		if m.fragmented.Load() {
			cancel(errOpenMessage)
		} else {
			timer.Reset(openMessageWait)
		}
	})
	timer.Reset(openMessageWait)
	defer timer.Stop()
	err := m.frames.acquire(&m.lock, &waitLimit{ctx: ctx, deadline: l.deadline})
	if err != nil && context.Cause(ctx) == errOpenMessage {
		return errOpenMessage
	}
	return err
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
