package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// startUntilEnd starts a connection and waits for its end. It returns the error that
// read methods return after that.
func startUntilEnd(c *websocket.Conn) error {
	ended := make(chan error, 1)
	var failure error
	err := c.Start(websocket.Events{
		Error: func(_ *websocket.Conn, err error) { failure = err },
		Close: func(c *websocket.Conn, _ websocket.CloseInfo) {
			if failure == nil {
				failure = context.Cause(c.Context())
			}
			ended <- failure
		},
	})
	if err != nil {
		return err
	}
	return <-ended
}

// An eventLog has the events of a connection.
type eventLog struct {
	mu     sync.Mutex
	events []string
	closed chan struct{}
}

// recordTo returns Events that append to a log, and echo messages.
func recordTo(l *eventLog) websocket.Events {
	l.closed = make(chan struct{})
	add := func(format string, args ...any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events = append(l.events, fmt.Sprintf(format, args...))
	}
	return websocket.Events{
		ReuseData: true,
		Open:      func(*websocket.Conn) { add("open") },
		Message: func(c *websocket.Conn, m websocket.Message) {
			add("message %d %.20s", m.Type, m.Data)
			c.WriteMessage(m.Type, m.Data)
		},
		Error: func(_ *websocket.Conn, err error) { add("error %v", err) },
		Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
			add("close %v", info)
			close(l.closed)
		},
	}
}

// wait returns the events when the connection has ended.
func (l *eventLog) wait(t *testing.T) []string {
	t.Helper()
	select {
	case <-l.closed:
	case <-time.After(20 * time.Second):
		t.Fatal("there is no Close event; so far: ", l.events)
	}
	return l.events
}

// eachStart runs a test over all routes, where the connection is started by the
// Upgrader and by Conn.Start.
func eachStart(t *testing.T, test func(t *testing.T, r route, start starter)) {
	websocket.NeedsSockets(t)
	eachRoute(t, func(t *testing.T, r route) {
		t.Run("Start", func(t *testing.T) { test(t, r, startConn) })
		if !r.client {
			t.Run("Upgrader", func(t *testing.T) { test(t, r, startUpgraded) })
		}
	})
}

// A starter returns a connection that is started, and its peer.
type starter func(t *testing.T, r route, o options, events websocket.Events) (*websocket.Conn, *rawPeer)

func startConn(t *testing.T, r route, o options, events websocket.Events) (*websocket.Conn, *rawPeer) {
	c, p := r.connect(t, o)
	require.NoError(t, c.Start(events))
	return c, p
}

func startUpgraded(t *testing.T, r route, o options, events websocket.Events) (*websocket.Conn, *rawPeer) {
	o.events = &events
	return r.connect(t, o)
}

// TestStartEvents: all events of a connection come, in order.
func TestStartEvents(t *testing.T) {
	long := longMessage("long", 300_000)
	for _, test := range []struct {
		name string
		end  func(c *websocket.Conn, p *rawPeer)
		want []string
	}{
		{"close frame", func(_ *websocket.Conn, p *rawPeer) { p.send(p.closeFrame(1001)) }, []string{"close {1001  true}"}},
		{"violation", func(_ *websocket.Conn, p *rawPeer) { p.send(p.frame(0x83, "")) },
			[]string{"error websocket: reserved opcode", "close {1006  false}"}},
		{"lost", func(_ *websocket.Conn, p *rawPeer) { p.socket.Close() },
			[]string{"error websocket: close 1006 (abnormal closure): unexpected EOF", "close {1006  false}"}},
		{"Close", func(c *websocket.Conn, _ *rawPeer) { c.Close() }, []string{"close {1006  false}"}},
		{"Shutdown", func(c *websocket.Conn, p *rawPeer) {
			done := async(func() error { return c.Shutdown(context.Background(), 1000, "bye") })
			f, err := p.next()
			require.NoError(p.t, err)
			require.Equal(p.t, 1000, f.closeCode())
			p.send(p.closeFrame(1000))
			p.closeWrite()
			require.NoError(p.t, wait(p.t, done, "Shutdown"))
		}, []string{"close {1000  true}"}},
		{"deadline", func(c *websocket.Conn, _ *rawPeer) { c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) },
			[]string{"error timeout", "close {1006  false}"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachStart(t, func(t *testing.T, r route, start starter) {
				var l eventLog
				c, p := start(t, r, options{}, recordTo(&l))
				p.send(p.frame(finText, "one"), p.frame(finBinary, "two"), p.frame(finPing, "ping"), p.frame(finText, long))
				var got []string
				for range 4 {
					f, err := p.next()
					require.NoError(t, err)
					got = append(got, f.payload)
				}
				slices.Sort(got) // a pong goes before messages that wait
				require.Equal(t, []string{long, "one", "ping", "two"}, got)
				test.end(c, p)
				events := l.wait(t)
				p.socket.Close()
				for i, e := range events {
					if strings.Contains(e, "i/o timeout") || strings.Contains(e, "deadline") {
						events[i] = "error timeout"
					}
					// "client disconnected" is net/http's error for an HTTP/2 stream whose connection is lost.
					lost := strings.Contains(e, "reset") || strings.Contains(e, "the HTTP/2 stream has ended") ||
						strings.Contains(e, "client disconnected")
					if strings.HasPrefix(e, "error websocket: ") && lost && test.name == "lost" {
						events[i] = test.want[0]
					}
				}
				require.Equal(t, append([]string{"open", "message 1 one", "message 2 two", "message 1 " + long[:20]}, test.want...), events)
				wstest.Settle(t, "the socket", func() bool { return isClosed(socketOf(c)) })
			})
		})
	}
}

