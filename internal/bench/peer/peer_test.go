package peer_test

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

func start(t *testing.T, s *peer.Server, o peer.Options) (*peer.Hub, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return s.Start(l, o, func(error) {}), l.Addr().String()
}

// TestServersEcho has each server echo through the generator, which compares
// every byte.
func TestServersEcho(t *testing.T) {
	for _, s := range peer.Servers() {
		for _, size := range []int{16, 1000, 100_000} {
			for _, depth := range []int{1, 16} {
				o := peer.Options{Frame: load.FrameSize(size), Depth: depth}
				if s.Name == "rawhttp" || !s.Takes(o) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%dx%d", s.Name, depth, size), func(t *testing.T) {
					_, addr := start(t, s, o)
					g, err := load.New(load.Target{Addr: addr, Raw: s.Raw}, 3, 3, load.NewEcho(load.Text, size, depth, s.Raw))
					if err != nil {
						t.Fatal(err)
					}
					defer g.Close()
					if err := g.Once(4); err != nil {
						t.Error(err)
					}
					if n, err := g.Run(5 * time.Millisecond); err != nil || n.Messages == 0 {
						t.Error(n, err)
					}
				})
			}
		}
	}
}

// TestServersWriteTogether counts the calls of Write: answers to messages that
// come together leave together, unless WriteImmediately is set.
func TestServersWriteTogether(t *testing.T) {
	const exchanges, depth = 4, 16
	for _, s := range peer.Servers() {
		switch s.Name {
		case "websocket", "websocket-append", "websocket-immediate":
		default:
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			counting := &countingListener{Listener: l}
			s.Start(counting, peer.Options{Depth: depth}, func(error) {})
			g, err := load.New(load.Target{Addr: l.Addr().String()}, 1, 1, load.NewEcho(load.Text, 16, depth, false))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			before := counting.writes.Load()
			if err := g.Once(exchanges); err != nil {
				t.Fatal(err)
			}
			n := counting.writes.Load() - before
			if immediate := s.Name == "websocket-immediate"; immediate && n != exchanges*depth || !immediate && n > exchanges*depth/2 {
				t.Errorf("%d writes of %d messages", n, exchanges*depth)
			}
		})
	}
}

// A countingListener counts the writes to its connections.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, &l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestServersEchoCompressed(t *testing.T) {
	for _, s := range peer.Servers() {
		for _, compression := range []string{peer.Alone, peer.Takeover} {
			o := peer.Options{Compression: compression}
			if s.Name == "rawhttp" || !s.Takes(o) {
				continue
			}
			t.Run(s.Name+"/"+compression, func(t *testing.T) {
				takeover := compression == peer.Takeover
				target := load.Target{Offer: "permessage-deflate; client_max_window_bits"}
				if !takeover {
					target.Offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
				}
				_, target.Addr = start(t, s, o)
				traffic := load.NewDeflated(500, takeover, takeover)
				g, err := load.New(target, 2, 2, traffic)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				if err := g.Once(100); err != nil {
					t.Fatal(err)
				}
				if err := traffic.Verify(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestServersBroadcast(t *testing.T) {
	for _, s := range peer.Servers() {
		if !s.Broadcasts() {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			const conns = 5
			h, addr := start(t, s, peer.Options{Broadcast: true, Frame: 100, Depth: 1})
			g, err := load.New(load.Target{Addr: addr, Raw: s.Raw}, conns, conns, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			for _, message := range load.Payloads(load.Text, 200, 3) {
				if err := h.Broadcast(message, conns); err != nil {
					t.Fatal(err)
				}
				if err := g.Receive(load.ServerFrame(load.Text, message)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestClients(t *testing.T) {
	for _, c := range peer.Clients() {
		for _, size := range []int{16, 1000, 100_000} {
			t.Run(fmt.Sprintf("%s/%d", c.Name, size), func(t *testing.T) {
				message := load.Payloads(load.Text, size, 1)[0]
				target := load.NewEchoTarget(load.Text, message)
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go target.Serve(l)
				trips, err := c.Dial(l.Addr().String(), load.Text, message)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // it is run once to get warm
					calls := 0
					n, err := trips(func() bool { calls++; return calls > 5 })
					if err != nil || n < 5 {
						t.Error(n, err)
					}
				}
				select {
				case err := <-target.Failed:
					t.Error(err)
				default:
				}
			})
		}
	}
}

func TestCodecs(t *testing.T) {
	for _, c := range peer.Codecs() {
		t.Run(c.Name, func(t *testing.T) {
			message := load.Payloads(load.Text, 300, 1)[0]
			s := peer.NewStream(message)
			read, write, err := c.Open(s)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := read(1000); err != nil {
					t.Error(err)
				}
			}
			if (write == nil) != c.ReadsOnly {
				t.Fatal("writes or does not")
			}
			if c.ReadsOnly {
				return
			}
			// On a connection of its own, as it is measured: with messages to read
			// there, an answer may wait for those to them.
			if _, write, err = c.Open(s); err != nil {
				t.Fatal(err)
			}
			before := s.Written
			if err := write(message); err != nil {
				t.Error(err)
			}
			if n := s.Written - before; n != len(load.ServerFrame(load.Text, message)) {
				t.Error(n)
			}
		})
	}
}
