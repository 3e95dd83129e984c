package websocket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// echoCloseFrame makes the peer read frames and answer a close frame with the same.
// It returns a channel with the payload of that.
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

// TestGroupShutdown checks that all members are closed at the same time, and so are
// connections that are added later.
func TestGroupShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, members, peers := newGroup(t, 10)
		require.Equal(t, ErrInvalidCloseCode, g.Shutdown(t.Context(), 1006, ""))
		require.Equal(t, ErrCloseReasonTooLong, g.Shutdown(t.Context(), 1001, longText))
		require.False(t, g.isEnding(), "an invalid call has no effect")
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
			if c.write.frames.client {
				code = CloseNormalClosure // a client may not send 1001
			}
			require.Equal(t, string(FormatCloseMessage(code, "restart")), <-closed[i])
			require.Equal(t, CloseInfo{code, "restart", true}, c.CloseInfo())
		}
		require.Zero(t, g.Len())
		require.NoError(t, g.Shutdown(ctx, CloseGoingAway, ""), "no members any more")
		require.True(t, g.isEnding())

		for range 2 {
			c, p := mode{chunking: func() wstest.Chunking { return wstest.Whole }}.connect(t)
			g.Add(c)
			p.expect(true, opClose, string(FormatCloseMessage(CloseGoingAway, "restart")))
			time.Sleep(lingerTime / 2) // the peer has lingerTime to answer
			p.send(p.close(CloseGoingAway, ""))
			p.conn.CloseWrite()
			<-c.Done()
			require.True(t, c.CloseInfo().WasClean)
			cancel() // the second connection is added after the context has ended
		}
	})
}

// TestGroupShutdownEndsWithItsContext checks that members whose peers do not answer
// are closed when the context ends.
func TestGroupShutdownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, members, peers := newGroup(t, 10)
		for _, p := range peers[:5] {
			p.echoCloseFrame()
		}
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		start := time.Now()
		unlimited := make(chan error, 1)
		go func() { unlimited <- g.Shutdown(context.Background(), CloseGoingAway, "") }()
		require.Equal(t, context.DeadlineExceeded, g.Shutdown(ctx, CloseGoingAway, ""))
		require.Equal(t, settleTime, time.Since(start))
		require.NoError(t, <-unlimited)
		require.Zero(t, g.Len())
		for i, c := range members {
			require.Equal(t, i < 5, c.CloseInfo().WasClean)
		}
		require.NoError(t, g.Shutdown(ctx, CloseGoingAway, ""), "an empty group does not wait")
	})
}

// TestGroupShutdownWhileMembersChange adds, removes and closes members meanwhile. No
// member is left, and every call returns.
func TestGroupShutdownWhileMembersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, members, peers := newGroup(t, 100)
		for _, p := range peers {
			p.echoCloseFrame()
		}
		var all sync.WaitGroup
		for i, c := range members {
			all.Go(func() { g.BroadcastText("hello") })
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

// TestGroupOfAServer registers Group.Shutdown with an http.Server, whose Shutdown does
// not close hijacked connections itself.
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
	done := make(chan error, 1)
	server.RegisterOnShutdown(func() { done <- g.Shutdown(t.Context(), CloseGoingAway, "restart") })
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
	require.NoError(t, <-done)
	require.Equal(t, http.ErrServerClosed, <-served)
	require.Zero(t, g.Len())
	for range clients {
		require.Equal(t, &CloseError{CloseGoingAway, "restart"}, <-ended)
	}
}

// TestUpgraderRefusesWhenItsGroupHasEnded checks that an Upgrader refuses requests
// after the Shutdown of its Group, with 503.
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
