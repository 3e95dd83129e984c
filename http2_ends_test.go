package websocket_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestHTTP2HandlerReturnsBesideAWriter: a handler returns while a write waits for the
// peer's flow control, and then the peer reads.
func TestHTTP2HandlerReturnsBesideAWriter(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("net/http does not synchronize the end of a handler with the use of its ResponseWriter")
	}
	for _, size := range []int{100, 10 << 10, 1 << 20} {
		written := make(chan error, 1)
		u := &websocket.Upgrader{}
		s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := u.Upgrade(w, r, nil)
			if !assert.NoError(t, err) {
				return
			}
			c.SetWriteDeadline(time.Now().Add(20 * time.Second))
			go func() {
				var err error
				for err == nil {
					err = c.WriteMessage(websocket.BinaryMessage, make([]byte, size))
				}
				written <- err
			}()
			for n := int64(-1); n != c.BufferedAmount(); { // until the writer waits
				n = c.BufferedAmount()
				time.Sleep(50 * time.Millisecond)
			}
		}))
		c, _, err := s.dialer(t).Dial(s.url(), nil)
		require.NoError(t, err)
		defer c.Close()
		time.Sleep(300 * time.Millisecond)
		for err == nil {
			_, _, err = c.ReadMessage()
		}
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, wait(t, written, "the writer"), net.ErrClosed)
	}
}

// TestHTTP2CloseBeforeTheHandlerReturns: the peer learns of Close at once, whatever the
// handler does after it.
func TestHTTP2CloseBeforeTheHandlerReturns(t *testing.T) {
	release := make(chan struct{})
	u := &websocket.Upgrader{}
	s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
		c.Close()
		<-release
	}))
	defer close(release)
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	err = wait(t, async(func() error {
		_, _, err := c.ReadMessage()
		return err
	}), "the read")
	require.ErrorIs(t, err, net.ErrClosed)
	require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), "%v", err)
}

// TestHTTP2FirstDialsTogether: Dials that find no connection wait for the first one's.
func TestHTTP2FirstDialsTogether(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	d := s.dialer(t)
	var dialed []<-chan *websocket.Conn
	for range 50 {
		dialed = append(dialed, async(func() *websocket.Conn {
			c, _, err := d.Dial(s.url(), nil)
			assert.NoError(t, err)
			return c
		}))
	}
	for _, c := range dialed {
		if c := wait(t, c, "Dial"); c != nil {
			c.Close()
		}
	}
	require.EqualValues(t, 1, s.conns.Load())
}

// TestHTTP2RequestContext: a timeout that a middleware gives the request does not end the
// connection, as it does not over HTTP/1.1.
func TestHTTP2RequestContext(t *testing.T) {
	echo := echoHTTP2(&websocket.Upgrader{})
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 0)
		defer cancel()
		<-ctx.Done()
		echo.ServeHTTP(w, r.WithContext(ctx))
	}))
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}

// TestHTTP2WrappedWriter: a ResponseWriter that hides net/http's is refused, by its name,
// and one that has an Unwrap method is not.
func TestHTTP2WrappedWriter(t *testing.T) {
	type hidingWriter struct{ http.ResponseWriter }
	echo := echoHTTP2(&websocket.Upgrader{})
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "hiding" {
			echo.ServeHTTP(hidingWriter{w}, r)
			return
		}
		echo.ServeHTTP(unwrappingWriter{hidingWriter{w}, w}, r)
	}))
	d := s.dialer(t)
	_, resp, err := d.Dial(s.url()+"?hiding", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "hidingWriter has neither deadlines nor an Unwrap method")

	c, _, err := d.Dial(s.url(), nil)
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}

type unwrappingWriter struct {
	http.ResponseWriter
	inner http.ResponseWriter
}

func (w unwrappingWriter) Unwrap() http.ResponseWriter { return w.inner }
