package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestRemoteShutdown checks Shutdown with codes that a browser allows, and what
// the server gets.
func TestRemoteShutdown(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		for _, info := range []websocket.CloseInfo{
			{Code: 1000, Reason: "done", WasClean: true},
			{Code: 3000, WasClean: true},
			{Code: 4999, Reason: strings.Repeat("é", 61), WasClean: true},
			{Code: websocket.CloseNoStatusReceived, WasClean: true},
		} {
			id := newID()
			c := r.dial("/echo?id=" + id)
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("sent before")))
			require.NoError(t, c.Shutdown(t.Context(), info.Code, info.Reason))
			require.Equal(t, websocket.StateClosed, c.State())
			require.Equal(t, websocket.CloseInfo{Code: info.Code, WasClean: true}, c.CloseInfo())
			require.Equal(t, info, r.ended(id))
			require.ErrorIs(t, c.WriteMessage(websocket.TextMessage, nil), websocket.ErrCloseSent)
			require.ErrorIs(t, c.Send(websocket.TextMessage, nil), net.ErrClosed)
			_, _, err := c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, info.Code), "%v", err)
		}
	})
}

// TestRemoteShutdownRefusal checks that the codes which only a browser itself
// sends are refused, and leave the connection as it was.
func TestRemoteShutdownRefusal(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		codes := []int{0, 999, 1004, 1006, 1015, 1002, 1009, 2999, 5000}
		if inBrowser {
			codes = append(codes, 1001)
		}
		for _, code := range codes {
			require.ErrorIs(t, c.Shutdown(t.Context(), code, ""), websocket.ErrInvalidCloseCode, code)
		}
		require.ErrorIs(t, c.Shutdown(t.Context(), 1000, strings.Repeat("x", 124)), websocket.ErrCloseReasonTooLong)
		if inBrowser {
			for _, code := range []int{1001, 1002, 1011} {
				payload := websocket.FormatCloseMessage(code, "")
				require.ErrorIs(t, c.WriteControl(websocket.CloseMessage, payload, time.Time{}), websocket.ErrInvalidCloseCode)
				require.ErrorIs(t, c.WriteMessage(websocket.CloseMessage, payload), websocket.ErrInvalidCloseCode)
			}
		}
		require.Equal(t, websocket.StateOpen, c.State())
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("still open")))
		requireMessage(t, c, websocket.TextMessage, "still open")
	})
}

// TestRemoteClose checks Close. A browser cannot do without a close frame.
func TestRemoteClose(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		id := newID()
		c := r.dial("/echo?id=" + id)
		reads := async(func() error {
			_, _, err := c.ReadMessage()
			return err
		})
		require.NoError(t, c.Close())
		require.ErrorIs(t, wait(t, reads, "ReadMessage"), net.ErrClosed)
		<-c.Done()
		require.Equal(t, websocket.StateClosed, c.State())
		require.Equal(t, websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}, c.CloseInfo())
		require.ErrorIs(t, c.WriteMessage(websocket.TextMessage, nil), net.ErrClosed)
		want := websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}
		if inBrowser {
			want = websocket.CloseInfo{Code: websocket.CloseNoStatusReceived, WasClean: true}
		}
		require.Equal(t, want, r.ended(id))
	})
}

// TestRemoteServerCloses checks the peer's close frame.
func TestRemoteServerCloses(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		for _, info := range []websocket.CloseInfo{
			{Code: 1001, Reason: "a reason", WasClean: true},
			{Code: 1011, WasClean: true},
			{Code: 4000, Reason: "schöner Grund", WasClean: true},
			{Code: websocket.CloseNoStatusReceived, WasClean: true},
		} {
			id := newID()
			parameters := url.Values{"id": {id}, "code": {fmt.Sprint(info.Code)}, "reason": {info.Reason}}
			c := r.dial("/close?" + parameters.Encode())
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("end")))
			_, _, err := c.ReadMessage()
			closed, ok := errors.AsType[*websocket.CloseError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, &websocket.CloseError{Code: info.Code, Text: info.Reason}, closed)
			<-c.Done()
			require.Equal(t, info, c.CloseInfo())
			answered := r.ended(id)
			answered.Reason = info.Reason // some browsers send it back
			require.Equal(t, info, answered)
			require.ErrorIs(t, c.WriteMessage(websocket.TextMessage, nil), net.ErrClosed)
		}
	})
}

