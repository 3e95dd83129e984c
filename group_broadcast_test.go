package websocket_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// broadcasts are the ways to broadcast a text message, which is a JSON value
// and has a newline at its end.
var broadcasts = map[string]func(g *websocket.Group, text string, except ...*websocket.Conn) websocket.BroadcastResult{
	"Broadcast": func(g *websocket.Group, text string, except ...*websocket.Conn) websocket.BroadcastResult {
		pm, _ := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text+"\n"))
		return g.Broadcast(pm, except...)
	},
	"BroadcastText": func(g *websocket.Group, text string, except ...*websocket.Conn) websocket.BroadcastResult {
		return g.BroadcastText(text+"\n", except...)
	},
	"BroadcastJSON": func(g *websocket.Group, text string, except ...*websocket.Conn) websocket.BroadcastResult {
		result, err := g.BroadcastJSON(jsonText(text), except...)
		if err != nil {
			return websocket.BroadcastResult{Missed: -1}
		}
		return result
	},
}

// membersOf returns members of all variants and their peers.
func membersOf(t *testing.T, g *websocket.Group, options websocket.ConnOptions) (members, peers []*websocket.Conn) {
	t.Helper()
	options.Group = g
	for _, over := range []string{"pipe", "TCP", "TLS"} {
		for _, deflate := range []bool{false, true} {
			for _, client := range []bool{false, true} {
				c, peer := variant{client, deflate, over}.connect(t, options)
				members, peers = append(members, c), append(peers, peer)
			}
		}
	}
	return members, peers
}

// TestBroadcastExcept: those in except do not get the message and do not count.
func TestBroadcastExcept(t *testing.T) {
	for name, broadcast := range broadcasts {
		t.Run(name, func(t *testing.T) {
			var g websocket.Group
			members, peers := membersOf(t, &g, websocket.ConnOptions{})
			stranger, _ := variant{over: "pipe"}.connect(t, websocket.ConnOptions{})
			n := len(members)
			for i, test := range []struct {
				except []*websocket.Conn
				sent   int
			}{
				{nil, n},
				{[]*websocket.Conn{}, n},
				{members[:1], n - 1},
				{members[3:5], n - 2},
				{[]*websocket.Conn{members[2], members[2], members[2]}, n - 1},
				{[]*websocket.Conn{stranger, nil}, n},
				{[]*websocket.Conn{stranger, members[0]}, n - 1},
				{members, 0},
			} {
				result := broadcast(&g, fmt.Sprint(i), test.except...)
				require.Equal(t, websocket.BroadcastResult{Sent: test.sent}, result, i)
				for j, peer := range peers {
					if !slices.Contains(test.except, members[j]) {
						receive(t, peer, fmt.Sprintln(i))
					}
				}
			}
			// There was nothing else.
			require.Equal(t, n, broadcast(&g, `"last"`).Sent)
			for _, peer := range peers {
				receive(t, peer, "\"last\"\n")
			}
		})
	}
}

// TestBroadcastBinaryExcept is the same for bytes.
func TestBroadcastBinaryExcept(t *testing.T) {
	var g websocket.Group
	members, peers := membersOf(t, &g, websocket.ConnOptions{})
	for i, c := range members {
		require.Equal(t, websocket.BroadcastResult{Sent: len(members) - 1}, g.BroadcastBinary([]byte{byte(i)}, c))
	}
	for i, peer := range peers {
		for j := range members {
			if i == j {
				continue
			}
			kind, data, err := peer.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, websocket.BinaryMessage, kind)
			require.Equal(t, []byte{byte(j)}, data)
		}
	}
}

// TestBroadcastJSONFails: what cannot be encoded is not sent.
func TestBroadcastJSONFails(t *testing.T) {
	var g websocket.Group
	_, peers := membersOf(t, &g, websocket.ConnOptions{})
	result, err := g.BroadcastJSON(func() {})
	require.ErrorContains(t, err, "json")
	require.Zero(t, result)
	result, err = g.BroadcastJSON(map[string]string{"to": "all"})
	require.NoError(t, err)
	require.Equal(t, websocket.BroadcastResult{Sent: len(peers)}, result)
	for _, peer := range peers {
		receive(t, peer, "{\"to\":\"all\"}\n")
	}
	result, err = new(websocket.Group).BroadcastJSON(1)
	require.NoError(t, err)
	require.Zero(t, result)
}

// TestSeveralGroups: a connection is in several groups and leaves all of them
// when it ends.
func TestSeveralGroups(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var room, all websocket.Group
		c, peer := v.connect(t, websocket.ConnOptions{Group: &all})
		room.Add(c)
		for _, g := range []*websocket.Group{&room, &all} {
			require.Equal(t, websocket.BroadcastResult{Sent: 1}, g.BroadcastText("to each"))
			receive(t, peer, "to each")
		}
		c.Close()
		require.Zero(t, room.Len())
		require.Zero(t, all.Len())
		require.NoError(t, all.Shutdown(t.Context(), websocket.CloseGoingAway, ""))
	})
}

