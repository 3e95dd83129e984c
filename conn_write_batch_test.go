package websocket

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestWritesThatAreNotBatched checks which messages are written at once although
// the next request has arrived already.
func TestWritesThatAreNotBatched(t *testing.T) {
	for name, test := range map[string]struct {
		config connConfig
		write  func(c *Conn) error
		writes int32
	}{
		"the default": {connConfig{}, func(c *Conn) error { return c.WriteMessage(TextMessage, []byte("x")) }, 0},
		"WriteImmediately": {connConfig{writeImmediately: true}, func(c *Conn) error {
			return c.WriteMessage(TextMessage, []byte("x"))
		}, 1},
		"a context": {connConfig{}, func(c *Conn) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			return c.WriteMessageContext(ctx, TextMessage, []byte("x"))
		}, 1},
		"a deadline": {connConfig{}, func(c *Conn) error {
			c.SetWriteDeadline(time.Now().Add(time.Hour))
			return c.WriteMessage(TextMessage, []byte("x"))
		}, 1},
		"a long message":    {connConfig{}, func(c *Conn) error { return c.WriteMessage(TextMessage, []byte(longText)) }, 1},
		"a control message": {connConfig{}, func(c *Conn) error { return c.WriteControl(PingMessage, nil, time.Time{}) }, 1},
		"a reader at work": {connConfig{}, func(c *Conn) error {
			c.read.lock.Acquire(nil, nil)
			defer c.read.lock.Release()
			return c.WriteMessage(TextMessage, []byte("x"))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mode{chunking: func() wstest.Chunking { return wstest.Whole }, buffer: defaultBuffer}
				c, s, p := m.connectGated(t, test.config)
				p.send(p.text("1"), p.text("2"))
				_, _, err := c.ReadMessage()
				require.NoError(t, err)
				require.NoError(t, test.write(c))
				if test.writes == 0 {
					require.Zero(t, s.writes.Load())
					time.Sleep(flushDelay)
					synctest.Wait()
					require.EqualValues(t, 1, s.writes.Load(), "it does not wait for long")
				}
				require.Positive(t, s.writes.Load())
			})
		})
	}
}

// TestBatchingDoesNotAllocate has 16 requests outstanding.
func TestBatchingDoesNotAllocate(t *testing.T) {
	skipUnlessAllocationsCount(t)
	server, remote := socketPair(t)
	c, client := newConn(server, connConfig{}), newConn(remote, connConfig{client: true})
	defer c.Close()
	defer client.Close()
	p := &peer{masked: true}
	var requests []byte
	for i := range 16 {
		requests = append(requests, p.text(fmt.Sprint(i))...)
	}
	buf, answer := make([]byte, 0, 100), make([]byte, 0, 100)
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		if _, err := remote.Write(requests); err != nil {
			t.Fatal(err)
		}
		for range 16 {
			kind, data, err := c.AppendMessage(buf)
			if err != nil || c.WriteMessage(kind, data) != nil {
				t.Fatal("echo")
			}
		}
		// The last answer is written by a reader that is about to wait, or after
		// flushDelay.
		for range 16 {
			if _, _, err := client.AppendMessage(answer); err != nil {
				t.Fatal(err)
			}
		}
	}), 1.0, "for all 16: the timer's goroutine at most")
}
