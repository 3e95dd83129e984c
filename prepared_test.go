package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestZeroPreparedMessage(t *testing.T) {
	for _, client := range []bool{false, true} {
		s := &scriptedStream{}
		require.Equal(t, errBadMessageType, newConn(s, connConfig{client: client}).WritePreparedMessage(&PreparedMessage{}))
		require.Zero(t, s.out.Len())
	}
}
