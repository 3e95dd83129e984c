package kubernetes

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	api "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/seed23105783/websocket"
)

// timeout bounds what the test waits for.
const timeout = 20 * time.Second

// TestPortForward forwards a local port to a server of this module, which
// stands for the API server: connections to the port are streams of SPDY, and
// SPDY goes over one WebSocket connection.
func TestPortForward(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"ws": httptest.NewServer, "wss": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			s := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveTunnel(t, w, r) }))
			t.Cleanup(s.Close)
			u, err := url.Parse(s.URL + "/api/v1/namespaces/default/pods/pod/portforward")
			require.NoError(t, err)
			config := &rest.Config{Host: u.Host, TLSClientConfig: rest.TLSClientConfig{Insecure: name == "wss"}}
			dialer, err := portforward.NewSPDYOverWebsocketDialerForStreaming(u, config)
			require.NoError(t, err)
			port := forward(t, dialer)
			for _, message := range []string{"hello", strings.Repeat("0123456789", 100_000)} {
				assert.Equal(t, "80: "+message, exchange(t, port, message))
			}
		})
	}
}

// serveTunnel echoes what arrives on the data streams, behind their port.
func serveTunnel(t *testing.T, w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{api.WebsocketsSPDYTunnelingPortForwardV1}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if !assert.NoError(t, err) {
		return
	}
	defer conn.Close()
	assert.Equal(t, "SPDY/3.1+portforward.k8s.io", conn.Subprotocol())
	tunnel, err := spdy.NewServerConnection(portforward.NewTunnelingConnection("server", conn), func(stream httpstream.Stream, replied <-chan struct{}) error {
		go func() {
			<-replied
			defer stream.Close()
			if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
				fmt.Fprintf(stream, "%s: ", stream.Headers().Get(corev1.PortHeader))
				io.Copy(stream, stream)
			}
		}()
		return nil
	})
	if assert.NoError(t, err) {
		<-tunnel.CloseChan()
	}
}

// forward starts a port forwarder and returns its local port.
func forward(t *testing.T, dialer httpstream.Dialer) int {
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{"0:80"}, stop, ready, io.Discard, io.Discard)
	require.NoError(t, err)
	go func() { done <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-done:
		require.NoError(t, err, "the port is not forwarded")
	case <-time.After(timeout):
		require.FailNow(t, "the port is not forwarded")
	}
	t.Cleanup(func() {
		close(stop)
		assert.NoError(t, <-done)
	})
	ports, err := forwarder.GetPorts()
	require.NoError(t, err)
	require.Len(t, ports, 1)
	return int(ports[0].Local)
}

// exchange sends a message to the local port and returns what comes back.
func exchange(t *testing.T, port int, message string) string {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
	go func() {
		io.WriteString(conn, message)
		conn.(*net.TCPConn).CloseWrite()
	}()
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}
