package websocket

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestLingerIsBoundedInBytes checks that no more than lingerSize is read of what a
// peer sends after the end.
func TestLingerIsBoundedInBytes(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		s := &unendingStream{scriptedStream: scriptedStream{in: p.frame(true, 3, ""), chunking: wstest.Whole}}
		c := newConn(s, connConfig{client: client})
		_, _, err := c.ReadMessage()
		require.Equal(t, error(errReservedOpcode), err)
		<-c.transport.whenReleased()
		require.True(t, s.closed)
		require.GreaterOrEqual(t, s.read, lingerSize)
		require.Less(t, s.read, lingerSize+maxBuffer)
	}
}

// TestClosingHandshake does closing handshakes that either side begins, with
// several codes, and checks which side closes the transport first.
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

// TestLingerIsBounded checks that a connection waits no longer than lingerTime for
// a peer that does not close, or does not stop sending.
func TestLingerIsBounded(t *testing.T) {
	for name, behave := range map[string]func(p *peer){
		"silent": func(p *peer) {},
		"sending": func(p *peer) {
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
					go behave(p)
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

// TestLingerWithBlockedWriter has a CloseWrite that blocks, as that of crypto/tls
// does during a write. The time for that is bounded too.
func TestLingerWithBlockedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		blocked := &blockingCloseWrite{Conn: a, closed: make(chan struct{})}
		c := newConn(blocked, connConfig{})
		p := &peer{t: t, conn: b, masked: true}
		go func() { b.Write(p.frame(true, 3, "")) }()
		start := time.Now()
		_, _, err := c.ReadMessage()
		require.Equal(t, error(errReservedOpcode), err)
		require.LessOrEqual(t, time.Since(start), controlTimeout+lingerTime)
	})
}

// TestCloseFrameSurvivesUnreadData checks that a peer that has sent more than was
// read gets the close frame and not a reset of the TCP connection.
func TestCloseFrameSurvivesUnreadData(t *testing.T) {
	for _, client := range []bool{false, true} {
		a, b := socketPair(t)
		c := newConn(a, connConfig{client: client})
		p := &peer{t: t, masked: !client}
		sent := make(chan error)
		go func() {
			_, err := b.Write(append(p.frame(true, 3, "wrong"), make([]byte, 64<<10)...))
			sent <- err
		}()
		read := make(chan error)
		go func() {
			_, _, err := c.ReadMessage()
			read <- err
		}()
		require.NoError(t, <-sent)
		got, err := io.ReadAll(b)
		require.NoError(t, err, "no reset")
		b.Close()
		require.Equal(t, error(errReservedOpcode), <-read)
		h, n, err := parseHeader(got)
		require.NoError(t, err)
		payload := got[n:]
		maskByByte(payload, payload, h.key, 0)
		require.Equal(t, FormatCloseMessage(1002, errReservedOpcode.Reason), payload)
	}
}

func TestCloseEndsReads(t *testing.T) {
	eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
		c, p := m.connect(t)
		go func() {
			synctest.Wait()
			c.Close()
		}()
		_, _, err := r.read(c)
		require.ErrorIs(t, err, net.ErrClosed)
		require.False(t, IsUnexpectedCloseError(err), "the peer has not closed")
		p.expectEOF()
	})
}

// TestUnsentCloseFrameIsNotClean checks that an end is not clean if the close frame
// could not be sent.
func TestUnsentCloseFrameIsNotClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(1, wstest.Whole)
		p := &peer{t: t, conn: b, masked: true}
		c := newConn(a, connConfig{})
		go b.Write(p.close(1000, ""))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.ReadMessage() // sends the answer
		}()
		synctest.Wait()
		c.Close()
		<-ended
		require.Equal(t, CloseInfo{Code: 1000}, c.CloseInfo())
	})
}

// TestCloseFrameSurvivesUnreadDataOverTLS checks that a peer that has sent more
// than was read gets the close frame, and TLS's close_notify after it.
func TestCloseFrameSurvivesUnreadDataOverTLS(t *testing.T) {
	cert, roots := exampleCertificate(t)
	for _, client := range []bool{false, true} {
		a, b := socketPair(t)
		server, other := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}}), tls.Client(b, &tls.Config{RootCAs: roots, ServerName: "example.com"})
		tested, remote := server, other
		if client {
			tested, remote = other, server
		}
		go remote.HandshakeContext(context.Background())
		require.NoError(t, tested.HandshakeContext(t.Context()))
		c := newConn(tested, connConfig{client: client})
		p := &peer{masked: !client}
		go remote.Write(append(p.frame(true, 3, "wrong"), make([]byte, 64<<10)...))
		read := make(chan error)
		go func() {
			_, _, err := c.ReadMessage()
			read <- err
		}()
		got, err := io.ReadAll(remote)
		require.NoError(t, err, "no reset")
		remote.Close()
		require.Equal(t, error(errReservedOpcode), <-read)
		_, closes := countFrames(t, got)
		require.Equal(t, 1, closes)
	}
}

func TestNothingFollowsAClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		w, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		io.WriteString(w, "unsent")
		pm, err := NewPreparedMessage(TextMessage, nil)
		require.NoError(t, err)

		require.NoError(t, c.WriteControl(CloseMessage, FormatCloseMessage(1001, "leaving"), time.Now().Add(settleTime)))
		require.Equal(t, StateClosing, c.State())
		p.expect(true, opClose, "\x03\xE9leaving")

		require.Equal(t, ErrCloseSent, c.WriteMessage(TextMessage, nil))
		require.Equal(t, ErrCloseSent, c.WriteMessageContext(t.Context(), TextMessage, nil))
		require.Equal(t, ErrCloseSent, c.WriteMessage(CloseMessage, nil))
		require.Equal(t, ErrCloseSent, c.WriteControl(PingMessage, nil, time.Time{}))
		require.Equal(t, ErrCloseSent, c.WritePreparedMessage(pm))
		require.Equal(t, ErrCloseSent, c.WriteJSON(1))
		require.Equal(t, ErrCloseSent, w.Close())
		_, err = c.NextWriter(TextMessage)
		require.Equal(t, ErrCloseSent, err)

		p.send(p.text("last"), p.close(1001, ""))
		p.closeAfterConn()
		_, data, err := c.ReadMessage()
		require.NoError(t, err, "the peer may send until it closes")
		require.Equal(t, "last", string(data))
		_, _, err = c.ReadMessage()
		require.Equal(t, &CloseError{Code: 1001}, err)
		require.Equal(t, ErrCloseSent, c.WriteMessage(TextMessage, nil))
	})
}

// TestLingerDuringAHandler checks that a handler that does not return does not keep
// the transport open.
func TestLingerDuringAHandler(t *testing.T) {
	eachRole(t, func(t *testing.T, client bool) {
		a, b := wstest.Pipe(0, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{client: client})
		g := Group{Slow: SlowClose}
		g.Add(c)
		c.write.queueLimit = 1
		returns := make(chan struct{})
		c.SetPingHandler(func(string) error { <-returns; return nil })
		p := &peer{t: t, conn: b, masked: !client}
		p.send(p.frame(true, opPing, ""))
		read := readUntilError(c)
		synctest.Wait()
		start := time.Now()
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("too long"))
		<-c.transport.whenReleased()
		require.LessOrEqual(t, time.Since(start), 2*lingerTime)
		close(returns)
		require.Equal(t, ErrSlowPeer, <-read)
	})
}
