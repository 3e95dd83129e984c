package websocket

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServeReusesData checks that ReuseData costs no allocation for a message, and
// that the data is right while Message runs.
func TestServeReusesData(t *testing.T) {
	skipUnlessAllocationsCount(t)
	for _, n := range []int{1, 1000, 60_000, 200_000} {
		c := newEndlessConn(false, opBinary, n)
		want := testPayload(n)
		size := 0
		message := func(_ *Conn, m Message) {
			if m.Type != BinaryMessage || string(m.Data) != want {
				t.Fatal("not what was sent")
			}
		}
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if err := c.servePooled(message, &size); err != nil {
				t.Fatal(err)
			}
		}), n)
	}
}

// TestServeWithReuseData checks that the messages and the end are what they are
// without it.
func TestServeWithReuseData(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		eachMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			var got []string
			served := make(chan error)
			go func() {
				served <- c.Serve(Events{
					ReuseData: reuse,
					Message:   func(_ *Conn, m Message) { got = append(got, string(m.Data)) },
				})
			}()
			p.send(p.text("a"), p.frame(false, opText, "b"), p.frame(true, opPing, ""), p.frame(true, opContinuation, longText), p.text(""))
			p.send(p.close(1000, ""))
			require.NoError(t, <-served)
			require.Equal(t, []string{"a", "b" + longText, ""}, got)
		})
	}
}

// TestJoinedEventsReuseData checks that data is reused only if all listeners allow
// it.
func TestJoinedEventsReuseData(t *testing.T) {
	listen := func(*Conn, Message) {}
	for _, test := range []struct {
		listeners []Events
		want      bool
	}{
		{[]Events{{Message: listen, ReuseData: true}}, true},
		{[]Events{{Message: listen}}, false},
		{[]Events{{Message: listen, ReuseData: true}, {Message: listen}}, false},
		{[]Events{{Message: listen, ReuseData: true}, {Open: func(*Conn) {}}}, true},
	} {
		require.Equal(t, test.want, JoinEvents(test.listeners...).ReuseData)
	}
}

// TestServeReuseEndsWithTheConnection checks that the error is that of the read
// methods.
func TestServeReuseEndsWithTheConnection(t *testing.T) {
	c := newConn(&scriptedStream{chunking: func(n int) int { return n }}, connConfig{})
	require.ErrorIs(t, c.Serve(Events{ReuseData: true}), io.ErrUnexpectedEOF)
}
