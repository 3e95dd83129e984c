package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDialTimeouts ends a Dial in each of its stages, by a context or by
// HandshakeTimeout.
func TestDialTimeouts(t *testing.T) {
	const forever = -1
	cert, roots := exampleCertificate(t)
	untilRequest := func(answer string) func(net.Conn) {
		return func(conn net.Conn) { (&fakeNetwork{}).answerOne(conn, func(*http.Request) string { return answer }) }
	}
	for _, test := range []struct {
		name, url, proxy string
		delay            time.Duration
		serve            func(net.Conn)
	}{
		{"dialing", "ws://example.com/", "", forever, discardAll},
		{"dialing for TLS", "wss://example.com/", "", forever, discardAll},
		{"dialing a proxy", "ws://example.com/", "http://proxy.example/", forever, discardAll},
		{"dial that ignores its context", "ws://example.com/", "", time.Hour, discardAll},
		{"dial that ignores its context for TLS", "wss://example.com/", "", time.Hour, discardAll},
		{"dial that ignores its context for a proxy", "ws://example.com/", "http://proxy.example/", time.Hour, discardAll},
		{"TLS handshake", "wss://example.com/", "", 0, discardAll},
		{"TLS handshake with a proxy", "ws://example.com/", "https://example.com/", 0, discardAll},
		{"TLS handshake with a proxy for TLS", "wss://example.com/", "https://example.com/", 0, discardAll},
		{"CONNECT", "ws://example.com/", "http://proxy.example/", 0, discardAll},
		{"CONNECT for TLS", "wss://example.com/", "http://proxy.example/", 0, discardAll},
		{"half an answer to CONNECT", "ws://example.com/", "http://proxy.example/", 0, untilRequest("HTTP/1.1 200 OK\r\n")},
		{"SOCKS", "ws://example.com/", "socks5://proxy.example/", 0, discardAll},
		{"behind a tunnel", "ws://example.com/", "http://proxy.example/", 0, untilRequest("HTTP/1.1 200 OK\r\n\r\n")},
		{"TLS handshake behind a tunnel", "wss://example.com/", "http://proxy.example/", 0, untilRequest("HTTP/1.1 200 OK\r\n\r\n")},
		{"no answer", "ws://example.com/", "", 0, discardAll},
		{"no answer under TLS", "wss://example.com/", "", 0, func(conn net.Conn) {
			discardAll(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}}))
		}},
		{"half an answer", "ws://example.com/", "", 0, untilRequest("HTTP/1.1 101 Switching Proto")},
		{"Early Hints alone", "ws://example.com/", "", 0, untilRequest("HTTP/1.1 103 Early Hints\r\n\r\n")},
	} {
		for name, end := range dialEnds {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &fakeNetwork{serve: test.serve, delay: test.delay, hang: test.delay == forever}
					d := &Dialer{NetDialContext: s.dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
					if test.proxy != "" {
						d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(test.proxy) }
					}
					start := time.Now()
					c, resp, err := d.DialContext(end.start(t, d), test.url, nil)
					require.ErrorIs(t, err, end.want)
					assert.Equal(t, dialTime, time.Since(start))
					assert.Nil(t, c)
					assert.Nil(t, resp)
					s.open.Wait()
					assert.Len(t, s.dialed(), 1)
				})
			})
		}
	}
}

// dialTime is the time after which the contexts of dialEnds end.
const dialTime = 30 * time.Second

var errDialCause = errors.New("canceled by the test")

// dialEnds are the ways to end a Dial after dialTime.
var dialEnds = map[string]struct {
	want  error
	start func(t *testing.T, d *Dialer) context.Context
}{
	"canceled": {context.Canceled, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(dialTime, cancel)
		return ctx
	}},
	"canceled for a cause": {errDialCause, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(dialTime, func() { cancel(errDialCause) })
		return ctx
	}},
	"canceled for a cause, still canceled": {context.Canceled, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(dialTime, func() { cancel(errDialCause) })
		return ctx
	}},
	"deadline": {context.DeadlineExceeded, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), dialTime)
		t.Cleanup(cancel)
		return ctx
	}},
	"HandshakeTimeout": {context.DeadlineExceeded, func(t *testing.T, d *Dialer) context.Context {
		d.HandshakeTimeout = dialTime
		return t.Context()
	}},
}

// TestDialTimeoutInErrorBody checks that a response is returned even if Dial ends
// inside its body, with the part that has been read.
func TestDialTimeoutInErrorBody(t *testing.T) {
	for name, end := range dialEnds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeNetwork(func(*http.Request) string { return "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbecause" })
				d := &Dialer{NetDialContext: s.dial}
				start := time.Now()
				c, resp, err := d.DialContext(end.start(t, d), "ws://example.com/", nil)
				require.True(t, err == ErrBadHandshake, "%v", err)
				assert.Equal(t, dialTime, time.Since(start))
				assert.Nil(t, c)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, "because", string(body))
				s.open.Wait()
			})
		})
	}
}

func TestDialWithEndedContext(t *testing.T) {
	s := newFakeNetwork(acceptHandshake)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, resp, err := (&Dialer{NetDialContext: s.dial}).DialContext(ctx, "ws://example.com/", nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, resp)
	assert.Empty(t, s.dialed())
}

// TestContextEndsAfterDial checks that neither the context of a Dial nor
// HandshakeTimeout ends the connection.
func TestContextEndsAfterDial(t *testing.T) {
	cert, roots := exampleCertificate(t)
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeNetwork{}
				s.serve = func(conn net.Conn) {
					if scheme == "wss" {
						conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
					}
					s.answerOne(conn, func(r *http.Request) string {
						time.AfterFunc(time.Hour, func() { conn.Write((&peer{}).text("late")) })
						return acceptingResponse(r)
					})
				}
				d := &Dialer{NetDialContext: s.dial, HandshakeTimeout: time.Minute, TLSClientConfig: &tls.Config{RootCAs: roots}}
				ctx, cancel := context.WithCancel(t.Context())
				c, _, err := d.DialContext(ctx, scheme+"://example.com/", nil)
				require.NoError(t, err)
				cancel()
				expectMessages(t, c, []string{"late"})
				require.NoError(t, c.WriteMessage(TextMessage, nil))
				require.NoError(t, c.Close())
				s.open.Wait()
			})
		})
	}
}

// TestDeadlineOfNetDial checks that a connection has no deadline after the
// handshake.
func TestDeadlineOfNetDial(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(Upgrader).Upgrade(w, r, nil)
		if assert.NoError(t, err) {
			c.ReadMessage()
			c.Close()
		}
	}))
	defer server.Close()
	var deadlines []time.Time
	d := Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		return &deadlineConn{conn, &deadlines}, err
	}}
	c, _, err := d.Dial(server.URL, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NotEmpty(t, deadlines)
	require.True(t, deadlines[len(deadlines)-1].IsZero())
}

// A deadlineConn records the deadlines that are set.
type deadlineConn struct {
	net.Conn
	deadlines *[]time.Time
}

func (c *deadlineConn) SetDeadline(t time.Time) error {
	*c.deadlines = append(*c.deadlines, t)
	return c.Conn.SetDeadline(t)
}
