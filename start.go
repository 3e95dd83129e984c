package websocket

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/mempipe"
	"github.com/seed23105783/websocket/internal/poller"
	"github.com/seed23105783/websocket/internal/socket"
)

// Errors of [Conn.Start].
var (
	errStartTwice   = errors.New("websocket: Start was called before")
	errStartReading = errors.New("websocket: Start while a read method is at work")
)

// Start has the functions of events called until the connection ends, like
// [Conn.Serve], but returns at once: no goroutine waits with the connection. The
// functions are called one at a time, in the order that [Events] describes, by
// goroutines of the package. They may block, which holds up no other connection.
//
// After Start the read methods, Serve and Start return an error. All other methods
// may be used as before, also by the functions of events. The connection is closed
// when it has ended; nobody has to call Close. A read deadline that passes ends it.
//
// If a function panics, the panic is logged with package log, as net/http does with
// those of handlers, and the connection ends with close code 1011. After that only
// Close is called. A function that calls runtime.Goexit has the same effect.
//
// On Linux a connection that waits has neither a goroutine nor a buffer, over TCP
// and Unix sockets and over TLS. On other systems, and over other streams, it has
// a goroutine.
//
// Start returns an error, and does nothing, if it was called before or if a read
// method is at work.
func (c *Conn) Start(events Events) error { return c.start(&events) }

// start is Start. The connection keeps events.
func (c *Conn) start(events *Events) error {
	s := &started{conn: c, events: events}
	if err := s.claim(); err != nil {
		return err
	}
	if s.waits {
		go s.wait()
		return nil
	}
	if pipe, ok := c.transport.stream.(*mempipe.Conn); ok {
		pipe.Notify(s.task.Wake)
	}
	c.closing.atEnd(s.task.Wake)
	s.setTimer(&c.read.frames.deadline)
	s.task.Start()
	return nil
}

// pollable returns the socket that carries the connection, itself or below TLS, and
// nil if there is none or no poller.
func (c *Conn) pollable() syscall.RawConn {
	switch {
	case !poller.Supported():
		return nil
	case c.transport.raw != nil:
		return c.transport.raw
	case c.transport.isTLS():
		return socket.Raw(c.transport.inner())
	}
	return nil // what has a NetConn method may read from that itself
}

// A started is a connection that Start was called for. It is what the poller runs.
type started struct {
	readiness
	conn   *Conn
	events *Events
	part   *part // nil while nothing of a message has come
}

// How far the functions of a connection have come.
const (
	stageNew      = iota
	stageOpen     // Open has been called
	stagePanicked // a function has panicked, and only Close is called
	stageEnded    // the last function has been called, or is about to be
)

// A part is what has come of a message, or all of it.
type part struct {
	buf *bufpool.Buffer // what p is in at first, or nil
	p   []byte
}

var parts = sync.Pool{New: func() any { return new(part) }}

// claim makes the poller, or a goroutine, the only one that reads.
func (s *started) claim() error {
	c := s.conn
	locked := c.read.lock.TryAcquire()
	if locked {
		defer c.read.lock.Release()
	}
	switch {
	case c.closing.has(startCalled):
		return errStartTwice
	case !locked && !c.closing.has(drained) && !c.closing.hasEnded():
		return errStartReading
	case !c.closing.add(startCalled): // by two at the same time, while Shutdown reads
		return errStartTwice
	}
	s.raw = c.pollable()
	_, isPipe := c.transport.stream.(*mempipe.Conn)
	// Where Shutdown reads or the end has come, a goroutine calls the functions, and also
	// without room for another socket in the kernel's queue.
	s.waits = !locked || c.closing.hasEnded() || s.raw == nil && !isPipe || s.task.Register(s.raw, s) != nil
	if !s.waits {
		c.read.frames.takeHead()
		c.read.frames.deadline.detach(true)
	}
	c.read.frames.ready.Store(&s.readiness)
	return nil
}

// Limit returns the limit of the events.
func (s *started) Limit() *poller.Limit {
	if s.events.Limit == nil {
		return nil
	}
	return s.events.Limit.limit
}

// wait is the goroutine of a connection without a poller.
func (s *started) wait() {
	defer func() {
		if s.stage != stageEnded { // a function has called runtime.Goexit
			go s.wait()
		}
	}()
	for s.stage != stageEnded {
		s.Run(false)
	}
}

// Run calls the functions for what there is. It reports whether there is more, and
// others get their turn before that.
func (s *started) Run(hangup bool) (more bool) {
	returns := false
	defer func() {
		if !returns { // because of a panic or runtime.Goexit
			s.conn.logPanic(recover())
			s.fail()
			more = true // the end may have come before this run, and nothing else tells of it
		}
	}()
	more = s.run(hangup)
	returns = true
	return more
}

