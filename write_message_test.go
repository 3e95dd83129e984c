package websocket

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// lengths are around all limits that matter to a message that is sent: those of the
// length forms, of the buffers and of the longest piece that is masked at once.
var lengths = []int{0, 1, 125, 126, 240, minBuffer, defaultBuffer - 14, defaultBuffer, 65535, 65536, maxBuffer + 1, 3*maxBuffer + 17, 2*maxMasked + 17}

func TestWriteMessage(t *testing.T) {
	for name, write := range map[string]func(c *Conn, kind int, data []byte) error{
		"WriteMessage": (*Conn).WriteMessage,
		"WriteMessageContext": func(c *Conn, kind int, data []byte) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			return c.WriteMessageContext(ctx, kind, data)
		},
		"WritePreparedMessage": func(c *Conn, kind int, data []byte) error {
			pm, err := NewPreparedMessage(kind, data)
			if err != nil {
				return err
			}
			if err := c.WritePreparedMessage(pm); err != nil {
				return err
			}
			return c.WritePreparedMessage(pm)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				for _, n := range lengths {
					for _, kind := range []int{TextMessage, BinaryMessage} {
						data := []byte(testPayload(n))
						require.NoError(t, write(c, kind, data))
						require.Equal(t, testPayload(n), string(data), "the caller's data is not changed")
						p.expect(true, opcode(kind), testPayload(n))
						if name == "WritePreparedMessage" {
							p.expect(true, opcode(kind), testPayload(n))
						}
					}
				}
				for _, kind := range []int{PingMessage, PongMessage} {
					require.NoError(t, write(c, kind, []byte(longText[:125])))
					p.expect(true, opcode(kind), longText[:125])
					if name == "WritePreparedMessage" {
						p.expect(true, opcode(kind), longText[:125])
					}
				}
			})
		})
	}
}

func TestWriteBufferPool(t *testing.T) {
	for _, client := range []bool{false, true} {
		a, b := wstest.Pipe(0, wstest.Whole)
		pool := &countingPool{}
		c := newConn(a, connConfig{client: client, writeBufferPool: pool, writeBufferSize: 1000})
		require.NoError(t, c.WriteMessage(TextMessage, []byte("small")))
		require.NoError(t, c.WriteMessage(TextMessage, []byte(longText)))
		w, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		require.EqualValues(t, 1, pool.inUse.Load())
		io.WriteString(w, "streamed")
		require.NoError(t, w.Close())
		require.Zero(t, pool.inUse.Load(), "every buffer was put back")
		require.NotZero(t, pool.gets.Load())

		peer := newConn(b, connConfig{client: !client})
		for _, want := range []string{"small", longText, "streamed"} {
			_, data, err := peer.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, want, string(data))
		}
	}
}

// A countingPool is a BufferPool that counts the buffers in use.
type countingPool struct {
	pool        sync.Pool
	gets, inUse atomic.Int32
}

func (p *countingPool) Get() any {
	p.gets.Add(1)
	p.inUse.Add(1)
	return p.pool.Get()
}

func (p *countingPool) Put(v any) {
	p.inUse.Add(-1)
	p.pool.Put(v)
}
