package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestNoEmptyWrite checks that a frame that fits into a buffer with its header is
// written at once, without an empty write after it. That would block on a net.Pipe.
func TestNoEmptyWrite(t *testing.T) {
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
				t.Error("the write blocks although the peer has read all of it: ", n)
				c.Close()
				<-done
			}
			c.Close()
		})
	}
}

// TestEveryFrameHasItsOwnKey checks the masking keys of all methods that send frames:
// RFC 6455, Section 5.3.
func TestEveryFrameHasItsOwnKey(t *testing.T) {
	seen := make(map[[4]byte]bool)
	frames := 0
	for range 20 {
		s := writeAllKinds(t)
		for b := s.out.Bytes(); len(b) > 0; frames++ {
			h, n, err := parseHeader(b)
			require.NoError(t, err)
			require.True(t, h.masked)
			seen[h.key] = true
			b = b[n+int(h.length):]
		}
	}
	require.Greater(t, frames, 300)
	require.GreaterOrEqual(t, len(seen), frames-1, "a collision among some hundred random keys is rare")
}

// writeAllKinds has a client send frames of all kinds.
func writeAllKinds(t *testing.T) *scriptedStream {
	p := &peer{}
	s := &scriptedStream{in: append(p.frame(true, opPing, "ping"), p.close(1000, "")...), chunking: wstest.Whole}
	c := newConn(s, connConfig{client: true, agreement: agreements()["bits=15,noTakeover=false"], writeBufferSize: minBuffer})
	pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
	require.NoError(t, err)
	for _, compress := range []bool{false, true} {
		c.EnableWriteCompression(compress)
		require.NoError(t, c.WriteMessage(TextMessage, []byte("short")))
		require.NoError(t, c.WriteMessage(TextMessage, []byte(longText)))
		require.NoError(t, c.WriteMessageContext(t.Context(), TextMessage, nil))
		require.NoError(t, c.WriteControl(PongMessage, []byte("pong"), time.Time{}))
		require.NoError(t, c.WritePreparedMessage(pm))
		require.NoError(t, c.WritePreparedMessage(pm))
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		for range 5 {
			_, err = io.WriteString(w, testPayload(200))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
	}
	_, _, err = c.ReadMessage() // answers the ping, and the close frame
	require.Equal(t, &CloseError{Code: 1000}, err)
	return s
}

// TestWriteOverSockets writes to TCP sockets, which have methods of their own for
// that.
func TestWriteOverSockets(t *testing.T) {
	for _, client := range []bool{false, true} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			a, b := socketPair(t)
			c := newConn(a, connConfig{client: client})
			peer := newConn(b, connConfig{client: !client})
			for _, n := range lengths {
				go func() { assert.NoError(t, c.WriteMessage(TextMessage, []byte(testPayload(n)))) }()
				_, data, err := peer.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, testPayload(n), string(data))
			}
		})
	}
}

func TestWriteDeadlineBeforeTheFirstByte(t *testing.T) {
	c := newBlockedConn(t)
	passed := time.Now().Add(-time.Second)
	for name, err := range map[string]error{
		"a deadline that has passed": c.WriteControl(PingMessage, nil, passed),
		"a deadline that passes":     c.WriteControl(PingMessage, nil, time.Now().Add(10*time.Millisecond)),
	} {
		ne, ok := errors.AsType[net.Error](err)
		require.True(t, ok, name)
		require.True(t, ne.Timeout(), name)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
		require.NotErrorIs(t, err, net.ErrClosed, name)
	}
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	require.ErrorIs(t, c.WriteMessage(TextMessage, []byte("x")), os.ErrDeadlineExceeded)
	c.SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, []byte("x")))
	require.Equal(t, StateOpen, c.State(), "no byte was written")

	// The limits hold for calls that wait for their turn too.
	blocked := make(chan error)
	go func() { blocked <- c.WriteMessage(TextMessage, []byte("x")) }()
	for c.write.frames.lock.IsFree() {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, []byte("y")))
	require.Equal(t, errWriteTimeout, c.WriteControl(PingMessage, nil, time.Now().Add(10*time.Millisecond)))
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-blocked, net.ErrClosed)
}

// TestCloseFrameThatWasNotBegun checks that a close frame can be sent again if its
// deadline has passed before the first byte.
func TestCloseFrameThatWasNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{})
		defer c.Close()
		c.transport.socket = true // a write that times out can be tried again
		require.NoError(t, c.WriteControl(PingMessage, []byte("12345678"), time.Time{}))
		payload := FormatCloseMessage(CloseNormalClosure, "")
		require.ErrorIs(t, c.WriteControl(CloseMessage, payload, time.Now().Add(time.Second)), os.ErrDeadlineExceeded)
		require.Equal(t, StateOpen, c.State())
		p := &peer{t: t, conn: b, masked: true}
		p.expect(true, opPing, "12345678")
		require.NoError(t, c.WriteControl(CloseMessage, payload, time.Now().Add(time.Second)))
		require.Equal(t, StateClosing, c.State())
		p.expectClose(1000)
	})
}

// TestWriteCutInsideAFrame checks that a write that ends inside a frame ends the
// connection.
func TestWriteCutInsideAFrame(t *testing.T) {
	for name, test := range map[string]struct {
		write func(c *Conn) error
		cause error
	}{
		"deadline": {func(c *Conn) error {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			return c.WriteMessage(BinaryMessage, []byte(longText))
		}, os.ErrDeadlineExceeded},
		"context": {func(c *Conn) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return c.WriteMessageContext(ctx, BinaryMessage, []byte(longText))
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe(1000, wstest.Whole)
				defer b.Close()
				c := newConn(a, connConfig{})
				read := make(chan error)
				go func() {
					_, _, err := c.ReadMessage()
					read <- err
				}()
				err := test.write(c)
				require.ErrorIs(t, err, test.cause)
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, StateClosed, c.State())
				require.ErrorIs(t, <-read, net.ErrClosed)
				require.Equal(t, err, c.WriteMessage(TextMessage, nil), "the error stays")
			})
		})
	}
}
