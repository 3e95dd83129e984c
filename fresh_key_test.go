package websocket

import (
	"crypto/rand"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestEveryFrameHasAKeyOfItsOwn: RFC 6455, Section 5.3, by whatever method a
// client sends it.
func TestEveryFrameHasAKeyOfItsOwn(t *testing.T) {
	seen := make(map[[4]byte]bool)
	frames := 0
	for range 20 {
		s := writeInAllWays(t)
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

// writeInAllWays has a client send frames of all kinds.
func writeInAllWays(t *testing.T) *scriptedStream {
	p := &peer{}
	s := &scriptedStream{in: append(p.frame(true, opPing, "ping"), p.close(1000, "")...), chunking: wstest.Whole}
	c := newConn(s, connConfig{client: true, agreement: agreements()["bits=15,alone=false"], writeBufferSize: minBuffer})
	pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
	require.NoError(t, err)
	for _, compress := range []bool{false, true} {
		c.EnableWriteCompression(compress)
		require.NoError(t, c.WriteMessage(TextMessage, []byte("short")))
		require.NoError(t, c.WriteMessage(TextMessage, []byte(long)))
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

// TestKeysComeFromCryptoRand: with a source of zeros there is one masking key
// and one Sec-WebSocket-Key.
func TestKeysComeFromCryptoRand(t *testing.T) {
	random := rand.Reader
	rand.Reader = zeros{}
	defer func() {
		rand.Reader = random
		keyBlocks = sync.Pool{New: func() any { return new(keyBlock) }}
	}()
	keyBlocks = sync.Pool{New: func() any { return new(keyBlock) }}
	for range 1000 {
		require.Zero(t, newMaskingKey())
	}
	require.Equal(t, keyOf(keySize), newKey())
}

// zeros is a poor source of randomness.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
