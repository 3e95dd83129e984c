package websocket_test

import (
	"context"
	"log"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestStartGoexit: a function that ends its goroutine ends its connection, and takes no
// place of a CallLimit with it.
func TestStartGoexit(t *testing.T) {
	for where, first := range map[string]byte{"open": finText, "message": finText, "ping": finPing, "close": 0} {
		t.Run(where, func(t *testing.T) {
			limit := websocket.NewCallLimit(1)
			eachStart(t, func(t *testing.T, r route, start starter) {
				exitAt := func(at string) {
					if at == where {
						runtime.Goexit()
					}
				}
				closed := make(chan websocket.CloseInfo, 1)
				c, p := start(t, r, options{}, websocket.Events{
					Limit: limit,
					Open: func(c *websocket.Conn) {
						c.SetPingHandler(func(string) error { exitAt("ping"); return nil })
						exitAt("open")
					},
					Message: func(*websocket.Conn, websocket.Message) { exitAt("message") },
					Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
						closed <- info
						exitAt("close")
					},
				})
				if where != "close" {
					p.send(p.frame(first, "x"))
					f, err := p.next()
					require.NoError(t, err)
					require.Equal(t, 1011, f.closeCode())
				}
				p.send(p.closeFrame(1011))
				p.closeWrite()
				require.Equal(t, websocket.CloseInfo{Code: 1011, WasClean: true}, wait(t, closed, "the Close event"))
				<-c.Done()
			})
		})
	}
}

// TestGroupShutdownWithPanics: a handler that panics while a group is shut down, in a
// goroutine that is not the application's, ends its connection only.
func TestGroupShutdownWithPanics(t *testing.T) {
	var logged syncBuffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	for name, fail := range map[string]func(){"panic": func() { panic("in the handler") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				var g websocket.Group
				c, p := r.connect(t, options{})
				c.SetPingHandler(func(string) error { fail(); return nil })
				g.Add(c)
				ended := async(func() error { return g.Shutdown(t.Context(), 1001, "") })
				f, err := p.next()
				require.NoError(t, err)
				require.EqualValues(t, finClose, f.first)
				p.send(p.frame(finPing, "x"))
				require.NoError(t, wait(t, ended, "Shutdown"))
				require.Equal(t, 1006, c.CloseInfo().Code)
			})
		})
	}
	require.Contains(t, logged.String(), "in the handler")
}

// TestStartAfterShutdown: Shutdown does not make a connection one that Start was not
// called for.
func TestStartAfterShutdown(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		var opened, closed atomic.Int32
		ended := make(chan struct{})
		events := websocket.Events{
			Open:  func(*websocket.Conn) { opened.Add(1) },
			Close: func(*websocket.Conn, websocket.CloseInfo) { closed.Add(1); close(ended) },
		}
		c, p := start(t, r, options{}, events)
		done := async(func() error { return c.Shutdown(context.Background(), 1000, "") })
		f, err := p.next()
		require.NoError(t, err)
		require.EqualValues(t, finClose, f.first)
		again := func() {
			require.ErrorContains(t, c.Start(events), "Start was called before")
			_, _, err = c.ReadMessage()
			require.ErrorContains(t, err, "given to Start")
		}
		again()
		p.send(p.closeFrame(1000))
		p.closeWrite()
		require.NoError(t, wait(t, done, "Shutdown"))
		wait(t, ended, "the Close event")
		again()
		require.EqualValues(t, 1, opened.Load())
		require.EqualValues(t, 1, closed.Load())
	})
}

// TestStartDuringShutdown: the functions are called for a connection that is being shut
// down too, as for one whose group is shut down while it is upgraded.
func TestStartDuringShutdown(t *testing.T) {
	websocket.NeedsSockets(t)
	eachRoute(t, func(t *testing.T, r route) {
		c, p := r.connect(t, options{})
		done := async(func() error { return c.Shutdown(context.Background(), 1001, "") })
		f, err := p.next()
		require.NoError(t, err)
		require.EqualValues(t, finClose, f.first)
		wstest.Settle(t, "Shutdown reads", c.IsDrained)
		var l eventLog
		require.NoError(t, c.Start(recordTo(&l)))
		p.send(p.closeFrame(1001))
		p.closeWrite()
		require.NoError(t, wait(t, done, "Shutdown"))
		require.Equal(t, []string{"open", "close {1001  true}"}, l.wait(t))
	})
}

