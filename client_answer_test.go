package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDialAcceptsAnswers(t *testing.T) {
	plain := func(r *http.Request) string { return acceptingResponse(r) }
	for name, answer := range map[string]func(r *http.Request) string{
		"tokens in another case": func(r *http.Request) string {
			return strings.NewReplacer("websocket", "WebSocket", "Connection: Upgrade", "connection: UPGRADE").Replace(acceptingResponse(r))
		},
		"tokens in lists": func(r *http.Request) string {
			return strings.NewReplacer("websocket", "h2c, websocket", ": Upgrade", ": keep-alive, upgrade").Replace(acceptingResponse(r))
		},
		"tokens in lines": func(r *http.Request) string { return acceptingResponse(r, "Upgrade: h2c", "Connection: keep-alive") },
		"a subprotocol":   func(r *http.Request) string { return acceptingResponse(r, "Sec-WebSocket-Protocol: chat") },
		"no extension":    func(r *http.Request) string { return acceptingResponse(r, "Sec-WebSocket-Extensions:") },
		"another reason": func(r *http.Request) string {
			return strings.Replace(acceptingResponse(r), "Switching Protocols", "Fine", 1)
		},
		"after Early Hints": func(r *http.Request) string {
			return "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + acceptingResponse(r)
		},
		"a large header":      func(r *http.Request) string { return acceptingResponse(r, "X: "+strings.Repeat("x", 60_000)) },
		"as it is":            plain,
		"Content-Length zero": func(r *http.Request) string { return acceptingResponse(r, "Content-Length: 0") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeNetwork(func(r *http.Request) string { return answer(r) + string((&peer{}).text("hello")) })
				c, _, err := (&Dialer{NetDialContext: s.dial, Subprotocols: []string{"chat"}}).Dial("ws://example.com/", nil)
				require.NoError(t, err)
				expectMessages(t, c, []string{"hello"})
				require.NoError(t, c.Close())
				s.open.Wait()
			})
		})
	}
}

// TestEarlyBytesOnClient sends frames in one piece with the response.
func TestEarlyBytesOnClient(t *testing.T) {
	needsSockets(t)
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			b := newEarlyServer(t, scheme)
			eachEarlyCase(t, func(t *testing.T, messages []string, late, buffer int) {
				early, rest := earlyFrames(messages, false, late)
				b.early <- early
				d := &Dialer{ReadBufferSize: buffer, TLSClientConfig: b.tlsConfig}
				c, _, err := d.Dial(b.url, nil)
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
				b.rest <- rest
				expectMessages(t, c, messages)
			})
		})
	}
}

// TestDialRefusesAnswers has responses with status 101 that do not open a
// connection.
func TestDialRefusesAnswers(t *testing.T) {
	edit := func(old, new string) func(*http.Request) string {
		return func(r *http.Request) string { return strings.Replace(acceptingResponse(r), old, new, 1) }
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
			return acceptingResponse(r, "Sec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key")))
		}, "Sec-WebSocket-Accept"},
		{"an extension", func(r *http.Request) string {
			return acceptingResponse(r, "Sec-WebSocket-Extensions: permessage-deflate")
		}, "extension"},
		{"a subprotocol", func(r *http.Request) string { return acceptingResponse(r, "Sec-WebSocket-Protocol: mqtt") }, "subprotocol"},
		{"an Upgrade that net/http overlooks", edit("Upgrade: websocket", "Upgrade:\r\nUpgrade: websocket"), "net/http"},
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

// TestDialRefused has responses with another status than 101. They are returned
// with the start of the body.
func TestDialRefused(t *testing.T) {
	const size = 5000
	for _, test := range []struct{ name, head, body string }{
		{"Content-Length", "401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 5000", longText[:size]},
		{"chunked", "500 Internal Server Error\r\nTransfer-Encoding: chunked", "1388\r\n" + longText[:size] + "\r\n0\r\n\r\n"},
		{"until the end", "403 Forbidden", longText[:size]},
		{"redirect", "302 Found\r\nLocation: ws://example.org/\r\nContent-Length: 5000", longText[:size]},
		{"permanent redirect", "308 Permanent Redirect\r\nLocation: /other\r\nContent-Length: 5000", longText[:size]},
		{"another success", "200 OK\r\nContent-Length: 5000", longText[:size]},
		{"with the headers of a handshake", "426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5000", longText[:size]},
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

// TestDialNoHTTP has servers that send no response, or a part of one.
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
		"a header without a colon":       func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n") },
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

// TestRedirectsAreNotFollowed checks that the other host gets no request. It
// could have credentials in it.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		asked := 0
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
		s := httptest.NewServer(http.RedirectHandler(other.URL, status))
		c, resp, err := (&Dialer{}).Dial("ws://user:secret@"+s.Listener.Addr().String()+"/", http.Header{"Cookie": {"secret=1"}})
		require.Equal(t, ErrBadHandshake, err)
		require.Nil(t, c)
		require.Equal(t, status, resp.StatusCode)
		s.Close()
		other.Close()
		require.Zero(t, asked)
	}
}
