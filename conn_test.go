package websocket

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAccessors checks the methods that neither read nor write.
func TestAccessors(t *testing.T) {
	a, b := socketPair(t)
	c := newConn(a, connConfig{subprotocol: "chat", url: "ws://x/"})
	assert.Equal(t, "chat", c.Subprotocol())
	assert.Equal(t, "ws://x/", c.URL())
	assert.Empty(t, c.Extensions())
	assert.Equal(t, b.RemoteAddr(), c.LocalAddr())
	assert.Equal(t, b.LocalAddr(), c.RemoteAddr())
	assert.Equal(t, net.Conn(a), c.NetConn())
	assert.Equal(t, net.Conn(a), c.UnderlyingConn())

	c = newConn(&scriptedStream{}, connConfig{})
	assert.Nil(t, c.NetConn())
	assert.Nil(t, c.LocalAddr())
	assert.Nil(t, c.RemoteAddr())
	assert.EqualValues(t, DefaultReadLimit, c.read.limit.Load())
	c.EnableWriteCompression(true)
	for level := -3; level <= 10; level++ {
		assert.Equal(t, level >= -2 && level <= 9, c.SetCompressionLevel(level) == nil, "level %d", level)
	}
}

func TestInvalidCallsSendNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		for _, kind := range []int{-1, 0, 3, 7, 11, 15, 256 + 1} {
			assert.Equal(t, errBadMessageType, c.WriteMessage(kind, nil))
			assert.Equal(t, errNotControlType, c.WriteControl(kind, nil, time.Time{}))
			_, err := c.NextWriter(kind)
			assert.Equal(t, errBadMessageType, err)
			_, err = NewPreparedMessage(kind, nil)
			assert.Equal(t, errBadMessageType, err)
		}
		assert.Equal(t, errNotControlType, c.WriteControl(TextMessage, nil, time.Time{}))
		for _, kind := range []int{PingMessage, PongMessage} {
			assert.Equal(t, errControlPayload, c.WriteControl(kind, make([]byte, 126), time.Time{}))
			assert.Equal(t, errControlPayload, c.WriteMessage(kind, make([]byte, 126)))
			_, err := NewPreparedMessage(kind, make([]byte, 126))
			assert.Equal(t, errControlPayload, err)
			w, err := c.NextWriter(kind)
			require.NoError(t, err)
			w.Write(make([]byte, 126))
			assert.Equal(t, errControlPayload, w.Close())
			w, err = c.NextWriter(kind)
			require.NoError(t, err)
			_, err = io.WriteString(w, longText)
			assert.Equal(t, errControlPayload, err)
		}
		assert.Equal(t, ErrInvalidCloseCode, c.WriteMessage(CloseMessage, FormatCloseMessage(1006, "")))
		assert.Equal(t, ErrCloseReasonTooLong, c.WriteMessage(CloseMessage, FormatCloseMessage(1000, longText[:124])))
		assert.Equal(t, ErrCloseReasonTooLong, c.WriteControl(CloseMessage, FormatCloseMessage(1000, longText[:124]), time.Time{}))

		require.Equal(t, StateOpen, c.State())
		require.NoError(t, c.WriteMessage(TextMessage, []byte("fine")))
		p.expect(true, opText, "fine")
	})
}
