package websocket

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/socket"
)

// A KeepAlive detects a peer that has vanished: a cable was pulled, a machine
// lost power, a router dropped the connection. TCP does not detect that while
// nothing is sent. The zero value is off.
//
// A peer that has sent nothing for Interval gets a ping. If it sends nothing
// for Timeout after the ping, the connection is closed: reads return
// [ErrKeepAlive], and [Conn.CloseInfo] has code 1006. That is so too if the
// ping could not be written because the peer takes nothing. After a close frame
// was sent there are no pings, but a peer that sends nothing is still given up.
//
// Every byte from the peer counts, not only the pong: a part of a long message
// does, and so does a message that the application has not read yet. How that
// is measured depends on what carries the connection, with or without TLS:
//
//   - TCP on Linux: what the kernel has received counts. The application need
//     not read.
//   - TCP on other Unix systems, multipath TCP, and Unix sockets: what was read
//     counts, and what waits in the socket. The application need not read. A
//     TLS record that arrives slowly may not count before it is complete. The
//     same is so for TCP on a Linux that does not count, such as gVisor.
//   - Other transports, and other systems: what was read counts. Only the time
//     during which a read method waits is measured.
//
// If the application does not read for so long that the peer may have no room
// to send more, the peer may be unable to answer. With TCP on Linux it is then
// enough that the peer's kernel acknowledges the ping. Otherwise the peer is not
// given up before the application reads again.
//
// Pings from the peer are answered by read methods only, on every system.
//
// KeepAlive costs one timer for each connection, which fires twice in Interval.
type KeepAlive struct {
	// Interval is how long the peer may send nothing before it gets a ping.
	// The ping may be sent after more than half of that. If Interval is not
	// positive, KeepAlive is off.
	Interval time.Duration

	// Timeout is how long the peer may send nothing after the ping. If it is
	// not positive, it is 20 seconds.
	Timeout time.Duration
}

// defaultKeepAliveTimeout is the default of KeepAlive.Timeout.
const defaultKeepAliveTimeout = 20 * time.Second

// ErrKeepAlive is returned by reads after [KeepAlive] has closed the connection.
// It matches net.ErrClosed and os.ErrDeadlineExceeded, and errors.As finds a
// [*CloseError] with code 1006 in it.
var ErrKeepAlive error = keepAliveError{}

type keepAliveError struct{}

func (keepAliveError) Error() string { return "websocket: no sign of life from the peer" }

// Is reports whether target is os.ErrDeadlineExceeded. There is no Timeout
// method, since trying again is of no use.
func (keepAliveError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

func (keepAliveError) Unwrap() error {
	return &CloseError{Code: CloseAbnormalClosure, Text: "no sign of life"}
}

// A silence decides when a peer gets a ping and when it is given up. It has no
// clock: its owner waits, and then tells what has happened meanwhile.
type silence struct {
	interval, timeout time.Duration

	pinged bool          // since the peer was active
	waited time.Duration // how long the peer was idle after the ping
	period time.Duration // of the wait that is over now
}

// A step is what has to be done about a silence.
type step int

const (
	stepWait step = iota
	stepPing
	stepEnd
)

// next returns what has to be done, and for how long to wait after that. peer
// is what was found out about the peer since the wait before.
//
// A peer is given up only after it was found idle twice in a row at least: once
// for the ping, and once for the end.
func (s *silence) next(peer socket.Activity) (step, time.Duration) {
	do := stepWait
	switch {
	case peer == socket.Active:
		s.pinged = false
	case !s.pinged:
		do, s.pinged, s.waited = stepPing, true, 0
	case peer == socket.Unknown:
		s.waited = 0
	default:
		s.waited += s.period
	}
	// Activity is noticed no later than half an interval after it, so the ping
	// is sent no later than an interval after it.
	s.period = s.interval / 2
	if s.pinged {
		if s.waited >= s.timeout {
			return stepEnd, 0
		}
		s.period = min(s.period, s.timeout/2, s.timeout-s.waited)
	}
	s.period = max(s.period, time.Millisecond)
	return do, s.period
}

// A keepAlive is the KeepAlive of one connection. Its timer is the runtime's, which is
// about 150 of its bytes. One for all connections would save those, but could not be shared
// by bubbles of testing/synctest.
type keepAlive struct {
	conn *Conn

	reads readStatus // kept by the frameReader

	monitor *socket.Monitor // nil where the socket cannot be monitored

	writing atomic.Bool // a ping is being written; guards last
	last    *ping

	mu      sync.Mutex // guards the rest
	silence silence
	timer   *time.Timer
	stopped bool
}

// startKeepAlive starts what config asks for. It must be called before anything
// else uses the connection.
func (c *Conn) startKeepAlive(config KeepAlive) *keepAlive {
	if config.Interval <= 0 {
		return nil
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultKeepAliveTimeout
	}
	k := &keepAlive{
		conn:    c,
		silence: silence{interval: config.Interval, timeout: config.Timeout},
	}
	if conn := c.NetConn(); conn != nil {
		k.monitor = socket.NewMonitor(conn)
	}
	c.read.frames.status = &k.reads
	c.closing.atEnd(k.stop)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads.read.Store(true) // the handshake
	_, wait := k.silence.next(socket.Active)
	k.timer = time.AfterFunc(wait, k.check)
	return k
}

// stop stops k for good.
func (k *keepAlive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
}

// check is called by the timer.
func (k *keepAlive) check() {
	switch k.next() {
	case stepPing:
		k.ping()
	case stepEnd:
		k.conn.abort(ErrKeepAlive)
	}
}

// next returns what has to be done now, and sets the timer for the time after
// that, which may come while a ping still waits to be written.
func (k *keepAlive) next() step {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return stepWait
	}
	do, wait := k.silence.next(k.activity())
	if do != stepEnd {
		k.timer.Reset(wait)
	}
	return do
}

// activity returns what is known about the peer since the last call.
func (k *keepAlive) activity() socket.Activity {
	read := k.reads.read.Swap(false)
	switch {
	case k.monitor != nil:
		return k.monitor.Check(read)
	case read:
		return socket.Active
	case k.reads.waiting.Load():
		return socket.Idle
	}
	return socket.Unknown // there may be bytes that nobody reads
}

// ping sends a ping. It waits without a limit of its own: if the ping cannot be
// written, later checks find the peer idle and close the transport, which ends
// the wait.
func (k *keepAlive) ping() {
	if !k.writing.CompareAndSwap(false, true) {
		return // the ping before still waits, while the peer has sent something
	}
	defer k.writing.Store(false)
	pings := k.conn.ownPings()
	if k.last != nil {
		pings.forget(k.last)
	}
	k.last = pings.begin(nil)
	// An error needs no handling here: either the connection has ended, or the
	// peer stays idle.
	k.conn.writeControl(opPing, k.last.payload[:], unlimited)
}
