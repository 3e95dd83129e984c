package socket

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// pair returns the two ends of a connection.
func pair(t *testing.T, network string) (a, b net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		needLook(t)
		wstest.NeedUnixSockets(t)
		dir, err := os.MkdirTemp("", "") // not that of t: a socket's name must be short
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		address = dir + "/socket"
	}
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	defer l.Close()
	b, err = net.Dial(network, l.Addr().String())
	require.NoError(t, err)
	a, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// overTLS returns a TLS connection over each of two ends, after the handshake.
func overTLS(t *testing.T, a, b net.Conn) (server, client *tls.Conn) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	server = tls.Server(a, s.TLS)
	client = tls.Client(b, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	require.NoError(t, client.Handshake())
	require.NoError(t, <-done)
	return server, client
}

// needLook skips a test where sockets cannot be monitored.
func needLook(t *testing.T) {
	if !canLook {
		t.Skip("sockets cannot be monitored here")
	}
}

// newMonitor returns a Monitor for a connection, which must have one.
func newMonitor(t *testing.T, conn net.Conn) *Monitor {
	t.Helper()
	needLook(t)
	m := NewMonitor(conn)
	require.NotNil(t, m)
	return m
}

// requireActive waits until m finds that something was received.
func requireActive(t *testing.T, m *Monitor) {
	t.Helper()
	wstest.Settle(t, "the received bytes", func() bool { return m.Check(false) == Active })
}

// counts reports whether m counts received bytes, of which there must be some.
func (m *Monitor) counts() bool { return m.last.received != 0 }

// fill writes p to b, of which nothing is read, until no more can be written. It
// returns the number of bytes written.
func fill(t *testing.T, b net.Conn, p []byte) (size int64) {
	t.Helper()
	for range 3 { // the kernel may find more room after a while
		require.NoError(t, b.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
		for {
			n, err := b.Write(p)
			size += int64(n)
			if err != nil {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				break
			}
		}
	}
	return size
}

var block = make([]byte, 64<<10)

func TestUnreadBytesAreActivity(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			m := newMonitor(t, a)
			require.Equal(t, Idle, m.Check(false))
			for i := range 10 {
				b.Write([]byte("x"))
				requireActive(t, m)
				for range 3 {
					require.Equal(t, Idle, m.Check(false), "the same bytes do not count twice")
				}
				if i == 5 {
					_, err := io.ReadFull(a, make([]byte, 6))
					require.NoError(t, err, "they can still be read")
					require.Equal(t, m.counts(), m.Check(false) == Idle)
				}
			}
		})
	}
}

// TestReadBytesAreActivity: where the kernel counts, without being told, and
// else only when told.
func TestReadBytesAreActivity(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			m := newMonitor(t, a)
			for range 3 {
				b.Write([]byte("x"))
				_, err := a.Read(make([]byte, 1))
				require.NoError(t, err)
				require.Equal(t, Active, m.Check(!m.counts()))
				require.Equal(t, Idle, m.Check(false))
			}
			require.Equal(t, Active, m.Check(true))
			require.Equal(t, Idle, m.Check(false))
		})
	}
}

// TestCheckBesideAReader that waits for bytes.
func TestCheckBesideAReader(t *testing.T) {
	a, b := pair(t, "tcp")
	m := newMonitor(t, a)
	done := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		done <- err
	}()
	for range 100 {
		require.Equal(t, Idle, m.Check(false))
	}
	b.Write([]byte("x"))
	require.NoError(t, <-done)
}

// TestIncompleteRecordsAreActivity: crypto/tls has read them, and returns
// nothing of them yet.
func TestIncompleteRecordsAreActivity(t *testing.T) {
	a, b := pair(t, "tcp")
	held := &heldConn{Conn: b}
	server, client := overTLS(t, a, held)
	m := newMonitor(t, server)
	m.Check(true)
	if !m.counts() {
		t.Skip("the kernel does not count received bytes")
	}
	held.holds = true
	_, err := client.Write(make([]byte, 1000))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := server.Read(make([]byte, 1))
		done <- err
	}()
	require.Greater(t, len(held.data), 1000)
	for _, c := range held.data {
		require.Empty(t, done)
		b.Write([]byte{c})
		requireActive(t, m)
	}
	require.NoError(t, <-done)
	require.Equal(t, Idle, m.Check(false))
}

// A heldConn does not write while it holds: it keeps the data.
type heldConn struct {
	net.Conn
	holds bool
	data  []byte
}

