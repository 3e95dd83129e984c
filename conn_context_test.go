package websocket_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// An ending is a way in which a connection ends. It may go on while the
// connection is read from.
type ending struct {
	name string
	end  func(t *testing.T, c, peer *websocket.Conn)
	want error // of the reads
}

var errOfHandler = errors.New("an error of a handler")

// endings are the ways to end a connection that can be read from.
var endings = []ending{
	{"Close", func(_ *testing.T, c, _ *websocket.Conn) { c.Close() }, net.ErrClosed},
	{"Shutdown", func(t *testing.T, c, peer *websocket.Conn) {
		drain(peer)
		assert.NoError(t, c.Shutdown(t.Context(), 4000, "enough"))
	}, &websocket.CloseError{Code: 4000}},
	{"Shutdown that is not answered", func(t *testing.T, c, _ *websocket.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		assert.Equal(t, context.Canceled, c.Shutdown(ctx, 4000, ""))
	}, net.ErrClosed},
	{"close frame of the peer", func(t *testing.T, _, peer *websocket.Conn) {
		assert.NoError(t, peer.Shutdown(t.Context(), 4001, "mine"))
	}, &websocket.CloseError{Code: 4001, Text: "mine"}},
	{"lost", func(_ *testing.T, _, peer *websocket.Conn) { peer.Close() },
		&websocket.CloseError{Code: websocket.CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}},
	{"violation", func(_ *testing.T, _, peer *websocket.Conn) {
		peer.NetConn().Write([]byte{0x83, 0x80})
		drain(peer)
	}, &websocket.ProtocolError{Code: websocket.CloseProtocolError, Reason: "reserved opcode"}},
	{"read limit", func(_ *testing.T, c, peer *websocket.Conn) {
		c.SetReadLimit(1)
		drain(peer)
		for range 2 { // a read that is under way may still have the limit from before
			peer.WriteMessage(websocket.TextMessage, []byte(`"too long"`))
		}
	}, websocket.ErrReadLimit},
	{"handler", func(_ *testing.T, c, peer *websocket.Conn) {
		c.SetPingHandler(func(string) error { return errOfHandler })
		peer.WriteControl(websocket.PingMessage, nil, time.Time{})
	}, errOfHandler},
	{"slow member of a group", func(t *testing.T, c, _ *websocket.Conn) { missBroadcast(t, c) }, websocket.ErrSlowPeer},
}

// missBroadcast broadcasts messages to a member that does not read, until it has
// missed one and been thrown out.
func missBroadcast(t *testing.T, c *websocket.Conn) {
	t.Helper()
	var g websocket.Group
	g.Add(c)
	data := make([]byte, 1<<20)
	rand.Read(data) // it cannot be compressed
	for range 100 {
		if g.BroadcastBinary(data).Missed == 1 {
			assert.Zero(t, g.Len())
			return
		}
	}
	t.Error("the transport has no end")
}

// TestContext ends with the connection, and its cause is what reads return.
func TestContext(t *testing.T) {
	for _, test := range endings {
		t.Run(test.name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, v variant) {
				t.Parallel() // some of them take a second
				c, peer := v.connect(t, websocket.ConnOptions{SendQueueLimit: 10})
				before := c.Context()
				require.NoError(t, before.Err())
				require.NoError(t, context.Cause(before))
				require.Same(t, before, c.Context())

				read := drain(c)
				test.end(t, c, peer)
				err := withTestTimeout(t, "the error of the read", read)
				require.Equal(t, test.want, err)
				if err == errOfHandler {
					require.NoError(t, before.Err(), "this is the end of the reading")
					c.Close()
				}
				withTestTimeout(t, "the end of the context", before.Done())
				<-c.Done()
				require.Equal(t, context.Canceled, before.Err())
				require.Equal(t, err, context.Cause(before))
				require.Same(t, before, c.Context())
			})
		})
	}
}

// TestContextAfterTheEnd: one that is asked for late has ended in the same way.
func TestContextAfterTheEnd(t *testing.T) {
	for _, test := range endings {
		t.Run(test.name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, v variant) {
				t.Parallel() // some of them take a second
				c, peer := v.connect(t, websocket.ConnOptions{SendQueueLimit: 10})
				read := drain(c)
				test.end(t, c, peer)
				err := withTestTimeout(t, "the error of the read", read)
				if err == errOfHandler {
					c.Close()
				}
				withTestTimeout(t, "the end", c.Done())
				ctx := c.Context()
				require.Equal(t, context.Canceled, ctx.Err())
				require.Equal(t, err, context.Cause(ctx))
			})
		})
	}
}

// TestContextOfALostPeer: KeepAlive and WriteTimeout are causes too.
func TestContextOfALostPeer(t *testing.T) {
	for want, options := range map[error]websocket.ConnOptions{
		websocket.ErrKeepAlive: {KeepAlive: websocket.KeepAlive{Interval: time.Minute}},
		websocket.ErrSlowPeer:  {WriteTimeout: time.Minute},
	} {
		for _, client := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe(100, wstest.Whole)
				c, _ := variant{client: client}.connectOver(t, a, b, options)
				ctx := c.Context()
				if want == websocket.ErrSlowPeer {
					require.ErrorIs(t, c.WriteMessage(websocket.TextMessage, []byte(longText)), want)
				} else {
					_, _, err := c.ReadMessage()
					require.Equal(t, want, err)
				}
				<-ctx.Done()
				require.Equal(t, want, context.Cause(ctx))
			})
		}
	}
}

