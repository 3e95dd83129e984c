package websocket

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func TestPingsAreAnswered(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.frame(true, opPing, ""), p.frame(false, opText, "a"), p.frame(true, opPing, longText[:125]), p.frame(true, opContinuation, "b"))
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "ab", string(data))
		p.expect(true, opPong, "")
		p.expect(true, opPong, longText[:125])
	})
}

// TestPongThatCannotBeSent checks that a reader waits no longer than pongWait for a
// peer that sends pings and does not read.
func TestPongThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		c := newConn(a, connConfig{client: true})
		require.NoError(t, c.WriteControl(PingMessage, []byte("full"), time.Time{}))
		go func() {
			p := &peer{t: t, conn: b}
			p.send(p.frame(true, opPing, longText[:125]), p.text("hello"))
		}()
		start := time.Now()
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "hello", string(data))
		require.Equal(t, pongWait, time.Since(start))
		require.Equal(t, StateOpen, c.State())
		c.Close()
		b.Close()
	})
}

func TestHandlers(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		var log []string
		c.SetPingHandler(func(s string) error { log = append(log, "ping "+s); return nil })
		c.SetPongHandler(func(s string) error { log = append(log, "pong "+s); return nil })
		c.SetCloseHandler(func(code int, s string) error {
			log = append(log, fmt.Sprint("close ", code, " ", s))
			return c.WriteControl(CloseMessage, FormatCloseMessage(4444, "mine"), time.Time{})
		})
		p.send(p.frame(true, opPing, "1"), p.frame(true, opPong, "2"), p.text("x"), p.close(1000, "3"))
		_, _, err := c.ReadMessage()
		require.NoError(t, err)
		p.expectCloseThenClose(4444)
		_, _, err = c.ReadMessage()
		require.Equal(t, &CloseError{1000, "3"}, err)
		require.Equal(t, []string{"ping 1", "pong 2", "close 1000 3"}, log)
		require.Equal(t, StateClosed, c.State())
	})
}

// TestHandlerErrorsEndTheReading checks that the error of a handler is returned by
// all reads after it.
func TestHandlerErrorsEndTheReading(t *testing.T) {
	stop := errors.New("stop")
	for name, test := range map[string]struct {
		set   func(c *Conn)
		frame func(p *peer) []byte
	}{
		"ping":  {func(c *Conn) { c.SetPingHandler(func(string) error { return stop }) }, func(p *peer) []byte { return p.frame(true, opPing, "") }},
		"pong":  {func(c *Conn) { c.SetPongHandler(func(string) error { return stop }) }, func(p *peer) []byte { return p.frame(true, opPong, "") }},
		"close": {func(c *Conn) { c.SetCloseHandler(func(int, string) error { return stop }) }, func(p *peer) []byte { return p.close(1000, "") }},
	} {
		t.Run(name, func(t *testing.T) {
			eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
				c, p := m.connect(t)
				test.set(c)
				p.send(test.frame(p), p.text("never"))
				for range 3 {
					_, _, err := r.read(c)
					require.Equal(t, stop, err)
				}
			})
		})
	}
}

// TestDefaultHandlers calls the handlers that the getters return, when others are
// set and when the defaults are restored.
func TestDefaultHandlers(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.SetPingHandler(func(string) error { return io.EOF })
		c.SetPongHandler(func(string) error { return io.EOF })
		c.SetCloseHandler(func(int, string) error { return io.EOF })
		assert.Equal(t, io.EOF, c.PingHandler()(""))
		assert.Equal(t, io.EOF, c.PongHandler()(""))
		assert.Equal(t, io.EOF, c.CloseHandler()(0, ""))
		c.SetPingHandler(nil)
		c.SetPongHandler(nil)
		c.SetCloseHandler(nil)
		require.NoError(t, c.PongHandler()("x"))
		require.NoError(t, c.PingHandler()("x"))
		p.expect(true, opPong, "x")
		require.NoError(t, c.CloseHandler()(CloseNoStatusReceived, ""))
		p.expect(true, opClose, "")
		require.NoError(t, c.CloseHandler()(1000, ""), "a close frame was sent before")
	})
}

func TestFloodGuard(t *testing.T) {
	var g floodGuard
	now := time.Unix(100, 0)
	for range 3 {
		for range maxControlFrames {
			require.True(t, g.allow(now, 0))
		}
		require.False(t, g.allow(now, 0))
		require.False(t, g.allow(now.Add(time.Second-1), 0))
		now = now.Add(time.Second)
	}
	require.True(t, g.allow(now, 1), "data was received")
}
