package websocket

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A KeepAlive makes a connection notice that its peer has vanished without a
// word: a cable was pulled, a machine lost its power, a router forgot the
// connection. TCP alone does not notice that in a connection on which nothing
// is sent. The zero value is off.
//
// Every byte from the peer is a sign of life, a piece of a long message too.
// As long as there are any nothing is sent, and neither while the application
// leaves bytes unread. An idle connection sees a ping every Interval at the
// latest, which also keeps routers and proxies from forgetting it.
//
// A peer that stays silent for Timeout after a ping ends the connection: the
// transport is closed, reads return [ErrKeepAlive], and [Conn.CloseInfo] has
// code 1006. It makes no difference whether the ping was not answered or could
// not even be written: a frame of our own that takes a silent peer longer than
// Interval and Timeout to receive ends the connection as well. After a close
// frame has been sent there are no pings any more, but silence ends the
// connection all the same.
//
// The application need not be within a read method: on a TCP or Unix socket,
// with or without TLS, bytes that wait in the socket are a sign of life, and
// while there are any, which only the application can change, the peer is not
// given up. Where one cannot look into the transport, which is so for other
// transports and on systems that are not Unix, only the time counts during
// which a read method waits for bytes; and whatever the transport, pings of
// the peer's are answered by read methods alone.
//
// It costs a connection one timer, and a goroutine for the moment in which it
// fires: twice in Interval as a rule.
type KeepAlive struct {
	// Interval is the longest silence of the peer before it gets a ping. The
	// ping may come after half of that. Zero, or less, is off.
	Interval time.Duration

	// Timeout is how long the peer may stay silent after the ping. Zero, or
	// less, is 20 seconds.
	Timeout time.Duration
}

// defaultKeepAliveTimeout stands for KeepAlive.Timeout where that is not set.
const defaultKeepAliveTimeout = 20 * time.Second

// ErrKeepAlive is what reads return after the peer has been silent for longer
// than [KeepAlive] allows. It matches net.ErrClosed and os.ErrDeadlineExceeded,
// and errors.As finds a [*CloseError] with code 1006 in it.
var ErrKeepAlive error = keepAliveError{}

type keepAliveError struct{}

func (keepAliveError) Error() string { return "websocket: no sign of life from the peer" }

// Is reports whether target is os.ErrDeadlineExceeded. There is no Timeout
// method, which would say that to try again is of use.
func (keepAliveError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

func (keepAliveError) Unwrap() error {
	return &CloseError{Code: CloseAbnormalClosure, Text: "no sign of life"}
}

// A silence measures for how long a peer has been silent, without a clock: it
// is told when the time is up for which it wanted to wait.
type silence struct {
	interval, timeout time.Duration

	pinged bool          // since the last sign of life
	waited time.Duration // in silence, since the ping
	period time.Duration // the wait that is over now
}

// A step is what is to be done about a silence.
type step int

const (
	stepWait step = iota
	stepPing
	stepEnd
)

// next returns what is to be done, and for how long to wait after that. heard
// says whether there was a sign of life during the last wait; where there was
// none mute says whether that proves anything.
//
// Two looks in a row at least find a peer silent before it is given up: none
// that has just begun to be read from is.
func (s *silence) next(heard bool, mute func() bool) (step, time.Duration) {
	do := stepWait
	switch {
	case heard:
		s.pinged = false
	case !s.pinged:
		do, s.pinged, s.waited = stepPing, true, 0
	case !mute():
		s.waited = 0
	default:
		s.waited += s.period
	}
	// Half an interval after the last sign of life at the latest it is seen,
	// and one interval after it at the latest there is a ping.
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

// A keepAlive is the KeepAlive of one connection.
type keepAlive struct {
	conn *Conn

	// What the read side tells: that bytes have come, and, where unread is
	// nil, that it is waiting for some.
	activity activity

	// unread reports whether bytes wait in the socket to be read. It is nil
	// where that cannot be known.
	unread func() bool

	writing atomic.Bool // of a ping; guards last
	last    *ping

	mu      sync.Mutex // guards the rest
	silence silence
	timer   *time.Timer
	stopped bool
}

// startKeepAlive starts what config asks for. Nothing else has been done with
// the connection yet.
func (c *Conn) startKeepAlive(config KeepAlive) *keepAlive {
	if config.Interval <= 0 {
		return nil
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultKeepAliveTimeout
	}
	k := &keepAlive{
		conn:    c,
		unread:  unreadBytes(c.transport.stream),
		silence: silence{interval: config.Interval, timeout: config.Timeout},
	}
	c.read.frames.activity = &k.activity
	c.closing.atEnd(k.stop)
	k.mu.Lock()
	defer k.mu.Unlock()
	_, wait := k.silence.next(true, nil)
	k.activity.heard.Store(true) // the handshake was a sign of life
	k.timer = time.AfterFunc(wait, k.look)
	return k
}

// stop ends k.
func (k *keepAlive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
}

// look is what the timer calls.
func (k *keepAlive) look() {
	switch k.next() {
	case stepPing:
		k.ping()
	case stepEnd:
		k.conn.abort(ErrKeepAlive)
	}
}

// next takes a step and sets the timer for the next one. That runs while a
// ping is stuck, too.
func (k *keepAlive) next() step {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return stepWait
	}
	do, wait := k.silence.next(k.activity.heard.Swap(false), k.mute)
	if do != stepEnd {
		k.timer.Reset(wait)
	}
	return do
}

// mute reports whether a peer that was not heard is silent: where the
// application does not read, its bytes may only be waiting for that.
func (k *keepAlive) mute() bool {
	if k.unread != nil {
		return !k.unread()
	}
	return k.activity.waiting.Load()
}

// ping sends a ping. It has all the time in the world: when it does not get
// through, the next looks find silence, close the transport and so end it.
func (k *keepAlive) ping() {
	if !k.writing.CompareAndSwap(false, true) {
		return // the one before is still stuck; the peer has sent something since
	}
	defer k.writing.Store(false)
	pings := k.conn.ownPings()
	if k.last != nil {
		pings.forget(k.last)
	}
	k.last = pings.begin(nil)
	// What is wrong if it cannot be sent, the silence will tell.
	k.conn.writeControl(opPing, k.last.payload[:], unlimited)
}