// TestStartWithPieces: messages that come a few bytes at a time, with pings between
// them, are as whole as others.
func TestStartWithPieces(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		var l eventLog
		c, p := start(t, r, options{}, recordTo(&l))
		stream := slices.Concat(p.frame(0x01, "frag"), p.frame(finPing, "x"), p.frame(0x80, "ments"),
			p.frame(finBinary, strings.Repeat("y", 200)), p.frame(finText, "last"))
		for piece := range slices.Chunk(stream, 3) {
			p.Write(piece)
			if r.network == "tcp" && !r.tls {
				time.Sleep(50 * time.Microsecond)
			}
		}
		p.send(p.closeFrame(1000))
		require.Equal(t, []string{"open", "message 1 fragments", "message 2 " + strings.Repeat("y", 20), "message 1 last",
			"close {1000  true}"}, l.wait(t))
		_ = c
	})
}

// TestStartOnce: after Start nothing else reads.
func TestStartOnce(t *testing.T) {
	websocket.NeedsSockets(t)
	eachRoute(t, func(t *testing.T, r route) {
		c, p := r.connect(t, options{})
		var l eventLog
		require.NoError(t, c.Start(recordTo(&l)))
		for i := range 2 {
			if i > 0 {
				time.Sleep(20 * time.Millisecond) // until a goroutine waits for messages, if one does
			}
			require.ErrorContains(t, c.Start(websocket.Events{}), "Start was called before")
			_, _, err := c.ReadMessage()
			require.ErrorContains(t, err, "given to Start")
			_, _, err = c.AppendMessage(nil)
			require.ErrorContains(t, err, "given to Start")
			_, _, err = c.NextReader()
			require.ErrorContains(t, err, "given to Start")
			_, _, err = c.ReadMessageContext(t.Context())
			require.ErrorContains(t, err, "given to Start")
			require.ErrorContains(t, c.Serve(websocket.Events{}), "given to Start")
		}
		p.send(p.frame(finText, "still there"))
		f, err := p.next()
		require.NoError(t, err)
		require.Equal(t, "still there", f.payload)

		c, p = r.connect(t, options{})
		reading := async(func() string {
			_, m, _ := c.ReadMessage()
			return string(m)
		})
		p.send(p.frame(finPing, "at work"))
		f, err = p.next() // which only a read method answers
		require.NoError(t, err)
		require.EqualValues(t, finPong, f.first)
		require.ErrorContains(t, c.Start(websocket.Events{}), "a read method is at work")
		p.send(p.frame(finText, "for the reader"))
		require.Equal(t, "for the reader", wait(t, reading, "the reader"))
		require.NoError(t, c.Start(websocket.Events{}))
	})
}

// TestStartBehindAReader: what a read method left of a message is not lost.
func TestStartBehindAReader(t *testing.T) {
	websocket.NeedsSockets(t)
	eachRoute(t, func(t *testing.T, r route) {
		c, p := r.connect(t, options{})
		whole := p.frame(finText, longMessage("half", 10_000))
		p.send(whole[:5000])
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		got := make(chan string, 1)
		require.NoError(t, c.Start(websocket.Events{Message: func(_ *websocket.Conn, m websocket.Message) { got <- string(m.Data) }}))
		p.send(whole[5000:])
		require.Equal(t, longMessage("half", 10_000), wait(t, got, "the message"))
	})
}

