package websocket

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestCompressedBothWays sends messages between two connections in both directions,
// with all agreements and by all methods.
func TestCompressedBothWays(t *testing.T) {
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			for _, chunking := range []wstest.Chunking{wstest.Whole, wstest.Random(3)} {
				left, right := wstest.Pipe(0, chunking)
				server, client := newConn(left, connConfig{agreement: a}), newConn(right, connConfig{client: true, agreement: a})
				last := len(readMethods) - 1 // Start, after which no other can be used
				exchangeMessages(t, server, client, readMethods[:last])
				exchangeMessages(t, client, server, readMethods[:last])
				exchangeMessages(t, server, client, readMethods[last:])
				exchangeMessages(t, client, server, readMethods[last:])
				server.Close()
				client.Close()
			}
		})
	}
}

// exchangeMessages sends messages from one connection to another, which reads them by
// the methods in turn.
func exchangeMessages(t *testing.T, from, to *Conn, methods []readMethod) {
	writers := []func(s string) error{
		func(s string) error { return from.WriteMessage(TextMessage, []byte(s)) },
		func(s string) error {
			w, err := from.NextWriter(TextMessage)
			if err != nil {
				return err
			}
			for rest := s; rest != ""; {
				n := min(1000, len(rest))
				if _, err := io.WriteString(w, rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return w.Close()
		},
		func(s string) error {
			pm, err := NewPreparedMessage(TextMessage, []byte(s))
			if err != nil {
				return err
			}
			return from.WritePreparedMessage(pm)
		},
		func(s string) error { return from.Send(TextMessage, []byte(s)) },
		func(s string) error {
			from.EnableWriteCompression(false)
			defer from.EnableWriteCompression(true)
			return from.WriteMessage(TextMessage, []byte(s))
		},
	}
	for round := range 3 {
		for i, s := range compressibleTexts {
			for j, write := range writers {
				require.NoError(t, write(s))
				reading := methods[(round+i+j)%len(methods)]
				kind, data, err := reading.read(to)
				require.NoError(t, err, "%s, writer %d, round %d", reading.name, j, round)
				require.Equal(t, message{TextMessage, s}, message{kind, string(data)})
			}
			require.NoError(t, from.SetCompressionLevel(i%12-2))
		}
	}
}
