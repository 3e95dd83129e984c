package websocket

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWriterCloseTimeoutKeepsItOpen checks that a writer stays open, for more data
// too, if its Close has met a deadline.
func TestWriterCloseTimeoutKeepsItOpen(t *testing.T) {
	all := agreements()
	all["none"] = agreement{}
	for name, a := range all {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 10, 6000} {
				left, right := socketPair(t)
				c, peer := newConn(left, connConfig{agreement: a}), newConn(right, connConfig{client: true, agreement: a})
				want := "the first part, the first part" + testPayload(n)
				w, err := c.NextWriter(TextMessage)
				require.NoError(t, err)
				_, err = io.WriteString(w, want[:30])
				require.NoError(t, err)
				c.SetWriteDeadline(time.Now().Add(-time.Second))
				require.ErrorIs(t, w.Close(), os.ErrDeadlineExceeded)
				c.SetWriteDeadline(time.Time{})
				_, err = io.WriteString(w, want[30:])
				require.NoError(t, err)
				require.NoError(t, w.Close())
				_, data, err := peer.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, want, string(data))
			}
		})
	}
}

// TestNextWriterAndACloseFrameGivenUp: a message ends inside because a close frame is being
// written, which is then given up. Nothing follows the half message.
func TestNextWriterAndACloseFrameGivenUp(t *testing.T) {
	for _, sent := range []bool{false, true} {
		s := &scriptedStream{}
		c := newConn(s, connConfig{writeBufferSize: 1000})
		w, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		if sent {
			_, err = w.Write(make([]byte, 2000))
			require.NoError(t, err)
		}
		c.closing.add(closeSending)
		require.ErrorIs(t, w.Close(), ErrCloseSent)
		c.closing.cancelClose()
		require.Equal(t, sent, c.WriteMessage(TextMessage, []byte("next")) != nil)
		require.True(t, c.write.lock.IsFree())
	}
}

// TestNextWriterOnABrokenConnection checks that NextWriter returns an error, so that
// a loop ends that checks no other error.
func TestNextWriterOnABrokenConnection(t *testing.T) {
	cause := errors.New("no connection")
	c := newConn(brokenStream{cause}, connConfig{})
	w, err := c.NextWriter(TextMessage)
	require.NoError(t, err)
	require.ErrorIs(t, w.Close(), cause)
	for range 3 {
		_, err = c.NextWriter(TextMessage)
		require.ErrorIs(t, err, cause)
	}
	c = newConn(&scriptedStream{}, connConfig{})
	c.Close()
	_, err = c.NextWriter(TextMessage)
	require.ErrorIs(t, err, net.ErrClosed)
}

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
						require.Equal(t, data, p.expectMessage(opBinary))
						_, err = w.Write([]byte("late"))
						require.Equal(t, errWriterClosed, err)
						require.Equal(t, errWriterClosed, w.Close())
					}
				}
			})
		})
	}
}

// expectMessage reads the frames of a message and returns its payload.
func (p *peer) expectMessage(op opcode) string {
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

// TestControlBetweenFragments checks that a control frame is sent between the
// fragments of a message, and another message after them.
func TestControlBetweenFragments(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		w.Write([]byte(longText)) // more than the buffer holds: a fragment is sent
		require.NoError(t, c.WriteControl(PingMessage, []byte("now"), time.Time{}))
		sent := make(chan error)
		go func() { sent <- c.WriteMessage(TextMessage, []byte("after")) }()
		synctest.Wait()
		select {
		case <-sent:
			require.Fail(t, "a message inside a message")
		default:
		}
		p.expect(false, opBinary, longText)
		p.expect(true, opPing, "now")
		require.NoError(t, w.Close())
		require.NoError(t, <-sent)
		p.expect(true, opContinuation, "")
		p.expect(true, opText, "after")
	})
}
