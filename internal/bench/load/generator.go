// Package load is the load generator: it opens connections to a server, sends
// frames that are encoded ahead of time, and checks what comes back. It knows
// nothing of any library, and is the same for all servers.
package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Traffic is what goes over the connections.
type Traffic interface {
	// next returns what is to be sent on c now.
	next(c *Conn) []byte

	// receive reads and checks the answer to the oldest of what was sent on
	// c. It may use and replace buf.
	receive(c *Conn, buf *[]byte) (Count, error)
}

// A Count is what has come back.
type Count struct {
	Messages int
	Bytes    int // on the wire, frame headers included
}

func (n *Count) add(m Count) {
	n.Messages += m.Messages
	n.Bytes += m.Bytes
}

// A Generator keeps connections busy: on each, the next exchange begins when
// the one before is complete.
type Generator struct {
	conns   []*Conn
	traffic Traffic
	window  int // how many connections are busy at the same time
}

// workers is how many goroutines drive many connections. More of them would
// only take turns with the server on the cores that there are.
const workers = 2

// New opens connections, of which at most window are busy at any time.
func New(target Target, conns, window int, traffic Traffic) (*Generator, error) {
	g := &Generator{traffic: traffic, window: min(window, conns)}
	for i := range conns {
		c, err := target.Dial()
		if err != nil {
			g.Close()
			return nil, err
		}
		c.index = i
		g.conns = append(g.conns, c)
	}
	return g, nil
}

// Close closes the connections.
func (g *Generator) Close() {
	for _, c := range g.conns {
		c.Close()
	}
}

// Run keeps the connections busy for the given time and then waits for what
// has not come back: of all that it counts, every byte has been checked.
func (g *Generator) Run(duration time.Duration) (Count, error) {
	var stop atomic.Bool
	timer := time.AfterFunc(duration, func() { stop.Store(true) })
	defer timer.Stop()
	return g.split(func(conns []*Conn, share int) (Count, error) {
		return g.drive(conns, share, &stop)
	})
}

// Once has each connection do the given number of exchanges.
func (g *Generator) Once(times int) error {
	var buf []byte
	for _, c := range g.conns {
		for range times {
			if err := c.send(g.traffic.next(c)); err != nil {
				return err
			}
			if _, err := g.traffic.receive(c, &buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// split has a few goroutines do the work, each with its share of connections
// and of the window.
func (g *Generator) split(work func(conns []*Conn, window int) (Count, error)) (Count, error) {
	n := max(1, min(workers, len(g.conns), g.window))
	counts, errs := make([]Count, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		conns := g.conns[i*len(g.conns)/n : (i+1)*len(g.conns)/n]
		group.Go(func() { counts[i], errs[i] = work(conns, max(1, g.window/n)) })
	}
	group.Wait()
	var sum Count
	for i := range n {
		if errs[i] != nil {
			return Count{}, errs[i]
		}
		sum.add(counts[i])
	}
	return sum, nil
}

// drive goes round the connections: it takes the answer on one and sends on
// the one that is window connections ahead, which for a window of all of them
// is the same.
func (g *Generator) drive(conns []*Conn, window int, stop *atomic.Bool) (Count, error) {
	var sum Count
	var buf []byte
	sent, received := 0, 0
	for ; sent < window; sent++ {
		if err := conns[sent].send(g.traffic.next(conns[sent])); err != nil {
			return sum, err
		}
	}
	for ; received < sent; received++ {
		c := conns[received%len(conns)]
		n, err := g.traffic.receive(c, &buf)
		if err != nil {
			return sum, fmt.Errorf("connection %d, message %d: %w", c.index, c.seen, err)
		}
		sum.add(n)
		if stop.Load() {
			continue
		}
		c = conns[sent%len(conns)]
		if err := c.send(g.traffic.next(c)); err != nil {
			return sum, err
		}
		sent++
	}
	return sum, nil
}

// grow returns a buffer of n bytes, b if it is long enough.
func grow(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n]
}
