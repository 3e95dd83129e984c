// Package chat is what examples/chat and examples/cluster have in common: a server with
// rooms, and the page for it.
package chat

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

//go:embed page.html
var page []byte

const (
	// joinTimeout is how long a client has to say who it is.
	joinTimeout = 10 * time.Second

	// sayTimeout is how long storing a message may take.
	sayTimeout = 5 * time.Second

	// A client sends maxBurst requests at once and one every requestInterval.
	maxBurst        = 20
	requestInterval = 200 * time.Millisecond
)

// A Server is a chat: the page, and at /chat the connections.
type Server struct {
	http.Handler
	backend Backend
	all     websocket.Group // whoever is connected

	mu    sync.Mutex
	rooms map[string]*room
}

// NewServer returns a chat with a backend.
func NewServer(b Backend) *Server {
	s := &Server{backend: b, rooms: make(map[string]*room)}
	upgrader := websocket.Upgrader{
		Group:             &s.all,
		ReadLimit:         16 << 10,
		KeepAlive:         websocket.KeepAlive{Interval: 25 * time.Second},
		WriteTimeout:      10 * time.Second,
		EnableCompression: true, // a message for many is compressed once
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:")
		w.Write(page)
	})
	mux.Handle("GET /chat", upgrader.Handler(s.serve))
	s.Handler = mux
	return s
}

// Shutdown sends all clients close code 1001 and returns when they have gone.
func (s *Server) Shutdown(ctx context.Context) error {
	return s.all.Shutdown(ctx, websocket.CloseGoingAway, "the server restarts")
}

// A client is a connection that has joined a room.
type client struct {
	conn *websocket.Conn
	room *room
	name string
}

// serve is the life of a connection.
func (s *Server) serve(conn *websocket.Conn, _ *http.Request) {
	c := &client{conn: conn}
	defer func() { s.leave(c) }()
	limit := rateLimit{tokens: maxBurst}
	ctx, cancel := context.WithTimeout(conn.Context(), joinTimeout)
	defer cancel()
	for {
		var q request
		err := conn.ReadJSONContext(ctx, &q)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && c.room == nil:
			conn.Shutdown(context.Background(), websocket.ClosePolicyViolation, "join a room first")
			return
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // what came is not JSON of this kind
			conn.Shutdown(context.Background(), websocket.CloseInvalidFramePayloadData, "a message is not what the protocol says")
			return
		}
		switch problem := q.check(); {
		case !limit.allow(time.Now()):
			c.fail(q.ID, "too fast; wait a moment")
		case problem != "":
			c.fail(q.ID, problem)
		case q.Type == "join":
			s.join(c, &q)
			if c.room != nil {
				ctx = conn.Context() // there is no limit any more
			}
		case c.room == nil:
			c.fail(q.ID, "join a room first")
		case q.Type == "typing":
			c.room.channel.Typing(c.name)
		default:
			c.say(&q)
		}
	}
}

// fail tells the client what is wrong with a request.
func (c *client) fail(id, text string) { c.send(&reply{Type: "error", ID: id, Text: text}) }

// send queues a reply. A client that does not read is closed by the groups, or by the
// write timeout.
func (c *client) send(r *reply) {
	if text, err := encode(r); err == nil {
		c.conn.Send(websocket.TextMessage, text)
	}
}

// say stores a message, and acknowledges it when it has been.
func (c *client) say(q *request) {
	ctx, cancel := context.WithTimeout(c.conn.Context(), sayTimeout)
	defer cancel()
	seq, err := c.room.channel.Say(ctx, Message{ID: q.ID, Name: c.name, Text: q.Text, Time: time.Now().UTC()})
	if err != nil {
		slog.Warn("a message was not stored", "room", c.room.name, "error", err)
		c.fail(q.ID, "the message was not stored; send it again")
		return
	}
	c.send(&reply{Type: "ack", ID: q.ID, Seq: seq})
}

// join makes a client a member of a room.
func (s *Server) join(c *client, q *request) {
	s.leave(c)
	r, err := s.open(q.Room)
	if err != nil {
		slog.Warn("a room was not opened", "room", q.Room, "error", err)
		c.fail("", "the room cannot be opened now; try again")
		return
	}
	c.room, c.name = r, q.Name
	r.add(c, q.Since)
}

// leave takes a client out of its room.
func (s *Server) leave(c *client) {
	if c.room == nil {
		return
	}
	c.room.remove(c)
	s.release(c.room)
	c.room = nil
}

// A rateLimit is a bucket of tokens.
type rateLimit struct {
	tokens float64
	last   time.Time
}

// allow reports whether there is a token, and takes it.
func (l *rateLimit) allow(now time.Time) bool {
	if !l.last.IsZero() {
		l.tokens = min(maxBurst, l.tokens+float64(now.Sub(l.last))/float64(requestInterval))
	}
	l.last = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
