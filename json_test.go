package websocket

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReadJSONAfterADeadline checks that ReadJSON continues in the middle of a value.
func TestReadJSONAfterADeadline(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		frame := p.text(`{"a":[1,2,3]}`)
		p.send(frame[:len(frame)-5])
		c.SetReadDeadline(time.Now().Add(time.Second))
		var v any
		require.ErrorIs(t, c.ReadJSON(&v), os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		p.send(frame[len(frame)-5:])
		require.NoError(t, c.ReadJSON(&v))
		require.Equal(t, map[string]any{"a": []any{1., 2., 3.}}, v)
	})
}

func TestJSON(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		require.NoError(t, c.WriteJSON(map[string]int{"a": 1}))
		p.expect(true, opText, "{\"a\":1}\n")
		require.NoError(t, WriteJSON(c, "x"))
		p.expect(true, opText, "\"x\"\n")
		require.Error(t, c.WriteJSON(func() {}))

		p.send(p.text(`{"a":2} trailing`), p.text(""), p.text("[1,2]"), p.text("{"))
		var object map[string]int
		require.NoError(t, c.ReadJSON(&object))
		require.Equal(t, map[string]int{"a": 2}, object)
		require.Equal(t, io.ErrUnexpectedEOF, c.ReadJSON(&object))
		var list []int
		require.NoError(t, ReadJSON(c, &list))
		require.Equal(t, []int{1, 2}, list)
		require.Equal(t, io.ErrUnexpectedEOF, c.ReadJSON(&object))
		require.Equal(t, StateOpen, c.State())
	})
}

func TestJoinMessages(t *testing.T) {
	for _, term := range []string{"", "\n"} {
		eachMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			p.send(p.text("one"), p.text(""), p.frame(false, opText, "t"), p.frame(true, opContinuation, "wo"), p.close(1000, ""))
			p.closeAfterConn()
			var joined bytes.Buffer
			_, err := joined.ReadFrom(JoinMessages(c, term))
			require.Equal(t, &CloseError{Code: 1000}, err)
			require.Equal(t, "one"+term+term+"two"+term, joined.String())
		})
	}
}
