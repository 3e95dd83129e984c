package websocket

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"

	"github.com/seed23105783/websocket/internal/wstest"
)

// soakClients are what clients do after they have connected, chosen at random. They end
// the connection in the ways in which networks and processes do.
var soakClients = []func(c *Conn, r *rand.Rand){
	func(c *Conn, r *rand.Rand) { // a closing handshake
		c.WriteMessage(CloseMessage, FormatCloseMessage(CloseNormalClosure, ""))
		for err := error(nil); err == nil; {
			_, _, err = c.ReadMessage()
		}
	},
	func(c *Conn, r *rand.Rand) {}, // Close at once
	func(c *Conn, r *rand.Rand) { // a reset
		c.NetConn().(*net.TCPConn).SetLinger(0)
	},
	func(c *Conn, r *rand.Rand) { // a message and its echo
		c.WriteMessage(TextMessage, []byte(longText[:r.IntN(len(longText))]))
		c.ReadMessage()
	},
	func(c *Conn, r *rand.Rand) { // half a message
		w, err := c.NextWriter(BinaryMessage)
		if err == nil {
			w.Write([]byte(longText[:r.IntN(len(longText))]))
		}
	},
	func(c *Conn, r *rand.Rand) { // half a frame
		frame := (&peer{masked: true}).text(longText[:1+r.IntN(1000)])
		c.NetConn().Write(frame[:r.IntN(len(frame))])
	},
	func(c *Conn, r *rand.Rand) { // a violation, and Close at once
		c.NetConn().Write([]byte("no frame"))
	},
	func(c *Conn, r *rand.Rand) { // CloseWrite
		c.NetConn().(*net.TCPConn).CloseWrite()
		c.ReadMessage()
	},
	func(c *Conn, r *rand.Rand) { // Close during a read
		go c.Close()
		c.ReadMessage()
	},
	func(c *Conn, r *rand.Rand) { // the server closes
		c.WriteMessage(TextMessage, []byte("close"))
		c.ReadMessage()
	},
}

// TestSoak connects and disconnects over loopback in random ways, SOAK times or 300, 100 with -short. It
// checks that no goroutines and no file descriptors are left, and that nothing keeps a
// connection from the garbage collector, as a timer could.
func TestSoak(t *testing.T) {
	t.Run("goroutines", func(t *testing.T) { runSoak(t, &soak{}) })
	t.Run("events", func(t *testing.T) {
		s := &soak{}
		s.events = &Events{
			ReuseData: true,
			Open:      s.track,
			Message: func(c *Conn, m Message) {
				if string(m.Data) == "close" || c.WriteMessage(m.Type, m.Data) != nil {
					c.Close()
				}
			},
			Close: func(*Conn, CloseInfo) { s.handlers.Done() },
		}
		runSoak(t, s)
	})
}

func runSoak(t *testing.T, s *soak) {
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	address := server.Listener.Addr().String()
	soakOnce(t, s, address, 0) // allocates what is allocated once
	s.handlers.Wait()
	goroutines, descriptors := runtime.NumGoroutine(), openFiles()
	if runtime.GOOS == "js" {
		goroutines++ // the runtime has one that waits for events
	}

	n := oracleNumber(t, "SOAK", fullOrShort(300, 100))
	next := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for seed := range next {
				soakOnce(t, s, address, seed)
			}
		})
	}
	for seed := range n {
		next <- seed
	}
	close(next)
	workers.Wait()
	s.handlers.Wait()
	assert.Greater(t, len(s.conns), n, "most sessions have a connection at both ends")
	wstest.Settle(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	wstest.Settle(t, "file descriptors", func() bool { return openFiles() <= descriptors })
	wstest.Settle(t, "connections that nothing refers to", func() bool {
		runtime.GC()
		return s.alive() == 0
	})
	t.Log(len(s.conns), "connections")
	server.Close()
}

// A soak records all connections.
type soak struct {
	mu       sync.Mutex
	events   *Events // of the server; or nil
	conns    []weak.Pointer[closing]
	handlers sync.WaitGroup
}

// track records a connection by a weak pointer to its record of the end, to which timers
// and goroutines would refer.
func (s *soak) track(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, weak.Make(&c.closing))
}

// alive returns the number of connections that were not collected.
func (s *soak) alive() (n int) {
	for _, c := range s.conns {
		if c.Value() != nil {
			n++
		}
	}
	return n
}

// serve echoes messages, and closes the connection when it is asked to.
func (s *soak) serve(w http.ResponseWriter, r *http.Request) {
	s.handlers.Add(1)
	c, err := (&Upgrader{EnableCompression: true, Events: s.events}).Upgrade(w, r, nil)
	if err == nil && s.events != nil {
		return
	}
	defer s.handlers.Done()
	if err != nil {
		return // the client has closed the connection
	}
	s.track(c)
	defer c.Close()
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || string(p) == "close" || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

// soakOnce runs one client.
func soakOnce(t *testing.T, s *soak, address string, seed int) {
	r := rand.New(rand.NewPCG(uint64(seed), 17))
	if r.IntN(10) == 0 { // a part of a handshake, and perhaps a reset
		conn, err := net.Dial("tcp", address)
		if !assert.NoError(t, err) {
			return
		}
		io.WriteString(conn, sampleRequest[:r.IntN(len(sampleRequest)+1)])
		if r.IntN(2) == 0 {
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
		return
	}
	c, _, err := (&Dialer{EnableCompression: r.IntN(2) == 0}).Dial("ws://"+address+"/", nil)
	if !assert.NoError(t, err) {
		return
	}
	s.track(c)
	soakClients[r.IntN(len(soakClients))](c, r)
	err = c.Close()
	assert.True(t, err == nil || errors.Is(err, net.ErrClosed), err)
}

// openFiles returns the number of file descriptors, or zero without /proc.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
