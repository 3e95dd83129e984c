package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
)

// TestCompressedFrames checks the frames that are sent: only the first of a message
// has RSV1, and compress/flate decompresses their payload.
func TestCompressedFrames(t *testing.T) {
	eachAgreement(t, func(t *testing.T, m mode, a agreement) {
		c, p := m.connectCompressed(t, a)
		var history []byte
		receive := func() string {
			var z strings.Builder
			for op, rsv := opText, byte(rsvCompressed); ; op, rsv = opContinuation, 0 {
				f, err := p.next()
				require.NoError(t, err)
				require.Equal(t, op, f.opcode)
				if rsv != 0 && f.rsv == 0 && a.params.Server.NoContextTakeover {
					return f.payload // sent as it is, which is shorter
				}
				require.Equal(t, rsv, f.rsv)
				z.WriteString(f.payload)
				if f.fin {
					break
				}
			}
			// A final block ends the stream for compress/flate.
			in := strings.NewReader(z.String() + "\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF")
			data, err := io.ReadAll(flate.NewReaderDict(in, history))
			require.NoError(t, err)
			if !a.params.Server.NoContextTakeover {
				history = append(history, data...)
				history = history[max(0, len(history)-1<<15):]
			}
			return string(data)
		}
		for _, s := range append(compressibleTexts, compressibleTexts...) {
			require.NoError(t, c.WriteMessage(TextMessage, []byte(s)))
			require.Equal(t, s, receive())
			w, err := c.NextWriter(TextMessage)
			require.NoError(t, err)
			_, err = io.WriteString(w, s)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			require.Equal(t, s, receive())
			require.NoError(t, c.WriteControl(PingMessage, []byte("as it is"), time.Time{}))
			p.expect(true, opPing, "as it is")
		}
	})
}

// TestCompressionThreshold checks that messages are compressed from the threshold
// on.
func TestCompressionThreshold(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, test := range []struct {
			wish       Compression
			noTakeover bool
			threshold  int
		}{
			{Compression{}, false, 128},
			{Compression{}, true, 512},
			{Compression{Threshold: 10}, false, 10},
		} {
			side := deflate.Side{NoContextTakeover: test.noTakeover, WindowBits: 15}
			c, p := m.connectCompressed(t, agreement{wish: &test.wish, params: deflate.Params{Server: side, Client: side}})
			for _, n := range []int{test.threshold - 1, test.threshold} {
				require.NoError(t, c.WriteMessage(TextMessage, bytes.Repeat([]byte("x"), n)))
				f, err := p.next()
				require.NoError(t, err)
				require.Equal(t, n == test.threshold, f.rsv == rsvCompressed, "%d bytes", n)
			}
		}
	})
}

// TestAgreedWindowIsKept decompresses the frames that are sent with a decompressor
// that has the agreed window and refuses any longer distance.
func TestAgreedWindowIsKept(t *testing.T) {
	// The repetition is found in a larger window only.
	text := strings.Repeat("abcdefgh", 2) + testPayload(300) + strings.Repeat("0123456789", 100)
	inflates := func(c *Conn, s *scriptedStream, bits int) error {
		d := deflate.NewDecompressor(bits, true)
		for range 20 {
			s.out.Reset()
			require.NoError(t, c.WriteMessage(TextMessage, []byte(text)))
			h, n, err := parseHeader(s.out.Bytes())
			require.NoError(t, err)
			require.True(t, h.isCompressed())
			got, err := d.Append(nil, s.out.Bytes()[n:], -1)
			if err != nil {
				return err
			}
			require.Equal(t, text, string(got))
		}
		return nil
	}
	for bits := deflate.MinWindowBits; bits <= deflate.MaxWindowBits; bits++ {
		for level := -2; level <= 9; level++ {
			s := &scriptedStream{}
			side := deflate.Side{WindowBits: bits}
			c := newConn(s, connConfig{agreement: agreement{wish: &Compression{Level: level}, params: deflate.Params{Server: side, Client: side}}})
			require.NoError(t, inflates(c, s, bits), "%d bits, level %d", bits, level)
			if bits == deflate.MaxWindowBits && level >= 0 {
				require.ErrorIs(t, inflates(c, s, deflate.MinWindowBits), deflate.ErrCorrupt, "the check can fail")
			}
		}
	}
}