// TestStartWithPartOfARecord: a peer that sends part of a TLS record does not hold up
// others, whatever read deadlines there are.
func TestStartWithPartOfARecord(t *testing.T) {
	websocket.NeedsSockets(t)
	r := route{network: "tcp", tls: true}
	limit, got := websocket.NewCallLimit(1), make(chan string, 1)
	c, p := r.connect(t, options{})
	require.NoError(t, c.Start(websocket.Events{Limit: limit}))
	other, q := r.connect(t, options{})
	require.NoError(t, other.Start(websocket.Events{Limit: limit, Message: func(_ *websocket.Conn, m websocket.Message) { got <- string(m.Data) }}))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.SetReadDeadline(time.Now().Add(time.Hour))
			}
		}
	}()
	for _, b := range []byte("\x17\x03\x03\x00\x40part") {
		_, err := p.socket.Write([]byte{b})
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		q.send(q.frame(finText, "x"))
		require.Equal(t, "x", wait(t, got, "a message"))
	}
}

// TestStartedConnLingers: what a peer sends before it reads the close frame resets nothing.
func TestStartedConnLingers(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		if r.http2 {
			t.Skip("a stream has no socket of its own")
		}
		linger := func() error {
			c, p := start(t, r, options{}, websocket.Events{})
			p.send(p.frame(0x83, "")) // a reserved opcode
			<-c.Done()
			for range 5 {
				if _, err := p.Write(p.frame(finText, "more")); err != nil {
					return err
				}
				time.Sleep(10 * time.Millisecond)
			}
			f, err := p.next()
			require.NoError(t, err)
			require.Equal(t, 1002, f.closeCode())
			return nil
		}
		err := linger()
		for range 2 { // the machine may be slow for a while
			if err != nil {
				err = linger()
			}
		}
		require.NoError(t, err)
	})
}

// TestCloseHandlerPanics: both close frames have gone then, and the end comes at once.
func TestCloseHandlerPanics(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic(http.ErrAbortHandler) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				closed := make(chan websocket.CloseInfo, 1)
				c, p := r.connect(t, options{})
				c.SetCloseHandler(func(int, string) error { fail(); return nil })
				start := time.Now()
				require.NoError(t, c.Start(websocket.Events{Close: func(_ *websocket.Conn, info websocket.CloseInfo) { closed <- info }}))
				p.send(p.closeFrame(1000))
				f, err := p.next() // and no end of the stream before that of the server
				require.NoError(t, err)
				require.Equal(t, 1011, f.closeCode())
				require.Equal(t, websocket.CloseInfo{Code: 1000, WasClean: true}, wait(t, closed, "the Close event"))
				require.Less(t, time.Since(start), 9*time.Second, "the timeout of Shutdown is ten")
			})
		})
	}
}

// TestReadDeadlineDuringShutdown: it does not cut the closing handshake.
func TestReadDeadlineDuringShutdown(t *testing.T) {
	websocket.NeedsSockets(t)
	eachRoute(t, func(t *testing.T, r route) {
		closed := make(chan websocket.CloseInfo, 1)
		c, p := r.connect(t, options{})
		require.NoError(t, c.Start(websocket.Events{Close: func(_ *websocket.Conn, info websocket.CloseInfo) { closed <- info }}))
		done := async(func() error { return c.Shutdown(context.Background(), 1000, "") })
		f, err := p.next()
		require.NoError(t, err)
		require.EqualValues(t, finClose, f.first)
		wstest.Settle(t, "Shutdown reads", c.IsDrained)
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		time.Sleep(100 * time.Millisecond)
		p.send(p.closeFrame(1000))
		p.closeWrite()
		require.NoError(t, wait(t, done, "Shutdown"))
		require.True(t, wait(t, closed, "the Close event").WasClean)
	})
}
