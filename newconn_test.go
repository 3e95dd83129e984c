package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestNewConn sends messages in both directions, pings, and shuts down.
func TestNewConn(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var compressed []bool
		c, peer := v.connect(t, websocket.ConnOptions{
			Subprotocol: "chat",
			URL:         "wss://example.com/chat",
			Trace: &websocket.Trace{FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
				if f.Type == websocket.TextMessage {
					compressed = append(compressed, f.Compressed)
				}
			}},
		})
		require.Equal(t, "chat", c.Subprotocol())
		require.Equal(t, "wss://example.com/chat", c.URL())
		require.Equal(t, map[bool]string{true: "permessage-deflate"}[v.deflate], c.Extensions())
		require.Equal(t, websocket.StateOpen, c.State())

		for _, text := range []string{"hello", longText, ""} {
			transfer(t, c, peer, text)
			transfer(t, peer, c, text)
		}
		ended, read := drain(peer), drain(c)
		_, err := c.Ping(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.Shutdown(t.Context(), 4000, "enough"))
		require.Equal(t, &websocket.CloseError{Code: 4000, Text: "enough"}, withTestTimeout(t, "the peer's end", ended))
		require.Equal(t, &websocket.CloseError{Code: 4000}, withTestTimeout(t, "the end", read))
		require.Equal(t, websocket.CloseInfo{Code: 4000, WasClean: true}, c.CloseInfo())
		require.Equal(t, []bool{v.deflate, v.deflate, v.deflate}, compressed)
	})
}

// A plainStream is a stream without deadlines and without addresses.
type plainStream struct {
	io.Reader
	io.Writer
	close func() error
}

func (s plainStream) Close() error { return s.close() }

// A plainPair makes the two ends of a stream without deadlines.
type plainPair func() (a, b io.ReadWriteCloser)

// plainPairs are what streams without deadlines are made of: pipes with and
// without a buffer.
var plainPairs = map[string]plainPair{
	"io.Pipe": func() (a, b io.ReadWriteCloser) {
		ar, bw := io.Pipe()
		br, aw := io.Pipe()
		return plainStream{ar, aw, func() error { return errors.Join(ar.Close(), aw.Close()) }},
			plainStream{br, bw, func() error { return errors.Join(br.Close(), bw.Close()) }}
	},
	"buffers": func() (a, b io.ReadWriteCloser) {
		x, y := wstest.Pipe(0, wstest.Whole)
		return plainStream{x, x, x.Close}, plainStream{y, y, y.Close}
	},
	"net.Pipe": func() (a, b io.ReadWriteCloser) {
		x, y := net.Pipe()
		return plainStream{x, x, x.Close}, plainStream{y, y, y.Close}
	},
	"net.Pipe with deadlines": func() (a, b io.ReadWriteCloser) { return net.Pipe() },
}

// eachPlain runs a test in a bubble for each kind of stream, role, and with and
// without compression.
func eachPlain(t *testing.T, test func(t *testing.T, v variant, pair plainPair)) {
	for name, pair := range plainPairs {
		for _, client := range []bool{false, true} {
			for _, deflate := range []bool{false, true} {
				v := variant{client, deflate, name}
				t.Run(v.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { test(t, v, pair) })
				})
			}
		}
	}
}

// TestNewConnWithoutDeadlines has everything that needs deadlines, over
// streams that have none.
func TestNewConnWithoutDeadlines(t *testing.T) {
	eachPlain(t, func(t *testing.T, v variant, pair plainPair) {
		a, b := pair()
		c, peer := v.connectOver(t, a, b, websocket.ConnOptions{})
		for _, text := range []string{"hello", longText} {
			transfer(t, c, peer, text)
			transfer(t, peer, c, text)
		}

		// Reads that end lose nothing.
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := c.ReadMessageContext(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, time.Minute, time.Since(start))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		_, _, err = c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 2*time.Minute, time.Since(start))
		_, _, err = c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "it has still passed")
		require.NoError(t, c.SetReadDeadline(time.Time{}))
		transfer(t, peer, c, longText)

		// A write that passes its deadline before it begins does nothing.
		c.SetWriteDeadline(time.Now())
		require.ErrorIs(t, c.WriteMessage(websocket.TextMessage, nil), os.ErrDeadlineExceeded)
		c.SetWriteDeadline(time.Time{})
		require.Equal(t, websocket.StateOpen, c.State())

		ended, read := drain(peer), drain(c)
		require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
		require.True(t, websocket.IsCloseError(<-ended, websocket.CloseNormalClosure))
		require.True(t, websocket.IsCloseError(<-read, websocket.CloseNormalClosure))
	})
}

