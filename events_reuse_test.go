package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestReuseData: the data of every message is right until Message returns,
// whatever is written meanwhile.
func TestReuseData(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		texts := []string{"hello", "", longText, "short", strings.Repeat("x", 300<<10), "last"}
		var got []string
		served := make(chan error, 1)
		go func() {
			served <- c.Serve(websocket.Events{
				ReuseData: true,
				Message: func(c *websocket.Conn, m websocket.Message) {
					assert.NotNil(t, m.Data)
					assert.Equal(t, websocket.TextMessage, m.Type)
					before := string(m.Data)
					assert.NoError(t, c.WriteMessage(websocket.TextMessage, m.Data))
					assert.Equal(t, before, string(m.Data))
					got = append(got, before)
				},
			})
		}()
		for _, text := range texts {
			transfer(t, peer, peer, text)
		}
		w, err := peer.NextWriter(websocket.TextMessage) // in fragments, with a ping between them
		require.NoError(t, err)
		io.WriteString(w, longText)
		require.NoError(t, peer.WriteControl(websocket.PingMessage, nil, time.Time{}))
		io.WriteString(w, longText)
		require.NoError(t, w.Close())
		receive(t, peer, longText+longText)
		texts = append(texts, longText+longText)
		require.NoError(t, peer.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
		require.NoError(t, withTestTimeout(t, "the end", served))
		require.Equal(t, texts, got)
	})
}

// TestReuseDataReuses the memory of one message for the next, and Serve without
// it does not.
func TestReuseDataReuses(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server, client := websocket.Pipe()
			var received [][]byte
			reused := 0
			served := make(chan error, 1)
			go func() {
				served <- server.Serve(websocket.Events{ReuseData: reuse, Message: func(_ *websocket.Conn, m websocket.Message) {
					if n := len(received); n > 0 && &received[n-1][0] == &m.Data[0] {
						reused++
					}
					received = append(received, m.Data)
				}})
			}()
			for i := range 100 {
				send(t, client, fmt.Sprint("message ", i))
			}
			require.NoError(t, client.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
			require.NoError(t, <-served)
			if reuse {
				require.Positive(t, reused)
				return
			}
			require.Zero(t, reused)
			for i, data := range received {
				require.Equal(t, fmt.Sprint("message ", i), string(data), "it is the program's to keep")
			}
		})
	}
}

// TestReuseDataAllocatesNothing for messages that are not longer than those
// before, compressed or not.
func TestReuseDataAllocatesNothing(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("allocations are counted without the race detector")
	}
	for _, extensions := range []string{"", "permessage-deflate; client_no_context_takeover"} {
		for _, length := range []int{0, 10, 3000, 100_000} {
			for _, reuse := range []bool{false, true} {
				t.Run(fmt.Sprintf("%q/%d/%v", extensions, length, reuse), func(t *testing.T) {
					per := allocationsOfServe(t, extensions, length, reuse)
					if reuse {
						require.Less(t, per, 0.1)
					} else if length > 0 {
						require.GreaterOrEqual(t, per, 1.0)
					}
				})
			}
		}
	}
}

// allocationsOfServe returns how many allocations Serve makes for a message.
func allocationsOfServe(t *testing.T, extensions string, length int, reuse bool) float64 {
	t.Helper()
	options := websocket.ConnOptions{Client: true, Extensions: extensions, Compression: &websocket.Compression{Threshold: -1}}
	var frame bytes.Buffer
	client, err := websocket.NewConn(plainStream{new(bytes.Buffer), &frame, func() error { return nil }}, options)
	require.NoError(t, err)
	send(t, client, strings.Repeat("message ", length/8+1)[:length])
	client.Close()

	const messages = 1000
	options.Client = false
	stream := &loopingStream{frame: frame.Bytes(), left: messages}
	server, err := websocket.NewConn(stream, options)
	require.NoError(t, err)
	var count, mallocs uint64
	err = server.Serve(websocket.Events{ReuseData: reuse, Message: func(_ *websocket.Conn, m websocket.Message) {
		count++
		if len(m.Data) != length {
			t.Fatal(len(m.Data))
		}
		switch count {
		case messages / 2:
			mallocs = mallocCount()
		case messages:
			mallocs = mallocCount() - mallocs
		}
	}})
	require.Error(t, err)
	require.EqualValues(t, messages, count)
	return float64(mallocs) / (messages / 2)
}

// mallocCount returns the number of allocations so far.
func mallocCount() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// A loopingStream reads as the same frame a number of times, and then as io.EOF.
type loopingStream struct {
	idleConn
	frame, rest []byte
	left        int
}

func (s *loopingStream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.left == 0 {
			return 0, io.EOF
		}
		s.left--
		s.rest = s.frame
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *loopingStream) Close() error { return nil }

