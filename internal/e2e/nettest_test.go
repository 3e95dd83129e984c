package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/seed23105783/websocket"
)

// TestStream runs the tests for implementations of net.Conn, on both roles and
// over what the library treats differently: a socket, TLS, and something else.
func TestStream(t *testing.T) {
	for _, test := range []struct {
		name        string
		tls         bool
		compression bool
		messageType int
		wrap        func(net.Conn) net.Conn
	}{
		{name: "tcp", messageType: websocket.BinaryMessage},
		{name: "tls", messageType: websocket.BinaryMessage, tls: true},
		{name: "compressed", messageType: websocket.BinaryMessage, compression: true},
		{name: "wrapped", messageType: websocket.BinaryMessage, wrap: func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }},
	} {
		for _, clientFirst := range []bool{true, false} {
			name := test.name + "/server first"
			if clientFirst {
				name = test.name + "/client first"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				accepted := make(chan *websocket.Conn)
				upgrader := websocket.Upgrader{EnableCompression: test.compression}
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := upgrader.Upgrade(w, r, nil)
					if err != nil {
						t.Error(err)
					}
					accepted <- conn
				}))
				if test.wrap != nil {
					server.Listener = wrappedListener{server.Listener, test.wrap}
				}
				if test.tls {
					server.StartTLS()
				} else {
					server.Start()
				}
				t.Cleanup(server.Close)
				dialer := websocket.Dialer{EnableCompression: test.compression}
				if test.tls {
					dialer.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
				}
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					client, _, err := dialer.Dial(server.URL, nil)
					if err != nil {
						return nil, nil, nil, err
					}
					c1 = websocket.NewStream(client, test.messageType)
					c2 = websocket.NewStream(<-accepted, test.messageType)
					if !clientFirst {
						c1, c2 = c2, c1
					}
					return c1, c2, func() {
						c1.Close()
						c2.Close()
					}, nil
				})
			})
		}
	}
}

// A wrappedListener accepts connections in disguise.
type wrappedListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrappedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(conn), nil
}