// TestNewConnStuckWrite: a peer that does not read cannot hold a write longer
// than its limit, which ends the connection.
func TestNewConnStuckWrite(t *testing.T) {
	for name, write := range map[string]func(c *websocket.Conn) error{
		"deadline": func(c *websocket.Conn) error {
			c.SetWriteDeadline(time.Now().Add(time.Minute))
			return c.WriteMessage(websocket.TextMessage, []byte(longText))
		},
		"context": func(c *websocket.Conn) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return c.WriteMessageContext(ctx, websocket.TextMessage, []byte(longText))
		},
		"WriteTimeout": func(c *websocket.Conn) error {
			return c.WriteMessage(websocket.TextMessage, []byte(longText))
		},
		"Close": func(c *websocket.Conn) error {
			defer time.AfterFunc(time.Minute, func() { c.Close() }).Stop()
			return c.WriteMessage(websocket.TextMessage, []byte(longText))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachPlain(t, func(t *testing.T, v variant, pair plainPair) {
				if v.over == "buffers" {
					return // which never are full
				}
				a, b := pair()
				options := websocket.ConnOptions{}
				if name == "WriteTimeout" {
					options.WriteTimeout = time.Minute
				}
				c, _ := v.connectOver(t, a, b, options)
				read := drain(c)
				start := time.Now()
				err := write(c)
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, name != "Close", errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded), err)
				require.Less(t, time.Since(start), time.Minute+time.Second)
				<-c.Done()
				if name == "WriteTimeout" {
					require.Equal(t, websocket.ErrSlowPeer, <-read)
				} else {
					require.ErrorIs(t, <-read, net.ErrClosed)
				}
			})
		})
	}
}

// TestNewConnKeepAlive: a peer that does not answer is found over any stream.
func TestNewConnKeepAlive(t *testing.T) {
	eachPlain(t, func(t *testing.T, v variant, pair plainPair) {
		a, b := pair()
		var pongs atomic.Int32
		c, peer := v.connectOver(t, a, b, websocket.ConnOptions{
			KeepAlive: websocket.KeepAlive{Interval: time.Minute, Timeout: time.Second},
			Trace:     &websocket.Trace{PongRead: func(*websocket.Conn, time.Duration) { pongs.Add(1) }},
		})
		read, peerRead := drain(c), drain(peer)
		time.Sleep(10*time.Minute + time.Second)
		require.Equal(t, websocket.StateOpen, c.State())
		require.GreaterOrEqual(t, pongs.Load(), int32(10))

		peer.SetReadDeadline(time.Now()) // it reads no more
		require.ErrorIs(t, <-peerRead, os.ErrDeadlineExceeded)
		require.ErrorIs(t, <-read, websocket.ErrKeepAlive)
	})
}

// A stubbornStream is one whose Close does not end a Read that waits.
type stubbornStream struct {
	io.Writer
	unblock chan struct{}
}

func (s stubbornStream) Read([]byte) (int, error) {
	<-s.unblock
	return 0, io.EOF
}

func (s stubbornStream) Close() error { return nil }

// TestNewConnCloseWakesReaders, whatever the stream's Close does.
func TestNewConnCloseWakesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stubbornStream{io.Discard, make(chan struct{})}
		c, err := websocket.NewConn(s, websocket.ConnOptions{})
		require.NoError(t, err)
		read := drain(c)
		synctest.Wait()
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-read, net.ErrClosed)
		close(s.unblock)
	})
}