// A slowEnd records what is told of the end of a connection whose peer does
// not read.
type slowEnd struct {
	mu     sync.Mutex
	events []string
	err    error // of Events.Error
}

func (s *slowEnd) add(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

// slowOptions are those of a connection with the hooks of s.
func (s *slowEnd) options() websocket.ConnOptions {
	return websocket.ConnOptions{SendQueueLimit: 10, Trace: &websocket.Trace{
		SlowPeer: func(*websocket.Conn) { s.add("slow") },
		Closed:   func(_ *websocket.Conn, info websocket.CloseInfo) { s.add(fmt.Sprint("closed ", info.Code)) },
	}}
}

// serve serves a connection, and returns a channel with the error of Serve.
func (s *slowEnd) serve(c *websocket.Conn) <-chan error {
	served := make(chan error, 1)
	go func() {
		served <- c.Serve(websocket.Events{
			Error: func(_ *websocket.Conn, err error) { s.err = err },
			Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
				if info.Code != websocket.CloseAbnormalClosure || info.WasClean {
					s.add("wrong CloseInfo")
				}
			},
		})
	}()
	return served
}

// expect checks that everybody has been told that the peer was slow. written is
// the error of a write that was under way, nil if there was none.
func (s *slowEnd) expect(t *testing.T, c *websocket.Conn, served error, written error) {
	t.Helper()
	require.Equal(t, websocket.ErrSlowPeer, served)
	require.Equal(t, websocket.ErrSlowPeer, s.err)
	_, _, err := c.ReadMessage()
	require.Equal(t, websocket.ErrSlowPeer, err)
	require.Equal(t, websocket.ErrSlowPeer, contextCause(c))
	require.Eventually(t, func() bool { // the hooks may be called behind the end
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Equal(s.events, []string{"slow", "closed 1006"})
	}, 10*time.Second, time.Millisecond)
	errs := map[string]error{
		"WriteMessage": c.WriteMessage(websocket.TextMessage, nil),
		"WriteControl": c.WriteControl(websocket.PingMessage, nil, time.Time{}),
		"Send":         c.Send(websocket.TextMessage, nil),
		"NextWriter":   func() error { _, err := c.NextWriter(websocket.TextMessage); return err }(),
		"Shutdown":     c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""),
		"Ping":         func() error { _, err := c.Ping(t.Context()); return err }(),
	}
	if written != nil {
		errs["the write under way"] = written
	}
	for name, err := range errs {
		require.ErrorIs(t, err, websocket.ErrSlowPeer, name)
		require.ErrorIs(t, err, net.ErrClosed, name)
		require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), name)
	}
	require.Equal(t, websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}, c.CloseInfo())
}

func contextCause(c *websocket.Conn) error {
	ctx := c.Context()
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestSlowCloseIsTheDefault: a member that misses a message leaves at once,
// and everybody is told why.
func TestSlowCloseIsTheDefault(t *testing.T) {
	require.Zero(t, websocket.SlowClose)
	eachVariant(t, func(t *testing.T, v variant) {
		t.Parallel() // some of them take a second
		var end slowEnd
		c, _ := v.connect(t, end.options())
		served := end.serve(c)
		missBroadcast(t, c)
		end.expect(t, c, withTestTimeout(t, "the end", served), nil)
	})
}

// TestSlowCloseBesideAWriter: a write that is stuck, and those that wait for it,
// are told too.
func TestSlowCloseBesideAWriter(t *testing.T) {
	for name, write := range map[string]func(c *websocket.Conn) error{
		"WriteMessage": func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte(longText)) },
		"NextWriter": func(c *websocket.Conn) error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				return err
			}
			if _, err := w.Write([]byte(longText)); err != nil {
				return err
			}
			return w.Close()
		},
		"Ping": func(c *websocket.Conn) error {
			c.Send(websocket.TextMessage, []byte("x")) // so that there is something to wait for
			return c.WriteControl(websocket.PingMessage, make([]byte, 125), time.Time{})
		},
	} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/client=%v", name, client), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := wstest.Pipe(8, wstest.Whole)
					var end slowEnd
					var g websocket.Group
					options := end.options()
					options.Group = &g
					c, _ := variant{client: client}.connectOver(t, a, b, options)
					served := end.serve(c)
					written, waiting := make(chan error, 1), make(chan error, 1)
					go func() { written <- write(c) }()
					synctest.Wait()
					go func() { waiting <- c.WriteMessage(websocket.TextMessage, nil) }()
					synctest.Wait()
					require.Equal(t, websocket.BroadcastResult{Missed: 1}, g.BroadcastText("longer than ten bytes"))
					require.Zero(t, g.Len())
					require.ErrorIs(t, <-waiting, websocket.ErrSlowPeer)
					end.expect(t, c, <-served, <-written)
				})
			})
		}
	}
}

