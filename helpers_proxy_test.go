package websocket

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A testProxy is a proxy for HTTP CONNECT and SOCKS5. It records its tunnels.
type testProxy struct {
	mu      sync.Mutex
	tunnels []string // "credentials > address"
	running sync.WaitGroup
}

func newTestProxy(t *testing.T) *testProxy {
	m := &testProxy{}
	t.Cleanup(m.running.Wait)
	return m
}

// tunnel connects a client to a server until one of them closes.
func (m *testProxy) tunnel(client net.Conn, from io.Reader, credentials, addr string, confirmation []byte) {
	defer client.Close()
	m.mu.Lock()
	m.tunnels = append(m.tunnels, credentials+" > "+addr)
	m.mu.Unlock()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return // the client's Dial fails
	}
	defer server.Close()
	client.Write(confirmation)
	m.running.Go(func() {
		io.Copy(server, from)
		server.Close()
	})
	io.Copy(client, server)
}

// ServeHTTP serves HTTP CONNECT.
func (m *testProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.running.Add(1)
	defer m.running.Done()
	if r.Method != http.MethodConnect {
		http.Error(w, "the method is not CONNECT", http.StatusBadRequest)
		return
	}
	r.Header["Authorization"] = r.Header["Proxy-Authorization"]
	user, password, _ := r.BasicAuth()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err == nil {
		m.tunnel(conn, buffered, user+":"+password, r.RequestURI, []byte("HTTP/1.1 200 OK\r\n\r\n"))
	}
}

// serveSOCKS serves SOCKS5: RFC 1928 and RFC 1929.
func (m *testProxy) serveSOCKS(t *testing.T) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	m.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.running.Go(func() {
				defer conn.Close()
				m.socks(conn, bufio.NewReader(conn))
			})
		}
	})
	return listener
}

func (m *testProxy) socks(conn net.Conn, r *bufio.Reader) {
	credentials := ":"
	r.Discard(1) // version
	if methods := readSOCKSString(r); strings.Contains(methods, "\x02") {
		io.WriteString(conn, "\x05\x02")
		r.Discard(1)
		credentials = readSOCKSString(r) + ":" + readSOCKSString(r)
		io.WriteString(conn, "\x01\x00")
	} else {
		io.WriteString(conn, "\x05\x00")
	}
	r.Discard(3) // version, command, reserved
	host := ""
	switch kind, _ := r.ReadByte(); kind {
	case 1:
		var ip [net.IPv4len]byte
		io.ReadFull(r, ip[:])
		host = net.IP(ip[:]).String()
	case 3:
		host = readSOCKSString(r)
	}
	var port [2]byte
	io.ReadFull(r, port[:])
	addr := (&net.TCPAddr{IP: net.ParseIP(host), Port: int(binary.BigEndian.Uint16(port[:]))}).String()
	m.tunnel(conn, r, credentials, addr, []byte("\x05\x00\x00\x01\x7F\x00\x00\x01\x00\x00"))
}

// readSOCKSString reads a byte with a length, and a string of that length.
func readSOCKSString(r *bufio.Reader) string {
	n, _ := r.ReadByte()
	p := make([]byte, n)
	io.ReadFull(r, p)
	return string(p)
}
