package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// agrees makes the peer read, and answer the close frame that it gets with the
// same, which it reports.
func (p *peer) echoCloseFrame() <-chan string {
	closed := make(chan string, 1)
	go func() {
		defer p.conn.Close()
		for {
			f, err := p.next()
			if err != nil {
				return
			}
			if f.opcode == opClose {
				closed <- f.payload
				p.conn.Write(p.frame(true, opClose, f.payload))
				p.conn.CloseWrite()
			}
		}
	}()
	return closed
}

// newGroup returns a group of n members in both roles, and their peers.
func newGroup(t *testing.T, n int) (*Group, []*Conn, []*peer) {
	g, members, peers := new(Group), make([]*Conn, n), make([]*peer, n)
	for i := range n {
		m := mode{i%2 == 1, func() wstest.Chunking { return wstest.Whole }, minBuffer}
		members[i], peers[i] = m.connect(t)
		g.Add(members[i])
	}
	return g, members, peers
}

// TestGroupShutdown closes all members at the same time, and those who come
// later.
func TestGroupShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, members, peers := newGroup(t, 10)
		require.Equal(t, ErrInvalidCloseCode, g.Shutdown(t.Context(), 1006, ""))
		require.Equal(t, ErrCloseReasonTooLong, g.Shutdown(t.Context(), 1001, longText))
		require.False(t, g.isEnding(), "nothing has happened")
		var closed []<-chan string
		for i, p := range peers {
			require.NoError(t, members[i].Send(TextMessage, []byte("queued")))
			closed = append(closed, p.echoCloseFrame())
		}
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		require.NoError(t, g.Shutdown(ctx, CloseGoingAway, "restart"))
		for i, c := range members {
			code := CloseGoingAway
			require.Equal(t, string(FormatCloseMessage(code, "restart")), <-closed[i])
			require.Equal(t, CloseInfo{code, "restart", true}, c.CloseInfo())
		}
		require.Zero(t, g.Len())
		require.NoError(t, g.Shutdown(ctx, CloseGoingAway, ""), "there is nobody any more")
		require.True(t, g.isEnding())

		for range 2 {
			c, p := mode{chunking: func() wstest.Chunking { return wstest.Whole }}.connect(t)
			g.Add(c)
			p.expect(true, opClose, string(FormatCloseMessage(CloseGoingAway, "restart")))
			time.Sleep(lingerTime / 2) // it has some time to answer
			p.send(p.close(CloseGoingAway, ""))
			p.conn.CloseWrite()
			<-c.Done()
			require.True(t, c.CloseInfo().WasClean)
			cancel() // the second comes when nobody waits any more
		}
	})
}

// TestGroupShutdownEndsWithItsContext: who does not answer is closed.
func TestGroupShutdownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, members, peers := newGroup(t, 10)
		for _, p := range peers[:5] {
			p.echoCloseFrame()
		}
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		start := time.Now()
		patient := make(chan error, 1)
		longText, cancelLong := context.WithTimeout(t.Context(), 10*settleTime)
		defer cancelLong()
		go func() { patient <- g.Shutdown(longText, CloseGoingAway, "") }()
		require.Equal(t, context.DeadlineExceeded, g.Shutdown(ctx, CloseGoingAway, ""))
		require.Equal(t, settleTime, time.Since(start))
		require.NoError(t, <-patient)
		require.Zero(t, g.Len())
		for i, c := range members {
			require.Equal(t, i < 5, c.CloseInfo().WasClean)
		}
		require.NoError(t, g.Shutdown(ctx, CloseGoingAway, ""), "an empty group has nothing to wait for")

		g, _, _ = newGroup(t, 10)
		start = time.Now()
		require.Equal(t, context.DeadlineExceeded, g.Shutdown(context.Background(), CloseGoingAway, ""))
		require.Equal(t, shutdownTimeout, time.Since(start), "the default")

		g, _, _ = newGroup(t, 10)
		start = time.Now()
		require.Equal(t, context.DeadlineExceeded, g.Shutdown(ctx, CloseGoingAway, ""), "it had ended before")
		require.Zero(t, time.Since(start))
	})
}

// TestGroupShutdownWhileMembersChange: members come and go meanwhile. Nobody
// stays, and nobody waits for ever.
func TestGroupShutdownWhileMembersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, members, peers := newGroup(t, 100)
		for _, p := range peers {
			p.echoCloseFrame()
		}
		var all sync.WaitGroup
		for i, c := range members {
			all.Go(func() { g.BroadcastText("news") })
			switch i % 4 {
			case 0:
				all.Go(func() { c.Close() })
			case 1:
				all.Go(func() {
					g.Remove(c)
					g.Add(c)
				})
			case 2:
				all.Go(func() {
					late, p := mode{chunking: func() wstest.Chunking { return wstest.Whole }}.connect(t)
					p.echoCloseFrame()
					g.Add(late)
				})
			}
			if i%10 == 5 {
				all.Go(func() { assert.NoError(t, g.Shutdown(context.Background(), 1001, "")) })
			}
		}
		all.Wait()
		require.NoError(t, g.Shutdown(context.Background(), 1001, ""))
		require.Zero(t, g.Len())
	})
}

