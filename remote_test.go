package websocket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/jstest"
	"github.com/seed23105783/websocket/internal/wstest"
)

// The tests named TestRemote use a server that need not be in this process. They
// run on every system, and in Node.js and browsers too: see .ci/run and
// internal/e2e.

// inBrowser is whether connections are made by the WebSocket of JavaScript.
const inBrowser = runtime.GOOS == "js"

// remoteTimeout is how long something may take that should happen at once.
const remoteTimeout = 20 * time.Second

// A remote is a server for a test, over ws or wss.
type remote struct {
	t      *testing.T
	url    string
	dialer websocket.Dialer
}

// eachRemote runs a test over ws and over wss.
func eachRemote(t *testing.T, test func(t *testing.T, r *remote)) {
	t.Cleanup(websocket.DialWithBrowser())
	server := jstest.Find()
	if server == nil && inBrowser {
		t.Skip("there is no server: see internal/jstest")
	}
	if server == nil {
		server = jstest.Start()
		t.Cleanup(server.Close)
	}
	t.Run("ws", func(t *testing.T) { test(t, &remote{t: t, url: server.URL}) })
	t.Run("wss", func(t *testing.T) {
		r := &remote{t: t, url: server.SecureURL}
		if server.Certificate != nil {
			pool := x509.NewCertPool()
			pool.AddCert(server.Certificate)
			r.dialer.TLSClientConfig = &tls.Config{RootCAs: pool}
		}
		test(t, r)
	})
}

// dial opens a connection, which is closed at the end of the test.
func (r *remote) dial(path string) *websocket.Conn {
	r.t.Helper()
	c, response, err := r.dialer.Dial(r.url+path, nil)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusSwitchingProtocols, response.StatusCode)
	r.t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(remoteTimeout))
	return c
}

// newID returns an id for a connection.
func newID() string { return fmt.Sprint(rand.Uint64()) }

// ended returns how the server saw the end of the connection with an id.
func (r *remote) ended(id string) (info websocket.CloseInfo) {
	r.t.Helper()
	c := r.dial("/ended?id=" + id)
	require.NoError(r.t, c.ReadJSON(&info))
	return info
}

// requireMessage reads a message.
func requireMessage(t *testing.T, c *websocket.Conn, messageType int, want string) {
	t.Helper()
	gotType, got, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, messageType, gotType)
	require.True(t, want == string(got), "%d bytes %.100q in place of %d bytes %.100q", len(got), got, len(want), want)
}

// remoteMessages are messages of all kinds and sizes.
func remoteMessages() (messages []websocket.Message) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, text := range []string{"", "Hello", "Grüße, 世界 🌍", "\ufeffa byte order mark", "\x00", strings.Repeat("é", 100_000)} {
		messages = append(messages, websocket.Message{Type: websocket.TextMessage, Data: []byte(text)})
	}
	for _, size := range []int{0, 1, 125, 126, 4096, 65535, 65536, 1 << 20} {
		data := make([]byte, size)
		for i := range data {
			data[i] = all[i*7%len(all)]
		}
		messages = append(messages, websocket.Message{Type: websocket.BinaryMessage, Data: data})
	}
	return messages
}

func TestRemoteEcho(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		for _, path := range []string{"/echo", "/deflate"} {
			c := r.dial(path)
			for _, m := range remoteMessages() {
				if server := jstest.Find(); server != nil && server.Program == "Node.js" && strings.HasPrefix(string(m.Data), "\ufeff") {
					continue // Node.js removes a byte order mark from what it receives
				}
				require.NoError(t, c.WriteMessage(m.Type, m.Data))
				requireMessage(t, c, m.Type, string(m.Data))
			}
		}
	})
}

func TestRemoteReadMethods(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		send := func() { require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("message"))) }

		send()
		messageType, p, err := c.AppendMessage([]byte("a "))
		require.NoError(t, err)
		require.Equal(t, websocket.TextMessage, messageType)
		require.Equal(t, "a message", string(p))

		send()
		messageType, reader, err := c.NextReader()
		require.NoError(t, err)
		require.Equal(t, websocket.TextMessage, messageType)
		var start [3]byte
		_, err = io.ReadFull(reader, start[:])
		require.NoError(t, err)
		require.Equal(t, "mes", string(start[:]))
		rest, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, "sage", string(rest))

		require.NoError(t, c.WriteJSON(map[string]int{"answer": 42}))
		var value map[string]int
		require.NoError(t, c.ReadJSON(&value))
		require.Equal(t, map[string]int{"answer": 42}, value)

		send()
		send()
		count := 0
		for m, err := range c.Messages(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, "message", string(m.Data))
			if count++; count == 2 {
				break
			}
		}
		require.Equal(t, 2, count)
	})
}

// TestRemoteReadContext checks that a read that its context or a deadline has
// ended loses nothing.
func TestRemoteReadContext(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, _, err := c.ReadMessageContext(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, _, err = c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})

		require.NoError(t, c.WriteMessageContext(t.Context(), websocket.TextMessage, []byte("message")))
		ctx, cancel = context.WithTimeout(t.Context(), remoteTimeout)
		defer cancel()
		_, p, err := c.ReadMessageContext(ctx)
		require.NoError(t, err)
		require.Equal(t, "message", string(p))
	})
}

func TestRemoteNextWriter(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		piece := strings.Repeat("piece ", 1000) // longer than the write buffer
		for range 2 {
			w, err := c.NextWriter(websocket.TextMessage)
			require.NoError(t, err)
			for range 10 {
				_, err := io.WriteString(w, piece)
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			requireMessage(t, c, websocket.TextMessage, strings.Repeat(piece, 10))
		}
		prepared, err := websocket.NewPreparedMessage(websocket.BinaryMessage, []byte(piece))
		require.NoError(t, err)
		require.NoError(t, c.WritePreparedMessage(prepared))
		requireMessage(t, c, websocket.BinaryMessage, piece)
	})
}

