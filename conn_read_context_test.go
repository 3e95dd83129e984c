package websocket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// contextReads are the ways to read a message until a context ends. The message
// is a JSON string.
var contextReads = map[string]func(c *websocket.Conn, ctx context.Context) (string, error){
	"ReadMessageContext": func(c *websocket.Conn, ctx context.Context) (string, error) {
		kind, p, err := c.ReadMessageContext(ctx)
		return unquote(kind, p, err)
	},
	"AppendMessageContext": func(c *websocket.Conn, ctx context.Context) (string, error) {
		kind, p, err := c.AppendMessageContext(ctx, []byte("before"))
		rest, found := bytes.CutPrefix(p, []byte("before"))
		if !found {
			return "", errors.New("what was in the slice is lost")
		}
		return unquote(kind, rest, err)
	},
	"ReadJSONContext": func(c *websocket.Conn, ctx context.Context) (text string, err error) {
		err = c.ReadJSONContext(ctx, &text)
		return text, err
	},
	"NextReaderContext": func(c *websocket.Conn, ctx context.Context) (string, error) {
		kind, r, err := c.NextReaderContext(ctx)
		if err != nil {
			return unquote(kind, nil, err)
		}
		p, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		return unquote(kind, p, nil)
	},
	"Messages": func(c *websocket.Conn, ctx context.Context) (string, error) {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return "", err
			}
			return unquote(m.Type, m.Data, nil)
		}
		return "", io.EOF
	},
}

func unquote(kind int, p []byte, err error) (text string, _ error) {
	switch {
	case err != nil && kind != -1:
		return "", fmt.Errorf("type %d and error %w", kind, err)
	case err != nil:
		return "", err
	}
	return text, json.Unmarshal(p, &text)
}

// eachContextRead runs a test for each variant and each way to read.
func eachContextRead(t *testing.T, test func(t *testing.T, v variant, read func(*websocket.Conn, context.Context) (string, error))) {
	for name, read := range contextReads {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, v variant) { test(t, v, read) })
		})
	}
}

// TestReadContext: a read whose context ends returns its error, and loses
// nothing.
func TestReadContext(t *testing.T) {
	eachContextRead(t, func(t *testing.T, v variant, read func(*websocket.Conn, context.Context) (string, error)) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, peer.WriteJSON("one"))
		_, err := read(c, ended)
		require.Equal(t, context.Canceled, err, "whether there is a message or not")
		text, err := read(c, t.Context())
		require.NoError(t, err)
		require.Equal(t, "one", text)

		short, cancelShort := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancelShort()
		_, err = read(c, short)
		require.Equal(t, context.DeadlineExceeded, err)
		require.NoError(t, peer.WriteJSON("two"))
		text, err = read(c, context.Background())
		require.NoError(t, err)
		require.Equal(t, "two", text)
		require.Equal(t, websocket.StateOpen, c.State())
	})
}

// TestReadContextInsideAMessage: what has come of a message is kept for the next
// read, whichever it is.
func TestReadContextInsideAMessage(t *testing.T) {
	var random strings.Builder // longer than a buffer, also when it is compressed
	for range 500 {
		random.WriteString(rand.Text())
	}
	text := random.String()
	eachContextRead(t, func(t *testing.T, v variant, read func(*websocket.Conn, context.Context) (string, error)) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		w, err := peer.NextWriter(websocket.TextMessage)
		require.NoError(t, err)
		_, err = io.WriteString(w, `"`+text)
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, _, err = c.ReadMessageContext(short)
		require.Equal(t, context.DeadlineExceeded, err)
		_, err = read(c, short)
		require.Equal(t, context.DeadlineExceeded, err)
		_, err = io.WriteString(w, `"`)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		got, err := read(c, t.Context())
		require.NoError(t, err)
		require.Equal(t, text, got)
	})
}