// TestStartPanics: the panic of a function is logged and ends its connection only.
func TestStartPanics(t *testing.T) {
	var logged syncBuffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	for _, where := range []string{"open", "message", "ping", "error", "close"} {
		t.Run(where, func(t *testing.T) {
			eachStart(t, func(t *testing.T, r route, start starter) {
				panicAt := func(at string) {
					if at == where {
						panic("in " + at)
					}
				}
				closed := make(chan websocket.CloseInfo, 1)
				c, p := start(t, r, options{}, websocket.Events{
					Open:    func(*websocket.Conn) { panicAt("open") },
					Message: func(*websocket.Conn, websocket.Message) { panicAt("message") },
					Error:   func(*websocket.Conn, error) { panicAt("error") },
					Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
						closed <- info
						panicAt("close")
					},
				})
				c.SetPingHandler(func(string) error { panicAt("ping"); return nil })
				switch where {
				case "ping": // also with a second one, which Shutdown reads
					p.send(p.frame(finPing, "x"), p.frame(finPing, "x"))
					for f := (rawFrame{}); f.first != finClose; {
						var err error
						f, err = p.next()
						require.NoError(t, err)
					}
					p.send(p.closeFrame(1011))
					p.closeWrite()
					require.Equal(t, websocket.CloseInfo{Code: 1011, WasClean: true}, wait(t, closed, "the Close event"))
				case "open", "message":
					p.send(p.frame(finText, "x"))
					f, err := p.next()
					require.NoError(t, err)
					require.Equal(t, 1011, f.closeCode())
					p.send(p.frame(finText, "not delivered"), p.closeFrame(1011))
					p.closeWrite()
					require.Equal(t, websocket.CloseInfo{Code: 1011, WasClean: true}, wait(t, closed, "the Close event"))
				case "close":
					p.send(p.closeFrame(1000))
					require.Equal(t, 1000, wait(t, closed, "the Close event").Code)
				default:
					p.socket.Close()
					require.Equal(t, 1006, wait(t, closed, "the Close event").Code)
				}
				<-c.Done()
				wstest.Settle(t, "the log", func() bool { return strings.Contains(logged.String(), "in "+where) })
				require.Contains(t, logged.String(), "panic of a function")
				logged.Reset()
			})
		})
	}
}

// A syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *syncBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// TestStartKeepAlive: a peer that is silent is given up, and one that answers is not.
func TestStartKeepAlive(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		var l eventLog
		o := options{keepAlive: websocket.KeepAlive{Interval: 50 * time.Millisecond, Timeout: time.Second}}
		_, p := start(t, r, o, recordTo(&l))
		for range 3 {
			f, err := p.next()
			require.NoError(t, err)
			require.EqualValues(t, finPing, f.first)
			p.send(p.frame(finPong, f.payload))
		}
		events := l.wait(t)
		require.Equal(t, []string{"open", "error " + websocket.ErrKeepAlive.Error(), "close {1006  false}"}, events)
	})
}

// TestStartWithMethods: the other methods work beside Start, and within its functions.
func TestStartWithMethods(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		var group websocket.Group
		shut := make(chan error, 1)
		c, p := start(t, r, options{}, websocket.Events{Message: func(c *websocket.Conn, m websocket.Message) {
			switch string(m.Data) {
			case "writer":
				w, _ := c.NextWriter(websocket.TextMessage)
				io.WriteString(w, "written")
				w.Close()
			case "send":
				c.Send(websocket.TextMessage, []byte("sent"))
			case "group":
				group.Add(c)
				group.BroadcastText("broadcast")
			case "shutdown":
				shut <- c.Shutdown(context.Background(), 1000, "done")
			}
		}})
		for request, answer := range map[string]string{"writer": "written", "send": "sent", "group": "broadcast"} {
			p.send(p.frame(finText, request))
			f, err := p.next()
			require.NoError(t, err)
			require.Equal(t, answer, f.payload)
		}
		pinged := async(func() error {
			_, err := c.Ping(t.Context())
			return err
		})
		f, err := p.next()
		require.NoError(t, err)
		require.EqualValues(t, finPing, f.first)
		p.send(p.frame(finPong, f.payload))
		require.NoError(t, wait(t, pinged, "Ping"))
		p.send(p.frame(finText, "shutdown"))
		f, err = p.next()
		require.NoError(t, err)
		require.Equal(t, 1000, f.closeCode())
		p.send(p.closeFrame(1000))
		p.closeWrite()
		require.NoError(t, wait(t, shut, "Shutdown"))
		<-c.Done()
	})
}

