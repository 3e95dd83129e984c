package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
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
		p.send(p.frame(true, opPing, ""), p.frame(false, opText, "a"), p.frame(true, opPing, long[:125]), p.frame(true, opContinuation, "b"))
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "ab", string(data))
		p.expect(true, opPong, "")
		p.expect(true, opPong, long[:125])
	})
}

// TestPongThatCannotBeSent: a peer that pings and does not read does not make
// the reader wait.
func TestPongThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		c := newConn(a, connConfig{client: true})
		require.NoError(t, c.WriteControl(PingMessage, []byte("full"), time.Time{}))
		go func() {
			p := &peer{t: t, conn: b}
			p.send(p.frame(true, opPing, long[:125]), p.text("hello"))
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
		p.closesAfter(4444)
		_, _, err = c.ReadMessage()
		require.Equal(t, &CloseError{1000, "3"}, err)
		require.Equal(t, []string{"ping 1", "pong 2", "close 1000 3"}, log)
		require.Equal(t, StateClosed, c.State())
	})
}

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
			eachReading(t, func(t *testing.T, m mode, r reading) {
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

// TestDefaultHandlers calls what the getters return, before and after other
// handlers were set.
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
		require.NoError(t, c.CloseHandler()(1000, ""), "ours was first")
	})
}

// TestClosingHandshake goes through it from both sides and with every code
// that may be sent, and looks at who closes the transport when.
func TestClosingHandshake(t *testing.T) {
	for _, code := range []int{1000, 1001, 1003, 1007, 1014, 3000, 4999, CloseNoStatusReceived} {
		for _, ours := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d/ours=%v", code, ours), func(t *testing.T) {
				eachMode(t, func(t *testing.T, m mode) {
					c, p := m.connect(t)
					if ours {
						require.NoError(t, c.WriteMessage(CloseMessage, FormatCloseMessage(code, "")))
						require.Equal(t, StateClosing, c.State())
						p.expectClose(code)
					}
					p.send(p.close(code, ""))
					read := make(chan error)
					go func() {
						_, _, err := c.ReadMessage()
						read <- err
					}()
					synctest.Wait()
					if !ours {
						p.expectClose(code)
					}
					require.Equal(t, &CloseError{Code: code}, <-read, "the read does not wait for the transport to be closed")
					require.Equal(t, StateClosed, c.State())
					require.Equal(t, CloseInfo{Code: code, WasClean: true}, c.CloseInfo())
					synctest.Wait()
					if m.client {
						// RFC 6455, Section 7.1.1: it waits for the server.
						require.False(t, isReleased(c))
					} else {
						p.expectEOF()
					}
					p.conn.Close()
					synctest.Wait()
					require.True(t, isReleased(c))
				})
			})
		}
	}
}

// TestLingerIsBounded: a peer that does not close, or does not stop sending,
// is not waited for long.
func TestLingerIsBounded(t *testing.T) {
	for name, behaviour := range map[string]func(p *peer){
		"silent": func(p *peer) {},
		"babbling": func(p *peer) {
			for {
				if _, err := p.conn.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, client := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					a, b := wstest.Pipe(1<<20, wstest.Whole)
					c := newConn(a, connConfig{client: client})
					p := &peer{t: t, conn: b, masked: !client}
					p.send(p.close(1000, ""))
					go behaviour(p)
					start := time.Now()
					_, _, err := c.ReadMessage()
					require.Equal(t, &CloseError{Code: 1000}, err)
					require.Equal(t, StateClosed, c.State())
					require.LessOrEqual(t, time.Since(start), lingerTime)
					b.Close()
				})
			}
		})
	}
}

// TestLingerWithAStuckWriter: closing one half may wait for a write under way,
// as it does in crypto/tls. That is bounded too.
func TestLingerWithAStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		stuck := &stuckHalf{Conn: a, closed: make(chan struct{})}
		c := newConn(stuck, connConfig{})
		p := &peer{t: t, conn: b, masked: true}
		go func() { b.Write(p.frame(true, 3, "")) }()
		start := time.Now()
		_, _, err := c.ReadMessage()
		require.Equal(t, error(errReservedOpcode), err)
		require.LessOrEqual(t, time.Since(start), controlTimeout+lingerTime)
	})
}

// A stuckHalf does not close one half before it is closed as a whole.
type stuckHalf struct {
	*wstest.Conn
	closed chan struct{}
}

func (s *stuckHalf) CloseWrite() error {
	<-s.closed
	return nil
}

func (s *stuckHalf) Close() error {
	close(s.closed)
	return s.Conn.Close()
}

// TestCloseFrameSurvivesUnreadData: over a real socket, a peer that has sent
// more than was read gets the close frame and not a reset.
func TestCloseFrameSurvivesUnreadData(t *testing.T) {
	for _, client := range []bool{false, true} {
		a, b := socketPair(t)
		c := newConn(a, connConfig{client: client})
		p := &peer{t: t, masked: !client}
		sent := make(chan error)
		go func() {
			_, err := b.Write(append(p.frame(true, 3, "wrong"), make([]byte, 500<<10)...))
			sent <- err
		}()
		read := make(chan error)
		go func() {
			_, _, err := c.ReadMessage()
			read <- err
		}()
		require.NoError(t, <-sent)
		got, err := io.ReadAll(b)
		require.NoError(t, err, "the end, and no reset")
		b.Close()
		require.Equal(t, error(errReservedOpcode), <-read)
		h, n, err := parseHeader(got)
		require.NoError(t, err)
		payload := got[n:]
		maskByByte(payload, payload, h.key, 0)
		require.Equal(t, FormatCloseMessage(1002, errReservedOpcode.Reason), payload)
	}
}

func TestLocalCloseEndsReads(t *testing.T) {
	eachReading(t, func(t *testing.T, m mode, r reading) {
		c, p := m.connect(t)
		go func() {
			synctest.Wait()
			c.Close()
		}()
		_, _, err := r.read(c)
		require.ErrorIs(t, err, net.ErrClosed)
		require.False(t, IsUnexpectedCloseError(err), "the peer has nothing to do with it")
		p.expectEOF()
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
	require.True(t, g.allow(now, 1), "data has come")
}

// TestAccessors holds what says nothing about frames.
func TestAccessors(t *testing.T) {
	a, b := socketPair(t)
	c := newConn(a, connConfig{subprotocol: "chat", url: "ws://x/"})
	assert.Equal(t, "chat", c.Subprotocol())
	assert.Equal(t, "ws://x/", c.URL())
	assert.Empty(t, c.Extensions())
	assert.Equal(t, b.RemoteAddr(), c.LocalAddr())
	assert.Equal(t, b.LocalAddr(), c.RemoteAddr())
	assert.Equal(t, net.Conn(a), c.NetConn())
	assert.Equal(t, net.Conn(a), c.UnderlyingConn())

	c = newConn(&scriptedStream{}, connConfig{})
	assert.Nil(t, c.NetConn())
	assert.Nil(t, c.LocalAddr())
	assert.Nil(t, c.RemoteAddr())
	assert.EqualValues(t, DefaultReadLimit, c.read.limit.Load())
	c.EnableWriteCompression(true)
	for level := -3; level <= 10; level++ {
		assert.Equal(t, level >= -2 && level <= 9, c.SetCompressionLevel(level) == nil, "level %d", level)
	}
}
