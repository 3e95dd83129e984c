package websocket

import (
	"bufio"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The Sec-WebSocket-Key of RFC 6455, Section 1.3, and its Sec-WebSocket-Accept.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// sampleRequest is a handshake that is accepted. The tables below make changes to
// it.
const sampleRequest = "GET /chat?room=1 HTTP/1.1\r\n" +
	"Host: example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Key: " + sampleKey + "\r\n" +
	"Sec-WebSocket-Version: 13\r\n\r\n"

// A requestEdit replaces a part of sampleRequest.
type requestEdit struct{ name, old, new string }

func (e requestEdit) text(t *testing.T) string {
	require.Contains(t, sampleRequest, e.old)
	return strings.Replace(sampleRequest, e.old, e.new, 1)
}

// addHeader is an edit that adds header lines.
func addHeader(name, lines string) requestEdit {
	return requestEdit{name, "\r\n\r\n", "\r\n" + lines + "\r\n\r\n"}
}

func parseRequest(t *testing.T, text string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	require.NoError(t, err)
	return r
}

// refusedRequests are handshakes that a server refuses with a status and an error
// that has the reason in it.
var refusedRequests = []struct {
	requestEdit
	status int
	reason string
}{
	{requestEdit{"POST", "GET", "POST"}, 405, "method"},
	{requestEdit{"PUT", "GET", "PUT"}, 405, "method"},
	{requestEdit{"method in lower case", "GET", "get"}, 405, "method"},
	{requestEdit{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0"}, 400, "HTTP/1.1"},
	{requestEdit{"no Upgrade", "Upgrade: websocket\r\n", ""}, 426, "Upgrade header"},
	{requestEdit{"another Upgrade", "websocket", "h2c"}, 426, "Upgrade header"},
	{requestEdit{"nearly websocket", "websocket", "websockets, not-websocket, web socket"}, 426, "Upgrade header"},
	{requestEdit{"letter that folds to ASCII", "websocket", "web\u017Focket"}, 426, "Upgrade header"},
	{requestEdit{"no Connection", "Connection: Upgrade\r\n", ""}, 426, "Connection header"},
	{requestEdit{"another Connection", "Connection: Upgrade", "Connection: keep-alive"}, 426, "Connection header"},
	{requestEdit{"nearly upgrade", "Connection: Upgrade", "Connection: upgrades, no-upgrade"}, 426, "Connection header"},
	{requestEdit{"no version", "Sec-WebSocket-Version: 13\r\n", ""}, 426, "Sec-WebSocket-Version"},
	{requestEdit{"version 8", ": 13\r\n", ": 8\r\n"}, 426, "Sec-WebSocket-Version"},
	{requestEdit{"version 013", ": 13\r\n", ": 013\r\n"}, 426, "Sec-WebSocket-Version"},
	{requestEdit{"versions in a list", ": 13\r\n", ": 13, 8\r\n"}, 426, "Sec-WebSocket-Version"},
	{addHeader("versions in two lines", "Sec-WebSocket-Version: 8"), 426, "Sec-WebSocket-Version"},
	{addHeader("version repeated", "Sec-WebSocket-Version: 13"), 426, "Sec-WebSocket-Version"},
	{requestEdit{"no key", "Sec-WebSocket-Key: " + sampleKey + "\r\n", ""}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"empty key", sampleKey, ""}, 400, "Sec-WebSocket-Key"},
	{addHeader("key repeated", "Sec-WebSocket-Key: "+sampleKey), 400, "Sec-WebSocket-Key"},
	{addHeader("two keys", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), 400, "Sec-WebSocket-Key"},
	{requestEdit{"keys in a list", sampleKey, sampleKey + ", " + sampleKey}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"key of 15 bytes", sampleKey, encodedKey(15)}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"key of 17 bytes", sampleKey, encodedKey(17)}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"key of 18 bytes", sampleKey, encodedKey(18)}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"key without padding", sampleKey, strings.TrimRight(sampleKey, "=")}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"key not base64", sampleKey, strings.Repeat("?", 22) + "=="}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"key in the alphabet of URLs", sampleKey, strings.Repeat("-", 22) + "=="}, 400, "Sec-WebSocket-Key"},
	{requestEdit{"body", "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"}, 400, "body"},
	{requestEdit{"chunked body", "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}, 400, "body"},
	{requestEdit{"empty chunked body", "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, 400, "body"},
	{addHeader("subprotocol in quotes", "Sec-WebSocket-Protocol: chat, \"a\""), 400, "Sec-WebSocket-Protocol"},
	{addHeader("too many subprotocols", "Sec-WebSocket-Protocol: "+manySubprotocols(maxSubprotocols+1)), 400, "Sec-WebSocket-Protocol"},
}

// encodedKey returns a key of n bytes.
func encodedKey(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// acceptedRequests are handshakes that a server accepts.
var acceptedRequests = []requestEdit{
	{"as it is", "", ""},
	{"Upgrade in another case", "websocket", "WebSocket"},
	{"Upgrade in a list", "websocket", "h2c , WEBSOCKET"},
	{"Upgrade in two lines", "Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"},
	{"Upgrade with white space", "websocket", "\t websocket \t"},
	{"Connection in another case", "Connection: Upgrade", "Connection: UPGRADE"},
	{"Connection in a list", "Connection: Upgrade", "Connection: keep-alive,upgrade"},
	{"Connection in two lines", "Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"},
	{"header names in lower case", "Sec-WebSocket-Key", "sec-websocket-key"},
	{"another key", sampleKey, encodedKey(16)},
	addHeader("an empty body", "Content-Length: 0"),
	addHeader("an extension, which is not taken", "Sec-WebSocket-Extensions: permessage-deflate"),
	addHeader("an empty list of subprotocols", "Sec-WebSocket-Protocol: ,"),
	addHeader("as many subprotocols as allowed", "Sec-WebSocket-Protocol: "+manySubprotocols(maxSubprotocols)),
}

func TestCheckRequestRefuses(t *testing.T) {
	for _, test := range refusedRequests {
		t.Run(test.name, func(t *testing.T) {
			key, offered, err := checkRequest(parseRequest(t, test.text(t)))
			var refused HandshakeError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, test.status, refused.Status())
			assert.Contains(t, err.Error(), test.reason)
			assert.True(t, strings.HasPrefix(err.Error(), "websocket: "), err)
			assert.NotErrorIs(t, err, ErrBadHandshake, "that is for clients")
			assert.Empty(t, key)
			assert.Empty(t, offered)
		})
	}
}

func TestCheckRequestAccepts(t *testing.T) {
	for _, test := range acceptedRequests {
		t.Run(test.name, func(t *testing.T) {
			r := parseRequest(t, test.text(t))
			key, offered, err := checkRequest(r)
			require.NoError(t, err)
			assert.Equal(t, r.Header.Get("Sec-WebSocket-Key"), key)
			assert.Equal(t, Subprotocols(r), offered)
		})
	}
}

func TestSubprotocolsOfARequest(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  []string
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"chat"}, []string{"chat"}},
		{[]string{"chat, superchat"}, []string{"chat", "superchat"}},
		{[]string{"b,a", "c"}, []string{"b", "a", "c"}},
		{[]string{" , chat ,, "}, []string{"chat"}},
		{[]string{"chat", "with space"}, nil},
	} {
		r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": test.lines}}
		assert.Equal(t, test.want, Subprotocols(r), "%q", test.lines)
	}
}