func TestRemoteSend(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		const count = 1000
		for i := range count {
			require.NoError(t, c.Send(websocket.TextMessage, fmt.Append(nil, i)))
		}
		if inBrowser { // elsewhere the socket may have taken all
			require.Positive(t, c.BufferedAmount())
		}
		for i := range count {
			requireMessage(t, c, websocket.TextMessage, fmt.Sprint(i))
		}
		wstest.Settle(t, "nothing is buffered", func() bool { return c.BufferedAmount() == 0 })
	})
}

// TestRemoteWriters checks that messages of several goroutines arrive whole.
func TestRemoteWriters(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		const writers, count = 4, 50
		var done sync.WaitGroup
		for i := range writers {
			done.Go(func() {
				for range count {
					assert.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(fmt.Sprint(i), 5000))))
				}
			})
		}
		var got [writers]int
		for range writers * count {
			_, p, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, strings.Repeat(string(p[0]), 5000), string(p))
			got[p[0]-'0']++
		}
		require.Equal(t, [writers]int{count, count, count, count}, got)
		done.Wait()
	})
}

// TestRemoteDeafPeer checks that writing waits for a peer that does not read, in
// the browser too, and that a write which its context has ended leaves the
// connection as it was if it has not begun.
func TestRemoteDeafPeer(t *testing.T) {
	if !inBrowser {
		t.Skip("elsewhere the deadline can end a write in the middle of a message")
	}
	eachRemote(t, func(t *testing.T, r *remote) {
		id := newID()
		r.dialer.SendQueueLimit = 1 << 20
		c := r.dial("/deaf?id=" + id)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		message := make([]byte, 256<<10)
		written, err := 0, error(nil)
		for err == nil && written < 1000 {
			if err = c.WriteMessageContext(ctx, websocket.BinaryMessage, message); err == nil {
				written++
			}
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.GreaterOrEqual(t, c.BufferedAmount(), int64(len(message)))
		for err = nil; err == nil; {
			if err = c.Send(websocket.BinaryMessage, message); err == nil {
				written++
			}
		}
		require.ErrorIs(t, err, websocket.ErrSendQueueFull)

		r.dial("/hear?id=" + id)
		for range written {
			requireMessage(t, c, websocket.BinaryMessage, string(message))
		}
		require.Zero(t, c.BufferedAmount())
	})
}

func TestRemoteNegotiation(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		require.Empty(t, c.Subprotocol())
		require.Empty(t, c.Extensions())
		require.Equal(t, r.url+"/echo", c.URL())
		require.Equal(t, websocket.StateOpen, c.State())

		c, response, err := r.dialer.Dial(r.url+"/echo?a=b", http.Header{"Sec-WebSocket-Protocol": {"other, echo.v1"}})
		require.NoError(t, err)
		defer c.Close()
		require.Equal(t, "echo.v1", c.Subprotocol())
		require.Equal(t, "echo.v1", response.Header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, r.url+"/echo?a=b", c.URL())

		r.dialer.EnableCompression = true
		r.dialer.Subprotocols = []string{"echo.v2"}
		c = r.dial("/deflate")
		require.Equal(t, "echo.v2", c.Subprotocol())
		if !inBrowser || r.offersCompression() {
			require.Contains(t, c.Extensions(), "permessage-deflate")
		}
	})
}

// offersCompression reports whether compression is offered to the server.
func (r *remote) offersCompression() bool {
	var header http.Header
	require.NoError(r.t, r.dial("/header").ReadJSON(&header))
	return strings.Contains(header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
}

func TestRemoteEvents(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/close?code=4001&reason=because")
		var got []string
		err := c.Serve(websocket.Events{
			Open:  func(c *websocket.Conn) { got = append(got, "open"); c.Send(websocket.TextMessage, []byte("end")) },
			Close: func(_ *websocket.Conn, info websocket.CloseInfo) { got = append(got, fmt.Sprint("close ", info)) },
			Error: func(_ *websocket.Conn, err error) { got = append(got, fmt.Sprint("error ", err)) },
		})
		require.True(t, websocket.IsCloseError(err, 4001), "%v", err)
		require.Equal(t, []string{"open", "close {4001 because true}"}, got)
	})
}

func TestRemoteStream(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		s := websocket.NewStream(r.dial("/echo"), websocket.BinaryMessage)
		go func() {
			for range 10 {
				io.WriteString(s, "0123456789")
			}
		}()
		p := make([]byte, 100)
		s.SetReadDeadline(time.Now().Add(remoteTimeout))
		_, err := io.ReadFull(s, p)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("0123456789", 10), string(p))
		require.NoError(t, s.Close())
		_, err = s.Read(p)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestRemoteGroup(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		var group websocket.Group
		conns := []*websocket.Conn{r.dial("/echo"), r.dial("/echo")}
		for _, c := range conns {
			group.Add(c)
		}
		group.BroadcastText("to all")
		for _, c := range conns {
			requireMessage(t, c, websocket.TextMessage, "to all")
		}
		ctx, cancel := context.WithTimeout(t.Context(), remoteTimeout)
		defer cancel()
		require.NoError(t, group.Shutdown(ctx, websocket.CloseGoingAway, ""))
		for _, c := range conns {
			require.True(t, c.CloseInfo().WasClean)
		}
	})
}