// TestRemoteDrop checks the end without a close frame, and that what came before
// it is read.
func TestRemoteDrop(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/drop")
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("end")))
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, net.ErrClosed)
		closed, ok := errors.AsType[*websocket.CloseError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, websocket.CloseAbnormalClosure, closed.Code)
		<-c.Done()
		require.Equal(t, websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}, c.CloseInfo())
	})
}

// TestRemoteReadLimit checks that a message beyond the limit ends the connection.
func TestRemoteReadLimit(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		id := newID()
		r.dialer.ReadLimit = 1000
		c := r.dial("/send?count=1&size=1000")
		requireMessage(t, c, websocket.BinaryMessage, string(make([]byte, 1000)))

		c = r.dial("/echo?id=" + id)
		require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 1001)))
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, websocket.ErrReadLimit)
		<-c.Done()
		want := websocket.CloseMessageTooBig
		if inBrowser {
			want = websocket.CloseNoStatusReceived // it lets no program send the other
		}
		require.Equal(t, want, r.ended(id).Code)
	})
}

// TestRemoteUnread checks that a browser does not queue messages without end.
func TestRemoteUnread(t *testing.T) {
	if !inBrowser {
		t.Skip("elsewhere the peer waits")
	}
	eachRemote(t, func(t *testing.T, r *remote) {
		id := newID()
		c := r.dial("/send?id=" + id + "&count=40&size=1048576")
		require.Equal(t, websocket.CloseNoStatusReceived, r.ended(id).Code)
		count, err := 0, error(nil)
		for ; err == nil; count++ {
			_, _, err = c.ReadMessage()
		}
		require.ErrorContains(t, err, "the browser has received more than was read")
		require.ErrorIs(t, err, net.ErrClosed)
		require.Equal(t, 32, count) // 31 messages of 1 MiB and a little, and the error
		require.Equal(t, websocket.CloseAbnormalClosure, c.CloseInfo().Code)
	})
}

// TestRemoteText checks that text which is not UTF-8 ends the connection. A browser
// does not send it.
func TestRemoteText(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		err := c.WriteMessage(websocket.TextMessage, []byte("\xff"))
		if inBrowser {
			require.ErrorContains(t, err, "not UTF-8")
			_, _, err := c.ReadMessage()
			require.ErrorIs(t, err, net.ErrClosed)
			return
		}
		require.NoError(t, err)
		_, _, err = c.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseInvalidFramePayloadData), "%v", err)
	})
}

// TestRemotePing checks pings and pongs of the application. A browser does not
// send them, and says so.
func TestRemotePing(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/echo")
		if !inBrowser {
			go c.ReadMessage()
			_, err := c.Ping(t.Context())
			require.NoError(t, err)
			return
		}
		_, pingErr := c.Ping(t.Context())
		_, writerErr := c.NextWriter(websocket.PingMessage)
		for _, err := range []error{
			pingErr, writerErr,
			c.WriteControl(websocket.PingMessage, nil, time.Time{}),
			c.WriteControl(websocket.PongMessage, nil, time.Time{}),
			c.WriteMessage(websocket.PingMessage, nil),
		} {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorContains(t, err, "browser")
		}
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("still open")))
		requireMessage(t, c, websocket.TextMessage, "still open")
	})
}

// TestRemoteRefusal checks Dial to servers that open no connection.
func TestRemoteRefusal(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		for _, path := range []string{"/refuse", "/echo"} {
			if path == "/echo" {
				r.dialer.Subprotocols = []string{"unknown"}
				if !inBrowser {
					continue // a browser insists on a subprotocol
				}
			}
			c, _, err := r.dialer.Dial(r.url+path, nil)
			require.Error(t, err)
			require.Nil(t, c)
			if inBrowser {
				require.ErrorContains(t, err, "the browser could not open the connection: ")
			}
		}
	})
}

