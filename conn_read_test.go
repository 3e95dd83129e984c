package websocket

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReadContextAfterHandlerPanic checks that a context does not end later reads
// if the read that it was for has ended by a panic of a handler.
func TestReadContextAfterHandlerPanic(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.SetPingHandler(func(string) error { panic("handler") })
		p.send(p.frame(true, opPing, ""), p.text("after"))
		ctx, cancel := context.WithCancel(t.Context())
		require.Panics(t, func() { c.ReadMessageContext(ctx) })
		cancel()
		synctest.Wait()
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "after", string(data))
	})
}

// TestDeadlineLosesNothing reads a stream with a deadline that passes before every
// byte.
func TestDeadlineLosesNothing(t *testing.T) {
	eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
		if r.name == "Start" {
			return // a deadline ends it
		}
		if r.name == "NextReader" {
			r.read = resumingReader()
		}
		c, p := m.connect(t)
		stream := bytes.Join([][]byte{
			p.frame(false, opText, "he"), p.frame(true, opPing, "pi"), p.frame(true, opContinuation, "l€"), p.binary(longText[:300]), p.text(""), p.text("end"),
		}, nil)
		want := []message{{TextMessage, "hel€"}, {BinaryMessage, longText[:300]}, {TextMessage, ""}, {TextMessage, "end"}}
		timeouts := 0
		for len(want) > 0 {
			c.SetReadDeadline(time.Now().Add(time.Second))
			kind, data, err := r.read(c)
			if err == nil {
				require.Equal(t, want[0], message{kind, string(data)})
				want = want[1:]
				continue
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, StateOpen, c.State())
			timeouts++
			p.send(stream[:1])
			stream = stream[1:]
		}
		require.Greater(t, timeouts, 300)
		p.expect(true, opPong, "pi")
	})
}

func TestNextReaderContinuesACutReadMessage(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		frame := p.text("hello, world")
		p.send(frame[:len(frame)-6])
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		p.send(frame[len(frame)-6:])
		kind, r, err := c.NextReader()
		require.NoError(t, err)
		require.Equal(t, TextMessage, kind)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "hello, world", string(data))
	})
}

func TestNextReaderDiscardsTheRest(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.frame(false, opText, "unread "), p.frame(true, opContinuation, longText), p.text("second"), p.text("third"))
		_, first, err := c.NextReader()
		require.NoError(t, err)
		var b [1]byte
		_, err = first.Read(b[:])
		require.NoError(t, err)

		_, second, err := c.NextReader()
		require.NoError(t, err)
		_, err = first.Read(b[:])
		require.Equal(t, io.EOF, err, "a reader ends with the next NextReader")
		n, err := second.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)

		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "third", string(data))
	})
}

func TestReadMessageContext(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		frame := p.text("hello")
		p.send(frame[:len(frame)-2])

		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := c.ReadMessageContext(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, StateOpen, c.State())
		_, _, err = c.ReadMessageContext(ctx)
		require.Equal(t, context.DeadlineExceeded, err, "at once")

		ctx, cancel = context.WithCancel(context.Background())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		_, _, err = c.ReadMessageContext(ctx)
		require.Equal(t, context.Canceled, err)

		p.send(frame[len(frame)-2:])
		_, data, err := c.ReadMessageContext(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(data))

		// A context does not change the deadline of the connection.
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err = c.ReadMessageContext(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

// TestReadersTakeTurns has many goroutines read. Each message goes to one of them.
func TestReadersTakeTurns(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		const n = 20
		got := make(chan string, n)
		for range n {
			go func() {
				_, data, err := c.ReadMessage()
				if err != nil {
					data = []byte(err.Error())
				}
				got <- string(data)
			}()
		}
		seen := make(map[string]bool)
		for i := range n {
			p.send(p.text(strings.Repeat("x", i)))
			seen[<-got] = true
		}
		require.Len(t, seen, n)

		// A reader that waits for its turn stops waiting when its context ends.
		go c.ReadMessage()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _, err := c.ReadMessageContext(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
	})
}
