package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// idleLimit is after how many seconds the proxies end a connection on which nothing
// comes. That is short for the tests.
const idleLimit = 4

// A proxySetup is what the configuration of a proxy needs to know.
type proxySetup struct {
	Dir, Plain, TLS, Backend string
	Modules                  string // of Apache
	Idle                     int
}

// A reverseProxy is a proxy in front of a server.
type reverseProxy struct {
	name    string
	program string
	config  string // in the directory proxies
	command func(config string) []string
	idle    bool // it has an idle time-out
}

var reverseProxies = []reverseProxy{
	{"nginx", "nginx", "nginx.conf", func(c string) []string { return []string{"-e", "stderr", "-p", filepath.Dir(c), "-c", c} }, true},
	{"HAProxy", "haproxy", "haproxy.cfg", func(c string) []string { return []string{"-db", "-f", c} }, true},
	{"Apache", "apache2", "apache.conf", func(c string) []string { return []string{"-X", "-f", c} }, true},
	{"Caddy", "caddy", "Caddyfile", func(c string) []string { return []string{"run", "--adapter", "caddyfile", "--config", c} }, false},
	{"httputil.ReverseProxy", "", "", nil, false},
}

// writeCertificate writes the certificate of package httptest, its key, and both in one
// file, to a directory.
func writeCertificate(t *testing.T, dir string) {
	encrypted := httptest.NewTLSServer(nil)
	encrypted.Close()
	certificate := encrypted.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, content := range map[string][]byte{
		"certificate.pem": public, "key.pem": private, "both.pem": slices.Concat(public, private),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
}

// runProxy runs a proxy, whose configuration it makes from a file in the directory
// proxies, until the test ends. It returns when the proxy listens.
func runProxy(t *testing.T, program, config string, command func(config string) []string, setup any, address string) {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err, "%s is missing: .ci/run e2e installs it", program)
	text, err := template.ParseFiles(filepath.Join("proxies", config))
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(t.TempDir(), config))
	require.NoError(t, err)
	require.NoError(t, text.Execute(file, setup))
	require.NoError(t, file.Close())
	proxy := exec.Command(path, command(file.Name())...)
	proxy.Stderr = t.Output()
	require.NoError(t, proxy.Start())
	ended := make(chan error, 1)
	go func() { ended <- proxy.Wait() }()
	t.Cleanup(func() {
		proxy.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(2 * time.Second):
			proxy.Process.Kill()
			<-ended
		}
	})
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		require.True(t, time.Now().Before(limit), "%s does not listen: %v", program, err)
		select {
		case err := <-ended:
			ended <- err
			require.FailNow(t, "the proxy has ended", "%s: %v", program, err)
		default:
		}
	}
}

// start runs the proxy and returns its addresses: without and with TLS.
func (p *reverseProxy) start(t *testing.T, backend string) (plain, encrypted string) {
	if p.program == "" {
		u, err := url.Parse("http://" + backend)
		require.NoError(t, err)
		handler := httputil.NewSingleHostReverseProxy(u)
		plain, encrypted := httptest.NewServer(handler), httptest.NewTLSServer(handler)
		t.Cleanup(plain.Close)
		t.Cleanup(encrypted.Close)
		return plain.Listener.Addr().String(), encrypted.Listener.Addr().String()
	}
	dir, err := os.MkdirTemp("", "proxy")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeCertificate(t, dir)
	setup := proxySetup{dir, freeAddress(t), freeAddress(t), backend, "/usr/lib/apache2/modules", idleLimit}
	runProxy(t, p.program, p.config, p.command, setup, setup.TLS)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", setup.Plain)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond, "no listener without TLS")
	return setup.Plain, setup.TLS
}

// An echoBackend is a server that echoes, and tells how connections to /watched have ended.
type echoBackend struct {
	*httptest.Server
	ended chan websocket.CloseInfo
}