// TestContextIsOne: all who ask at the same time get the same.
func TestContextIsOne(t *testing.T) {
	for range 100 {
		server, client := websocket.Pipe()
		contexts := make(chan context.Context, 20)
		var all sync.WaitGroup
		for range cap(contexts) {
			all.Go(func() { contexts <- server.Context() })
		}
		all.Go(func() { server.Close() })
		all.Wait()
		first := <-contexts
		for range cap(contexts) - 1 {
			require.Same(t, first, <-contexts)
		}
		require.Equal(t, net.ErrClosed, context.Cause(first))
		client.Close()
	}
}

// TestContextOfAParent: the parent's end and values are the context's, and do not
// end the connection.
func TestContextOfAParent(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		cause := errors.New("cause")
		parent, cancel := context.WithCancelCause(context.WithValue(context.Background(), userKey{}, "alice"))
		c, peer := v.connect(t, websocket.ConnOptions{Context: parent})
		ctx := c.Context()
		require.Equal(t, "alice", ctx.Value(userKey{}))
		require.NoError(t, ctx.Err())
		cancel(cause)
		<-ctx.Done()
		require.Equal(t, cause, context.Cause(ctx))
		transfer(t, c, peer, "as before")
		transfer(t, peer, c, "as before")
		c.Close()
		require.Equal(t, cause, context.Cause(ctx))
	})
}

// A userKey is the key of a value in a context.
type userKey struct{}

// TestConnContext: an Upgrader's ConnContext gives the context its values, those
// of the request among them. The context of the request itself ends with the
// handler, and over HTTP/1.1 not when the client leaves.
func TestConnContext(t *testing.T) {
	for _, over := range []string{"TCP", "TLS", "HTTP/2"} {
		t.Run(over, func(t *testing.T) {
			upgrader := websocket.Upgrader{ConnContext: func(r *http.Request) context.Context {
				return context.WithoutCancel(r.Context())
			}}
			type contexts struct{ conn, request context.Context }
			begun, release, returned := make(chan contexts, 1), make(chan struct{}), make(chan struct{})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(returned)
				r = r.WithContext(context.WithValue(r.Context(), userKey{}, r.Header.Get("User")))
				c, err := upgrader.Upgrade(w, r, nil)
				if assert.NoError(t, err) {
					begun <- contexts{c.Context(), r.Context()}
					c.ReadMessage()
					<-release
				}
			}))
			c := dialStarted(t, server, over, http.Header{"User": {"alice"}})
			ctx := withTestTimeout(t, "the handler", begun)
			require.Equal(t, "alice", ctx.conn.Value(userKey{}))
			require.NoError(t, ctx.conn.Err())

			c.Close()
			withTestTimeout(t, "the end of the connection's context", ctx.conn.Done())
			require.True(t, websocket.IsCloseError(context.Cause(ctx.conn), websocket.CloseAbnormalClosure))
			if over != "HTTP/2" {
				require.NoError(t, ctx.request.Err(), "the client has left, and the handler has not returned")
			}
			close(release)
			withTestTimeout(t, "the return of the handler", returned)
			withTestTimeout(t, "the end of the request's context", ctx.request.Done())
		})
	}
}

// TestContextOfAClient has no values, and ends like that of a server.
func TestContextOfAClient(t *testing.T) {
	for _, over := range []string{"TCP", "TLS", "HTTP/2"} {
		t.Run(over, func(t *testing.T) {
			server := httptest.NewUnstartedServer(echoServer())
			c := dialStarted(t, server, over, nil)
			ctx := c.Context()
			require.NoError(t, ctx.Err())
			require.Nil(t, ctx.Value(userKey{}))
			require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
			withTestTimeout(t, "the end", ctx.Done())
			require.Equal(t, &websocket.CloseError{Code: websocket.CloseNormalClosure}, context.Cause(ctx))
		})
	}
}

// dialStarted starts a server over TCP, TLS or HTTP/2, connects to it, and closes both
// at the end of the test.
func dialStarted(t *testing.T, server *httptest.Server, over string, header http.Header) *websocket.Conn {
	t.Helper()
	dialer := *websocket.DefaultDialer
	if over == "TCP" {
		server.Start()
	} else {
		server.EnableHTTP2 = over == "HTTP/2"
		server.StartTLS()
		dialer.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	}
	t.Cleanup(server.Close)
	if over == "HTTP/2" {
		dialer.HTTP2 = &websocket.HTTP2{}
		t.Cleanup(dialer.CloseIdleConnections)
	}
	c, _, err := dialer.Dial(server.URL, header)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestContextCostsNothingUntilAskedFor: a parent is one allocation more, and a
// Conn has room for no more than a pointer.
func TestContextCostsNothingUntilAskedFor(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("allocations are counted without the race detector")
	}
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	w := &idleHijacker{ResponseRecorder: httptest.NewRecorder(), conn: idleConn{}}
	w.buffered = bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn))
	upgrade := func(u *websocket.Upgrader) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := u.Upgrade(w, r, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	parent := context.Background()
	withParent := &websocket.Upgrader{ConnContext: func(*http.Request) context.Context { return parent }}
	const without = 2.0
	require.Equal(t, without, upgrade(new(websocket.Upgrader)))
	require.Equal(t, without+1, upgrade(withParent))
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.LessOrEqual(t, unsafe.Sizeof(websocket.Conn{}), uintptr(640-8))
	}
}

// An idleHijacker is a ResponseWriter whose Hijack does not allocate.
type idleHijacker struct {
	*httptest.ResponseRecorder
	conn     net.Conn
	buffered *bufio.ReadWriter
}

func (h *idleHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, h.buffered, nil }

// An idleConn is a net.Conn on which nothing comes.
type idleConn struct{ net.Conn }

func (idleConn) Write(p []byte) (int, error)      { return len(p), nil }
func (idleConn) SetDeadline(time.Time) error      { return nil }
func (idleConn) SetReadDeadline(time.Time) error  { return nil }
func (idleConn) SetWriteDeadline(time.Time) error { return nil }
