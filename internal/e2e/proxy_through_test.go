package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// The user that the proxies know, and a name that only squid can resolve.
const (
	proxyUser     = "ws-e2e"
	proxyPassword = "open sesame"
	hiddenName    = "ws.example.test"
)

// A forwardSetup is what the configuration of a forward proxy needs to know.
type forwardSetup struct {
	Dir, Address, Host, Port string
	Backend                  string // of a proxy in front of another
	User, Password           string // "" for no credentials
}

// A forwardProxy is a proxy that a client is told to use.
type forwardProxy struct {
	name        string
	scheme      string
	credentials bool
	start       func(t *testing.T, password string) (address string)
}

var forwardProxies = []forwardProxy{
	{"squid", "http", false, startSquid},
	{"squid, credentials", "http", true, startSquid},
	{"squid over TLS", "https", true, startEncryptedSquid},
	{"tinyproxy", "http", false, startTinyproxy},
	{"tinyproxy, credentials", "http", true, startTinyproxy},
	{"dante", "socks5", false, startDante},
	{"dante, credentials", "socks5", true, startDante},
}

// newForwardSetup returns a setup with a new directory, which every user can read, and a
// free address.
func newForwardSetup(t *testing.T, password string) forwardSetup {
	dir, err := os.MkdirTemp("", "proxy")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	s := forwardSetup{Dir: dir, Address: freeAddress(t), Password: password}
	s.Host, s.Port, err = net.SplitHostPort(s.Address)
	require.NoError(t, err)
	if password != "" {
		s.User = proxyUser
	}
	return s
}

// services counts the processes of squid.
var services atomic.Int64

func startSquid(t *testing.T, password string) string {
	s := newForwardSetup(t, password)
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "hosts"), []byte("127.0.0.1 "+hiddenName+"\n"), 0o644))
	if password != "" {
		hash, err := exec.Command("openssl", "passwd", "-1", password).Output()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "passwords"), fmt.Appendf(nil, "%s:%s", s.User, hash), 0o644))
	}
	// Shared memory has the name of the service, and stays if the process is killed.
	service := fmt.Sprintf("websocket%d%d", os.Getpid(), services.Add(1))
	t.Cleanup(func() {
		left, _ := filepath.Glob("/dev/shm/" + service + "-*")
		for _, name := range left {
			os.Remove(name)
		}
	})
	runProxy(t, "squid", "squid.conf", func(c string) []string { return []string{"-N", "-n", service, "-f", c} }, s, s.Address)
	return s.Address
}

func startEncryptedSquid(t *testing.T, password string) string {
	s := newForwardSetup(t, password)
	s.Backend = startSquid(t, password)
	writeCertificate(t, s.Dir)
	runProxy(t, "haproxy", "tls.cfg", func(c string) []string { return []string{"-db", "-f", c} }, s, s.Address)
	return s.Address
}

func startTinyproxy(t *testing.T, password string) string {
	s := newForwardSetup(t, strings.ReplaceAll(password, " ", "-")) // its configuration has no quotes
	runProxy(t, "tinyproxy", "tinyproxy.conf", func(c string) []string { return []string{"-d", "-c", c} }, s, s.Address)
	return s.Address
}

// startDante runs a SOCKS5 server. It asks the system whether it knows a user, so that for
// credentials there has to be one.
func startDante(t *testing.T, password string) string {
	if os.Getuid() != 0 {
		t.Skip("dante has to be run by root")
	}
	if password != "" {
		if os.Getenv("E2E_ADD_USER") == "" {
			t.Skip("E2E_ADD_USER is not set: the test adds a user to the system for a while")
		}
		require.NoError(t, exec.Command("useradd", "--no-create-home", "--shell", "/usr/sbin/nologin", proxyUser).Run())
		t.Cleanup(func() { exec.Command("userdel", proxyUser).Run() })
		change := exec.Command("chpasswd")
		change.Stdin = strings.NewReader(proxyUser + ":" + password + "\n")
		require.NoError(t, change.Run())
	}
	s := newForwardSetup(t, password)
	runProxy(t, "danted", "dante.conf", func(c string) []string { return []string{"-f", c} }, s, s.Address)
	return s.Address
}

// A dialLog is where connections went.
type dialLog struct {
	mu        sync.Mutex
	addresses []string
}

func (l *dialLog) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addresses = append(l.addresses, address)
	return new(net.Dialer).DialContext(ctx, network, address)
}