func (s *started) run(hangup bool) (more bool) {
	if s.stage == stageNew {
		s.stage = stageOpen
		s.callOpen()
	}
	s.begin(hangup)
	for s.stage != stageEnded {
		m, err := s.receive()
		switch {
		case err == errNotReady:
			return s.hasMore()
		case s.waits && isTimeout(err) && s.conn.closing.has(drained) && s.conn.closing.readError() == nil:
			<-s.conn.closing.done() // Shutdown reads in its place, and no deadline ends that
		case err != nil:
			s.end(err)
		case s.events.Message != nil && s.stage == stageOpen:
			s.callMessage(m)
			fallthrough
		default:
			s.release()
		}
	}
	return false
}

// fail ends a connection of which a function has not returned.
func (s *started) fail() {
	s.release()
	if s.stage == stageOpen {
		s.stage = stagePanicked
		s.conn.handlers.Store(&noHandlers) // Shutdown calls those that are set, and they may panic too
		go func() {
			defer func() { s.conn.logPanic(recover()) }() // of a Trace
			s.conn.shutdown(context.Background(), CloseInternalServerErr, "")
		}()
	}
}

// receive returns the next message. It is valid until release.
func (s *started) receive() (Message, error) {
	c := s.conn
	if err := s.acquire(); err != nil {
		return Message{}, err
	}
	defer c.read.lock.Release()
	kind, err := s.receiveRest()
	switch {
	case err == nil:
		return Message{int(kind), s.part.p}, nil
	case err == errNotReady && s.timed.Load() && c.read.frames.deadline.passed():
		err = os.ErrDeadlineExceeded
	}
	return Message{}, err
}

// acquire takes the lock of the messageReader. Shutdown reads in place of the poller.
func (s *started) acquire() error {
	c := s.conn
	if c.read.lock.TryAcquire() ||
		(s.waits || !c.closing.has(drained)) && c.read.lock.Acquire(nil, c.closing.done()) {
		if !s.taken {
			return nil
		}
		c.read.lock.Release()
	}
	if c.closing.hasEnded() {
		return c.closing.cause()
	}
	s.empty = true
	return errNotReady // the end wakes the task
}

// receiveRest receives the rest of a message, or one that begins now.
func (s *started) receiveRest() (opcode, error) {
	c, m := s.conn, &s.conn.read
	if s.waits && s.part == nil {
		if err := c.awaitMessage(nil); err != nil {
			return 0, err
		}
	}
	if err := c.beginMessage(); err != nil {
		return 0, err
	}
	kind := m.kind
	if s.part == nil {
		s.part = parts.Get().(*part)
		if s.events.ReuseData {
			s.part.buf = bufpool.Get(max(s.guess.Size(), int(min(m.frames.remaining, trustedLength))))
			s.part.p = s.part.buf.B[:0]
		}
		s.part.p = m.resume(s.part.p)
	}
	p, err := m.appendRest(s.part.p, 0)
	for err == errControlFrame {
		if err = c.handleControl(); err == nil {
			p, err = m.appendRest(p, 0)
		}
	}
	s.part.p = p
	if err != nil {
		return 0, c.readFailed(err)
	}
	if p == nil {
		s.part.p = []byte{}
	}
	c.messageRead()
	return kind, nil
}

// release is called when a message is not needed any more.
func (s *started) release() {
	part := s.part
	if part == nil {
		return
	}
	s.guess.Learn(len(part.p))
	if part.buf != nil {
		bufpool.Put(part.buf)
	}
	part.buf, part.p = nil, nil
	parts.Put(part)
	s.part = nil
}

// end calls the functions for the end of the connection, which err is the cause of.
func (s *started) end(err error) {
	c, panicked := s.conn, s.stage == stagePanicked
	s.stage = stageEnded
	c.Close()
	if !s.waits {
		s.task.Stop(s.raw)
		s.endTimer()
	}
	s.release()
	s.enter()
	defer s.leave()
	if f := s.events.Close; f != nil {
		defer func() { f(c, c.CloseInfo()) }() // also if Error panics
	}
	if f := s.events.Error; f != nil && c.hasFailed(err) && !panicked {
		f(c, err)
	}
}

func (s *started) callOpen() {
	if f := s.events.Open; f != nil {
		s.enter()
		defer s.leave()
		f(s.conn)
	}
}

func (s *started) callMessage(m Message) {
	s.enter()
	defer s.leave()
	s.events.Message(s.conn, m)
}

// enter waits until a function may run, where a goroutine waits with the connection. The
// poller runs a task only when it may.
func (s *started) enter() {
	if s.waits {
		s.Limit().Enter()
	}
}

func (s *started) leave() {
	if s.waits {
		s.Limit().Leave()
	}
}
