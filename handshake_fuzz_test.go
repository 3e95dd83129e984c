package websocket

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/httphead"
)

// FuzzHandshake checks requests and responses that a peer may send, and responses
// with a header that an application adds.
func FuzzHandshake(f *testing.F) {
	answer := string(appendResponse(nil, sampleKey, "chat", "", nil))
	f.Add(sampleRequest, answer, "Set-Cookie", "a=b", "chat")
	for i, test := range refusedRequests {
		f.Add(strings.Replace(sampleRequest, test.old, test.new, 1), answer[:len(answer)*i/len(refusedRequests)], "X", test.new, "")
	}
	for _, test := range acceptedRequests {
		f.Add(strings.Replace(sampleRequest, test.old, test.new, 1), answer, test.name, test.old, "chat")
	}
	for name, header := range refusedResponseHeaders {
		for field, values := range header {
			f.Add(name, answer, field, values[0], values[0])
		}
	}
	for in := range badURLs {
		f.Add(strings.Replace(sampleRequest, "\r\n\r\n", "\r\nOrigin: "+in+"\r\n\r\n", 1), strings.Replace(answer, "chat", "superchat", 1), "Origin", in, in)
	}
	f.Add(sampleRequest, strings.Replace(answer, "Upgrade: websocket", "Upgrade:\r\nUpgrade: WebSocket", 1), "Pragma", "no-cache", "a, b")
	f.Add(sampleRequest, "HTTP/1.1 100 Continue\r\n\r\n"+answer, "Trailer", "x", " a ")
	f.Add("GET / HTTP/1.1\nOrigin: a://:\n\n", "", "", "", "")
	f.Fuzz(func(t *testing.T, request, response, name, value, subprotocol string) {
		fuzzRequest(t, request)
		fuzzAddedHeader(t, http.Header{name: {value, value}, "Sec-WebSocket-Protocol": {subprotocol}}, subprotocol)
		fuzzResponse(t, response)
	})
}

// fuzzRequest checks that a request that is accepted is a handshake.
func fuzzRequest(t *testing.T, text string) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return
	}
	if origins := r.Header["Origin"]; checkSameOrigin(r) && len(origins) > 0 {
		require.Len(t, origins, 1)
		origin, err := url.Parse(origins[0])
		require.NoError(t, err)
		require.Nil(t, origin.User)
		require.NotEmpty(t, origin.Hostname())
		host, err := url.Parse("ws://" + r.Host)
		require.NoError(t, err)
		require.True(t, strings.EqualFold(host.Hostname(), origin.Hostname()))
	}
	key, offered, err := checkRequest(r)
	if err != nil {
		var refused HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Contains(t, []int{400, 405, 426}, refused.Status())
		return
	}
	decoded, err := base64.StdEncoding.DecodeString(key)
	require.NoError(t, err)
	require.Len(t, decoded, 16)
	require.Equal(t, []string{key}, r.Header.Values("Sec-WebSocket-Key"))
	require.Equal(t, []string{"13"}, r.Header.Values("Sec-WebSocket-Version"))
	require.Equal(t, "GET", r.Method)
	require.True(t, r.ProtoAtLeast(1, 1))
	require.True(t, IsWebSocketUpgrade(r))
	require.Zero(t, r.ContentLength)
	for _, protocol := range offered {
		require.True(t, httphead.IsSubprotocol(protocol))
	}
	require.Contains(t, append(offered, ""), selectSubprotocol([]string{"chat", "x"}, offered))
}

// fuzzAddedHeader checks that a response with an added header has the expected lines
// and no others, and can be parsed.
func fuzzAddedHeader(t *testing.T, header http.Header, subprotocol string) {
	if checkResponseHeader(header) != nil {
		return
	}
	answer := appendResponse(nil, sampleKey, subprotocol, "", header)
	want := []string{
		"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Accept: " + sampleAccept,
	}
	if subprotocol != "" {
		want = append(want, "Sec-WebSocket-Protocol: "+subprotocol)
	}
	for name, values := range header {
		if http.CanonicalHeaderKey(name) != headerProtocol {
			for _, value := range values {
				want = append(want, name+": "+value)
			}
		}
	}
	want = append(want, "", "") // the empty line, and nothing behind it
	require.Equal(t, want, strings.Split(string(answer), "\r\n"))
	require.Equal(t, len(want)-1, bytes.Count(answer, []byte("\n")))
	require.Equal(t, len(want)-1, bytes.Count(answer, []byte("\r")))

	reader := bufio.NewReader(bytes.NewReader(answer))
	resp, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Zero(t, reader.Buffered())
	require.Equal(t, []string{sampleAccept}, resp.Header.Values("Sec-WebSocket-Accept"))
	require.Equal(t, []string{"Upgrade"}, resp.Header.Values("Connection"))
	require.Equal(t, []string{"websocket"}, resp.Header.Values("Upgrade"))
	require.Empty(t, resp.Header.Values("Sec-WebSocket-Extensions"))
}

// fuzzResponse checks that a response that is accepted answers the request.
func fuzzResponse(t *testing.T, text string) {
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		return
	}
	offered := []string{"chat", "x"}
	chosen, err := checkResponse(resp.Header, sampleKey, offered)
	if err != nil {
		require.True(t, errors.Is(err, ErrBadHandshake))
		require.Empty(t, chosen)
		return
	}
	if _, err := checkExtensions(resp.Header, nil); err != nil {
		require.True(t, errors.Is(err, ErrBadHandshake))
		return
	}
	require.Equal(t, []string{acceptKey(sampleKey)}, resp.Header.Values("Sec-WebSocket-Accept"))
	require.True(t, IsWebSocketUpgrade(&http.Request{Header: resp.Header}))
	require.True(t, chosen == "" || slices.Contains(offered, chosen))
	require.Equal(t, chosen, strings.Trim(strings.Join(resp.Header.Values("Sec-WebSocket-Protocol"), ""), " \t,"))
	require.Empty(t, strings.Trim(strings.Join(resp.Header.Values("Sec-WebSocket-Extensions"), ""), " \t,"))
}
