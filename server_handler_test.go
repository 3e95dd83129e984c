package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A handlerServer is a server whose handler is that of an Upgrader.
type handlerServer struct {
	*httptest.Server
	dialer websocket.Dialer
	log    safeBuffer // what net/http logs
}

// A safeBuffer is a bytes.Buffer for any number of goroutines.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// serveHandler starts a server over TCP, TLS or HTTP/2.
func serveHandler(t *testing.T, over string, upgrader *websocket.Upgrader, serve func(c *websocket.Conn, r *http.Request)) *handlerServer {
	t.Helper()
	s := &handlerServer{Server: httptest.NewUnstartedServer(upgrader.Handler(serve))}
	s.Config.ErrorLog = log.New(&s.log, "", 0)
	s.dialer.Compression = upgrader.Compression
	if over == "TCP" {
		s.Start()
	} else {
		s.EnableHTTP2 = over == "HTTP/2"
		s.StartTLS()
		s.dialer.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	}
	t.Cleanup(s.Close)
	if over == "HTTP/2" {
		s.dialer.HTTP2 = &websocket.HTTP2{}
		t.Cleanup(s.dialer.CloseIdleConnections)
	}
	return s
}

func (s *handlerServer) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	c, _, err := s.dialer.Dial(s.URL, nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// eachServer runs a test over TCP, TLS and HTTP/2, with and without compression.
func eachServer(t *testing.T, test func(t *testing.T, over string, compression *websocket.Compression)) {
	for _, over := range []string{"TCP", "TLS", "HTTP/2"} {
		for name, compression := range map[string]*websocket.Compression{"plain": nil, "deflate": {Threshold: -1}} {
			t.Run(over+"/"+name, func(t *testing.T) { test(t, over, compression) })
		}
	}
}

// TestHandler: the end of serve is the end of the connection, with a close frame
// that says how.
func TestHandler(t *testing.T) {
	shutDown := func(c *websocket.Conn, code int, reason string) {
		c.Shutdown(context.Background(), code, reason)
	}
	for _, test := range []struct {
		name  string
		serve func(c *websocket.Conn, r *http.Request)
		want  error // what the client reads
		log   string
	}{
		{"returns", func(*websocket.Conn, *http.Request) {}, &websocket.CloseError{Code: 1000}, ""},
		{"returns after a message", func(c *websocket.Conn, r *http.Request) {
			c.WriteMessage(websocket.TextMessage, []byte(r.URL.Path))
		}, &websocket.CloseError{Code: 1000}, ""},
		{"returns with messages in the queue", func(c *websocket.Conn, r *http.Request) {
			for range 20 {
				c.Send(websocket.TextMessage, []byte(r.URL.Path))
			}
		}, &websocket.CloseError{Code: 1000}, ""},
		{"panics", func(*websocket.Conn, *http.Request) { panic("a mistake of serve") },
			&websocket.CloseError{Code: 1011}, "a mistake of serve"},
		{"aborts", func(*websocket.Conn, *http.Request) { panic(http.ErrAbortHandler) }, &websocket.CloseError{Code: 1011}, ""},
		{"shuts down", func(c *websocket.Conn, _ *http.Request) { shutDown(c, 4000, "its own code") },
			&websocket.CloseError{Code: 4000, Text: "its own code"}, ""},
		{"writes a close frame", func(c *websocket.Conn, _ *http.Request) {
			c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "its own frame"))
		}, &websocket.CloseError{Code: 4001, Text: "its own frame"}, ""},
		{"shuts down and panics", func(c *websocket.Conn, _ *http.Request) {
			shutDown(c, 4002, "")
			panic("after the end")
		}, &websocket.CloseError{Code: 4002}, "after the end"},
		{"closes", func(c *websocket.Conn, _ *http.Request) { c.Close() },
			&websocket.CloseError{Code: 1006, Text: io.ErrUnexpectedEOF.Error()}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, over string, compression *websocket.Compression) {
				conns := make(chan *websocket.Conn, 1)
				upgrader := &websocket.Upgrader{Compression: compression}
				s := serveHandler(t, over, upgrader, func(c *websocket.Conn, r *http.Request) {
					conns <- c
					test.serve(c, r)
				})
				require.Equal(t, test.want, withTestTimeout(t, "the end", drain(s.dial(t))))
				c := withTestTimeout(t, "the connection", conns)
				withTestTimeout(t, "the server's end", c.Done())
				require.Equal(t, websocket.StateClosed, c.State())
				require.Equal(t, !websocket.IsCloseError(test.want, 1006), c.CloseInfo().WasClean)
				s.Close() // which waits for the handlers, but for those of hijacked connections
				if test.log == "" {
					require.Empty(t, s.log.String())
				} else {
					eventually(t, "the log", func() bool { return strings.Contains(s.log.String(), test.log) })
					require.Contains(t, s.log.String(), "panic serving")
				}
			})
		})
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not as expected", what)
		}
	}
}

