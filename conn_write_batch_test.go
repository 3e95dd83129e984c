package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A countingConn is a net.Conn whose writes are counted.
type countingConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// requests returns the frames of text messages, "0" and up, as the peer of a
// variant sends them.
func (v variant) requests(t *testing.T, n int) []byte {
	t.Helper()
	var frames bytes.Buffer
	options := websocket.ConnOptions{Client: !v.client}
	if v.deflate {
		options.Extensions, options.Compression = "permessage-deflate", &websocket.Compression{Threshold: -1}
	}
	c, err := websocket.NewConn(plainStream{new(bytes.Buffer), &frames, func() error { return nil }}, options)
	require.NoError(t, err)
	defer c.Close()
	for i := range n {
		send(t, c, fmt.Sprint(i))
	}
	return frames.Bytes()
}

// answer reads n messages and writes each of them back.
func answer(t *testing.T, c *websocket.Conn, n int) {
	t.Helper()
	for i := range n {
		receive(t, c, fmt.Sprint(i))
		send(t, c, fmt.Sprint(i))
	}
}

// receiveAnswers receives n answers.
func receiveAnswers(t *testing.T, peer *websocket.Conn, n int) {
	t.Helper()
	for i := range n {
		receive(t, peer, fmt.Sprint(i))
	}
}

// eachPipe runs a test over a pipe, in a bubble, in both roles and with and
// without compression. writes counts the writes of the connection, and raw is the
// peer's end of the pipe.
func eachPipe(t *testing.T, options websocket.ConnOptions, test func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn)) {
	for _, client := range []bool{false, true} {
		for _, deflate := range []bool{false, true} {
			v := variant{client, deflate, "pipe"}
			t.Run(v.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := wstest.Pipe(0, wstest.Whole)
					var writes atomic.Int32
					c, peer := v.connectOver(t, countingConn{a, &writes}, b, options)
					test(t, v, c, peer, &writes, b)
				})
			})
		}
	}
}

// TestAnswersTogether: the answers to 16 requests that come in one piece are
// one write, when the last request has been answered.
func TestAnswersTogether(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		for round := range int32(3) {
			raw.Write(v.requests(t, 16))
			answer(t, c, 15)
			require.Equal(t, round, writes.Load())
			require.Positive(t, c.BufferedAmount())
			receive(t, c, "15")
			send(t, c, "15")
			require.Equal(t, round+1, writes.Load())
			require.Zero(t, c.BufferedAmount())
			receiveAnswers(t, peer, 16)
			if v.deflate {
				return // the next round's frames would refer to those of this one
			}
		}
		transfer(t, peer, c, "alone")
		send(t, c, "alone")
		require.EqualValues(t, 4, writes.Load())
		receive(t, peer, "alone")
	})
}

// TestAnswersTogetherBeforeAWait: what has not been written when the reader is
// about to wait is written then.
func TestAnswersTogetherBeforeAWait(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		raw.Write(v.requests(t, 3))
		answer(t, c, 2)
		receive(t, c, "2") // and no answer to this one
		require.Zero(t, writes.Load())
		drain(c)
		receiveAnswers(t, peer, 2)
		require.EqualValues(t, 1, writes.Load())
	})
}

// TestAnswersWithoutAReader are written after a millisecond.
func TestAnswersWithoutAReader(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		raw.Write(v.requests(t, 3))
		start := time.Now()
		answer(t, c, 2)
		receiveAnswers(t, peer, 2)
		require.Equal(t, time.Millisecond, time.Since(start))
		require.EqualValues(t, 1, writes.Load())
	})
}

// TestAnswersAtOnce: what is written with a limit, or where it could be
// observed, is not left to be written together.
func TestAnswersAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		options websocket.ConnOptions
		prepare func(c *websocket.Conn)
		write   func(ctx context.Context, c *websocket.Conn, text string) error
	}{
		"WriteImmediately": {options: websocket.ConnOptions{WriteImmediately: true}},
		"deadline":         {prepare: func(c *websocket.Conn) { c.SetWriteDeadline(time.Now().Add(time.Hour)) }},
		"context": {write: func(ctx context.Context, c *websocket.Conn, text string) error {
			return c.WriteMessageContext(ctx, websocket.TextMessage, []byte(text))
		}},
		"NextWriter": {write: func(_ context.Context, c *websocket.Conn, text string) error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				return err
			}
			io.WriteString(w, text)
			return w.Close()
		}},
		"prepared": {write: func(_ context.Context, c *websocket.Conn, text string) error {
			pm, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
			if err != nil {
				return err
			}
			return c.WritePreparedMessage(pm)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eachPipe(t, test.options, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
				if test.prepare != nil {
					test.prepare(c)
				}
				raw.Write(v.requests(t, 5))
				for i := range 5 {
					receive(t, c, fmt.Sprint(i))
					if test.write != nil {
						require.NoError(t, test.write(t.Context(), c, fmt.Sprint(i)))
					} else {
						send(t, c, fmt.Sprint(i))
					}
					require.EqualValues(t, i+1, writes.Load())
					require.Zero(t, c.BufferedAmount())
				}
				receiveAnswers(t, peer, 5)
			})
		})
	}
}