// newEchoBackend returns a server. At /silent it does without KeepAlive.
func newEchoBackend(t *testing.T) *echoBackend {
	b := &echoBackend{ended: make(chan websocket.CloseInfo, 100)}
	silent := websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}
	kept := silent
	kept.KeepAlive = websocket.KeepAlive{Interval: idleLimit * time.Second / 4}
	mux := http.NewServeMux()
	mux.Handle("/silent", silent.Handler(b.echo))
	mux.Handle("/", kept.Handler(b.echo))
	b.Server = httptest.NewServer(mux)
	t.Cleanup(b.Close)
	return b
}

// echo answers "close" with close code 4001, and everything else with itself.
func (b *echoBackend) echo(c *websocket.Conn, r *http.Request) {
	for {
		kind, data, err := c.ReadMessage()
		switch {
		case err != nil:
			if r.URL.Path == "/watched" {
				b.ended <- c.CloseInfo()
			}
			return
		case string(data) == "close":
			c.Shutdown(context.Background(), 4001, "schöner Grund")
			return
		}
		c.WriteMessage(kind, data)
	}
}

// requireEchoes sends messages of all classes of length.
func requireEchoes(t *testing.T, c *websocket.Conn) {
	t.Helper()
	for seed, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		text := []byte(strings.Repeat("Grüße, 世界 ", size/16+1))[:size]
		for len(text) > 0 && text[len(text)-1] >= 0x80 {
			text = text[:len(text)-1] // a part of a character
		}
		require.NoError(t, c.WriteMessage(websocket.TextMessage, text))
		expectMessage(t, c, websocket.TextMessage, text)
		binary := randomBytes(uint64(seed), size)
		require.NoError(t, c.WriteMessage(websocket.BinaryMessage, binary))
		expectMessage(t, c, websocket.BinaryMessage, binary)
	}
}

// TestBehindProxies has proxies in front of a server: what is negotiated and what is sent
// comes through, close codes do both ways, and KeepAlive meets idle time-outs.
func TestBehindProxies(t *testing.T) {
	for _, p := range reverseProxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			backend := newEchoBackend(t)
			plain, encrypted := p.start(t, backend.Listener.Addr().String())
			for scheme, address := range map[string]string{"ws": plain, "wss": encrypted} {
				t.Run(scheme, func(t *testing.T) { testBehindProxy(t, p, backend, scheme+"://"+address) })
			}
		})
	}
}

func testBehindProxy(t *testing.T, p reverseProxy, backend *echoBackend, url string) {
	dialer := websocket.Dialer{
		Subprotocols:      []string{"other", "chat"},
		EnableCompression: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		HandshakeTimeout:  patience,
	}
	dial := func(path string) *websocket.Conn {
		c, _, err := dialer.Dial(url+path, nil)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(patience))
		require.Equal(t, "chat", c.Subprotocol())
		require.Contains(t, c.Extensions(), "permessage-deflate")
		return c
	}
	kept, silent := dial("/"), dial("/silent")
	began := time.Now()
	// A reader answers the pings, without which nothing would come from this side.
	answers := make(chan error, 1)
	go func() {
		_, data, err := kept.ReadMessage()
		if err == nil && string(data) != "still there" {
			err = &websocket.CloseError{Text: string(data)}
		}
		answers <- err
	}()

	c := dial("/")
	requireEchoes(t, c)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("close")))
	expectClose(t, c, 4001, "schöner Grund")

	c = dial("/watched")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, c.Shutdown(ctx, 4002, "bye"))
	require.Equal(t, websocket.CloseInfo{Code: 4002, WasClean: true}, c.CloseInfo()) // as the server answers
	got := <-backend.ended
	require.Equal(t, 4002, got.Code)
	require.Equal(t, "bye", got.Reason)

	if p.idle {
		_, _, err := silent.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), "%v", err)
	}
	time.Sleep(time.Until(began.Add(2*idleLimit*time.Second + time.Second/2)))
	require.NoError(t, kept.WriteMessage(websocket.TextMessage, []byte("still there")))
	require.NoError(t, <-answers)
}
