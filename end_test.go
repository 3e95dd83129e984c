package websocket

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestNothingIsNotWritten: a frame that fits beside its header into a buffer
// is one write: a second one, of nothing, waits for a reader on a net.Pipe.
func TestNothingIsNotWritten(t *testing.T) {
	for n := defaultBuffer - 16; n <= defaultBuffer+2; n++ {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			c := newConn(a, connConfig{})
			done := make(chan error)
			go func() { done <- c.WriteMessage(BinaryMessage, make([]byte, n)) }()
			_, err := io.ReadFull(b, make([]byte, headerSize(n, false)+n))
			require.NoError(t, err)
			synctest.Wait()
			select {
			case err := <-done:
				require.NoError(t, err)
			default:
				t.Error("waits for a peer that has all of it: ", n)
				c.Close()
				<-done
			}
			c.Close()
		})
	}
}

// TestServeEndsWithClose: after Close there are no more messages, though there
// are some in the buffer.
func TestServeEndsWithClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.text("1"), p.text("2"), p.text("3"))
		var events []string
		err := c.Serve(Events{
			Message: func(c *Conn, m Message) {
				events = append(events, string(m.Data))
				c.Close()
			},
			Error: func(*Conn, error) { events = append(events, "error") },
			Close: func(*Conn, CloseInfo) { events = append(events, "close") },
		})
		require.Equal(t, net.ErrClosed, err)
		require.Equal(t, []string{"1", "close"}, events)
	})
}

// TestStreamCloseDuringShutdown: whoever was first, the closing handshake is
// completed.
func TestStreamCloseDuringShutdown(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		s := NewStream(c, BinaryMessage)
		ended := make(chan error)
		go func() { ended <- c.Shutdown(context.Background(), 1000, "") }()
		p.expectClose(1000)
		require.NoError(t, s.Close())
		time.Sleep(lingerTime / 2) // in a bubble: the peer takes its time
		p.send(p.close(1000, ""))
		p.conn.Close()
		require.NoError(t, <-ended)
		<-c.Done()
		require.Equal(t, CloseInfo{Code: 1000, WasClean: true}, c.CloseInfo())
	})
}

// TestStuckGoodbyeIsNotClean: a close frame that never got out does not make
// an end a clean one.
func TestStuckGoodbyeIsNotClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(1, wstest.Whole)
		p := &peer{t: t, conn: b, masked: true}
		c := newConn(a, connConfig{})
		go b.Write(p.close(1000, ""))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.ReadMessage() // and answer
		}()
		synctest.Wait()
		c.Close()
		<-ended
		require.Equal(t, CloseInfo{Code: 1000}, c.CloseInfo())
	})
}

// A sharingConn reads through the reader that its hijacker handed out.
type sharingConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *sharingConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// A sharingHijacker is a ResponseWriter of a middleware that wraps connections.
type sharingHijacker struct {
	http.ResponseWriter
	conn *sharingConn
}

func (h *sharingHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.conn.r, bufio.NewWriter(h.conn)), nil
}

// TestHijackerThatKeepsTheReader: what a middleware reads through is left to
// it, and nothing is received twice.
func TestHijackerThatKeepsTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(0, wstest.Whole)
		p := &peer{t: t, conn: b, masked: true}
		conn := &sharingConn{a, bufio.NewReader(a)}
		p.send(p.text("early"))
		_, err := conn.r.Peek(1)
		require.NoError(t, err)
		var u Upgrader
		c, err := u.Upgrade(&sharingHijacker{httptest.NewRecorder(), conn}, parseRequest(t, sampleRequest), nil)
		require.NoError(t, err)
		p.send(p.text("later"))
		for _, want := range []string{"early", "later"} {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, want, string(data))
		}
		c.Close()
	})
}
