package websocket

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNextWriter writes messages in pieces of all sizes and by all methods.
func TestNextWriter(t *testing.T) {
	for name, write := range map[string]func(w io.Writer, s string) (int, error){
		"Write":       func(w io.Writer, s string) (int, error) { return w.Write([]byte(s)) },
		"WriteString": func(w io.Writer, s string) (int, error) { return w.(io.StringWriter).WriteString(s) },
		"ReadFrom": func(w io.Writer, s string) (int, error) {
			n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader(s))
			return int(n), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				for _, n := range lengths {
					for _, piece := range []int{1, 100, 5000, 1 << 20} {
						if n/piece > 1000 {
							continue
						}
						w, err := c.NextWriter(BinaryMessage)
						require.NoError(t, err)
						data := testPayload(n)
						for data := data; data != ""; {
							k := min(piece, len(data))
							written, err := write(w, data[:k])
							require.NoError(t, err)
							require.Equal(t, k, written)
							data = data[k:]
						}
						require.NoError(t, w.Close())
						require.Equal(t, data, p.message(opBinary))
						_, err = w.Write([]byte("late"))
						require.Equal(t, errWriterClosed, err)
						require.Equal(t, errWriterClosed, w.Close())
					}
				}
			})
		})
	}
}

// message reads the frames of a message and returns its payload.
func (p *peer) message(op opcode) string {
	p.t.Helper()
	var data strings.Builder
	for {
		f, err := p.next()
		require.NoError(p.t, err)
		require.Equal(p.t, op, f.opcode)
		data.WriteString(f.payload)
		if f.fin {
			return data.String()
		}
		op = opContinuation
	}
}

func TestNextWriterClosesTheOneBefore(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		first, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		io.WriteString(first, "first")
		second, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		p.expect(true, opText, "first")
		_, err = io.WriteString(first, "late")
		require.Equal(t, errWriterClosed, err)
		require.NoError(t, second.Close())
		p.expect(true, opBinary, "")
	})
}

// TestControlBetweenFragments: a pong does not wait for a long message, but a
// message waits for the one that has begun.
func TestControlBetweenFragments(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		w.Write([]byte(long)) // more than the buffer: a fragment goes out
		require.NoError(t, c.WriteControl(PingMessage, []byte("now"), time.Time{}))
		sent := make(chan error)
		go func() { sent <- c.WriteMessage(TextMessage, []byte("after")) }()
		synctest.Wait()
		select {
		case <-sent:
			require.Fail(t, "a message inside a message")
		default:
		}
		p.expect(false, opBinary, long)
		p.expect(true, opPing, "now")
		require.NoError(t, w.Close())
		require.NoError(t, <-sent)
		p.expect(true, opContinuation, "")
		p.expect(true, opText, "after")
	})
}

// TestConcurrentWriters has writers of every kind at work at the same time:
// every message arrives whole.
func TestConcurrentWriters(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		const writers, each = 8, 20
		pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
		require.NoError(t, err)
		var done sync.WaitGroup
		for i := range writers {
			done.Go(func() {
				for j := range each {
					data := []byte(fmt.Sprintf("%d/%d/%s", i, j, long[:j*100]))
					assert.NoError(t, c.WriteMessage(TextMessage, data))
					assert.NoError(t, c.WriteMessageContext(t.Context(), BinaryMessage, data))
					assert.NoError(t, c.WriteControl(PingMessage, data[:3], time.Time{}))
					assert.NoError(t, c.WritePreparedMessage(pm))
				}
			})
		}
		done.Go(func() {
			for j := range each {
				w, err := c.NextWriter(TextMessage)
				assert.NoError(t, err)
				for range j {
					io.WriteString(w, "streamed ")
				}
				assert.NoError(t, w.Close())
			}
		})
		done.Wait()
		c.WriteMessage(CloseMessage, nil)

		reader := newConn(p.conn, connConfig{client: !m.client})
		reader.conclude()
		counts := map[string]int{}
		next := map[string]int{}
		for {
			_, data, err := reader.ReadMessage()
			if err != nil {
				require.Equal(t, &CloseError{Code: CloseNoStatusReceived}, err)
				break
			}
			var i, j int
			if n, _ := fmt.Sscanf(string(data), "%d/%d/", &i, &j); n == 2 {
				require.Equal(t, fmt.Sprintf("%d/%d/%s", i, j, long[:j*100]), string(data))
				counts["message"]++
				writer := fmt.Sprint(i)
				require.Equal(t, j, next[writer]/2, "in the order of the writer")
				next[writer]++
			} else if string(data) == "prepared" {
				counts["prepared"]++
			} else {
				require.Empty(t, strings.ReplaceAll(string(data), "streamed ", ""))
				counts["streamed"]++
			}
		}
		require.Equal(t, map[string]int{"message": 2 * writers * each, "prepared": writers * each, "streamed": each}, counts)
	})
}
