package websocket

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A socketTest is one of the circumstances under which a connection over a
// socket has to behave the same.
type socketTest struct {
	kind   string // tcp, tls or unix
	client bool   // the role of the Conn under test
}

// eachSocket runs a test once for each kind of socket and role.
func eachSocket(t *testing.T, test func(t *testing.T, s socketTest)) {
	needMonitor(t)
	for _, kind := range []string{"tcp", "tls", "unix"} {
		for _, role := range []string{"server", "client"} {
			t.Run(kind+"/"+role, func(t *testing.T) { test(t, socketTest{kind, role == "client"}) })
		}
	}
}

// needMonitor skips a test where sockets cannot be monitored.
func needMonitor(t *testing.T) {
	if a, _ := socketPair(t); socket.NewMonitor(a) == nil {
		t.Skip("sockets cannot be monitored here")
	}
}

// connect returns a Conn with a KeepAlive, which is driven by the test rather
// than by time, and the other end.
func (s socketTest) connect(t *testing.T) (*Conn, *keepAlive, net.Conn) {
	a, b := s.sockets(t)
	if s.kind == "tls" {
		a, b = overTLS(t, a, b, s.client)
	}
	c, alive := s.conn(t, a)
	return c, alive, b
}

// conn returns the Conn under test over a transport.
func (s socketTest) conn(t *testing.T, a net.Conn) (*Conn, *keepAlive) {
	c := newConn(a, connConfig{client: s.client})
	alive := c.startKeepAlive(KeepAlive{Interval: time.Hour, Timeout: time.Hour})
	t.Cleanup(func() { c.Close() })
	return c, alive
}

func (s socketTest) sockets(t *testing.T) (a, b net.Conn) {
	if s.kind != "unix" {
		return socketPair(t)
	}
	wstest.NeedUnixSockets(t)
	dir, err := os.MkdirTemp("", "") // not that of t: a socket's name must be short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", dir+"/socket")
	require.NoError(t, err)
	defer l.Close()
	b, err = net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	a, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// overTLS returns TLS connections over a and b, after the handshake.
func overTLS(t *testing.T, a, b net.Conn, client bool) (_, _ net.Conn) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	serverConfig := server.TLS.Clone()
	serverConfig.DynamicRecordSizingDisabled = true
	// Version 1.2 has no messages after the handshake.
	clientConfig := &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true, MaxVersion: tls.VersionTLS12}
	x, y := tls.Server(a, serverConfig), tls.Client(b, clientConfig)
	if client {
		x, y = tls.Client(a, clientConfig), tls.Server(b, serverConfig)
	}
	done := make(chan error, 1)
	go func() { done <- x.Handshake() }()
	require.NoError(t, y.Handshake())
	require.NoError(t, <-done)
	return x, y
}

// waitActive waits until the socket of c has received something that a monitor
// of the test's own has not seen before.
func waitActive(t *testing.T, m *socket.Monitor) {
	t.Helper()
	wstest.Settle(t, "the received bytes", func() bool { return m.Check(false) == socket.Active })
}

// countsReceived reports whether the kernel counts the bytes that a TCP socket
// receives.
func countsReceived(t *testing.T) bool {
	needMonitor(t)
	a, b := socketPair(t)
	m := socket.NewMonitor(a)
	_, err := b.Write([]byte("x"))
	require.NoError(t, err)
	_, err = a.Read(make([]byte, 1))
	require.NoError(t, err)
	return m.Check(false) == socket.Active
}

// TestKeepAliveWithUnreadPongs: a peer that answers every ping is not given up,
// and one that stops newFakeNetwork is. Nobody readUntilError.
func TestKeepAliveWithUnreadPongs(t *testing.T) {
	eachSocket(t, func(t *testing.T, s socketTest) {
		c, alive, b := s.connect(t)
		m := socket.NewMonitor(c.NetConn())
		other := newConn(b, connConfig{client: !s.client})
		answers := 0
		other.SetPingHandler(func(payload string) error {
			if answers++; answers > 10 {
				return nil
			}
			return other.WriteControl(PongMessage, []byte(payload), time.Time{})
		})
		ended := readUntilError(other)
		alive.check() // finds the handshake
		m.Check(true)
		for range 10 {
			alive.check() // finds nothing, and sends a ping
			waitActive(t, m)
			alive.check() // finds the pong
		}
		require.EqualValues(t, 10, c.pingsSent())
		for range 3 {
			require.Equal(t, StateOpen, c.State())
			alive.check()
		}
		require.EqualValues(t, 11, c.pingsSent())
		<-c.Done()
		_, _, err := c.ReadMessage()
		require.Equal(t, ErrKeepAlive, err)
		<-ended
	})
}

// TestUnreadPongsStayReadable: monitoring the socket takes nothing from it.
func TestUnreadPongsStayReadable(t *testing.T) {
	eachSocket(t, func(t *testing.T, s socketTest) {
		c, alive, b := s.connect(t)
		m := socket.NewMonitor(c.NetConn())
		other := newConn(b, connConfig{client: !s.client})
		ended := readUntilError(other)
		for range 2 {
			alive.check()
		}
		waitActive(t, m)
		readUntilError(c)
		_, err := c.Ping(t.Context())
		require.NoError(t, err)
		c.Close()
		<-ended
	})
}