// TestReaderContext: the reader of NextReaderContext fails when its context has
// ended. The connection can be used: the next read discards the rest.
func TestReaderContext(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w, err := peer.NextWriter(websocket.BinaryMessage)
		require.NoError(t, err)
		data := make([]byte, 20_000)
		rand.Read(data)
		_, err = w.Write(data)
		require.NoError(t, err)

		kind, r, err := c.NextReaderContext(ctx)
		require.NoError(t, err)
		require.Equal(t, websocket.BinaryMessage, kind)
		got := make([]byte, 100)
		_, err = io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, data[:100], got)
		time.AfterFunc(time.Millisecond, cancel)
		_, err = io.Copy(io.Discard, r)
		require.Equal(t, context.Canceled, err)
		_, err = r.Read(got)
		require.Equal(t, context.Canceled, err)

		_, err = w.Write(data)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		send(t, peer, "the next")
		receive(t, c, "the next")
	})
}

// TestReaderContextBesideAnotherReader: the end of a context is the end of the
// wait for another reader, which goes on.
func TestReaderContextBesideAnotherReader(t *testing.T) {
	for name, read := range contextReads {
		t.Run(name, func(t *testing.T) {
			for _, client := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					a, b := wstest.Pipe(0, wstest.Whole)
					c, peer := variant{client: client}.connectOver(t, a, b, websocket.ConnOptions{})
					received := make(chan string, 1)
					go func() {
						_, p, err := c.ReadMessage()
						received <- string(p) + fmt.Sprint(err)
					}()
					synctest.Wait()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_, err := read(c, ctx)
					require.Equal(t, context.DeadlineExceeded, err)
					synctest.Wait()
					require.Empty(t, received)
					send(t, peer, "hello ")
					require.Equal(t, "hello <nil>", <-received)

					// A reader that waits for another also finds the end.
					first, second := drain(c), make(chan error, 1)
					synctest.Wait()
					ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					go func() { _, err := read(c, ctx); second <- err }()
					synctest.Wait()
					peer.Close()
					want := <-first
					require.True(t, websocket.IsCloseError(want, websocket.CloseAbnormalClosure))
					require.Equal(t, want, <-second)
				})
			}
		})
	}
}

// TestReadContextAfterTheEnd: the error of the connection comes before that of
// the context, unless this has ended before.
func TestReadContextAfterTheEnd(t *testing.T) {
	eachContextRead(t, func(t *testing.T, v variant, read func(*websocket.Conn, context.Context) (string, error)) {
		c, _ := v.connect(t, websocket.ConnOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(time.Millisecond, func() { c.Close() })
		_, err := read(c, ctx)
		require.Equal(t, net.ErrClosed, err)
		_, err = read(c, ctx)
		require.Equal(t, net.ErrClosed, err)
	})
}

// TestReadJSONContext has values that are none.
func TestReadJSONContext(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		var got []int
		send(t, peer, `[1, 2] and more`)
		require.NoError(t, c.ReadJSONContext(t.Context(), &got))
		require.Equal(t, []int{1, 2}, got)
		send(t, peer, "")
		require.Equal(t, io.ErrUnexpectedEOF, c.ReadJSONContext(t.Context(), &got))
		send(t, peer, `"text"`)
		var unmarshal *json.UnmarshalTypeError
		require.ErrorAs(t, c.ReadJSONContext(t.Context(), &got), &unmarshal)
		send(t, peer, `[3]`)
		require.NoError(t, c.ReadJSONContext(t.Context(), &got), "the connection is as it was")
		require.Equal(t, []int{3}, got)
	})
}

// TestAppendMessageContextDoesNotAllocate with a context that cannot end.
func TestAppendMessageContextDoesNotAllocate(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("allocations are counted without the race detector")
	}
	c, err := websocket.NewConn(repeatedConn{frames: encodedMessages(t, true, "hello")}, websocket.ConnOptions{})
	require.NoError(t, err)
	buf := make([]byte, 0, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, p, err := c.AppendMessageContext(context.Background(), buf); err != nil || string(p) != "hello" {
			t.Fatal(err)
		}
	}))
}

// A repeatedConn is a net.Conn on which the same frames come again and again.
type repeatedConn struct {
	idleConn
	frames []byte // fewer bytes than any buffer has
}

func (c repeatedConn) Read(p []byte) (int, error) { return copy(p, c.frames), nil }
