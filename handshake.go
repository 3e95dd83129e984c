package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/httphead"
)

// The opening handshake (RFC 6455, Section 4): what both sides check and
// compute. server.go and client.go send and receive it.

const (
	// handshakeVersion is the value of Sec-WebSocket-Version.
	handshakeVersion = "13"

	// keyGUID is appended to the key: RFC 6455, Section 1.3.
	keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

	// keySize is the length of the key before it is encoded.
	keySize = 16

	// keyLength is the length of the key as it is sent, in base64.
	keyLength = 24

	// maxSubprotocols is the maximum number of subprotocols in a request, and
	// maxExtensions that of extensions, and of parameters of one extension.
	maxSubprotocols = 100
	maxExtensions   = 100
)

// The handshake's header fields, in the canonical form that http.Header keeps.
const (
	headerConnection = "Connection"
	headerUpgrade    = "Upgrade"
	headerAccept     = "Sec-Websocket-Accept"
	headerExtensions = "Sec-Websocket-Extensions"
	headerKey        = "Sec-Websocket-Key"
	headerProtocol   = "Sec-Websocket-Protocol"
	headerVersion    = "Sec-Websocket-Version"
)

// headerPseudoProtocol is where net/http has the :protocol of an extended CONNECT
// (RFC 8441, Section 4).
const headerPseudoProtocol = ":protocol"

// ErrBadHandshake is returned by [Dialer.Dial] if the server's response does not
// open a WebSocket connection. If the status is not 101, it is returned as it
// is. Otherwise it is wrapped in a [HandshakeError] that gives the reason. Dial
// returns the response with it.
var ErrBadHandshake = errors.New("websocket: bad handshake")

// A HandshakeError is returned by [Upgrader.Upgrade] and [Dialer.Dial] and says
// why an opening handshake failed.
type HandshakeError struct {
	message string
	status  int   // of the server's response
	cause   error // what the error wraps, or nil
}

// Error returns the reason.
func (e HandshakeError) Error() string { return "websocket: " + e.message }

// Unwrap returns the cause of the failure or nil. It is [ErrBadHandshake] if the
// server's response was wrong.
func (e HandshakeError) Unwrap() error { return e.cause }

// Status returns the HTTP status of the response that [Upgrader.Upgrade] has
// written. It is zero in an error from Dial.
func (e HandshakeError) Status() int { return e.status }

func refusal(status int, message string) error {
	return HandshakeError{message: message, status: status}
}

// quote returns the start of what a peer sent, in quotes and in ASCII, for the
// message of an error.
func quote(s string) string {
	const longest = 100
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	return strconv.QuoteToASCII(s)
}

func badAnswer(message string) error {
	return HandshakeError{message: "bad handshake: " + message, cause: ErrBadHandshake}
}

// IsWebSocketUpgrade reports whether the request asks for an upgrade to the
// WebSocket protocol. It checks the Connection and Upgrade headers only.
func IsWebSocketUpgrade(r *http.Request) bool {
	return httphead.HasToken(r.Header[headerConnection], "upgrade") &&
		httphead.HasToken(r.Header[headerUpgrade], "websocket")
}

// Subprotocols returns the subprotocols that the client offers, in order of
// preference. It returns nil if there are none or the header is malformed.
func Subprotocols(r *http.Request) []string {
	offered, _ := httphead.Subprotocols(r.Header[headerProtocol], maxSubprotocols)
	return offered
}