// TestAnswersBesideAReader: while a read method is at work nothing is left to
// it.
func TestAnswersBesideAReader(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		raw.Write(v.requests(t, 2))
		inHandler, release := make(chan struct{}), make(chan struct{})
		c.SetPingHandler(func(string) error {
			close(inHandler)
			<-release
			return nil
		})
		receive(t, c, "0")
		require.NoError(t, peer.WriteControl(websocket.PingMessage, nil, time.Time{}))
		read := drain(c) // past the second message, to the ping
		<-inHandler
		send(t, c, "0")
		require.EqualValues(t, 1, writes.Load())
		receive(t, peer, "0")
		close(release)
		peer.Close()
		require.Error(t, <-read)
	})
}

// TestPingBesideAnswers: a control frame is written at once, before answers that
// wait.
func TestPingBesideAnswers(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		raw.Write(v.requests(t, 2))
		answer(t, c, 1)
		require.Zero(t, writes.Load())
		require.NoError(t, c.WriteControl(websocket.PingMessage, []byte("ping"), time.Time{}))
		require.EqualValues(t, 1, writes.Load())
		pings := make(chan string, 1)
		peer.SetPingHandler(func(data string) error { pings <- data; return nil })
		receiveAnswers(t, peer, 1)
		require.Equal(t, "ping", <-pings)
	})
}

// TestLongAnswer: a long message is written at once, behind those that wait.
func TestLongAnswer(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		raw.Write(v.requests(t, 3))
		answer(t, c, 2)
		require.Zero(t, writes.Load())
		send(t, c, longText)
		require.Positive(t, writes.Load())
		receiveAnswers(t, peer, 2)
		receive(t, peer, longText)
	})
}

// TestAnswersInOrder: whatever comes after an answer that waits is written
// behind it.
func TestAnswersInOrder(t *testing.T) {
	var g websocket.Group
	text := func(c *websocket.Conn, text string) error { return c.WriteMessage(websocket.TextMessage, []byte(text)) }
	prepared := func(text string) *websocket.PreparedMessage {
		pm, _ := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
		return pm
	}
	writes := []func(c *websocket.Conn, s string) error{
		text,
		func(c *websocket.Conn, s string) error { return c.Send(websocket.TextMessage, []byte(s)) },
		text,
		func(c *websocket.Conn, s string) error { return c.WritePreparedMessage(prepared(s)) },
		text,
		func(c *websocket.Conn, s string) error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				return err
			}
			io.WriteString(w, s)
			return w.Close()
		},
		text,
		func(c *websocket.Conn, s string) error {
			ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
			defer cancel()
			return c.WriteMessageContext(ctx, websocket.TextMessage, []byte(s))
		},
		text,
		func(c *websocket.Conn, s string) error {
			if result := g.BroadcastText(s); result.Sent != 1 {
				return fmt.Errorf("%+v", result)
			}
			return nil
		},
		text,
	}
	eachVariant(t, func(t *testing.T, v variant) {
		a, b := streamPair(t, v.over)
		c, peer := v.connectOver(t, a, b, websocket.ConnOptions{Group: &g})
		_, err := b.Write(v.requests(t, len(writes)+1))
		require.NoError(t, err)
		receive(t, c, "0")
		for i, write := range writes {
			require.NoError(t, write(c, fmt.Sprint(i)))
			receive(t, c, fmt.Sprint(i+1))
		}
		drain(c)
		receiveAnswers(t, peer, len(writes))
		c.Close()
	})
}

