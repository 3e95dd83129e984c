// Package peer has the servers and clients that are measured: those of this
// library, those of other libraries, each used as its documentation recommends
// for speed, and the limits, which do the same without being WebSocket at all.
package peer

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	_ "github.com/seed23105783/websocket/http2"
)

// The kinds of compression.
const (
	Alone    = "alone"    // every message on its own, without context takeover
	Takeover = "takeover" // a message may refer to those before it
)

// Options say what a server is to do.
type Options struct {
	Compression string // "", Alone or Takeover
	WindowBits  int    // with Takeover; 0 is 15
	InHandler   bool   // read inside the HTTP handler, not from a goroutine of its own
	Broadcast   bool   // keep the connections for Broadcast
	TLS         bool   // speak TLS
	HTTP2       bool   // over HTTP/2, with TLS

	// Frame is how long a client's frame is, and Depth how many of them come
	// at once: for raw servers, which do not know frames.
	Frame, Depth int
}

func (o Options) windowBits() int {
	if o.WindowBits == 0 {
		return 15
	}
	return o.WindowBits
}

// A message that some servers answer after a while, for which its function sleeps.
const (
	SleepRequest = "sleep for a second"
	Sleep        = time.Second
)

// A Server is an echo server.
type Server struct {
	Name  string
	Ours  bool
	Limit bool // what no server can do better
	Raw   bool // takes connections without a handshake and echoes their bytes
	HTTP  bool // behind net/http, and so has handlers to read in

	// Sleeps is set for a server that answers SleepRequest after Sleep.
	Sleeps bool

	// Takes says whether the server does what the options want.
	Takes func(Options) bool

	serve     func(l net.Listener, o Options, h *Hub) error
	broadcast func(conns []any, payload []byte) error
}

// Servers are all there are, in the order of the tables.
func Servers() []*Server {
	all := append(rawServers(), ourServers()...)
	all = append(all, gorillaServers()...)
	all = append(all, coderServers()...)
	all = append(all, gobwasServers()...)
	all = append(all, gwsServers()...)
	return append(all, nbioServers()...)
}

// A Hub keeps the connections of a server that broadcasts.
type Hub struct {
	server *Server
	keeps  bool
	mu     sync.Mutex
	conns  []any
}

func (h *Hub) add(conn any) {
	if !h.keeps {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = append(h.conns, conn)
}

// Broadcast sends a text to all connections, when there are as many as there
// should be: a client can have its answer before the server has its connection.
func (h *Hub) Broadcast(payload []byte, conns int) error {
	for range 5000 {
		h.mu.Lock()
		kept := h.conns
		h.mu.Unlock()
		if len(kept) == conns {
			return h.server.broadcast(kept, payload)
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("there are not as many connections as there should be")
}

// Broadcasts says whether the server has a way to send a message to many.
func (s *Server) Broadcasts() bool { return s.broadcast != nil }

// Start serves connections in the background. Whatever ends that goes to fail.
func (s *Server) Start(l net.Listener, o Options, fail func(error)) *Hub {
	h := &Hub{server: s, keeps: o.Broadcast}
	if o.TLS {
		config := &tls.Config{Certificates: []tls.Certificate{certificate()}}
		if o.HTTP2 {
			config.NextProtos = []string{"h2"}
		}
		l = tls.NewListener(l, config)
	}
	go func() { fail(s.serve(l, o, h)) }()
	return h
}

// certificate returns the one of net/http/httptest.
func certificate() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
}

// An upgrade makes a WebSocket connection of a request, and returns it and the
// function that echoes what comes on it.
type upgrade func(w http.ResponseWriter, r *http.Request) (conn any, echo func(), err error)

// overHTTP serves connections with net/http.
func overHTTP(newUpgrade func(Options) upgrade) func(net.Listener, Options, *Hub) error {
	return func(l net.Listener, o Options, h *Hub) error {
		upgrade := newUpgrade(o)
		return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, echo, err := upgrade(w, r)
			if err != nil {
				return // the client has the answer, and tells what is wrong with it
			}
			h.add(conn)
			if echo == nil { // event functions do
				return
			}
			if o.InHandler || r.ProtoMajor == 2 {
				echo()
				return
			}
			go echo()
		}))
	}
}

// overTCP serves connections that are accepted here, in a goroutine for each.
func overTCP(serve func(conn net.Conn, o Options, h *Hub)) func(net.Listener, Options, *Hub) error {
	return func(l net.Listener, o Options, h *Hub) error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			go serve(conn, o, h)
		}
	}
}

// plain is Server.Takes of one that does not compress, behind no net/http.
func plain(o Options) bool { return o.Compression == "" && !o.InHandler }
