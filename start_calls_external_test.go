package websocket_test

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestStartBlockingFunctions: functions that block hold up their own connections only.
func TestStartBlockingFunctions(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		if r.client {
			t.Skip("a server of its own for each")
		}
		release := make(chan struct{})
		var blocked atomic.Int32
		events := websocket.Events{ReuseData: true, Message: func(c *websocket.Conn, m websocket.Message) {
			if string(m.Data) == "block" {
				blocked.Add(1)
				<-release
			}
			c.WriteMessage(m.Type, m.Data)
		}}
		const n = 20
		var stuck []*rawPeer
		for range n {
			_, p := start(t, r, options{}, events)
			p.send(p.frame(finText, "block"), p.frame(finText, "behind"))
			stuck = append(stuck, p)
		}
		_, p := start(t, r, options{}, events)
		for i := range 100 {
			p.send(p.frame(finText, fmt.Sprint(i)))
			f, err := p.next()
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), f.payload)
		}
		wstest.Settle(t, "blocked functions", func() bool { return blocked.Load() == n })
		close(release)
		for _, p := range stuck {
			for _, want := range []string{"block", "behind"} {
				f, err := p.next()
				require.NoError(t, err)
				require.Equal(t, want, f.payload)
			}
		}
	})
}

// TestCallLimit: no more functions run than may, and everybody has a turn. Those who
// wait read nothing, so that their peers have to wait.
func TestCallLimit(t *testing.T) {
	websocket.NeedsSockets(t)
	for _, r := range []route{tcpRoutes[0], tlsRoutes[0], http2Routes[0]} { // over HTTP/2 each has a goroutine
		t.Run(r.String(), func(t *testing.T) {
			const limit, conns, messages = 3, 20, 10
			var running, most, calls atomic.Int32
			events := websocket.Events{Limit: websocket.NewCallLimit(limit), ReuseData: true, Message: func(c *websocket.Conn, m websocket.Message) {
				now := running.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				calls.Add(1)
				time.Sleep(time.Millisecond)
				running.Add(-1)
				c.WriteMessage(m.Type, m.Data)
			}}
			var peers []*rawPeer
			for range conns {
				_, p := startUpgraded(t, r, options{}, events)
				peers = append(peers, p)
			}
			for i := range messages {
				for _, p := range peers {
					p.send(p.frame(finText, fmt.Sprint(i)))
				}
			}
			for _, p := range peers {
				for i := range messages {
					f, err := p.next()
					require.NoError(t, err)
					require.Equal(t, fmt.Sprint(i), f.payload)
				}
			}
			assert.EqualValues(t, conns*messages, calls.Load())
			assert.LessOrEqual(t, most.Load(), int32(limit))
		})
	}
	require.PanicsWithValue(t, "websocket: NewCallLimit needs a positive number", func() { websocket.NewCallLimit(0) })
}

// TestCallLimitHoldsUpPeers: the peer of a connection that has to wait can write no more
// than fits into the sockets.
func TestCallLimitHoldsUpPeers(t *testing.T) {
	websocket.NeedsSockets(t)
	limit := websocket.NewCallLimit(1)
	opened, release := make(chan struct{}), make(chan struct{})
	_, p := startUpgraded(t, route{network: "tcp"}, narrow, websocket.Events{Limit: limit, Open: func(*websocket.Conn) {
		close(opened)
		<-release
	}})
	<-opened
	got := make(chan int, 1000)
	_, q := startUpgraded(t, route{network: "tcp"}, narrow, websocket.Events{Limit: limit,
		Message: func(_ *websocket.Conn, m websocket.Message) { got <- len(m.Data) }})
	q.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	frames := bytes.Repeat(q.frame(finBinary, longMessage("flood", 100_000)), 100)
	n, err := q.Write(frames)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, n, len(frames))
	require.Empty(t, got)
	close(release)
	q.SetWriteDeadline(time.Time{})
	go q.Write(frames[n:]) // it ends with the connection
	require.Equal(t, 100_000, wait(t, got, "a message"))
	_ = p
}

// TestStartFairness: a peer that floods does not keep others from their turns.
func TestStartFairness(t *testing.T) {
	websocket.NeedsSockets(t)
	var flooded atomic.Int64
	_, flood := startUpgraded(t, route{network: "tcp"}, options{}, websocket.Events{ReuseData: true,
		Message: func(*websocket.Conn, websocket.Message) { flooded.Add(1) }})
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		frames := bytes.Repeat(flood.frame(finBinary, "flood"), 10_000)
		for {
			if _, err := flood.Write(frames); err != nil {
				return
			}
		}
	}()
	defer flood.socket.Close()
	wstest.Settle(t, "the flood has begun", func() bool { return flooded.Load() > 0 })
	var l eventLog
	_, p := startUpgraded(t, route{network: "tcp"}, options{}, recordTo(&l))
	for i := range 100 {
		p.send(p.frame(finText, fmt.Sprint(i)))
		f, err := p.next()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), f.payload)
	}
}
