package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// expectAndEchoClose makes the peer read a close frame with the code and the reason,
// send the same, and close its side.
func (p *peer) expectAndEchoClose(code int, reason string) {
	p.expect(true, opClose, string(FormatCloseMessage(code, reason)))
	p.send(p.close(code, reason))
	p.conn.CloseWrite()
}

// startShutdown calls Shutdown without a deadline in a goroutine, and returns a
// channel with its result.
func (c *Conn) startShutdown(code int, reason string) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 1000*time.Hour) // rather than the default
		defer cancel()
		result <- c.Shutdown(ctx, code, reason)
	}()
	return result
}

// TestShutdownCodesAndReasons checks that a client may send what the browser's
// close method allows, and a server the other valid codes too (RFC 6455,
// Section 7.4). An error leaves the connection as it was.
func TestShutdownCodesAndReasons(t *testing.T) {
	const both, server = 2, 1 // the roles that may send the code
	for _, test := range []struct {
		code   int
		reason string
		roles  int
		err    error
	}{
		{1000, "", both, nil},
		{1000, "bye", both, nil},
		{3000, strings.Repeat("x", 123), both, nil},
		{4999, strings.Repeat("ä", 61), both, nil},
		{1001, "going", both, nil},
		{1002, "", server, nil},
		{1005, "", both, nil},
		{1008, "", server, nil},
		{1014, "", server, nil},
		{0, "", 0, ErrInvalidCloseCode},
		{999, "", 0, ErrInvalidCloseCode},
		{1004, "", 0, ErrInvalidCloseCode},
		{1005, "why", 0, ErrInvalidCloseCode},
		{1006, "", 0, ErrInvalidCloseCode},
		{1015, "", 0, ErrInvalidCloseCode},
		{2999, "", 0, ErrInvalidCloseCode},
		{5000, "", 0, ErrInvalidCloseCode},
		{66536, "", 0, ErrInvalidCloseCode}, // 1000 in 16 bits
		{1000, strings.Repeat("x", 124), 0, ErrCloseReasonTooLong},
		{4000, strings.Repeat("ä", 62), 0, ErrCloseReasonTooLong},
		{1000, "\xFF", 0, errCloseReasonInvalid},
	} {
		t.Run(fmt.Sprintf("%d,%d bytes", test.code, len(test.reason)), func(t *testing.T) {
			for _, client := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					c, p := mode{client, func() wstest.Chunking { return wstest.Whole }, defaultBuffer}.connect(t)
					if test.roles == both || test.roles == server && !client {
						go p.expectAndEchoClose(test.code, test.reason)
						require.NoError(t, c.Shutdown(t.Context(), test.code, test.reason))
						return
					}
					want := test.err
					if want == nil {
						want = ErrInvalidCloseCode
					}
					require.Equal(t, want, c.Shutdown(t.Context(), test.code, test.reason))
					require.Equal(t, StateOpen, c.State())
					require.NoError(t, c.WriteMessage(TextMessage, []byte("as it was")))
					p.expect(true, opText, "as it was")
				})
			}
		})
	}
}

// TestShutdownOrder checks that the server closes the TCP connection first and the
// client waits for that (RFC 6455, Section 7.1.1). What the peer sends meanwhile is
// discarded.
func TestShutdownOrder(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.text("not read"), p.frame(false, opBinary, "half a message"))
		ended := c.startShutdown(4000, "enough")
		p.expect(true, opClose, string(FormatCloseMessage(4000, "enough")))
		require.Equal(t, StateClosing, c.State())
		require.Zero(t, c.CloseInfo())
		p.send(p.frame(true, opPing, "no pong after a close frame"), p.frame(true, opContinuation, longText), p.text(longText), p.close(4001, "too"))
		if m.client {
			synctest.Wait()
			p.conn.SetReadDeadline(time.Now().Add(lingerTime / 2))
			_, err := p.next()
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the client has to wait")
			require.Empty(t, ended)
			p.conn.SetReadDeadline(time.Time{})
			p.conn.CloseWrite()
		}
		p.expectEOF()
		if !m.client {
			require.Empty(t, ended, "the server has closed its half and waits")
			p.conn.CloseWrite()
		}
		require.NoError(t, <-ended)
		<-c.Done()
		require.Equal(t, StateClosed, c.State())
		require.Equal(t, CloseInfo{4001, "too", true}, c.CloseInfo())
		_, _, err := c.ReadMessage()
		require.Equal(t, &CloseError{4001, "too"}, err)
		require.Equal(t, ErrCloseSent, c.WriteMessage(TextMessage, nil))
		require.NoError(t, c.Shutdown(t.Context(), 1000, ""), "the end was clean")
	})
}