// TestNewConnEarlyBytes: what was read behind the handshake comes first,
// wherever it was cut.
func TestNewConnEarlyBytes(t *testing.T) {
	for _, client := range []bool{false, true} {
		frames := encodedMessages(t, !client, "one", "two", strings.Repeat("three", 30))
		for cut := range len(frames) + 1 {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe(0, wstest.Whole)
				defer b.Close()
				early := bytes.Clone(frames[:cut])
				c, err := websocket.NewConn(a, websocket.ConnOptions{Client: client, Early: early})
				require.NoError(t, err)
				defer c.Close()
				clear(early) // it has been copied
				b.Write(frames[cut:])
				b.CloseWrite()
				receive(t, c, "one")
				receive(t, c, "two")
				receive(t, c, strings.Repeat("three", 30))
				_, _, err = c.ReadMessage()
				require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), err)
			})
		}
	}
}

// encodedMessages returns text messages as one of the roles sends them.
func encodedMessages(t *testing.T, client bool, texts ...string) []byte {
	t.Helper()
	var stream bytes.Buffer
	c, err := websocket.NewConn(plainStream{new(bytes.Buffer), &stream, func() error { return nil }}, websocket.ConnOptions{Client: client})
	require.NoError(t, err)
	defer c.Close()
	for _, text := range texts {
		send(t, c, text)
	}
	return stream.Bytes()
}

// TestNewConnRefuses what cannot be an answer of a server, and leaves the
// stream alone.
func TestNewConnRefuses(t *testing.T) {
	for _, options := range []websocket.ConnOptions{
		{Extensions: "x-unknown"},
		{Extensions: "permessage-deflate, permessage-deflate"},
		{Extensions: "permessage-deflate; server_max_window_bits=7"},
		{Extensions: "permessage-deflate; server_max_window_bits"},
		{Extensions: "permessage-deflate; client_max_window_bits"}, // only an offer can be without a value
		{Extensions: "permessage-deflate; unknown"},
		{Extensions: "permessage-deflate; server_no_context_takeover; server_no_context_takeover"},
		{Extensions: ";"},
		{Extensions: "permessage-deflate", Compression: &websocket.Compression{Level: 10}},
	} {
		closed := false
		s := plainStream{new(bytes.Buffer), io.Discard, func() error { closed = true; return nil }}
		var g websocket.Group
		options.Group = &g
		c, err := websocket.NewConn(s, options)
		require.ErrorContains(t, err, "websocket: ", "%+v", options)
		require.Nil(t, c)
		require.False(t, closed)
		require.Zero(t, g.Len())
	}
}

// TestNewConnExtensions: the parameters of each side are those of the response.
func TestNewConnExtensions(t *testing.T) {
	text := strings.Repeat("hello, world; ", 100)
	for _, test := range []struct {
		extensions           string
		server, client, none bool // the second message of this side is as long as the first; nothing is compressed
	}{
		{extensions: "", none: true},
		{extensions: "permessage-deflate"},
		{extensions: "permessage-deflate; server_no_context_takeover", server: true},
		{extensions: "permessage-deflate; client_no_context_takeover; server_max_window_bits=9", client: true},
		{extensions: "permessage-deflate; client_max_window_bits=8; server_no_context_takeover; client_no_context_takeover", server: true, client: true},
	} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s client=%v", test.extensions, client), func(t *testing.T) {
				var lengths []int64
				trace := &websocket.Trace{FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
					require.Equal(t, !test.none, f.Compressed)
					lengths = append(lengths, f.Length)
				}}
				a, b := wstest.Pipe(0, wstest.Whole)
				c, err := websocket.NewConn(a, websocket.ConnOptions{Client: client, Extensions: test.extensions, Trace: trace})
				require.NoError(t, err)
				defer c.Close()
				peer, err := websocket.NewConn(b, websocket.ConnOptions{Client: !client, Extensions: test.extensions})
				require.NoError(t, err)
				defer peer.Close()
				require.Equal(t, test.extensions, c.Extensions())
				for range 2 {
					send(t, c, text)
					receive(t, peer, text)
				}
				alone := test.none || test.server && !client || test.client && client
				require.Equal(t, alone, lengths[0] == lengths[1], lengths)
			})
		}
	}
}

