package websocket

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAllocations checks how often each method allocates, in both roles, for messages
// from one byte to more than any buffer holds.
func TestAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
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
					c := newEndlessConn(client, opText, n)
					data := []byte(testPayload(n))
					got := leastAllocs(200, func() {
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

// TestAnsweringPingsDoesNotAllocate checks that answering pings does not allocate.
func TestAnsweringPingsDoesNotAllocate(t *testing.T) {
	skipUnlessAllocationsCount(t)
	p := &peer{masked: true}
	frames := append(bytes.Repeat(p.frame(true, opPing, "ping"), 10), p.text("")...)
	c := newConn(&endlessStream{frame: frames}, connConfig{})
	dst := make([]byte, 0, 100)
	got := leastAllocs(100, func() {
		if _, _, err := c.AppendMessage(dst); err != nil {
			t.Fatal(err)
		}
	})
	require.Zero(t, got)
}

// TestSocketAllocations checks that messages over sockets, which have methods of their
// own for waiting and for writing two slices at once, do not allocate.
func TestSocketAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
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
		got := leastAllocs(200, func() {
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

// TestLargeMessageIsNotCopied checks that ReadMessage allocates little more than the
// message.
func TestLargeMessageIsNotCopied(t *testing.T) {
	skipUnlessAllocationsCount(t)
	const n = 1 << 20
	c := newEndlessConn(false, opBinary, n)
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

// TestCompressionAllocations checks that neither compressing nor decompressing
// allocates.
func TestCompressionAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{600, 5000, 60_000} {
				data := []byte(testPayload(n))
				p := &peer{masked: true}
				c := newConn(&endlessStream{frame: p.compressedFrame(true, opText, deflated(string(data)))}, connConfig{agreement: a})
				dst := make([]byte, 0, 1<<17)
				if a.params.Client.WindowBits == 15 {
					assert.Zero(t, leastAllocs(100, func() {
						if _, p, err := c.AppendMessage(dst); err != nil || len(p) != n {
							t.Fatal(len(p), err)
						}
					}), "reading %d", n)
				}
				assert.Zero(t, leastAllocs(100, func() {
					if err := c.WriteMessage(TextMessage, data); err != nil {
						t.Fatal(err)
					}
				}), "writing %d", n)
			}
		})
	}
}

// TestSizeOfConn holds the memory of a waiting connection. The allocator puts eight
// bytes before it, and its next size class is 704 bytes.
func TestSizeOfConn(t *testing.T) {
	require.LessOrEqual(t, reflect.TypeFor[Conn]().Size(), uintptr(640-8))
	require.LessOrEqual(t, reflect.TypeFor[started]().Size(), uintptr(112))
}

// leastAllocs is testing.AllocsPerRun at its best: other goroutines may allocate meanwhile.
func leastAllocs(runs int, f func()) float64 {
	least := testing.AllocsPerRun(runs, f)
	for range 4 {
		if least == 0 {
			break
		}
		least = min(least, testing.AllocsPerRun(runs, f))
	}
	return least
}