// TestSlowCloseTells the peer, if it reads after all, and nothing after that.
func TestSlowCloseTells(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		if v.over == "TCP" {
			t.Skip("a socket that has room for the close frame has room for the message")
		}
		var g websocket.Group
		var end slowEnd
		c, peer := v.connect(t, end.options())
		g.Add(c)
		served, peerEnded := end.serve(c), drain(peer)
		random := make([]byte, 100)
		rand.Read(random)
		require.Equal(t, websocket.BroadcastResult{Missed: 1}, g.BroadcastBinary(random))
		err := withTestTimeout(t, "the peer's end", peerEnded)
		require.Equal(t, &websocket.CloseError{Code: websocket.CloseTryAgainLater}, err)
		end.expect(t, c, withTestTimeout(t, "the end", served), nil)
	})
}

// TestSlowInSeveralGroups: a slow member of two groups gets one close frame, and
// has the time to read it.
func TestSlowInSeveralGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(8, wstest.Whole)
		var end slowEnd
		c, peer := variant{}.connectOver(t, a, b, end.options())
		served := end.serve(c)
		groups := make([]websocket.Group, 5)
		for i := range groups {
			groups[i].Add(c)
		}
		require.NoError(t, c.Send(websocket.TextMessage, []byte("0123456789"))) // stuck
		synctest.Wait()
		for i := range groups {
			require.Equal(t, websocket.BroadcastResult{Missed: 1}, groups[i].BroadcastText("x"))
			require.Zero(t, groups[i].Len())
		}
		synctest.Wait()
		peerEnded := make(chan error, 1)
		go func() {
			time.Sleep(100 * time.Millisecond)
			receive(t, peer, "0123456789")
			time.Sleep(100 * time.Millisecond)
			_, _, err := peer.ReadMessage()
			peerEnded <- err
		}()
		require.Equal(t, &websocket.CloseError{Code: websocket.CloseTryAgainLater}, <-peerEnded)
		for i := range groups {
			require.NoError(t, groups[i].Shutdown(t.Context(), websocket.CloseGoingAway, ""))
		}
		end.expect(t, c, <-served, nil)
	})
}

// TestGroupShutdownWaitsForSlowMembers: those that were thrown out are closed
// when it returns.
func TestGroupShutdownWaitsForSlowMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, reads := range []bool{false, true} {
			a, b := wstest.Pipe(8, wstest.Whole)
			closed := make(chan struct{})
			var g websocket.Group
			options := websocket.ConnOptions{SendQueueLimit: 10, Group: &g}
			c, peer := variant{}.connectOver(t, closeRecorder{a, closed}, b, options)
			require.NoError(t, c.Send(websocket.TextMessage, []byte("0123456789")))
			if reads {
				drain(peer)
			}
			require.Equal(t, 1, g.BroadcastText("longer than ten bytes").Missed)
			require.NoError(t, g.Shutdown(t.Context(), websocket.CloseGoingAway, ""))
			select {
			case <-closed:
			default:
				t.Error("the transport is still open")
			}
			peer.Close()
		}
	})
}

// A closeRecorder tells when a connection in memory is closed.
type closeRecorder struct {
	*wstest.Conn
	closed chan struct{}
}

func (r closeRecorder) Close() error {
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
	return r.Conn.Close()
}

// TestWriteTimeoutTells: the same is told after WriteTimeout.
func TestWriteTimeoutTells(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var end slowEnd
		options := end.options()
		options.SendQueueLimit, options.WriteTimeout = -1, 50*time.Millisecond
		a, b := streamPair(t, v.over)
		if v.over == "pipe" {
			a, b = wstest.Pipe(1000, wstest.Whole)
		}
		c, _ := v.connectOver(t, a, b, options)
		served := end.serve(c)
		data := make([]byte, 1<<20)
		rand.Read(data)
		var err error
		for range 100 {
			if err = c.WriteMessage(websocket.BinaryMessage, data); err != nil {
				break
			}
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		end.expect(t, c, withTestTimeout(t, "the end", served), err)
	})
}

// TestSlowPolicies: with SlowDrop and SlowWait nobody is thrown out.
func TestSlowPolicies(t *testing.T) {
	for _, policy := range []websocket.SlowPolicy{websocket.SlowDrop, websocket.SlowWait} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.Pipe(8, wstest.Whole)
			g := websocket.Group{Slow: policy}
			c, peer := variant{}.connectOver(t, a, b, websocket.ConnOptions{SendQueueLimit: 10, Group: &g})
			require.NoError(t, c.Send(websocket.TextMessage, []byte("0123456789")))
			results := make(chan websocket.BroadcastResult, 1)
			go func() { results <- g.BroadcastText("longer than ten bytes", nil) }()
			synctest.Wait()
			receive(t, peer, "0123456789")
			if policy == websocket.SlowDrop {
				require.Equal(t, websocket.BroadcastResult{Missed: 1}, <-results)
			} else {
				receive(t, peer, "longer than ten bytes")
				require.Equal(t, websocket.BroadcastResult{Sent: 1}, <-results)
			}
			require.Equal(t, 1, g.Len())
			assert.Equal(t, websocket.StateOpen, c.State())
		})
	}
}