func TestIsWebSocketUpgrade(t *testing.T) {
	for _, test := range []struct {
		requestEdit
		want bool
	}{
		{requestEdit{"a handshake", "", ""}, true},
		{requestEdit{"the method does not matter", "GET", "POST"}, true},
		{requestEdit{"the version does not matter", ": 13", ": 8"}, true},
		{requestEdit{"the key does not matter", sampleKey, ""}, true},
		{requestEdit{"lists", "Connection: Upgrade", "connection: keep-alive, UPGRADE"}, true},
		{requestEdit{"no Upgrade", "Upgrade: websocket\r\n", ""}, false},
		{requestEdit{"another Upgrade", "websocket", "h2c"}, false},
		{requestEdit{"no Connection", "Connection: Upgrade\r\n", ""}, false},
		{requestEdit{"another Connection", "Connection: Upgrade", "Connection: close"}, false},
	} {
		assert.Equal(t, test.want, IsWebSocketUpgrade(parseRequest(t, test.text(t))), test.name)
	}
}

func TestAcceptKey(t *testing.T) {
	assert.Equal(t, sampleAccept, acceptKey(sampleKey))
}

func TestNewKeyIsRandom(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		key := newKey()
		decoded, err := base64.StdEncoding.DecodeString(key)
		require.NoError(t, err)
		require.Len(t, decoded, 16)
		require.True(t, isKey(key))
		seen[key] = true
	}
	assert.Len(t, seen, 100)
}

