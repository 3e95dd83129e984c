// Command auth shows three ways to know who connects: a cookie, a bearer token in the
// subprotocol as a browser has to send it, and a first message within a time limit.
//
//	go run ./examples/auth
package main

import (
	"context"
	"crypto/subtle"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/seed23105783/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	server := &http.Server{
		Addr:              *addr,
		Handler:           newHandler(map[string]string{"secret": "alice"}, 5*time.Second),
		ReadHeaderTimeout: 5 * time.Second,
	}
	fmt.Printf("auth: ws://%s/message, whose first message has to be: secret\n", *addr)
	log.Fatal(server.ListenAndServe())
}

// protocol is the subprotocol that is spoken, and bearer the prefix of one that is
// offered beside it: bearer.TOKEN.
const (
	protocol = "greeting.v1"
	bearer   = "bearer."
)

// accounts are the users by their tokens.
type accounts map[string]string

// user returns the user with the token. It takes the same time for every token.
func (a accounts) user(token string) (string, bool) {
	user, found := "", 0
	for known, name := range a {
		if equal := subtle.ConstantTimeCompare([]byte(known), []byte(token)); equal == 1 {
			user, found = name, 1
		}
	}
	return user, found == 1
}

// userKey is the key of the user's name in the context of a connection.
type userKey struct{}

// newHandler serves one way at each path. limit is how long a client may take to send
// its first message at /message.
func newHandler(a accounts, limit time.Duration) http.Handler {
	upgrader := &websocket.Upgrader{
		// Not the client's token: the server answers with the other subprotocol.
		Subprotocols: []string{protocol},
		// A browser sends cookies with the handshakes of all pages, also those of other
		// sites. CheckOrigin, whose default accepts the pages of this server only, is
		// what keeps them out.
		CheckOrigin: nil,
		// The name goes with the connection. The context of the request would end.
		ConnContext: func(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) },
		ReadLimit:   4096,
	}
	greeting := upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		greet(conn, conn.Context().Value(userKey{}).(string))
	})
	mux := http.NewServeMux()
	mux.Handle("/cookie", authorize(a, tokenOfCookie, greeting))
	mux.Handle("/bearer", authorize(a, tokenOfSubprotocol, greeting))
	mux.Handle("/message", upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		if user, ok := firstMessage(conn, a, limit); ok {
			greet(conn, user)
		}
	}))
	return mux
}

// authorize refuses requests without a known token before the handshake. A browser
// tells its page nothing of the status: to the page this is close code 1006.
func authorize(a accounts, token func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := a.user(token(r))
		if !ok {
			http.Error(w, "unknown token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

// tokenOfCookie is for browsers that have logged in by HTTP. The cookie should be
// Secure, HttpOnly and SameSite.
func tokenOfCookie(r *http.Request) string {
	cookie, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return cookie.Value
}

// tokenOfSubprotocol is for scripts in browsers, which can set no header field but this:
//
//	new WebSocket(url, ["greeting.v1", "bearer." + token])
//
// A token in the URL would be in the logs of servers and proxies.
func tokenOfSubprotocol(r *http.Request) string {
	for _, offered := range websocket.Subprotocols(r) {
		if token, found := strings.CutPrefix(offered, bearer); found {
			return token
		}
	}
	return ""
}

// firstMessage reads the token from the first message. The client has the time limit
// for it, after which it may not keep the connection.
func firstMessage(conn *websocket.Conn, a accounts, limit time.Duration) (user string, ok bool) {
	ctx, cancel := context.WithTimeout(conn.Context(), limit)
	defer cancel()
	_, token, err := conn.ReadMessageContext(ctx)
	if err == nil {
		user, ok = a.user(string(token))
	}
	if !ok {
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn.Shutdown(closing, websocket.ClosePolicyViolation, "the first message has to be a token")
	}
	return user, ok
}

// greet sends the user's name, and waits for the end of the connection.
func greet(conn *websocket.Conn, user string) {
	if conn.WriteMessage(websocket.TextMessage, []byte("hello "+user)) != nil {
		return
	}
	for range conn.Messages(context.Background()) {
	}
}