// TestReuseDataEnds: a panic of Message, and an error inside a message.
func TestReuseDataEnds(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		c, peer := v.connect(t, websocket.ConnOptions{})
		drain(peer)
		send(t, peer, "one")
		require.PanicsWithValue(t, "a mistake", func() {
			c.Serve(websocket.Events{ReuseData: true, Message: func(*websocket.Conn, websocket.Message) { panic("a mistake") }})
		})
		withTestTimeout(t, "the end", c.Done())

		c, peer = v.connect(t, websocket.ConnOptions{ReadLimit: 10})
		drain(peer)
		send(t, peer, "one")
		send(t, peer, "longer than ten bytes")
		var got []string
		err := c.Serve(websocket.Events{ReuseData: true, Message: func(_ *websocket.Conn, m websocket.Message) { got = append(got, string(m.Data)) }})
		require.Equal(t, websocket.ErrReadLimit, err)
		require.Equal(t, []string{"one"}, got)
	})
}

// TestReuseDataAndDeadlines: a read deadline that passes inside a message ends
// Serve, and the message is not lost.
func TestReuseDataAndDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(0, wstest.Whole)
		c, err := websocket.NewConn(a, websocket.ConnOptions{})
		require.NoError(t, err)
		frames := encodedMessages(t, true, "message")
		b.Write(frames[:len(frames)-1])
		c.SetReadDeadline(time.Now().Add(time.Second))
		var failed error
		err = c.Serve(websocket.Events{ReuseData: true, Error: func(_ *websocket.Conn, err error) { failed = err }})
		require.ErrorContains(t, err, "timeout")
		require.Equal(t, err, failed)
		b.Close()
	})
}

// TestJoinEventsReuseData: the data may be reused only if all who get it have
// said so.
func TestJoinEventsReuseData(t *testing.T) {
	message := func(*websocket.Conn, websocket.Message) {}
	keeps, reuses := websocket.Events{Message: message}, websocket.Events{Message: message, ReuseData: true}
	other := websocket.Events{Open: func(*websocket.Conn) {}}
	for _, test := range []struct {
		listeners []websocket.Events
		want      bool
	}{
		{[]websocket.Events{reuses}, true},
		{[]websocket.Events{keeps}, false},
		{[]websocket.Events{reuses, reuses}, true},
		{[]websocket.Events{reuses, keeps}, false},
		{[]websocket.Events{keeps, reuses}, false},
		{[]websocket.Events{reuses, other}, true},
		{[]websocket.Events{other, reuses}, true},
		{[]websocket.Events{other, keeps, other}, false},
	} {
		joined := websocket.JoinEvents(test.listeners...)
		require.Equal(t, test.want, joined.ReuseData)
		require.Equal(t, test.want, websocket.JoinEvents(joined).ReuseData)
	}
}

// TestServeBesideShutdown: the Close event has the true code when another
// goroutine shuts the connection down, whatever Serve is doing.
func TestServeBesideShutdown(t *testing.T) {
	for _, where := range []string{"waiting", "in Message", "from Message"} {
		for _, reuse := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", where, reuse), func(t *testing.T) {
				eachVariant(t, func(t *testing.T, v variant) {
					c, peer := v.connect(t, websocket.ConnOptions{})
					peerEnded := drain(peer)
					shutDown := make(chan error, 1)
					shutdown := func() { shutDown <- c.Shutdown(context.Background(), 4000, "ours") }
					opened, served := make(chan struct{}), make(chan error, 1)
					var events []string
					go func() {
						served <- c.Serve(websocket.Events{
							ReuseData: reuse,
							Open:      func(*websocket.Conn) { close(opened) },
							Message: func(c *websocket.Conn, _ websocket.Message) {
								if where == "from Message" {
									shutdown()
								} else if where == "in Message" {
									go shutdown()
									<-c.Done()
								}
							},
							Error: func(_ *websocket.Conn, err error) { events = append(events, "error "+err.Error()) },
							Close: func(_ *websocket.Conn, info websocket.CloseInfo) { events = append(events, fmt.Sprintf("%+v", info)) },
						})
					}()
					<-opened
					if where == "waiting" {
						shutdown()
					} else {
						send(t, peer, "message")
					}
					err := withTestTimeout(t, "Serve", served)
					require.Equal(t, &websocket.CloseError{Code: 4000}, err)
					require.NoError(t, withTestTimeout(t, "Shutdown", shutDown))
					require.Equal(t, []string{"{Code:4000 Reason: WasClean:true}"}, events)
					require.Equal(t, &websocket.CloseError{Code: 4000, Text: "ours"}, withTestTimeout(t, "the peer's end", peerEnded))
				})
			})
		}
	}
}