// TestRemoteDialContext checks that a Dial ends with its context.
func TestRemoteDialContext(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		c, response, err := r.dialer.DialContext(ctx, r.url+"/silent", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Nil(t, c)
		require.Nil(t, response)

		r.dialer.HandshakeTimeout = 20 * time.Millisecond
		_, _, err = r.dialer.Dial(r.url+"/silent", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestRemoteUnsupported checks that Dial refuses what a browser decides itself.
func TestRemoteUnsupported(t *testing.T) {
	if !inBrowser {
		t.Skip("for browsers")
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	proxy := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	failing := errors.New("no proxy is known")
	eachRemote(t, func(t *testing.T, r *remote) {
		for name, dialer := range map[string]websocket.Dialer{
			"Dialer.TLSClientConfig": {TLSClientConfig: &tls.Config{}},
			"Dialer.Compression":     {Compression: &websocket.Compression{}},
			"Dialer.Jar":             {Jar: jar},
			"Dialer.KeepAlive":       {KeepAlive: websocket.KeepAlive{Interval: time.Minute}},
			"Dialer.HTTP2":           {HTTP2: &websocket.HTTP2{}},
			"Dialer.Proxy":           {Proxy: http.ProxyURL(proxy)},
			"NetDial":                {NetDial: net.Dial},
		} {
			_, _, err := dialer.Dial(r.url+"/echo", nil)
			require.ErrorIs(t, err, errors.ErrUnsupported, name)
			require.ErrorContains(t, err, name)
		}
		for name, header := range map[string]http.Header{
			"Authorization": {"Authorization": {"Basic x"}},
			"Origin":        {"Origin": {"http://example.com"}, "Sec-WebSocket-Protocol": {"echo.v1"}},
			"host":          {"host": {"example.com"}},
		} {
			_, _, err := r.dialer.Dial(r.url+"/echo", header)
			require.ErrorIs(t, err, errors.ErrUnsupported, name)
			require.ErrorContains(t, err, "the request header "+name)
		}
		_, _, err := r.dialer.Dial(strings.Replace(r.url, "://", "://user:secret@", 1), nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.NotContains(t, err.Error(), "secret")
		_, _, err = (&websocket.Dialer{Proxy: func(*http.Request) (*url.URL, error) { return nil, failing }}).Dial(r.url, nil)
		require.ErrorIs(t, err, failing)

		r.dialer.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		require.NoError(t, r.dial("/echo").Close())
		c, _, err := (&websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: remoteTimeout}).Dial(r.url+"/echo", nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	})
}

// TestRemoteTrace checks the hooks.
func TestRemoteTrace(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		var mu sync.Mutex
		var got []string
		add := func(event string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, event)
		}
		r.dialer.Trace = &websocket.Trace{
			HandshakeDone: func(c *websocket.Conn, request *http.Request, err error) {
				add(fmt.Sprint("handshake ", c != nil, " ", request.URL.Path, " ", err))
			},
			FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) {
				add(fmt.Sprint("read ", f.Type, " ", f.Length))
			},
			FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
				add(fmt.Sprint("written ", f.Type, " ", f.Length))
			},
			Closed: func(_ *websocket.Conn, info websocket.CloseInfo) { add(fmt.Sprint("closed ", info)) },
		}
		c := r.dial("/echo")
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("hello")))
		requireMessage(t, c, websocket.TextMessage, "hello")
		require.NoError(t, c.Shutdown(t.Context(), 1000, ""))
		mu.Lock()
		defer mu.Unlock()
		// A frame that was written may be told of after the answer to it.
		require.ElementsMatch(t, []string{
			"handshake true /echo <nil>", "written 1 5", "read 1 5", "written 8 2", "read 8 2", "closed {1000  true}",
		}, got)
	})
}

// TestRemoteCut checks the reader of a message that a Shutdown discards.
func TestRemoteCut(t *testing.T) {
	eachRemote(t, func(t *testing.T, r *remote) {
		c := r.dial("/send?count=3&size=100000")
		_, reader, err := c.NextReader()
		require.NoError(t, err)
		require.NoError(t, c.Shutdown(t.Context(), 1000, ""))
		_, err = io.ReadAll(reader)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