// TestSelectSubprotocol has the server's order decide, as gorilla/websocket
// v1.5.3 does.
func TestSelectSubprotocol(t *testing.T) {
	for _, test := range []struct {
		server, client []string
		want           string
	}{
		{nil, nil, ""},
		{nil, []string{"a"}, ""},
		{[]string{"a"}, nil, ""},
		{[]string{"a"}, []string{"a"}, "a"},
		{[]string{"a", "b"}, []string{"b", "a"}, "a"},
		{[]string{"b", "a"}, []string{"a", "b"}, "b"},
		{[]string{"x", "b"}, []string{"a", "b"}, "b"},
		{[]string{"a", "b"}, []string{"c"}, ""},
		{[]string{"a"}, []string{"A"}, ""}, // RFC 6455 compares them as they are
	} {
		assert.Equal(t, test.want, selectSubprotocol(test.server, test.client), "%q, %q", test.server, test.client)
	}
}

func TestCheckSameOrigin(t *testing.T) {
	for _, test := range []struct {
		host    string
		origins []string
		want    bool
	}{
		{"example.com", nil, true},
		{"example.com", []string{"http://example.com"}, true},
		{"example.com", []string{"https://example.com"}, true},
		{"example.com", []string{"HTTP://EXAMPLE.COM"}, true},
		{"Example.Com", []string{"http://example.com"}, true},
		{"example.com", []string{"http://example.com:80"}, true},
		{"example.com:80", []string{"http://example.com"}, true},
		{"example.com", []string{"https://example.com:443"}, true},
		{"example.com:443", []string{"https://example.com"}, true},
		{"example.com:80", []string{"ws://example.com"}, true}, // not from browsers
		{"example.com:443", []string{"wss://example.com"}, true},
		{"example.com:8080", []string{"http://example.com:8080"}, true},
		{"[::1]", []string{"http://[::1]"}, true},
		{"[::1]:80", []string{"http://[::1]"}, true},
		{"[::1]:8080", []string{"http://[::1]:8080"}, true},
		{"[FE80::1]", []string{"http://[fe80::1]"}, true},
		{"127.0.0.1:1234", []string{"http://127.0.0.1:1234"}, true},

		{"example.com", []string{"null"}, false},
		{"example.com", []string{""}, false},
		{"example.com", []string{"example.com"}, false},
		{"example.com", []string{"//"}, false},
		{"", []string{"null"}, false},
		{"", []string{"http://"}, false},
		{"", []string{"file://"}, false},
		{"", []string{"http://:80"}, false}, // no host in either
		{":80", []string{"http://"}, false},
		{":80", []string{"http://:80"}, false},
		{"null", []string{"null"}, false},
		{"example.com", []string{"http://example.org"}, false},
		{"example.com", []string{"http://sub.example.com"}, false},
		{"sub.example.com", []string{"http://example.com"}, false},
		{"example.com", []string{"http://evilexample.com"}, false},
		{"example.com", []string{"http://example.com.evil.org"}, false},
		{"example.com", []string{"http://evil.org/example.com"}, false},
		{"example.com", []string{"http://evil.org?example.com"}, false},
		{"example.com", []string{"http://evil.org#example.com"}, false},
		{"example.com", []string{"http://example.com@evil.org"}, false},
		{"example.com", []string{"http://user@example.com"}, false},
		{"example.com", []string{"http://user:pass@example.com"}, false},
		{"example.com", []string{"http://example.com:8080"}, false},
		{"example.com:8080", []string{"http://example.com"}, false},
		{"example.com:8080", []string{"http://example.com:8081"}, false},
		{"example.com", []string{"https://example.com:80"}, false},
		{"example.com:443", []string{"http://example.com"}, false},
		{"[::1]:8080", []string{"http://[::1]:8081"}, false},
		{"[::1]", []string{"http://[::2]"}, false},
		{"example.com", []string{"http://example.com:port"}, false},
		{"example.com", []string{"http://exa mple.com"}, false},
		{"example.com", []string{"http://example.com", "http://example.com"}, false},
		{"example.com", []string{"http://example.com", "http://evil.org"}, false},
		{"example.com", []string{"http://example.com http://evil.org"}, false},
		{"user@example.com", []string{"http://example.com"}, false},
		{"example.com/path", []string{"http://example.com"}, false},
		{"exa mple.com", []string{"http://example.com"}, false},
		{"kiosk.example", []string{"http://\u212Aio\u017Fk.example"}, false}, // letters that fold to ASCII
	} {
		r := &http.Request{Host: test.host, Header: http.Header{}}
		if test.origins != nil {
			r.Header["Origin"] = test.origins
		}
		assert.Equal(t, test.want, checkSameOrigin(r), "%q at %q", test.origins, test.host)
	}
}