// TestStartedConnWithSlowPeer: a write that has to wait waits, and ends with the
// connection, with its deadline and with WriteTimeout.
func TestStartedConnWithSlowPeer(t *testing.T) {
	websocket.NeedsSockets(t)
	big := []byte(longMessage("big", 4<<20))
	for _, r := range []route{{network: "tcp"}, {network: "unix"}} {
		t.Run(r.String(), func(t *testing.T) {
			c, p := startUpgraded(t, r, narrow, websocket.Events{})
			written := async(func() error { return c.WriteMessage(websocket.BinaryMessage, big) })
			time.Sleep(20 * time.Millisecond)
			f, err := p.next()
			require.NoError(t, err)
			require.Equal(t, string(big), f.payload)
			require.NoError(t, wait(t, written, "the writer"))

			written = async(func() error { return c.WriteMessage(websocket.BinaryMessage, big) })
			time.Sleep(20 * time.Millisecond)
			c.Close()
			require.ErrorIs(t, wait(t, written, "the writer"), net.ErrClosed)

			c, _ = startUpgraded(t, r, narrow, websocket.Events{})
			c.SetWriteDeadline(time.Now().Add(30 * time.Millisecond))
			require.ErrorIs(t, c.WriteMessage(websocket.BinaryMessage, big), os.ErrDeadlineExceeded)

			var l eventLog
			o := narrow
			o.timeout = 50 * time.Millisecond
			c, _ = startUpgraded(t, r, o, recordTo(&l))
			require.ErrorIs(t, c.WriteMessage(websocket.BinaryMessage, big), websocket.ErrSlowPeer)
			require.Contains(t, l.wait(t)[1], websocket.ErrSlowPeer.Error())
		})
	}
}

// TestStartedAddresses: they are those of the socket, also after the end.
func TestStartedAddresses(t *testing.T) {
	websocket.NeedsSockets(t)
	for _, r := range []route{{network: "tcp"}, {network: "unix"}, {network: "tcp", tls: true}} {
		t.Run(r.String(), func(t *testing.T) {
			c, p := startUpgraded(t, r, options{}, websocket.Events{})
			for range 2 {
				require.Equal(t, p.socket.LocalAddr().String(), c.RemoteAddr().String())
				require.Equal(t, p.socket.RemoteAddr().String(), c.LocalAddr().String())
				require.Equal(t, r.network, c.LocalAddr().Network())
				c.Close()
			}
		})
	}
}

// TestStartWithoutGoroutines: connections that wait have none, nor have those that have
// ended anything left.
func TestStartWithoutGoroutines(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("here they have")
	}
	for _, r := range []route{{network: "tcp"}, {network: "unix"}, {network: "tcp", tls: true}} {
		t.Run(r.String(), func(t *testing.T) {
			var l [30]eventLog
			before := countDescriptors(t)
			goroutines := runtime.NumGoroutine()
			var peers []*rawPeer
			for i := range l {
				_, p := startUpgraded(t, r, options{}, recordTo(&l[i]))
				p.send(p.frame(finText, "x"))
				_, err := p.next()
				require.NoError(t, err)
				peers = append(peers, p)
			}
			// Those of the servers, the pollers, and what ends by itself.
			wstest.Settle(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines+len(l)+runtime.GOMAXPROCS(0)+2 })
			for i, p := range peers {
				p.send(p.closeFrame(1000))
				l[i].wait(t)
				p.socket.Close()
			}
			wstest.Settle(t, "descriptors", func() bool { return countDescriptors(t) <= before+len(l) }) // the listeners
		})
	}
}

// TestHandlerWithEvents: a handler without a function leaves the connection to Events,
// and refuses requests if there are none.
func TestHandlerWithEvents(t *testing.T) {
	websocket.NeedsSockets(t)
	var group websocket.Group
	upgrader := websocket.Upgrader{Group: &group}
	server := httptest.NewServer(upgrader.Handler(nil))
	defer server.Close()
	_, response, err := websocket.DefaultDialer.Dial(server.URL, nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	body, _ := io.ReadAll(response.Body)
	require.Contains(t, string(body), "needs a function, or Upgrader.Events")

	upgrader.Events = &websocket.Events{Message: func(c *websocket.Conn, m websocket.Message) { c.WriteMessage(m.Type, m.Data) }}
	c, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	ended := async(func() error {
		_, _, err := c.ReadMessage()
		return err
	})
	require.NoError(t, group.Shutdown(t.Context(), websocket.CloseGoingAway, ""))
	require.True(t, websocket.IsCloseError(wait(t, ended, "the client"), websocket.CloseGoingAway))
}
