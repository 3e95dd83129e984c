package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// eachRole runs a test for a server and for a client, in bubbles of testing/synctest.
func eachRole(t *testing.T, test func(t *testing.T, client bool)) {
	for _, client := range []bool{false, true} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, client) })
		})
	}
}

// TestPingFloodIsBounded checks that a flood of pings ends the connection with 1008,
// and that no more than maxControlFrames are answered.
func TestPingFloodIsBounded(t *testing.T) {
	eachRole(t, func(t *testing.T, client bool) {
		p := &peer{masked: !client}
		s := &scriptedStream{in: bytes.Repeat(p.frame(true, opPing, ""), 100*maxControlFrames), chunking: wstest.Whole}
		c := newConn(s, connConfig{client: client})
		_, _, err := c.ReadMessage()
		require.Equal(t, error(errControlFlood), err)
		require.Equal(t, StateClosed, c.State())
		pongs, closes := countFrames(t, s.out.Bytes())
		require.Equal(t, maxControlFrames, pongs)
		require.Equal(t, 1, closes)
	})
}

// TestManyCloseFramesGetOneAnswer checks that close frames after the first are
// ignored.
func TestManyCloseFramesGetOneAnswer(t *testing.T) {
	eachRole(t, func(t *testing.T, client bool) {
		p := &peer{masked: !client}
		s := &scriptedStream{in: bytes.Repeat(p.close(1000, "bye"), 10_000), chunking: wstest.Whole}
		c := newConn(s, connConfig{client: client})
		calls := 0
		echo := c.CloseHandler()
		c.SetCloseHandler(func(code int, text string) error { calls++; return echo(code, text) })
		for range 3 {
			_, _, err := c.ReadMessage()
			require.Equal(t, &CloseError{1000, "bye"}, err)
		}
		require.Equal(t, 1, calls)
		_, closes := countFrames(t, s.out.Bytes())
		require.Equal(t, 1, closes)
	})
}

// TestPingsDoNotOutlastTheReadDeadline has a peer that sends pings and never reads.
// Reads end with their deadlines although the pongs cannot be written.
func TestPingsDoNotOutlastTheReadDeadline(t *testing.T) {
	eachRole(t, func(t *testing.T, client bool) {
		a, b := wstest.Pipe(0, wstest.Whole)
		c := newConn(&blockingStream{Conn: a, closed: make(chan struct{})}, connConfig{client: client, readBufferSize: maxBuffer})
		p := &peer{t: t, conn: b, masked: !client}
		p.send(bytes.Repeat(p.frame(true, opPing, ""), maxControlFrames))
		defer b.Close()
		defer c.Close()
		for range 3 {
			start := time.Now()
			c.SetReadDeadline(start.Add(5 * time.Second))
			_, _, err := c.ReadMessage()
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, 5*time.Second, time.Since(start))
			c.SetReadDeadline(time.Time{})
			require.Equal(t, StateOpen, c.State())

			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			start = time.Now()
			_, _, err = c.ReadMessageContext(ctx)
			require.Equal(t, context.DeadlineExceeded, err)
			require.Equal(t, 5*time.Second, time.Since(start))
			cancel()
		}
	})
}

// TestPeerThatStopsIsEndedByTheDeadline has peers that stop sending inside a message.
// A read ends with its deadline, and no more memory is used than for what was sent.
func TestPeerThatStopsIsEndedByTheDeadline(t *testing.T) {
	for name, frames := range map[string]func(p *peer) []byte{
		"nothing":       func(*peer) []byte { return nil },
		"a byte":        func(p *peer) []byte { return p.text("x")[:1] },
		"half a header": func(p *peer) []byte { return encodeLongLength(p, 127, "\x00\x00\x00\x00\x01\x00\x00\x00")[:9] },
		"half a payload": func(p *peer) []byte {
			return append(encodeLongLength(p, 127, "\x00\x00\x00\x00\x01\x00\x00\x00"), longText[:100]...)
		},
		"half a message":   func(p *peer) []byte { return p.frame(false, opText, "half") },
		"half a ping":      func(p *peer) []byte { b := p.frame(true, opPing, "ping"); return b[:len(b)-1] },
		"half a deflation": func(p *peer) []byte { return p.compressedFrame(false, opText, deflated(longText)[:50]) },
	} {
		t.Run(name, func(t *testing.T) {
			eachRole(t, func(t *testing.T, client bool) {
				a, b := wstest.Pipe(0, wstest.Whole)
				defer b.Close()
				c := newConn(a, connConfig{client: client, agreement: agreements()["bits=15,noTakeover=false"]})
				defer c.Close()
				b.Write(frames(&peer{masked: !client}))
				start := time.Now()
				c.SetReadDeadline(start.Add(time.Minute))
				_, _, err := c.ReadMessage()
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.NotErrorIs(t, err, net.ErrClosed, "the application decides whether to close")
				require.Equal(t, time.Minute, time.Since(start))
				require.LessOrEqual(t, cap(c.read.partialBytes()), 128<<10)
			})
		})
	}
}

// TestPeerThatNeverReadsIsEndedByTheDeadline checks that none of many writers waits
// longer than the write deadline.
func TestPeerThatNeverReadsIsEndedByTheDeadline(t *testing.T) {
	eachRole(t, func(t *testing.T, client bool) {
		a, b := wstest.Pipe(1000, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{client: client})
		start := time.Now()
		c.SetWriteDeadline(start.Add(time.Minute))
		var writers sync.WaitGroup
		for i := range 20 {
			writers.Go(func() {
				assert.Error(t, c.WriteMessage(BinaryMessage, []byte(longText)), "writer %d", i)
				assert.LessOrEqual(t, time.Since(start), time.Minute)
			})
		}
		writers.Wait()
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, StateClosed, c.State(), "a part of a frame was written")
		require.ErrorIs(t, c.WriteMessage(TextMessage, nil), net.ErrClosed)
	})
}

// TestViolationByAPeerThatNeverReads checks that the read returns in time although
// neither the close frame can be sent nor the peer closes.
func TestViolationByAPeerThatNeverReads(t *testing.T) {
	eachRole(t, func(t *testing.T, client bool) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{client: client})
		go c.WriteMessage(TextMessage, []byte(longText)) // fills the pipe
		synctest.Wait()
		start := time.Now()
		go b.Write((&peer{masked: !client}).frame(true, 3, "")) // a reserved opcode
		_, _, err := c.ReadMessage()
		require.Equal(t, error(errReservedOpcode), err)
		require.LessOrEqual(t, time.Since(start), controlTimeout+lingerTime)
		require.Equal(t, StateClosed, c.State())
	})
}

// TestNoMessageAfterAnError checks that no method returns what is in the buffer
// after a violation.
func TestNoMessageAfterAnError(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		s := &scriptedStream{in: bytes.Join([][]byte{p.text("before"), p.frame(true, 3, ""), p.text("after"), p.text("after")}, nil), chunking: wstest.Whole}
		c := newConn(s, connConfig{client: client})
		expectMessages(t, c, []string{"before"})
		for range 3 {
			for _, r := range readMethods {
				_, data, err := r.read(c)
				require.Equal(t, error(errReservedOpcode), err)
				require.Empty(t, data)
			}
			var v any
			require.Equal(t, error(errReservedOpcode), c.ReadJSON(&v))
			n, err := io.Copy(io.Discard, JoinMessages(c, ""))
			require.Equal(t, error(errReservedOpcode), err)
			require.Zero(t, n)
			_, _, err = c.ReadMessageContext(t.Context())
			require.True(t, errors.Is(err, net.ErrClosed))
		}
	}
}