// TestThroughProxies connects through proxies to servers, with and without TLS, with the
// right credentials and with wrong ones.
func TestThroughProxies(t *testing.T) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}
	backend := &echoBackend{ended: make(chan websocket.CloseInfo, 100)}
	handler := upgrader.Handler(backend.echo)
	plain, encrypted := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer encrypted.Close()
	for _, p := range forwardProxies {
		t.Run(p.name, func(t *testing.T) {
			password := ""
			if p.credentials {
				password = proxyPassword
			}
			proxy := &url.URL{Scheme: p.scheme, Host: p.start(t, password)}
			if strings.HasPrefix(p.name, "tinyproxy") {
				password = strings.ReplaceAll(password, " ", "-")
			}
			for _, server := range []string{"ws://" + plain.Listener.Addr().String(), "wss://" + encrypted.Listener.Addr().String()} {
				var log dialLog
				dialer := websocket.Dialer{
					Proxy:             http.ProxyURL(proxy),
					NetDialContext:    log.dial,
					TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
					Subprotocols:      []string{"chat"},
					EnableCompression: true,
					HandshakeTimeout:  patience,
				}
				if p.credentials {
					for _, user := range []*url.Userinfo{nil, url.UserPassword(proxyUser, "wrong")} {
						proxy.User = user
						_, resp, err := dialer.Dial(server, nil)
						require.Error(t, err)
						require.Nil(t, resp)
						if p.scheme != "socks5" { // whose errors are net/http's
							require.Contains(t, err.Error(), "needs the right user and password")
						}
						require.NotContains(t, err.Error(), "wrong")
					}
					proxy.User = url.UserPassword(proxyUser, password)
				}
				c, _, err := dialer.Dial(server, nil)
				require.NoError(t, err)
				require.Equal(t, "chat", c.Subprotocol())
				c.SetReadDeadline(time.Now().Add(patience))
				requireEchoes(t, c)
				require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("close")))
				expectClose(t, c, 4001, "schöner Grund")
				require.Equal(t, []string{proxy.Host}, slices.Compact(log.addresses))
			}
		})
	}
}

// TestProxyFromEnvironment has a process with the variables that name proxies connect.
func TestProxyFromEnvironment(t *testing.T) {
	if address := os.Getenv("E2E_DIAL"); address != "" { // in the process
		where, err := dialByEnvironment(address)
		fmt.Println("dialed", where, err)
		return
	}
	upgrader := websocket.Upgrader{}
	backend := &echoBackend{ended: make(chan websocket.CloseInfo, 100)}
	handler := upgrader.Handler(backend.echo)
	plain, encrypted := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer encrypted.Close()
	proxy := startSquid(t, proxyPassword)
	variable := (&url.URL{Scheme: "http", User: url.UserPassword(proxyUser, proxyPassword), Host: proxy}).String()
	for scheme, server := range map[string]*httptest.Server{"ws": plain, "wss": encrypted} {
		_, port, err := net.SplitHostPort(server.Listener.Addr().String())
		require.NoError(t, err)
		for _, except := range []string{"", "other.test", ".example.test", "*"} {
			process := exec.Command(os.Args[0], "-test.run", "^TestProxyFromEnvironment$")
			process.Env = append(os.Environ(), "E2E_DIAL="+scheme+"://"+hiddenName+":"+port+"/",
				"HTTP_PROXY="+variable, "HTTPS_PROXY="+variable, "NO_PROXY="+except, "no_proxy="+except)
			out, err := process.CombinedOutput()
			require.NoError(t, err, "%s", out)
			want := proxy
			if except == ".example.test" || except == "*" {
				want = hiddenName + ":" + port
			}
			require.Contains(t, string(out), "dialed "+want+" <nil>", "NO_PROXY=%s", except)
		}
	}
}

// dialByEnvironment connects as the environment says, and returns where to, and the error.
func dialByEnvironment(server string) (string, error) {
	var log dialLog
	dialer := *websocket.DefaultDialer
	dialer.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	dialer.NetDialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		log.addresses = append(log.addresses, address)
		return new(net.Dialer).DialContext(ctx, network, strings.Replace(address, hiddenName, "127.0.0.1", 1))
	}
	c, _, err := dialer.Dial(server, nil)
	if err == nil {
		err = c.Close()
	}
	return strings.Join(log.addresses, " "), err
}
