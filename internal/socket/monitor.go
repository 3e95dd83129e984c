package socket

import (
	"crypto/tls"
	"net"
	"syscall"
)

// An Activity is what a [Monitor] finds out about the peer of a socket.
type Activity int

const (
	// Unknown means that nothing was received, and that this may be so because
	// the receive buffer has no room.
	Unknown Activity = iota

	// Idle means that nothing was received.
	Idle

	// Active means that something was received.
	Active
)

// A Monitor finds out whether a socket receives anything, read or not, without
// reading from it. Its methods must not be called concurrently, but may be
// called while other goroutines use the socket.
type Monitor struct {
	raw   syscall.RawConn
	limit int  // of sample.unread
	mptcp bool // the connection may consist of several TCP connections
	last  sample
}

// The number of unread bytes from which on the peer may have no room to send,
// where that is not known more exactly. A Unix socket on Linux is full after some
// 280 writes, however short.
const (
	unreadLimitTCP  = 4 << 10
	unreadLimitUnix = 512
)

// NewMonitor returns a Monitor for the socket of conn, which is a *net.TCPConn, a
// *net.UnixConn, a [*Conn], or a *tls.Conn over one of them. For other types, and on
// systems where it cannot work, it returns nil. A type that embeds *net.TCPConn
// is another type: it may have a buffer of its own.
func NewMonitor(conn net.Conn) *Monitor {
	if !canLook {
		return nil
	}
	for {
		t, ok := conn.(*tls.Conn)
		if !ok {
			break
		}
		conn = t.NetConn()
	}
	m := &Monitor{}
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		m.limit = unreadLimitTCP
		m.mptcp, _ = c.MultipathTCP()
		m.raw, err = c.SyscallConn()
	case *net.UnixConn:
		m.limit = unreadLimitUnix
		m.raw, err = c.SyscallConn()
	case *Conn:
		m.limit, m.mptcp = unreadLimitTCP, c.isMultipath()
		if c.LocalAddr().Network() != "tcp" {
			m.limit = unreadLimitUnix
		}
		m.raw, err = c.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	return m
}

// Check reports what was received since the last call, or since the socket was
// opened. read tells it that bytes were read from the socket since then: a
// kernel that does not count received bytes knows only those that are unread.
func (m *Monitor) Check(read bool) Activity {
	before, now := m.last, sample{}
	// Not Read, which waits while another goroutine reads.
	err := m.raw.Control(func(fd uintptr) { now = m.look(fd) })
	if err != nil { // the socket is closed
		return Unknown
	}
	m.last = now
	return now.since(before, read)
}

// A sample is what the kernel tells about a socket at one time.
type sample struct {
	// received is the number of bytes received so far, zero where that is not
	// counted. With TLS, that includes bytes of records that are incomplete.
	received uint64

	// segments is the number of TCP segments received so far, zero where that
	// is not counted. Acknowledgments without data are among them.
	segments uint32

	// unread is the number of bytes that wait to be read, up to a limit. It is
	// set only where received is zero.
	unread int

	// full means that the peer may have no room to send more. It may be false
	// if something was received since the last sample.
	full bool
}

// since returns what happened between two samples. read is as in Check.
func (now sample) since(before sample, read bool) Activity {
	counted := now.received != 0
	switch {
	case read,
		counted && now.received != before.received,
		!counted && now.unread != before.unread:
		return Active
	case !now.full:
		return Idle
	case now.segments != before.segments:
		// A peer that has no room to send can still acknowledge what it gets.
		return Active
	case now.segments != 0:
		return Idle
	}
	return Unknown
}