// TestHandlerEcho: the client's close ends serve, and its code is the answer's.
func TestHandlerEcho(t *testing.T) {
	eachServer(t, func(t *testing.T, over string, compression *websocket.Compression) {
		errs := make(chan error, 1)
		s := serveHandler(t, over, &websocket.Upgrader{Compression: compression}, func(c *websocket.Conn, _ *http.Request) {
			for {
				kind, data, err := c.ReadMessage()
				if err != nil {
					errs <- err
					return
				}
				assert.NoError(t, c.WriteMessage(kind, data))
			}
		})
		c := s.dial(t)
		for _, text := range []string{"hello", longText} {
			transfer(t, c, c, text)
		}
		require.NoError(t, c.Shutdown(t.Context(), 4000, "enough"))
		require.Equal(t, &websocket.CloseError{Code: 4000, Text: "enough"}, withTestTimeout(t, "the end of serve", errs))
		require.Equal(t, 4000, c.CloseInfo().Code)
	})
}

// TestHandlerRefuses: a request that is no handshake, or refused, gets the same
// response as by Upgrade, and serve is not called.
func TestHandlerRefuses(t *testing.T) {
	var group websocket.Group
	upgrader := &websocket.Upgrader{Group: &group, CheckOrigin: func(*http.Request) bool { return false }}
	s := serveHandler(t, "TCP", upgrader, func(*websocket.Conn, *http.Request) { t.Error("serve was called") })
	response, err := http.Get(s.URL)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusUpgradeRequired, response.StatusCode)
	_, response, err = s.dialer.Dial(s.URL, nil)
	require.Equal(t, websocket.ErrBadHandshake, err)
	require.Equal(t, http.StatusForbidden, response.StatusCode)

	require.NoError(t, group.Shutdown(t.Context(), websocket.CloseGoingAway, ""), "refused requests are not waited for")
	_, response, err = s.dialer.Dial(s.URL, nil)
	require.Equal(t, websocket.ErrBadHandshake, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

// TestHandlerPanicsBeforeServe: the panic of a ConnContext, too, is net/http's.
func TestHandlerPanicsBeforeServe(t *testing.T) {
	var group websocket.Group
	upgrader := &websocket.Upgrader{Group: &group, ConnContext: func(*http.Request) context.Context { panic("a mistake of ConnContext") }}
	s := serveHandler(t, "TCP", upgrader, func(*websocket.Conn, *http.Request) { t.Error("serve was called") })
	_, _, err := s.dialer.Dial(s.URL, nil)
	require.Error(t, err)
	eventually(t, "the log", func() bool { return strings.Contains(s.log.String(), "a mistake of ConnContext") })
	require.NoError(t, group.Shutdown(t.Context(), websocket.CloseGoingAway, ""), "nothing is left to wait for")
}

// TestHandlerRequest: serve gets the request with the connection of it.
func TestHandlerRequest(t *testing.T) {
	upgrader := &websocket.Upgrader{
		Subprotocols: []string{"chat"},
		ConnContext: func(r *http.Request) context.Context {
			return context.WithValue(context.Background(), userKey{}, r.Header.Get("User"))
		},
	}
	s := serveHandler(t, "TCP", upgrader, func(c *websocket.Conn, r *http.Request) {
		c.WriteMessage(websocket.TextMessage, []byte(c.Subprotocol()+" "+r.URL.RawQuery+" "+c.Context().Value(userKey{}).(string)))
	})
	s.dialer.Subprotocols = []string{"chat"}
	c, _, err := s.dialer.Dial(s.URL+"/?room=1", http.Header{"User": {"alice"}})
	require.NoError(t, err)
	defer c.Close()
	receive(t, c, "chat room=1 alice")
	require.True(t, websocket.IsCloseError(withTestTimeout(t, "the end", drain(c)), websocket.CloseNormalClosure))
}

// TestHandlerWithAStuckClient: a client that does not answer holds the handler
// for the ten seconds of Shutdown's default. A panic is logged then.
func TestHandlerWithAStuckClient(t *testing.T) {
	for name, serve := range map[string]func(c *websocket.Conn){
		"silent": func(*websocket.Conn) {},
		"panic":  func(*websocket.Conn) { panic("a mistake of serve") },
		"full": func(c *websocket.Conn) { // the close frame cannot be sent
			for c.Send(websocket.TextMessage, []byte(longText)) == nil {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var group websocket.Group
				var logged safeBuffer
				upgrader := &websocket.Upgrader{Group: &group}
				server := &http.Server{ErrorLog: log.New(&logged, "", 0), Handler: upgrader.Handler(func(c *websocket.Conn, _ *http.Request) {
					serve(c)
				})}
				l := newPipeListener()
				go server.Serve(l)
				dialer := websocket.Dialer{NetDialContext: l.dial}
				client, _, err := dialer.Dial("ws://example.com/", nil)
				require.NoError(t, err)
				defer client.Close()

				// The client does not read.
				start := time.Now()
				require.NoError(t, group.Shutdown(deadlineIn(t, time.Hour), websocket.CloseGoingAway, ""))
				require.Equal(t, 10*time.Second, time.Since(start))
				synctest.Wait()
				require.Equal(t, name == "panic", strings.Contains(logged.String(), "panic serving"))
				server.Close()
			})
		})
	}
}

