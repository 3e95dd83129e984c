package websocket_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// A handshakeCall is a call of Trace.HandshakeDone.
type handshakeCall struct {
	conn    *websocket.Conn
	request *http.Request
	err     error
}

// recordHandshakes returns hooks and a channel with the calls of HandshakeDone.
func recordHandshakes() (*websocket.Trace, <-chan handshakeCall) {
	calls := make(chan handshakeCall, 10)
	return &websocket.Trace{HandshakeDone: func(c *websocket.Conn, r *http.Request, err error) {
		calls <- handshakeCall{c, r, err}
	}}, calls
}

// TestHandshakeDone gets the connection and the request on both sides: the one
// that the server got, and the one that the client sent.
func TestHandshakeDone(t *testing.T) {
	for _, over := range []string{"TCP", "TLS", "HTTP/2"} {
		for _, byHandler := range []bool{false, true} {
			serverTrace, serverCalls := recordHandshakes()
			requests := make(chan *http.Request, 1)
			upgrader := &websocket.Upgrader{Trace: serverTrace}
			handler := upgrader.Handler(func(c *websocket.Conn, r *http.Request) { requests <- r })
			if !byHandler {
				handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := upgrader.Upgrade(w, r, nil)
					if assert.NoError(t, err) {
						requests <- r
						c.Close()
					}
				})
			}
			server := httptest.NewUnstartedServer(handler)
			clientTrace, clientCalls := recordHandshakes()
			dialer := websocket.Dialer{Trace: clientTrace, Subprotocols: []string{"chat"}}
			if over == "TCP" {
				server.Start()
			} else {
				server.EnableHTTP2 = over == "HTTP/2"
				server.StartTLS()
				dialer.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
			}
			if over == "HTTP/2" {
				dialer.HTTP2 = &websocket.HTTP2{}
			}
			c, _, err := dialer.Dial(server.URL+"/chat?room=1", http.Header{"User": {"alice"}})
			require.NoError(t, err)
			client, other := withTestTimeout(t, "the client's call", clientCalls), withTestTimeout(t, "the server's call", serverCalls)
			require.NoError(t, client.err)
			require.NoError(t, other.err)
			require.Same(t, c, client.conn)
			require.NotNil(t, other.conn)
			require.Same(t, <-requests, other.request)
			for _, r := range []*http.Request{client.request, other.request} {
				require.Equal(t, "/chat", r.URL.Path)
				require.Equal(t, "room=1", r.URL.RawQuery)
				require.Equal(t, "alice", r.Header.Get("User"))
				var offered []string
				for name, values := range r.Header { // the client spells the name as RFC 6455 does
					if strings.EqualFold(name, "Sec-WebSocket-Protocol") {
						offered = append(offered, values...)
					}
				}
				require.Equal(t, []string{"chat"}, offered)
			}
			c.Close()
			dialer.CloseIdleConnections()
			server.Close()
			require.Empty(t, clientCalls, "one call for a handshake")
			require.Empty(t, serverCalls)
		}
	}
}

// TestHandshakeDoneRefused: the request is told with the reason.
func TestHandshakeDoneRefused(t *testing.T) {
	serverTrace, serverCalls := recordHandshakes()
	upgrader := &websocket.Upgrader{Trace: serverTrace, CheckOrigin: func(*http.Request) bool { return false }}
	server := httptest.NewServer(upgrader.Handler(func(*websocket.Conn, *http.Request) { t.Error("serve was called") }))
	defer server.Close()
	clientTrace, clientCalls := recordHandshakes()
	dialer := websocket.Dialer{Trace: clientTrace}
	_, _, err := dialer.Dial(server.URL+"/refused", http.Header{"Origin": {"https://example.com"}})
	require.Equal(t, websocket.ErrBadHandshake, err)
	client, other := <-clientCalls, <-serverCalls
	require.Nil(t, client.conn)
	require.Nil(t, other.conn)
	require.Equal(t, err, client.err)
	require.ErrorContains(t, other.err, "CheckOrigin")
	require.Equal(t, "/refused", client.request.URL.Path)
	require.Equal(t, "/refused", other.request.URL.Path)

	response, err := http.Get(server.URL + "/page")
	require.NoError(t, err)
	response.Body.Close()
	other = <-serverCalls
	require.Equal(t, "/page", other.request.URL.Path)
	refused, ok := errors.AsType[websocket.HandshakeError](other.err)
	require.True(t, ok)
	require.Equal(t, http.StatusUpgradeRequired, refused.Status())
}

// TestHandshakeDoneWithoutARequest: there is none if Dial fails before it has
// one, and there is one as soon as it has.
func TestHandshakeDoneWithoutARequest(t *testing.T) {
	cause := errors.New("cause")
	fails := func(context.Context, string, string) (net.Conn, error) { return nil, cause }
	for _, test := range []struct {
		name    string
		dialer  websocket.Dialer
		url     string
		header  http.Header
		request bool
	}{
		{"URL", websocket.Dialer{}, "ftp://example.com", nil, false},
		{"header", websocket.Dialer{}, "ws://example.com", http.Header{"Upgrade": {"x"}}, false},
		{"subprotocol", websocket.Dialer{Subprotocols: []string{"a b"}}, "ws://example.com", nil, false},
		{"compression", websocket.Dialer{Compression: &websocket.Compression{Level: 99}}, "ws://example.com", nil, false},
		{"proxy", websocket.Dialer{Proxy: func(*http.Request) (*url.URL, error) { return nil, cause }}, "ws://example.com", nil, true},
		{"network", websocket.Dialer{NetDialContext: fails}, "ws://example.com/path", nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			trace, calls := recordHandshakes()
			test.dialer.Trace = trace
			_, _, err := test.dialer.Dial(test.url, test.header)
			require.Error(t, err)
			call := <-calls
			require.Nil(t, call.conn)
			require.Equal(t, err, call.err)
			require.Equal(t, test.request, call.request != nil)
			if test.request {
				require.Equal(t, "example.com", call.request.URL.Host)
			}
			require.Empty(t, calls)
		})
	}
}

// TestSlowPeerIsToldBeforeClosed, once, and only for a peer that was slow.
func TestSlowPeerIsToldBeforeClosed(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var end slowEnd
		c, _ := v.connect(t, end.options())
		c.Close()
		<-c.Done()
		require.Equal(t, []string{"closed 1006"}, end.events)
	})
	// TestSlowCloseIsTheDefault and TestWriteTimeoutTells have the others.
}

// TestTraceOfNewConn: there is no handshake to be told of, and the rest is as for
// other connections.
func TestTraceOfNewConn(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		trace, calls := recordHandshakes()
		frames := 0
		trace.FrameRead = func(_ *websocket.Conn, f websocket.FrameInfo) {
			require.Equal(t, websocket.TextMessage, f.Type)
			require.Equal(t, v.deflate, f.Compressed)
			frames++
		}
		c, peer := v.connect(t, websocket.ConnOptions{Trace: trace})
		transfer(t, peer, c, "hello")
		require.Equal(t, 1, frames)
		require.Empty(t, calls)
	})
}