// TestAnswersBeforeTheEnd: Close, Shutdown, a close frame and the answer to the
// peer's write what waits.
func TestAnswersBeforeTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(t *testing.T, c, peer *websocket.Conn)
		want int
	}{
		"Close": {func(t *testing.T, c, _ *websocket.Conn) { require.NoError(t, c.Close()) }, websocket.CloseAbnormalClosure},
		"Shutdown": {func(t *testing.T, c, _ *websocket.Conn) {
			go c.Shutdown(context.Background(), 4000, "")
		}, 4000},
		"close frame": {func(t *testing.T, c, _ *websocket.Conn) {
			require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "")))
		}, 4001},
		"close frame of the peer": {func(t *testing.T, c, peer *websocket.Conn) {
			require.NoError(t, peer.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4002, "")))
			receive(t, c, "2")
			_, _, err := c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, 4002), err)
		}, 4002},
	} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, v variant) {
				a, b := streamPair(t, v.over)
				c, peer := v.connectOver(t, a, b, websocket.ConnOptions{})
				_, err := b.Write(v.requests(t, 3))
				require.NoError(t, err)
				answer(t, c, 2)
				test.end(t, c, peer)
				receiveAnswers(t, peer, 2)
				_, _, err = peer.ReadMessage()
				require.True(t, websocket.IsCloseError(err, test.want), err)
			})
		})
	}
}

// TestAnswersThatFail: the next write returns the error of those that waited.
func TestAnswersThatFail(t *testing.T) {
	eachPipe(t, websocket.ConnOptions{}, func(t *testing.T, v variant, c, peer *websocket.Conn, writes *atomic.Int32, raw net.Conn) {
		raw.Write(v.requests(t, 3))
		receive(t, c, "0")
		raw.Close()
		send(t, c, "0")
		time.Sleep(time.Second)
		require.EqualValues(t, 1, writes.Load())
		err := c.WriteMessage(websocket.TextMessage, nil)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// TestAnswersTogetherOverSockets: fewer writes than answers, also over TLS,
// where each of them would be a record.
func TestAnswersTogetherOverSockets(t *testing.T) {
	for _, over := range []string{"TCP", "TLS"} {
		for _, client := range []bool{false, true} {
			for _, deflate := range []bool{false, true} {
				v := variant{client, deflate, over}
				t.Run(v.String(), func(t *testing.T) {
					a, b := streamPair(t, "TCP")
					var writes atomic.Int32
					a = countingConn{a, &writes}
					if over == "TLS" {
						a, b = tlsPair(t, a, b)
					}
					c, peer := v.connectOver(t, a, b, websocket.ConnOptions{})
					before := writes.Load() // of the TLS handshake
					_, err := b.Write(v.requests(t, 64))
					require.NoError(t, err)
					answer(t, c, 64)
					require.Less(t, writes.Load()-before, int32(32))
					receiveAnswers(t, peer, 64)
				})
			}
		}
	}
}

// TestAnswersOverASocket: there the reader writes what waits itself.
func TestAnswersOverASocket(t *testing.T) {
	for _, client := range []bool{false, true} {
		v := variant{client: client, over: "TCP"}
		a, b := streamPair(t, v.over)
		c, peer := v.connectOver(t, a, b, websocket.ConnOptions{})
		waited := false
		for range 100 { // the millisecond may be over at any time
			_, err := b.Write(v.requests(t, 16))
			require.NoError(t, err)
			answer(t, c, 15)
			waited = waited || c.BufferedAmount() > 0
			receive(t, c, "15")
			send(t, c, "15")
			receiveAnswers(t, peer, 16)
		}
		require.True(t, waited)
		require.Zero(t, c.BufferedAmount())
	}
}

// TestAnswersAllocateNothing over a socket beyond the goroutine of a timer at
// most.
func TestAnswersAllocateNothing(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("allocations are counted without the race detector")
	}
	v := variant{over: "TCP"}
	a, b := streamPair(t, v.over)
	c, peer := v.connectOver(t, a, b, websocket.ConnOptions{})
	requests := v.requests(t, 16)
	buf, answers := make([]byte, 0, 100), make([]byte, 0, 100)
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		if _, err := b.Write(requests); err != nil {
			t.Fatal(err)
		}
		for range 16 {
			kind, data, err := c.AppendMessage(buf)
			if err != nil || c.WriteMessage(kind, data) != nil {
				t.Fatal(err)
			}
		}
		for range 16 {
			if _, _, err := peer.AppendMessage(answers); err != nil {
				t.Fatal(err)
			}
		}
	}), 1.0, "for 16 answers")
}