// deadlineIn returns a context that ends then.
func deadlineIn(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// A pipeListener accepts connections in memory, for servers in a bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// dial is a Dialer's NetDialContext. Each direction holds 64 KiB.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := wstest.Pipe(64<<10, wstest.Whole)
	select {
	case l.conns <- a:
		return b, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestGroupShutdownWaitsForServe, within its context.
func TestGroupShutdownWaitsForServe(t *testing.T) {
	for _, over := range []string{"TCP", "TLS", "HTTP/2"} {
		t.Run(over, func(t *testing.T) {
			var group websocket.Group
			var returned atomic.Bool
			cleaningUp, release := make(chan struct{}), make(chan struct{})
			s := serveHandler(t, over, &websocket.Upgrader{Group: &group}, func(c *websocket.Conn, _ *http.Request) {
				defer returned.Store(true)
				for {
					if _, _, err := c.ReadMessage(); err != nil {
						break
					}
				}
				close(cleaningUp)
				<-release
			})
			ended := drain(s.dial(t))
			eventually(t, "the member", func() bool { return group.Len() == 1 })
			short, cancel := context.WithCancel(t.Context())
			first := make(chan error, 1)
			go func() { first <- group.Shutdown(short, websocket.CloseServiceRestart, "") }()
			withTestTimeout(t, "the end of the connection", cleaningUp)
			require.True(t, websocket.IsCloseError(withTestTimeout(t, "the client's end", ended), websocket.CloseServiceRestart))
			eventually(t, "no member", func() bool { return group.Len() == 0 })
			require.Empty(t, first, "serve has not returned")
			cancel()
			require.Equal(t, context.Canceled, withTestTimeout(t, "Shutdown", first))

			second := make(chan error, 1)
			go func() { second <- group.Shutdown(t.Context(), websocket.CloseServiceRestart, "") }()
			close(release)
			require.NoError(t, withTestTimeout(t, "Shutdown", second))
			require.True(t, returned.Load())
		})
	}
}

// TestHandlerClosedByClient: serve can wait for the end of the connection's
// context, which comes when the client leaves without a close frame.
func TestHandlerClosedByClient(t *testing.T) {
	causes := make(chan error, 1)
	s := serveHandler(t, "TCP", new(websocket.Upgrader), func(c *websocket.Conn, _ *http.Request) {
		drain(c)
		<-c.Context().Done()
		causes <- context.Cause(c.Context())
	})
	c := s.dial(t)
	c.Close()
	err := withTestTimeout(t, "the cause", causes)
	require.True(t, errors.Is(err, net.ErrClosed) && websocket.IsCloseError(err, websocket.CloseAbnormalClosure), err)
}