func (c *heldConn) Write(p []byte) (int, error) {
	if !c.holds {
		return c.Conn.Write(p)
	}
	c.data = append(c.data, p...)
	return len(p), nil
}

// TestFullReceiveBuffers: a peer that has no room to send is active if its
// kernel acknowledges data, and otherwise nothing is known about it.
func TestFullReceiveBuffers(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10} {
		a, b := pair(t, "tcp")
		m := newMonitor(t, a)
		if size > 0 {
			require.NoError(t, a.(*net.TCPConn).SetReadBuffer(size))
		}
		require.Equal(t, Idle, m.Check(false))
		require.False(t, m.last.full)
		written := fill(t, b, block)
		require.Equal(t, Active, m.Check(false))
		for range 3 {
			m.Check(false) // there may have been a window probe
			require.True(t, m.last.full)
			if m.counts() {
				a.Write([]byte("x"))
				requireActive(t, m)
			} else {
				require.Equal(t, Unknown, m.Check(false))
			}
		}
		if size == 1 {
			continue // reading all of it would take minutes
		}
		_, err := io.CopyN(io.Discard, a, written)
		require.NoError(t, err)
		requireActive(t, m)
		require.Equal(t, Idle, m.Check(false))
	}
	a, b := pair(t, "unix")
	m := newMonitor(t, a)
	fill(t, b, block)
	require.Equal(t, Active, m.Check(false))
	require.Equal(t, Unknown, m.Check(false))
}

// TestFullOfSmallMessages: a Unix socket is full of messages long before it is
// full of bytes.
func TestFullOfSmallMessages(t *testing.T) {
	a, b := pair(t, "unix")
	m := newMonitor(t, a)
	fill(t, b, []byte("xx"))
	require.Equal(t, Active, m.Check(false))
	require.Equal(t, Unknown, m.Check(false))
}

func TestMonitorOfAClosedSocket(t *testing.T) {
	a, _ := pair(t, "tcp")
	m := newMonitor(t, a)
	require.Equal(t, Idle, m.Check(false))
	a.Close()
	require.Equal(t, Unknown, m.Check(true))
}

func TestTransportsWithoutAMonitor(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.Nil(t, NewMonitor(a))
	require.Nil(t, NewMonitor(tls.Client(a, &tls.Config{InsecureSkipVerify: true})))
	tcp, _ := pair(t, "tcp")
	require.Nil(t, NewMonitor(struct{ *net.TCPConn }{tcp.(*net.TCPConn)}), "it may have a buffer of its own")
	twice := tls.Client(tls.Client(tcp, nil), nil) // through an https proxy
	require.Equal(t, canLook, NewMonitor(twice) != nil)
}

func TestSince(t *testing.T) {
	for _, c := range []struct {
		name        string
		before, now sample
		read        bool
		want        Activity
	}{
		{name: "nothing ever", want: Idle},

		{name: "counted, first", now: sample{received: 5, segments: 2}, want: Active},
		{name: "counted, more", before: sample{received: 5}, now: sample{received: 6}, want: Active},
		{name: "counted, the same", before: sample{received: 5}, now: sample{received: 5}, want: Idle},
		{name: "counted, old bytes read", before: sample{received: 5}, now: sample{received: 5}, read: true, want: Active},
		{name: "counted, an acknowledgment", before: sample{received: 5, segments: 2}, now: sample{received: 5, segments: 3}, want: Idle},
		{name: "counted, full, an acknowledgment", before: sample{received: 5, segments: 2}, now: sample{received: 5, segments: 3, full: true}, want: Active},
		{name: "counted, full, nothing", before: sample{received: 5, segments: 3, full: true}, now: sample{received: 5, segments: 3, full: true}, want: Idle},

		{name: "unread, first", now: sample{unread: 1}, want: Active},
		{name: "unread, more", before: sample{unread: 1}, now: sample{unread: 2}, want: Active},
		{name: "unread, less", before: sample{unread: 2}, now: sample{unread: 1}, want: Active},
		{name: "unread, the same", before: sample{unread: 2}, now: sample{unread: 2}, want: Idle},
		{name: "unread, full", before: sample{unread: 9, full: true}, now: sample{unread: 9, full: true}, want: Unknown},
		{name: "read", read: true, want: Active},
		{name: "read, full", before: sample{unread: 9, full: true}, now: sample{unread: 9, full: true}, read: true, want: Active},
	} {
		assert.Equal(t, c.want, c.now.since(c.before, c.read), c.name)
	}
}