// TestKeepAliveAfterTheLastRead: a peer that vanishes after its messages were
// read is given up, though nobody readUntilError any more.
func TestKeepAliveAfterTheLastRead(t *testing.T) {
	eachSocket(t, func(t *testing.T, s socketTest) {
		c, alive, b := s.connect(t)
		p := &peer{t: t, masked: !s.client}
		_, err := b.Write(append(p.text("1"), p.text("2")...))
		require.NoError(t, err)
		for i := range 2 {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, string(rune('1'+i)), string(data))
		}
		for range 4 {
			require.Equal(t, StateOpen, c.State())
			alive.check()
		}
		<-c.Done()
		_, _, err = c.ReadMessage()
		require.Equal(t, ErrKeepAlive, err)
	})
}

// TestKeepAliveDuringATLSRecord: a record of 16 kB arrives in pieces. crypto/tls
// returns nothing of it before it is complete, but every piece counts.
func TestKeepAliveDuringATLSRecord(t *testing.T) {
	if !countsReceived(t) {
		t.Skip("the kernel does not count received bytes")
	}
	for _, client := range []bool{false, true} {
		s := socketTest{"tls", client}
		socketA, socketB := s.sockets(t)
		held := &heldConn{Conn: socketB}
		a, b := overTLS(t, socketA, held, client)
		c, alive := s.conn(t, a)
		m := socket.NewMonitor(a)
		go func() { // the pings, of which the peer answers none
			io.Copy(io.Discard, b)
		}()
		held.holds = true
		p := &peer{t: t, masked: !client}
		_, err := b.Write(p.text(longText[:16000]))
		require.NoError(t, err)
		require.Less(t, len(held.data), 16200, "it is one record")
		got := make(chan string, 1)
		go func() {
			_, data, _ := c.ReadMessage()
			got <- string(data)
		}()
		waitActive(t, m)
		for piece := range slices.Chunk(held.data, 200) {
			require.Empty(t, got)
			_, err := socketB.Write(piece)
			require.NoError(t, err)
			waitActive(t, m)
			alive.check()
			alive.check()
		}
		require.Equal(t, longText[:16000], <-got)
		require.Equal(t, StateOpen, c.State())
	}
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

// TestKeepAliveWithAFullReceiveBuffer: a peer that has no room to send is not
// given up, whether or not it readUntilError.
func TestKeepAliveWithAFullReceiveBuffer(t *testing.T) {
	eachSocket(t, func(t *testing.T, s socketTest) {
		c, alive, b := s.connect(t)
		m := socket.NewMonitor(c.NetConn())
		counts := s.kind != "unix" && countsReceived(t)
		p := &peer{t: t, masked: !s.client}
		messages := bytes.Repeat(p.text(longText[:1000]), 64)
		require.NoError(t, b.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		var err error
		for err == nil {
			_, err = b.Write(messages)
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		for range 10 {
			m.Check(false)
			alive.check()
			alive.check()
			if counts {
				waitActive(t, m) // the acknowledgment of the ping
			}
		}
		require.Equal(t, StateOpen, c.State())
		for range 20 {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, longText[:1000], string(data))
		}
	})
}

// TestKeepAliveNeedsNoReader in real time: a peer that answers one ping, and
// then nothing, is given up although its pong is still unread.
func TestKeepAliveNeedsNoReader(t *testing.T) {
	needMonitor(t)
	k := KeepAlive{Interval: 50 * time.Millisecond, Timeout: 2 * time.Second}
	// answerOnce answers one ping, and returns when there was another.
	answerOnce := func(t *testing.T, c *Conn) {
		pings := make(chan struct{}, 10)
		c.SetPingHandler(func(payload string) error {
			pings <- struct{}{}
			if len(pings) > 1 {
				return nil
			}
			return c.WriteControl(PongMessage, []byte(payload), time.Time{})
		})
		<-readUntilError(c)
		assert.Len(t, pings, 2)
	}
	// waitForEnd waits for the end of a connection that nobody readUntilError.
	waitForEnd := func(t *testing.T, c *Conn) {
		select {
		case <-c.Done():
		case <-time.After(20 * time.Second):
			t.Error("the peer is not given up")
		}
		assert.Equal(t, CloseAbnormalClosure, c.CloseInfo().Code)
		c.Close()
		_, _, err := c.ReadMessage()
		assert.Equal(t, ErrKeepAlive, err)
	}
	for _, secure := range []bool{false, true} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("tls=%v/client=%v", secure, client), func(t *testing.T) {
				t.Parallel()
				var upgrader Upgrader
				var dialer Dialer
				onServer, onClient := answerOnce, waitForEnd
				if client {
					dialer.KeepAlive = k
				} else {
					upgrader.KeepAlive = k
					onServer, onClient = waitForEnd, answerOnce
				}
				served := make(chan struct{})
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(served)
					c, err := upgrader.Upgrade(w, r, nil)
					if assert.NoError(t, err) {
						defer c.Close()
						onServer(t, c)
					}
				}))
				if secure {
					server.StartTLS()
					dialer.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
				} else {
					server.Start()
				}
				defer server.Close()
				c, _, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
				require.NoError(t, err)
				defer c.Close()
				onClient(t, c)
				<-served
			})
		}
	}
}