func TestIsPlainHost(t *testing.T) {
	for b := range 256 {
		c := byte(b)
		want := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
		assert.Equal(t, want, isPlainHost(string([]byte{c})), "%q", c)
		assert.Equal(t, want, isPlainHost("x"+string([]byte{c})+"y:80"), "%q", c)
		digit := '0' <= c && c <= '9'
		assert.Equal(t, digit, isPlainHost("example.com:"+string([]byte{c})), "%q", c)
		assert.Equal(t, digit, isPlainHost("example.com:1"+string([]byte{c})+"1"), "%q", c)
	}
	for host, want := range map[string]bool{
		"example.com": true, "example.com:80": true, "127.0.0.1:65535": true, "0": true,
		"": false, ":": false, ":80": false, "example.com:": false, "[::1]": false, "::1": false,
	} {
		assert.Equal(t, want, isPlainHost(host), host)
	}
}

// refusedResponseHeaders are what an application must not add to the answer.
var refusedResponseHeaders = map[string]http.Header{
	"Upgrade":                {"Upgrade": {"h2c"}},
	"Connection":             {"Connection": {"close"}},
	"connection, lower case": {"connection": {"close"}},
	"Accept":                 {"Sec-Websocket-Accept": {"x"}},
	"Accept, as in the RFC":  {"Sec-WebSocket-Accept": {"x"}},
	"Extensions":             {"Sec-WebSocket-Extensions": {"permessage-deflate"}},
	"Content-Length":         {"Content-Length": {"5"}},
	"Transfer-Encoding":      {"transfer-encoding": {"chunked"}},
	"CR LF in a value":       {"X": {"a\r\nSet-Cookie: b"}},
	"LF in a value":          {"X": {"a\nSet-Cookie: b"}},
	"CR in a value":          {"X": {"a\rb"}},
	"NUL in a value":         {"X": {"a\x00b"}},
	"in the second value":    {"X": {"a", "b\n"}},
	"in the subprotocol":     {"Sec-Websocket-Protocol": {"a\r\nX: b"}},
	"CR LF in a name":        {"X: a\r\nY": {"b"}},
	"colon in a name":        {"X:": {"b"}},
	"space in a name":        {"X Y": {"b"}},
	"empty name":             {"": {"b"}},
}

func TestCheckResponseHeaderRefuses(t *testing.T) {
	for name, header := range refusedResponseHeaders {
		t.Run(name, func(t *testing.T) {
			var refused HandshakeError
			require.ErrorAs(t, checkResponseHeader(header), &refused)
			assert.Equal(t, http.StatusInternalServerError, refused.Status())
			assert.NotContains(t, refused.Error(), "\n")
		})
	}
}

