package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDialEnds stops a Dial in each of its stages, by a context or by
// HandshakeTimeout.
func TestDialEnds(t *testing.T) {
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
		{"dialing deaf", "ws://example.com/", "", time.Hour, discardAll},
		{"dialing deaf for TLS", "wss://example.com/", "", time.Hour, discardAll},
		{"dialing a proxy deaf", "ws://example.com/", "http://proxy.example/", time.Hour, discardAll},
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

// dialTime is when the contexts of dialEnds end.
const dialTime = 30 * time.Second

var errDialCause = errors.New("changed my mind")

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

// TestDialEndsInErrorBody: the answer is known, so that it is returned with
// what there is of its body.
func TestDialEndsInErrorBody(t *testing.T) {
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

// TestContextEndsAfterDial: what ended a Dial does not end the connection.
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
						return accepted(r)
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

// TestDialRefusesAnswers: a 101 that does not open a connection.
func TestDialRefusesAnswers(t *testing.T) {
	edit := func(old, new string) func(*http.Request) string {
		return func(r *http.Request) string { return strings.Replace(accepted(r), old, new, 1) }
	}
	for _, test := range []struct {
		name   string
		answer func(*http.Request) string
		reason string
	}{
		{"no Upgrade", edit("Upgrade: websocket\r\n", ""), "Upgrade header"},
		{"another Upgrade", edit("websocket", "h2c"), "Upgrade header"},
		{"no Connection", edit("Connection: Upgrade\r\n", ""), "Connection header"},
		{"another Connection", edit("Connection: Upgrade", "Connection: keep-alive"), "Connection header"},
		{"another Accept", edit("Accept: ", "Accept: x"), "Sec-WebSocket-Accept"},
		{"no Accept", edit("Accept: ", "Other: "), "Sec-WebSocket-Accept"},
		{"the sample's Accept", func(*http.Request) string { return string(appendResponse(nil, sampleKey, "", "", nil)) }, "Sec-WebSocket-Accept"},
		{"Accept repeated", func(r *http.Request) string {
			return accepted(r, "Sec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key")))
		}, "Sec-WebSocket-Accept"},
		{"an extension", func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Extensions: permessage-deflate") }, "extension"},
		{"a subprotocol", func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Protocol: mqtt") }, "subprotocol"},
		{"an Upgrade that net/http does not see", edit("Upgrade: websocket", "Upgrade:\r\nUpgrade: websocket"), "net/http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeNetwork(test.answer)
				c, resp, err := (&Dialer{NetDialContext: s.dial, Subprotocols: []string{"chat"}}).Dial("ws://example.com/", nil)
				require.ErrorIs(t, err, ErrBadHandshake)
				var failed HandshakeError
				require.ErrorAs(t, err, &failed)
				assert.Contains(t, err.Error(), test.reason)
				assert.Nil(t, c)
				require.NotNil(t, resp)
				assert.Equal(t, 101, resp.StatusCode)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Empty(t, body)
				s.open.Wait()
			})
		})
	}
}

// TestDialRefused: another status than 101, with the start of the body.
func TestDialRefused(t *testing.T) {
	const size = 5000
	for _, test := range []struct{ name, head, body string }{
		{"Content-Length", "401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 5000", long[:size]},
		{"chunked", "500 Internal Server Error\r\nTransfer-Encoding: chunked", "1388\r\n" + long[:size] + "\r\n0\r\n\r\n"},
		{"until the end", "403 Forbidden", long[:size]},
		{"redirect", "302 Found\r\nLocation: ws://example.org/\r\nContent-Length: 5000", long[:size]},
		{"permanent redirect", "308 Permanent Redirect\r\nLocation: /other\r\nContent-Length: 5000", long[:size]},
		{"success of another kind", "200 OK\r\nContent-Length: 5000", long[:size]},
		{"with the headers of a handshake", "426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5000", long[:size]},
		{"no body", "503 Service Unavailable\r\nContent-Length: 0", ""},
		{"a short body", "503 Service Unavailable\r\nContent-Length: 5", "sorry"},
		{"a body cut short", "503 Service Unavailable\r\nContent-Length: 10", "sorry"},
		{"compressed", "400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 5", "\x1f\x8b..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeNetwork{}
				s.serve = func(conn net.Conn) {
					s.answer(conn, func(*http.Request) string { return "HTTP/1.1 " + test.head + "\r\n\r\n" + test.body })
				}
				c, resp, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://example.com/", nil)
				require.True(t, err == ErrBadHandshake, "%v", err)
				assert.Nil(t, c)
				s.open.Wait()
				assert.Equal(t, test.head[:3], fmt.Sprint(resp.StatusCode))
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Len(t, body, min(1024, len(test.body)))
				assert.Contains(t, test.body, string(body))
				assert.Len(t, s.dialed(), 1, "no redirect is followed")
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

// TestDialNoHTTP: what is no answer, or no end of one.
func TestDialNoHTTP(t *testing.T) {
	forever := func(start, more string) func(net.Conn) {
		return func(conn net.Conn) {
			_, err := io.WriteString(conn, start)
			for err == nil {
				_, err = io.WriteString(conn, more)
			}
		}
	}
	for name, serve := range map[string]func(net.Conn){
		"nothing":                        func(conn net.Conn) {},
		"half a head":                    func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgr") },
		"another protocol":               func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n") },
		"a header that is none":          func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n") },
		"a status line without end":      forever("HTTP/1.1 101 ", "x"),
		"a line without end":             forever("HTTP/1.1 101 Switching Protocols\r\nX: ", "xxxxxxxxxxxxxxx"),
		"lines without end":              forever("HTTP/1.1 101 Switching Protocols\r\n", "X: y\r\n"),
		"Early Hints without end":        forever("", "HTTP/1.1 103 Early Hints\r\nLink: xxxxxxxxxxxxxxxxxx\r\n\r\n"),
		"Early Hints and half an answer": func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeNetwork{}
				s.serve = func(conn net.Conn) {
					http.ReadRequest(bufio.NewReader(conn))
					serve(conn)
				}
				c, resp, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://example.com/", nil)
				require.Error(t, err)
				assert.NotErrorIs(t, err, ErrBadHandshake)
				assert.Nil(t, c)
				assert.Nil(t, resp)
				s.open.Wait()
			})
		})
	}
}