// TestShutdownWithoutAnswer checks that Shutdown returns when its context ends, and
// not before.
func TestShutdownWithoutAnswer(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		c.SetReadDeadline(start.Add(time.Second)) // has no effect on Shutdown
		go func() {
			for range 5 {
				time.Sleep(settleTime / 10)
				p.conn.Write(p.text("not a close frame"))
			}
		}()
		require.Equal(t, context.DeadlineExceeded, c.Shutdown(ctx, 1000, ""))
		require.Equal(t, settleTime, time.Since(start))
		require.Equal(t, StateClosed, c.State())
		require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
		p.expectClose(1000)
		p.expectEOF()
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, c.Shutdown(t.Context(), 1000, ""), net.ErrClosed)
	})
}

// TestShutdownWithEndedContext checks that the transport is closed.
func TestShutdownWithEndedContext(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _ := m.connect(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, context.Canceled, c.Shutdown(ctx, 1000, ""))
		require.Equal(t, StateClosed, c.State())
	})
}

// TestShutdownFlushesFirst checks that messages that are queued or being written are
// sent before the close frame.
func TestShutdownFlushesFirst(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		io.WriteString(w, longText)
		for i := range 10 {
			require.NoError(t, c.Send(TextMessage, fmt.Append(nil, i)))
		}
		ended := c.startShutdown(1000, "")
		synctest.Wait()
		require.Equal(t, StateOpen, c.State(), "a message is under way")
		require.NoError(t, w.Close())
		for fin := false; !fin; {
			f, err := p.next()
			require.NoError(t, err)
			fin = f.fin
		}
		for i := range 10 {
			p.expect(true, opText, fmt.Sprint(i))
		}
		p.expectAndEchoClose(1000, "")
		require.NoError(t, <-ended)
		require.Zero(t, c.BufferedAmount())
	})
	for range 200 { // in whatever state the flusher is
		eachRoleMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			require.NoError(t, c.Send(TextMessage, []byte("last")))
			ended := c.startShutdown(1000, "")
			p.expect(true, opText, "last")
			p.expectAndEchoClose(1000, "")
			require.NoError(t, <-ended)
		})
	}
}

// eachRoleMode is like eachMode, but with one mode for each role.
func eachRoleMode(t *testing.T, test func(t *testing.T, m mode)) {
	for _, client := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			test(t, mode{client, func() wstest.Chunking { return wstest.Whole }, defaultBuffer})
		})
	}
}

// TestShutdownWithBlockedQueue checks that Shutdown returns when its context ends
// although the queue cannot be flushed, and that no goroutine is left.
func TestShutdownWithBlockedQueue(t *testing.T) {
	eachRoleMode(t, func(t *testing.T, m mode) {
		c, _ := m.connectSmallPipe(t, connConfig{})
		require.NoError(t, c.Send(BinaryMessage, []byte(longText)))
		require.NoError(t, c.Send(TextMessage, []byte("behind")))
		waiting := make(chan error)
		go func() { waiting <- c.WriteMessage(TextMessage, []byte("waits for the queue")) }()
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, c.Shutdown(ctx, 1000, ""))
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		require.EqualValues(t, len(longText)+6, c.BufferedAmount())
	})
}

// TestShutdownDuringRead checks that a read under way returns its message, and the
// next one the end.
func TestShutdownDuringRead(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		read := make(chan string)
		go func() {
			defer close(read)
			_, data, err := c.ReadMessage()
			assert.NoError(t, err)
			read <- string(data)
			_, _, err = c.ReadMessage()
			assert.Equal(t, &CloseError{1000, ""}, err)
		}()
		synctest.Wait()
		ended := c.startShutdown(1000, "")
		synctest.Wait()
		p.send(p.text("one"), p.text("discarded"))
		require.Equal(t, "one", <-read)
		p.expectAndEchoClose(1000, "")
		require.NoError(t, <-ended)
		<-read
	})
}

// TestShutdownInsideAMessage checks that the reader of a message does not return
// io.EOF if the rest of the message was discarded.
func TestShutdownInsideAMessage(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.frame(false, opText, "half a "))
		_, r, err := c.NextReader()
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 4))
		require.NoError(t, err)
		ended := c.startShutdown(1000, "")
		synctest.Wait()
		p.send(p.frame(true, opContinuation, "message"))
		go p.expectAndEchoClose(1000, "")
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, <-ended)
	})
}