func TestAppendResponse(t *testing.T) {
	const start = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n"
	for _, test := range []struct {
		name, subprotocol string
		header            http.Header
		want              string
	}{
		{"no more", "", nil, ""},
		{"subprotocol", "chat", nil, "Sec-WebSocket-Protocol: chat\r\n"},
		{"cookies", "", http.Header{"Set-Cookie": {"a=b; Path=/", "c=d"}}, "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n"},
		{"spelling is kept", "", http.Header{"x-lower": {"ü\t!"}}, "x-lower: ü\t!\r\n"},
		{"subprotocol once", "chat", http.Header{"Sec-WebSocket-Protocol": {"other"}}, "Sec-WebSocket-Protocol: chat\r\n"},
		{"name without values", "", http.Header{"X": nil}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, checkResponseHeader(test.header))
			got := appendResponse([]byte("before"), sampleKey, test.subprotocol, "", test.header)
			assert.Equal(t, "before"+start+test.want+"\r\n", string(got))
		})
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]struct{ dialed, url string }{
		"ws://example.com":                 {"http://example.com", "ws://example.com/"},
		"wss://example.com/chat":           {"https://example.com/chat", "wss://example.com/chat"},
		"http://example.com/?a=b":          {"http://example.com/?a=b", "ws://example.com/?a=b"},
		"https://example.com":              {"https://example.com", "wss://example.com/"},
		"WSS://example.com:1/":             {"https://example.com:1/", "wss://example.com:1/"},
		"ws://[::1]:80/%2F":                {"http://[::1]:80/%2F", "ws://[::1]:80/%2F"},
		"ws://user:secret@example.com?a=b": {"http://user:secret@example.com?a=b", "ws://example.com/?a=b"},
	} {
		u, err := parseURL(in)
		require.NoError(t, err, in)
		assert.Equal(t, want.dialed, u.String())
		assert.Equal(t, want.url, webSocketURL(u))
	}
}

// badURLs are not URLs of a WebSocket server.
var badURLs = map[string]string{
	"":                       "scheme",
	"example.com":            "scheme",
	"//example.com/":         "scheme",
	"ftp://example.com/":     "scheme",
	"wsss://example.com/":    "scheme",
	"ws://":                  "no host",
	"ws:///path":             "no host",
	"ws://:80/":              "no host",
	"ws:example.com":         "no host",
	"wss://user@/":           "no host",
	"ws://example.com/#x":    "fragment",
	"ws://example.com/#":     "fragment",
	"ws://example.com?a#b":   "fragment",
	"ws://[::1/":             "missing ']'",
	"ws://example.com:http/": "invalid port",
	"ws://exa mple.com/":     "invalid character",
	"ws://example.com\r\n/":  "malformed URL",
	"ws://example.com/\r\n":  "malformed URL",
	"ws://example.com/%zz":   "invalid URL escape",
}

func TestParseURLRefuses(t *testing.T) {
	for in, reason := range badURLs {
		u, err := parseURL(in)
		var failed HandshakeError
		require.ErrorAs(t, err, &failed, "%q", in)
		assert.Nil(t, u)
		assert.Contains(t, err.Error(), "malformed URL")
		assert.Contains(t, err.Error(), reason, "%q", in)
		assert.Zero(t, failed.Status())
	}
	_, err := parseURL("ws://example.com:http/")
	var cause *url.Error
	assert.ErrorAs(t, err, &cause)

	_, err = parseURL("ws://user:pass/word@example.com/")
	assert.EqualError(t, err, "websocket: malformed URL")
}

func TestRequestHeader(t *testing.T) {
	caller := http.Header{"Origin": {"http://example.com"}, "x-Odd": {"1", "2"}}
	h, err := requestHeader(caller, sampleKey, []string{"chat", "superchat"}, nil)
	require.NoError(t, err)
	assert.Equal(t, http.Header{
		"Origin":                 {"http://example.com"},
		"x-Odd":                  {"1", "2"},
		"Upgrade":                {"websocket "}, // net/http sends it without the space
		"Connection":             {"Upgrade"},
		"Sec-WebSocket-Key":      {sampleKey},
		"Sec-WebSocket-Version":  {"13"},
		"Sec-WebSocket-Protocol": {"chat, superchat"},
	}, h)
	assert.Len(t, caller, 2, "the caller's map is the caller's")

	h, err = requestHeader(http.Header{"Sec-Websocket-Protocol": {"chat"}}, sampleKey, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"chat"}, h["Sec-Websocket-Protocol"], "without Subprotocols the caller's")
}