// appendAccept appends the answer to a client's key: RFC 6455, Section 4.2.2,
// step 5.4.
func appendAccept(dst []byte, key string) []byte {
	var buf [keyLength + len(keyGUID)]byte
	sum := sha1.Sum(append(append(buf[:0], key...), keyGUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// acceptKey returns the same as a string.
func acceptKey(key string) string { return string(appendAccept(nil, key)) }

// checkRequest checks a client's opening handshake, all but its origin
// (RFC 6455, Section 4.2.1), and returns the key and the offered subprotocols.
func checkRequest(r *http.Request) (key string, offered []string, err error) {
	switch {
	case r.ProtoMajor >= 2:
		return "", nil, refusal(http.StatusBadRequest, "over HTTP/2 a handshake is an extended CONNECT (RFC 8441): "+
			"the server offers it if it imports github.com/seed23105783/websocket/http2")
	case r.Method != http.MethodGet:
		return "", nil, refusal(http.StatusMethodNotAllowed, "the method of a handshake is GET")
	case !r.ProtoAtLeast(1, 1):
		return "", nil, refusal(http.StatusBadRequest, "a handshake needs HTTP/1.1")
	case !httphead.HasToken(r.Header[headerUpgrade], "websocket"):
		return "", nil, refusal(http.StatusUpgradeRequired, "no 'websocket' token in the Upgrade header")
	case !httphead.HasToken(r.Header[headerConnection], "upgrade"):
		return "", nil, refusal(http.StatusUpgradeRequired, "no 'upgrade' token in the Connection header")
	case !slices.Equal(r.Header[headerVersion], []string{handshakeVersion}):
		return "", nil, refusal(http.StatusUpgradeRequired, "the Sec-WebSocket-Version is not 13")
	case r.ContentLength != 0: // -1 if it is chunked
		return "", nil, refusal(http.StatusBadRequest, "a handshake has no body")
	}
	keys := r.Header[headerKey]
	if len(keys) != 1 || !isKey(keys[0]) {
		return "", nil, refusal(http.StatusBadRequest, "the Sec-WebSocket-Key is not one key of 16 bytes in base64")
	}
	offered, err = httphead.Subprotocols(r.Header[headerProtocol], maxSubprotocols)
	if err != nil {
		return "", nil, HandshakeError{"Sec-WebSocket-Protocol: " + err.Error(), http.StatusBadRequest, err}
	}
	return keys[0], offered, nil
}

// isKey reports whether key is the encoding of keySize bytes.
func isKey(key string) bool {
	var buf [keySize + 2]byte // base64 decodes in groups of three
	if len(key) != keyLength {
		return false
	}
	n, err := base64.StdEncoding.Decode(buf[:], []byte(key))
	return err == nil && n == keySize
}

// acceptExtensions answers a client's offers of extensions. wish is nil if the
// server wants no compression.
func acceptExtensions(h http.Header, wish *Compression) (agreement, error) {
	// RFC 6455, Section 9.1: a malformed header fails the handshake, even if no
	// extension is wanted.
	offers, err := httphead.Extensions(h[headerExtensions], maxExtensions)
	if err != nil {
		return agreement{}, HandshakeError{"Sec-WebSocket-Extensions: " + err.Error(), http.StatusBadRequest, err}
	}
	if wish == nil {
		return agreement{}, nil
	}
	params, answer, ok := deflate.Accept(offers, wish.params(), wish.Required)
	switch {
	case ok:
		return agreement{wish, params, answer}, nil
	case wish.Required:
		return agreement{}, refusal(http.StatusBadRequest, "the client does not offer the compression that Compression.Required asks for")
	}
	return agreement{}, nil
}

// checkExtensions checks the extensions in a server's answer to the offers
// that wish stands for, nil if there were none.
func checkExtensions(h http.Header, wish *Compression) (agreement, error) {
	answer, err := httphead.Extensions(h[headerExtensions], maxExtensions)
	switch {
	case err != nil:
		return agreement{}, badAnswer("Sec-WebSocket-Extensions: " + err.Error())
	case len(answer) == 0 && wish != nil && wish.Required:
		return agreement{}, badAnswer("no compression, and Compression.Required is set")
	case len(answer) == 0:
		return agreement{}, nil
	case wish == nil || len(answer) > 1:
		return agreement{}, badAnswer("an extension that was not asked for")
	}
	extensions := strings.Join(h[headerExtensions], ", ")
	params, ok := deflate.Agree(answer[0], wish.params(), wish.Required)
	switch {
	case ok:
		return agreement{wish, params, extensions}, nil
	case wish.Required:
		return agreement{}, badAnswer("the extension " + quote(extensions) + " is not what was asked for, and Compression.Required is set")
	}
	return agreement{}, badAnswer("the extension " + quote(extensions) +
		" was not asked for, or not in this way; with Compression.FallBack a Dialer tries again without")
}

// selectSubprotocol returns the first of the server's subprotocols that the
// client offers, "" if there is none.
func selectSubprotocol(server, offered []string) string {
	for _, protocol := range server {
		if slices.Contains(offered, protocol) {
			return protocol
		}
	}
	return ""
}

// malformedSubprotocol returns the message of an error about a subprotocol in
// one of the application's fields.
func malformedSubprotocol(field, protocol string) string {
	return fmt.Sprintf("malformed subprotocol %+q in %s: it must be visible ASCII without spaces, commas and quotes", protocol, field)
}

// checkSameOrigin reports whether the request has the origin of the host that it
// is sent to, or none (RFC 6455, Section 10.2). Without a port, the origin and
// the host both have the default port of the origin's scheme.
func checkSameOrigin(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	if isPlainHost(r.Host) && hasOrigin(origins[0], r.Host) {
		return true // without parsing
	}
	origin, err := url.Parse(origins[0])
	if err != nil || origin.Hostname() == "" || origin.User != nil {
		return false // "null" among them
	}
	host, err := url.Parse("//" + r.Host)
	if err != nil || host.Host != r.Host {
		return false
	}
	// The same length excludes letters outside ASCII that fold to ASCII.
	a, b := origin.Hostname(), host.Hostname()
	return len(a) == len(b) && strings.EqualFold(a, b) &&
		portOr(origin, origin.Scheme) == portOr(host, origin.Scheme)
}

// hasOrigin reports whether origin is an http or https scheme and the host.
func hasOrigin(origin, host string) bool {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(origin, scheme); ok && rest == host {
			return true
		}
	}
	return false
}

// isPlainHost reports whether host is a name or an IPv4 address, with or
// without a port.
func isPlainHost(host string) bool {
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return name != ""
}

// portOr returns the port of u, the scheme's default if it has none.
func portOr(u *url.URL, scheme string) string {
	if port := u.Port(); port != "" {
		return port
	}
	switch strings.ToLower(scheme) {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// checkResponseHeader checks the fields that the application adds to the
// response. Those of the handshake are not allowed, except for the subprotocol,
// which Upgrade reads.
func checkResponseHeader(h http.Header) error {
	for name, values := range h {
		if !httphead.IsToken(name) {
			return refusal(http.StatusInternalServerError, "the application's response header has a malformed name")
		}
		switch http.CanonicalHeaderKey(name) {
		case headerUpgrade, headerConnection, headerAccept, headerExtensions, "Content-Length", "Transfer-Encoding":
			return refusal(http.StatusInternalServerError, "the application must not set the "+name+" response header")
		}
		for _, value := range values {
			if !httphead.IsFieldValue(value) {
				return refusal(http.StatusInternalServerError, "the application's "+name+" response header has a control character")
			}
		}
	}
	return nil
}

// appendResponse appends the server's answer: RFC 6455, Section 4.2.2, step 5.
func appendResponse(dst []byte, key, subprotocol, extensions string, extra http.Header) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(appendAccept(dst, key), "\r\n"...)
	if subprotocol != "" {
		dst = append(dst, "Sec-WebSocket-Protocol: "...)
		dst = append(append(dst, subprotocol...), "\r\n"...)
	}
	if extensions != "" {
		dst = append(dst, "Sec-WebSocket-Extensions: "...)
		dst = append(append(dst, extensions...), "\r\n"...)
	}
	if len(extra) > 0 {
		dst = appendFields(dst, extra)
	}
	return append(dst, "\r\n"...)
}

// appendFields appends the application's fields of the answer.
func appendFields(dst []byte, extra http.Header) []byte {
	for name, values := range extra {
		if http.CanonicalHeaderKey(name) == headerProtocol {
			continue
		}
		for _, value := range values {
			dst = append(append(dst, name...), ": "...)
			dst = append(append(dst, value...), "\r\n"...)
		}
	}
	return dst
}

// parseURL parses the URL of a WebSocket server (RFC 6455, Section 3) and
// returns it with the scheme that net/http knows it by. http and https stand
// for ws and wss, as in the browser.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, HandshakeError{message: malformedURL(s, err), cause: err}
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, HandshakeError{message: "malformed URL: the scheme is not ws, wss, http or https"}
	}
	if u.Hostname() == "" {
		return nil, HandshakeError{message: "malformed URL: no host"}
	}
	// RFC 6455, Section 3: "Fragment identifiers … MUST NOT be used".
	if strings.Contains(s, "#") {
		return nil, HandshakeError{message: "malformed URL: it has a fragment"}
	}
	return u, nil
}

// malformedURL says why a URL does not parse, unless that could reveal a password.
func malformedURL(s string, err error) string {
	var parsing *url.Error
	if !errors.As(err, &parsing) || strings.Contains(s, "@") {
		return "malformed URL"
	}
	return "malformed URL: " + parsing.Err.Error()
}

// webSocketURL returns u as Conn.URL does: with a WebSocket scheme and without
// credentials.
func webSocketURL(u *url.URL) string {
	v := *u
	v.User = nil
	v.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	if v.Path == "" {
		v.Path = "/"
	}
	return v.String()
}

// requestHeader returns the header of a client's opening handshake
// (RFC 6455, Section 4.1), with the caller's fields.
func requestHeader(caller http.Header, key string, subprotocols []string, wish *Compression) (http.Header, error) {
	h := make(http.Header, len(caller)+5)
	for name, values := range caller {
		if err := checkRequestField(name, values, len(subprotocols) > 0); err != nil {
			return nil, err
		}
		// net/http sets or omits these fields, and knows them in this spelling only.
		switch canonical := http.CanonicalHeaderKey(name); canonical {
		case "Content-Length", "Cookie", "Host", "Trailer", "Transfer-Encoding", "User-Agent":
			name = canonical
		}
		h[name] = slices.Concat(h[name], values)
	}
	for i, protocol := range subprotocols {
		if !httphead.IsSubprotocol(protocol) {
			return nil, HandshakeError{message: malformedSubprotocol("Dialer.Subprotocols", protocol)}
		}
		if slices.Contains(subprotocols[:i], protocol) { // refused by the browser, too
			return nil, HandshakeError{message: fmt.Sprintf("subprotocol %q is in Dialer.Subprotocols twice", protocol)}
		}
	}
	// Spelled as in RFC 6455: some servers are case-sensitive.
	// The space makes net/http keep TLSClientConfig.NextProtos, which it drops
	// for a request with "websocket". It is not sent: values are trimmed.
	h[headerUpgrade] = []string{"websocket "}
	h[headerConnection] = []string{"Upgrade"}
	h["Sec-WebSocket-Key"] = []string{key}
	h["Sec-WebSocket-Version"] = []string{handshakeVersion}
	if len(subprotocols) > 0 {
		h["Sec-WebSocket-Protocol"] = []string{strings.Join(subprotocols, ", ")}
	}
	if wish != nil {
		h["Sec-WebSocket-Extensions"] = []string{deflate.Offer(wish.params(), wish.Required)}
	}
	return h, nil
}

func checkRequestField(name string, values []string, haveSubprotocols bool) error {
	if !httphead.IsToken(name) {
		return HandshakeError{message: "a request header has a malformed name"}
	}
	switch http.CanonicalHeaderKey(name) {
	case headerUpgrade, headerConnection, headerKey, headerVersion, headerExtensions:
		return HandshakeError{message: "duplicate header not allowed: " + name}
	case headerProtocol:
		if haveSubprotocols {
			return HandshakeError{message: "duplicate header not allowed: " + name}
		}
		if _, err := httphead.Subprotocols(values, maxSubprotocols); err != nil {
			return HandshakeError{message: "request header " + name + ": " + err.Error(), cause: err}
		}
	}
	for _, value := range values {
		if !httphead.IsFieldValue(value) {
			return HandshakeError{message: "request header " + name + " has a control character"}
		}
	}
	return nil
}

// checkResponse checks a server's answer with status 101 to a request with
// the given key and subprotocols (RFC 6455, Section 4.1) and returns the
// subprotocol that the server chose.
func checkResponse(h http.Header, key string, offered []string) (subprotocol string, err error) {
	switch {
	case !httphead.HasToken(h[headerUpgrade], "websocket"):
		return "", badAnswer("no 'websocket' token in the Upgrade header")
	case !httphead.HasToken(h[headerConnection], "upgrade"):
		return "", badAnswer("no 'upgrade' token in the Connection header")
	case !slices.Equal(h[headerAccept], []string{acceptKey(key)}):
		return "", badAnswer("the Sec-WebSocket-Accept is not the answer to the key")
	}
	return checkSubprotocol(h, offered)
}

// checkSubprotocol returns the subprotocol in a server's answer, "" for none.
func checkSubprotocol(h http.Header, offered []string) (string, error) {
	chosen, err := httphead.Subprotocols(h[headerProtocol], maxSubprotocols)
	switch {
	case err != nil || len(chosen) > 1:
		return "", badAnswer("the Sec-WebSocket-Protocol is not one subprotocol")
	case len(chosen) == 0:
		return "", nil
	case !slices.Contains(offered, chosen[0]):
		return "", badAnswer("a subprotocol that was not asked for")
	}
	return chosen[0], nil
}