// TestConcurrentShutdowns calls Shutdown several times at once, and together with
// Close.
func TestConcurrentShutdowns(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		var ended []<-chan error
		for i := range 5 {
			ended = append(ended, c.startShutdown(4000+i, ""))
		}
		f, err := p.next()
		require.NoError(t, err)
		require.Equal(t, opClose, f.opcode)
		p.send(p.close(1000, ""))
		p.conn.CloseWrite()
		for _, e := range ended {
			require.NoError(t, <-e)
		}
		p.expectEOF()
	})
	eachMode(t, func(t *testing.T, m mode) {
		c, _ := m.connect(t)
		unlimited := c.startShutdown(1000, "")
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, c.Shutdown(ctx, 1000, ""))
		require.ErrorIs(t, <-unlimited, net.ErrClosed, "the other call has closed the transport")
	})
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		ended := c.startShutdown(1000, "")
		synctest.Wait()
		c.Close()
		require.ErrorIs(t, <-ended, net.ErrClosed)
		p.expectClose(1000)
		p.expectEOF()
	})
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.Close()
		require.ErrorIs(t, c.Shutdown(t.Context(), 1000, ""), net.ErrClosed)
		require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
		p.expectEOF()
	})
}

// TestShutdownAfterPeerClosed calls Shutdown after the peer's close frame was read.
func TestShutdownAfterPeerClosed(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) { // the close frame was answered
		c, p := m.connect(t)
		p.send(p.close(1000, "mine"))
		p.expectCloseThenClose(1000)
		_, _, err := c.ReadMessage()
		require.True(t, IsCloseError(err, 1000))
		require.NoError(t, c.Shutdown(t.Context(), 4000, ""))
		require.Equal(t, CloseInfo{1000, "mine", true}, c.CloseInfo())
	})
	eachMode(t, func(t *testing.T, m mode) { // it was not, and Shutdown answers it
		c, p := m.connect(t)
		c.SetCloseHandler(func(int, string) error { return nil })
		p.send(p.close(1000, ""))
		_, _, err := c.ReadMessage()
		require.True(t, IsCloseError(err, 1000))
		ended := c.startShutdown(4000, "")
		p.expectClose(4000)
		synctest.Wait()
		require.Empty(t, ended, "the transport is not closed at once")
		p.conn.CloseWrite()
		require.NoError(t, <-ended)
		require.Equal(t, CloseInfo{1000, "", true}, c.CloseInfo())
		p.expectEOF()
	})
	eachMode(t, func(t *testing.T, m mode) { // it was not, and it is too late for that
		c, p := m.connect(t)
		c.SetCloseHandler(func(int, string) error { return nil })
		p.send(p.close(1000, ""))
		_, _, err := c.ReadMessage()
		require.True(t, IsCloseError(err, 1000))
		c.Close()
		require.ErrorIs(t, c.Shutdown(t.Context(), 4000, ""), net.ErrClosed)
		p.expectEOF()
	})
}

// TestViolationDuringShutdown checks that a violation of the protocol is found even
// after the close frame was sent.
func TestViolationDuringShutdown(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		ended := c.startShutdown(1000, "")
		p.expectClose(1000)
		p.send(p.frame(true, 3, ""))
		p.conn.CloseWrite()
		require.Equal(t, errReservedOpcode, <-ended)
	})
}

// TestShutdownOverTLS calls Shutdown at both ends at the same time, over TLS, which
// cannot be written to without waiting.
func TestShutdownOverTLS(t *testing.T) {
	conns := make(chan *Conn, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(Upgrader).Upgrade(w, r, nil)
		assert.NoError(t, err)
		conns <- c
	}))
	defer server.Close()
	dialer := Dialer{TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig}
	for range 10 {
		client, _, err := dialer.Dial(server.URL, nil)
		require.NoError(t, err)
		var ended sync.WaitGroup
		for _, c := range []*Conn{client, <-conns} {
			require.NoError(t, c.Send(TextMessage, []byte(longText)))
			ended.Go(func() { assert.NoError(t, c.Shutdown(t.Context(), 1000, "")) })
		}
		ended.Wait()
	}
}

// TestShutdownOfBothSides: each has more to send than fits on the way, and
// readUntilError while it writes.
func TestShutdownOfBothSides(t *testing.T) {
	a, b := socketPair(t)
	left, right := newConn(a, connConfig{sendQueueLimit: -1}), newConn(b, connConfig{client: true, sendQueueLimit: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	for _, c := range []*Conn{left, right} {
		for range 10 {
			require.NoError(t, c.Send(BinaryMessage, make([]byte, 2<<20)))
		}
		go func() { ended <- c.Shutdown(ctx, CloseNormalClosure, "") }()
	}
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}