// sampleAnswer accepts sampleRequest.
var sampleAnswer = http.Header{
	"Upgrade":              {"websocket"},
	"Connection":           {"Upgrade"},
	"Sec-Websocket-Accept": {sampleAccept},
}

func TestCheckResponse(t *testing.T) {
	for _, test := range []struct {
		name, field string
		values      []string
		subprotocol string
		reason      string // "" if the answer is accepted
	}{
		{"as it is", "X", nil, "", ""},
		{"Upgrade in another case", "Upgrade", []string{"WebSocket"}, "", ""},
		{"Upgrade in a list", "Upgrade", []string{"h2c, websocket"}, "", ""},
		{"Upgrade repeated", "Upgrade", []string{"h2c", "websocket"}, "", ""},
		{"no Upgrade", "Upgrade", nil, "", "Upgrade header"},
		{"another Upgrade", "Upgrade", []string{"websockets"}, "", "Upgrade header"},
		{"Connection in a list", "Connection", []string{"keep-alive, upgrade"}, "", ""},
		{"Connection repeated", "Connection", []string{"keep-alive", "UPGRADE"}, "", ""},
		{"no Connection", "Connection", nil, "", "Connection header"},
		{"another Connection", "Connection", []string{"close"}, "", "Connection header"},
		{"no Accept", headerAccept, nil, "", "Sec-WebSocket-Accept"},
		{"empty Accept", headerAccept, []string{""}, "", "Sec-WebSocket-Accept"},
		{"another Accept", headerAccept, []string{acceptKey("other")}, "", "Sec-WebSocket-Accept"},
		{"Accept in another case", headerAccept, []string{strings.ToUpper(sampleAccept)}, "", "Sec-WebSocket-Accept"},
		{"the key for Accept", headerAccept, []string{sampleKey}, "", "Sec-WebSocket-Accept"},
		{"Accept repeated", headerAccept, []string{sampleAccept, sampleAccept}, "", "Sec-WebSocket-Accept"},
		{"two Accepts", headerAccept, []string{sampleAccept, "x"}, "", "Sec-WebSocket-Accept"},
		{"an extension", headerExtensions, []string{"permessage-deflate"}, "", "extension"},
		{"an extension in the second line", headerExtensions, []string{"", "x"}, "", "extension"},
		{"an empty list of extensions", headerExtensions, []string{"", " , "}, "", ""},
		{"subprotocol", headerProtocol, []string{"chat"}, "chat", ""},
		{"the other subprotocol", headerProtocol, []string{" superchat "}, "superchat", ""},
		{"an empty subprotocol", headerProtocol, []string{""}, "", ""},
		{"a subprotocol not offered", headerProtocol, []string{"mqtt"}, "", "subprotocol"},
		{"a subprotocol in another case", headerProtocol, []string{"Chat"}, "", "subprotocol"},
		{"two subprotocols", headerProtocol, []string{"chat, superchat"}, "", "Sec-WebSocket-Protocol"},
		{"two subprotocol lines", headerProtocol, []string{"chat", "chat"}, "", "Sec-WebSocket-Protocol"},
		{"subprotocol with a space", headerProtocol, []string{"chat 1"}, "", "Sec-WebSocket-Protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := sampleAnswer.Clone()
			h[test.field] = test.values
			chosen, err := checkResponse(h, sampleKey, []string{"chat", "superchat"})
			if err == nil {
				_, err = checkExtensions(h, nil)
			}
			assert.Equal(t, test.subprotocol, chosen)
			if test.reason == "" {
				require.NoError(t, err)
				return
			}
			var failed HandshakeError
			require.ErrorAs(t, err, &failed)
			require.ErrorIs(t, err, ErrBadHandshake)
			assert.Contains(t, err.Error(), "bad handshake: ")
			assert.Contains(t, err.Error(), test.reason)
			assert.Zero(t, failed.Status())
		})
	}
}