// TestGroupOfAServer: http.Server.Shutdown does not know of the connections,
// but can call what does.
func TestGroupOfAServer(t *testing.T) {
	var g Group
	upgrader := Upgrader{Group: &g}
	joined := make(chan bool)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		joined <- true
		for err == nil {
			_, _, err = c.ReadMessage()
		}
	})}
	gone := make(chan error, 1)
	server.RegisterOnShutdown(func() { gone <- g.Shutdown(t.Context(), CloseGoingAway, "restart") })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	const clients = 20
	ended := make(chan error, clients)
	for range clients {
		c, _, err := DefaultDialer.Dial("ws://"+l.Addr().String(), nil)
		require.NoError(t, err)
		<-joined
		go func() {
			_, _, err := c.ReadMessage()
			c.Close()
			ended <- err
		}()
	}
	require.Equal(t, clients, g.Len())
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-gone)
	require.Equal(t, http.ErrServerClosed, <-served)
	require.Zero(t, g.Len())
	for range clients {
		require.Equal(t, &CloseError{CloseGoingAway, "restart"}, <-ended)
	}
}

// TestUpgraderRefusesWhenItsGroupHasEnded, and only then.
func TestUpgraderRefusesWhenItsGroupHasEnded(t *testing.T) {
	var g Group
	upgrader := Upgrader{Group: &g}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			assert.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("welcome"))
			c.ReadMessage()
			c.Close()
		}
	}))
	defer server.Close()
	c, _, err := DefaultDialer.Dial(server.URL, nil)
	require.NoError(t, err)
	_, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "welcome", string(data))
	var left sync.WaitGroup
	left.Go(func() {
		_, _, err := c.ReadMessage()
		assert.True(t, IsCloseError(err, CloseServiceRestart))
		c.Close()
	})
	require.NoError(t, g.Shutdown(t.Context(), CloseServiceRestart, ""))
	left.Wait()

	_, resp, err := DefaultDialer.Dial(server.URL, nil)
	require.True(t, errors.Is(err, ErrBadHandshake), err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
}

// A stalledWriter hijacks to a connection whose first Write waits.
type stalledWriter struct {
	http.ResponseWriter
	conn stalledConn
}

type stalledConn struct {
	net.Conn
	begun, release chan struct{}
}

func (w *stalledWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.conn.Conn = conn
	return &w.conn, buffered, err
}

func (c *stalledConn) Write(p []byte) (int, error) {
	select {
	case <-c.begun:
	default:
		close(c.begun)
		<-c.release
	}
	return c.Conn.Write(p)
}

// TestGroupShutdownDuringUpgrade: a request that was acceptingResponse before Shutdown
// is waited for while it is answered, and its connection gets a close frame.
func TestGroupShutdownDuringUpgrade(t *testing.T) {
	for _, giveUp := range []bool{false, true} {
		t.Run(fmt.Sprintf("give up %v", giveUp), func(t *testing.T) {
			var g Group
			upgrader := Upgrader{Group: &g}
			var released atomic.Bool
			begun, release := make(chan struct{}), make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := upgrader.Upgrade(&stalledWriter{w, stalledConn{begun: begun, release: release}}, r, nil)
				if assert.NoError(t, err) {
					<-c.Done()
				}
			}))
			defer server.Close()
			received := make(chan error, 1)
			go func() {
				c, _, err := DefaultDialer.Dial(server.URL, nil)
				if err == nil {
					_, _, err = c.ReadMessage()
					c.Close()
				}
				received <- err
			}()
			<-begun

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			type result struct {
				err      error
				released bool // before Shutdown returned
			}
			done := make(chan result, 1)
			go func() {
				err := g.Shutdown(ctx, CloseGoingAway, "restart")
				done <- result{err, released.Load()}
			}()
			for !g.isEnding() {
				runtime.Gosched()
			}
			if giveUp {
				cancel()
				require.Equal(t, result{context.Canceled, false}, <-done)
				close(release)
			} else {
				released.Store(true)
				close(release)
				require.Equal(t, result{nil, true}, <-done)
			}
			require.Equal(t, &CloseError{CloseGoingAway, "restart"}, <-received)
		})
	}
}
