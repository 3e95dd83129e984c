// Package http2 lets the HTTP servers of a program accept WebSocket connections over
// HTTP/2 (RFC 8441). It is imported for that alone:
//
//	import _ "github.com/seed23105783/websocket/http2"
//
// net/http has what is needed, but offers it to clients (SETTINGS_ENABLE_CONNECT_PROTOCOL)
// only if GODEBUG has http2xconnect=1 when it is initialized. This package sets that
// before, and keeps what else GODEBUG has. A program can be started with
// GODEBUG=http2xconnect=1 in place of the import, and with GODEBUG=http2xconnect=0
// in spite of it.
//
// It concerns all HTTP servers of the program. Browsers send their WebSocket
// handshakes as CONNECT requests then, on the HTTP/2 connection that they have:
//
//   - A pattern of http.ServeMux such as "GET /ws" does not match them; "/ws" does, and
//     "CONNECT /ws" matches them alone.
//   - Handlers of other WebSocket libraries cannot answer them.
package http2

import "os"

// The variable is read by an init function of net/http. Of the packages that can be
// initialized next, Go takes the one whose import path sorts first (The Go Programming
// Language Specification, "Program initialization"). This one needs os alone, and its path
// sorts before net/http. A test checks it.
func init() { os.Setenv("GODEBUG", with(os.Getenv("GODEBUG"))) }

// with returns a value of GODEBUG that also has the setting, unless it has one.
func with(value string) string {
	const name = "http2xconnect="
	for rest := value; rest != ""; {
		i := 0
		for i < len(rest) && rest[i] != ',' {
			i++
		}
		if i >= len(name) && rest[:len(name)] == name {
			return value
		}
		rest = rest[min(i+1, len(rest)):]
	}
	if value != "" {
		value += ","
	}
	return value + name + "1"
}
