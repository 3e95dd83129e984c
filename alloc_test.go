package websocket

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An endlessStream delivers the same frame for ever and forgets what is
// written to it.
type endlessStream struct {
	frame []byte
	rest  []byte
}

func (s *endlessStream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		s.rest = s.frame
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *endlessStream) Write(p []byte) (int, error)      { return len(p), nil }
func (s *endlessStream) Close() error                     { return nil }
func (s *endlessStream) SetReadDeadline(time.Time) error  { return nil }
func (s *endlessStream) SetWriteDeadline(time.Time) error { return nil }

func endless(client bool, op opcode, n int) *Conn {
	p := &peer{masked: !client}
	return newConn(&endlessStream{frame: p.frame(true, op, testPayload(n))}, connConfig{client: client})
}

// countsAllocations skips a test whose numbers mean nothing under the race
// detector. .ci/run runs every test without it too.
func countsAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are counted without the race detector")
	}
}

// TestAllocations has the ceilings on the ways of a message, in both roles and
// from the smallest message to those that are longer than any buffer.
func TestAllocations(t *testing.T) {
	countsAllocations(t)
	dst := make([]byte, 0, 1<<20)
	pm, err := NewPreparedMessage(TextMessage, []byte(testPayload(500)))
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		want float64
		call func(c *Conn, data []byte) error
	}{
		{"ReadMessage", 1, func(c *Conn, _ []byte) error { _, _, err := c.ReadMessage(); return err }},
		{"ReadMessageContext", 1, func(c *Conn, _ []byte) error { _, _, err := c.ReadMessageContext(context.Background()); return err }},
		{"AppendMessage", 0, func(c *Conn, _ []byte) error { _, _, err := c.AppendMessage(dst); return err }},
		{"NextReader", 1, func(c *Conn, _ []byte) error {
			_, r, err := c.NextReader()
			if err != nil {
				return err
			}
			_, err = r.Read(dst[:cap(dst)])
			return err
		}},
		{"WriteMessage", 0, func(c *Conn, data []byte) error { return c.WriteMessage(TextMessage, data) }},
		{"WriteMessageContext", 0, func(c *Conn, data []byte) error {
			return c.WriteMessageContext(context.Background(), TextMessage, data)
		}},
		{"WritePreparedMessage", 0, func(c *Conn, _ []byte) error { return c.WritePreparedMessage(pm) }},
		{"WriteControl", 0, func(c *Conn, data []byte) error {
			return c.WriteControl(PingMessage, data[:min(len(data), 125)], time.Time{})
		}},
		{"NextWriter", 1, func(c *Conn, data []byte) error {
			w, err := c.NextWriter(TextMessage)
			if err != nil {
				return err
			}
			w.Write(data)
			return w.Close()
		}},
	} {
		for _, client := range []bool{false, true} {
			for _, n := range []int{1, 16, 1000, 5000, 60_000} {
				t.Run(fmt.Sprintf("%s/client=%v/%d", test.name, client, n), func(t *testing.T) {
					c := endless(client, opText, n)
					data := []byte(testPayload(n))
					got := testing.AllocsPerRun(200, func() {
						if err := test.call(c, data); err != nil {
							t.Fatal(err)
						}
					})
					require.LessOrEqual(t, got, test.want)
				})
			}
		}
	}
}

// TestAnsweringPingsDoesNotAllocate reads past many pings.
func TestAnsweringPingsDoesNotAllocate(t *testing.T) {
	countsAllocations(t)
	p := &peer{masked: true}
	frames := append(bytes.Repeat(p.frame(true, opPing, "ping"), 10), p.text("")...)
	c := newConn(&endlessStream{frame: frames}, connConfig{})
	dst := make([]byte, 0, 100)
	got := testing.AllocsPerRun(100, func() {
		if _, _, err := c.AppendMessage(dst); err != nil {
			t.Fatal(err)
		}
	})
	require.Zero(t, got)
}

// TestSocketAllocations does not go through memory: waiting on a socket and
// writing from two slices at once are ways of their own.
func TestSocketAllocations(t *testing.T) {
	countsAllocations(t)
	a, b := socketPair(t)
	server, client := newConn(a, connConfig{}), newConn(b, connConfig{client: true})
	echoed := make([]byte, 0, 1<<20)
	go func() {
		var buf []byte
		for {
			kind, p, err := server.AppendMessage(buf[:0])
			if err != nil || server.WriteMessage(kind, p) != nil {
				return
			}
			buf = p
		}
	}()
	for _, n := range []int{16, 5000, 60_000} {
		data := []byte(testPayload(n))
		got := testing.AllocsPerRun(200, func() {
			if err := client.WriteMessage(TextMessage, data); err != nil {
				t.Fatal(err)
			}
			_, p, err := client.AppendMessage(echoed)
			if err != nil || len(p) != n {
				t.Fatal(len(p), err)
			}
		})
		require.Zero(t, got, "%d bytes", n)
	}
	client.Close()
}

// TestLargeMessageIsReadIntoItsPlace: a mebibyte costs little more than itself.
func TestLargeMessageIsReadIntoItsPlace(t *testing.T) {
	countsAllocations(t)
	const n = 1 << 20
	c := endless(false, opBinary, n)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := c.ReadMessage(); err != nil {
				b.Fatal(err)
			}
		}
	})
	require.LessOrEqual(t, result.AllocsPerOp(), int64(2))
	require.Less(t, result.AllocedBytesPerOp(), int64(n+n/4))
}

// TestIdleSocketHoldsNoBuffer: between messages the read side of a socket has
// given its buffer back.
func TestIdleSocketHoldsNoBuffer(t *testing.T) {
	needsRawSockets(t)
	a, b := socketPair(t)
	server, client := newConn(a, connConfig{}), newConn(b, connConfig{client: true})
	require.NoError(t, client.WriteMessage(TextMessage, []byte("hello")))
	_, _, err := server.ReadMessage()
	require.NoError(t, err)
	server.SetReadDeadline(time.Now().Add(-time.Second))
	_, _, err = server.ReadMessage()
	require.True(t, isTimeout(err))
	require.Nil(t, server.read.frames.buf)
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := endless(false, opText, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				c.ReadMessage()
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, client := range []bool{false, true} {
		for _, n := range []int{16, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("client=%v/%d", client, n), func(b *testing.B) {
				c := endless(client, opText, 1)
				data := []byte(testPayload(n))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					c.WriteMessage(TextMessage, data)
				}
			})
		}
	}
}