// TestNewConnOptions: the fields that are as in Upgrader have their effect.
func TestNewConnOptions(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var g websocket.Group
		var pool countedPool
		type key struct{}
		c, peer := v.connect(t, websocket.ConnOptions{
			Group:           &g,
			Context:         context.WithValue(context.Background(), key{}, "value"),
			ReadLimit:       10,
			SendQueueLimit:  5,
			WriteBufferPool: &pool,
		})
		require.Equal(t, 1, g.Len())
		require.Equal(t, "value", c.Context().Value(key{}))
		require.Equal(t, websocket.ErrSendQueueFull, c.Send(websocket.TextMessage, []byte("too long")))
		send(t, c, "x")
		receive(t, peer, "x")
		require.Positive(t, pool.gets())
		ended := drain(peer)
		send(t, peer, "longer than ten bytes")
		_, _, err := c.ReadMessage()
		require.Equal(t, websocket.ErrReadLimit, err)
		require.Zero(t, g.Len())
		require.True(t, websocket.IsCloseError(withTestTimeout(t, "the peer's end", ended), websocket.CloseMessageTooBig))
	})
}

// A countedPool is a BufferPool that counts.
type countedPool struct {
	mu sync.Mutex
	n  int
}

func (p *countedPool) Get() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return nil
}

func (p *countedPool) Put(any) {}

func (p *countedPool) gets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// TestPipe has the two ends talk in a bubble.
func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := websocket.Pipe()
		defer client.Close()
		for _, c := range []*websocket.Conn{server, client} {
			require.Equal(t, websocket.StateOpen, c.State())
			require.Empty(t, c.Extensions())
			require.Empty(t, c.Subprotocol())
			require.Equal(t, "ws://pipe/", c.URL())
		}
		send(t, client, "hello")
		receive(t, server, "hello")
		send(t, server, "welcome")
		receive(t, client, "welcome")

		// Time passes only where everything waits.
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		_, _, err := server.ReadMessageContext(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, time.Hour, time.Since(start))

		ended, read := drain(server), drain(client)
		rtt, err := client.Ping(t.Context())
		require.NoError(t, err)
		require.Zero(t, rtt)
		require.NoError(t, server.Shutdown(t.Context(), websocket.CloseGoingAway, "bye"))
		require.True(t, websocket.IsCloseError(<-ended, websocket.CloseGoingAway))
		require.Equal(t, &websocket.CloseError{Code: websocket.CloseGoingAway, Text: "bye"}, <-read)
		require.True(t, client.CloseInfo().WasClean)
		require.True(t, server.CloseInfo().WasClean)
	})
}

// TestPipeRoles: the first end is a server, the second a client, whose codes
// are fewer.
func TestPipeRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := websocket.Pipe()
		defer server.Close()
		require.Equal(t, websocket.ErrInvalidCloseCode, client.Shutdown(t.Context(), websocket.CloseServiceRestart, ""))
		drain(client)
		require.NoError(t, server.Shutdown(t.Context(), websocket.CloseServiceRestart, ""))
	})
}

// TestPipeIsBounded: each direction holds 64 KiB, and a write of more waits.
func TestPipeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := websocket.Pipe()
		for _, c := range []*websocket.Conn{server, client} {
			other := map[*websocket.Conn]*websocket.Conn{server: client, client: server}[c]
			require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 60<<10)))
			written := make(chan error, 1)
			go func() { written <- c.WriteMessage(websocket.BinaryMessage, make([]byte, 60<<10)) }()
			synctest.Wait()
			require.Empty(t, written)
			for range 2 {
				_, data, err := other.ReadMessage()
				require.NoError(t, err)
				require.Len(t, data, 60<<10)
			}
			require.NoError(t, <-written)
		}
		server.Close()
		_, _, err := client.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), err)
	})
}
