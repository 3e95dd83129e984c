package websocket_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A contextWrite writes a text message until a context ends.
type contextWrite func(c *websocket.Conn, ctx context.Context, text string) error

// contextWrites are the ways to write a text message until a context ends. The
// text is a JSON value.
var contextWrites = map[string]contextWrite{
	"WriteMessageContext": func(c *websocket.Conn, ctx context.Context, text string) error {
		return c.WriteMessageContext(ctx, websocket.TextMessage, []byte(text))
	},
	"WriteJSONContext": func(c *websocket.Conn, ctx context.Context, text string) error {
		return c.WriteJSONContext(ctx, jsonText(text))
	},
	"WritePreparedMessageContext": func(c *websocket.Conn, ctx context.Context, text string) error {
		pm, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
		if err != nil {
			return err
		}
		return c.WritePreparedMessageContext(ctx, pm)
	},
	"NextWriterContext": func(c *websocket.Conn, ctx context.Context, text string) error {
		w, err := c.NextWriterContext(ctx, websocket.TextMessage)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return w.Close()
	},
}

// A jsonText is encoded as it is.
type jsonText string

func (s jsonText) MarshalJSON() ([]byte, error) { return []byte(s), nil }

// eachContextWrite runs a test for each way to write.
func eachContextWrite(t *testing.T, test func(t *testing.T, name string, write contextWrite)) {
	for name, write := range contextWrites {
		t.Run(name, func(t *testing.T) { test(t, name, write) })
	}
}

// receiveJSON receives a text message with a JSON value, which may have a
// newline behind it.
func receiveJSON(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	kind, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, websocket.TextMessage, kind)
	require.JSONEq(t, want, string(data))
}

// TestWriteContext: nothing is sent when the context has ended before, and what
// is sent in time arrives.
func TestWriteContext(t *testing.T) {
	eachContextWrite(t, func(t *testing.T, name string, write contextWrite) {
		eachVariant(t, func(t *testing.T, v variant) {
			c, peer := v.connect(t, websocket.ConnOptions{})
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			require.Equal(t, context.Canceled, write(c, ended, `"never"`))
			require.NoError(t, write(c, t.Context(), `"one"`))
			receiveJSON(t, peer, `"one"`)
			require.NoError(t, write(c, context.Background(), `"two"`))
			receiveJSON(t, peer, `"two"`)

			c.SetWriteDeadline(time.Now().Add(-time.Second))
			require.ErrorIs(t, write(c, t.Context(), `"late"`), os.ErrDeadlineExceeded, "the deadline counts too")
			c.SetWriteDeadline(time.Time{})
			require.Equal(t, websocket.StateOpen, c.State())
			c.Close()
			require.ErrorIs(t, write(c, t.Context(), `"never"`), net.ErrClosed)
		})
	})
}

// TestWriteContextBehindAnotherWriter: a message whose turn does not come in time
// is not sent, and nothing else is lost.
func TestWriteContextBehindAnotherWriter(t *testing.T) {
	eachContextWrite(t, func(t *testing.T, name string, write contextWrite) {
		for _, client := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe(1000, wstest.Whole)
				c, peer := variant{client: client}.connectOver(t, a, b, websocket.ConnOptions{})
				before := make(chan error, 1)
				go func() { before <- c.WriteMessage(websocket.TextMessage, []byte(longText)) }()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				require.Equal(t, context.DeadlineExceeded, write(c, ctx, `"late"`))
				require.Equal(t, time.Minute, time.Since(start))
				receive(t, peer, longText)
				require.NoError(t, <-before)
				require.NoError(t, write(c, t.Context(), `"after"`))
				if name == "NextWriterContext" { // the next writer has closed the one before
					receiveJSON(t, peer, `"late"`)
				}
				receiveJSON(t, peer, `"after"`)
			})
		}
	})
}

// TestWriteContextInsideAFrame: a message that is cut ends the connection.
func TestWriteContextInsideAFrame(t *testing.T) {
	eachContextWrite(t, func(t *testing.T, name string, write contextWrite) {
		for _, client := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe(1000, wstest.Whole)
				c, _ := variant{client: client}.connectOver(t, a, b, websocket.ConnOptions{})
				read := drain(c)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := write(c, ctx, `"`+longText+`"`)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, net.ErrClosed)
				require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure))
				<-c.Done()
				require.True(t, websocket.IsCloseError(<-read, websocket.CloseAbnormalClosure))
			})
		}
	})
}

// TestWriterContextThatEnds: every call on the writer fails then and sends
// nothing. The next writer ends its message.
func TestWriterContextThatEnds(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			w, err := c.NextWriterContext(ctx, websocket.TextMessage)
			require.NoError(t, err)
			_, err = io.WriteString(w, "begun")
			require.NoError(t, err)
			cancel()
			n, err := w.Write([]byte(longText))
			require.Equal(t, context.Canceled, err)
			require.Zero(t, n)
			n, err = io.WriteString(w, "more")
			require.Equal(t, context.Canceled, err)
			require.Zero(t, n)
			_, err = w.(io.ReaderFrom).ReadFrom(neverRead{t})
			require.Equal(t, context.Canceled, err)
			require.Equal(t, context.Canceled, w.Close())
			require.Equal(t, websocket.StateOpen, c.State())

			next, err := c.NextWriter(websocket.TextMessage)
			require.NoError(t, err)
			receive(t, peer, "begun")
			require.Equal(t, context.Canceled, w.Close())
			_, err = io.WriteString(next, "the next")
			require.NoError(t, err)
			require.NoError(t, next.Close())
			receive(t, peer, "the next")
		}
	})
}

// A neverRead is a reader that must not be read from.
type neverRead struct{ t *testing.T }

func (r neverRead) Read([]byte) (int, error) {
	r.t.Error("read from")
	return 0, io.EOF
}

// TestWriteJSONContextFails: what cannot be encoded is not sent.
func TestWriteJSONContextFails(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		require.ErrorContains(t, c.WriteJSONContext(t.Context(), func() {}), "json")
		require.NoError(t, c.WriteJSONContext(t.Context(), map[string]int{"a": 1}))
		receive(t, peer, "{\"a\":1}\n")
	})
}
