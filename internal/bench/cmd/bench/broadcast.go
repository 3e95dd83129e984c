package main

import (
	"fmt"
	"time"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

func broadcastScenarios() []*scenario {
	var all []*scenario
	names := []string{"rawtcp", "websocket", "websocket-group", "websocket-events", "gorilla", "coder", "gobwas", "gws", "nbio", "nbio-blocking"}
	for _, compression := range []string{"", peer.Alone} {
		size, kind := 128, "plain"
		if compression != "" {
			// JSON that has something to compress, and none that would send
			// every recipient a message of its own.
			size, kind = 1<<10, "compressed"
			names = []string{"websocket", "websocket-group", "websocket-events", "gorilla", "gws"}
		}
		for _, conns := range []int{1000, 5000} {
			s := &scenario{
				name:  fmt.Sprintf("broadcast/%s/%d", kind, conns),
				quick: conns == 1000,
				metrics: []metric{{"Broadcast", fmt.Sprintf("%s recipients, %s %s", thousands(conns), bytesName(size), kind),
					"µs CPU/recipient", "broadcast"}},
			}
			if compression == "" {
				s.limit = "rawtcp"
			}
			o := peer.Options{Compression: compression, Broadcast: true, Frame: load.FrameSize(size), Depth: 1}
			for _, server := range serversNamed(names, o) {
				s.columns = append(s.columns, broadcastColumn(server, o, conns, size))
			}
			all = append(all, s)
		}
	}
	return all
}

func broadcastColumn(s *peer.Server, o peer.Options, conns, size int) column {
	return column{s.Name, s.Ours, s.Limit, func(run options) ([]float64, error) {
		p, err := start(role{Server: s.Name, Options: o, Profile: run.profile(s.Name)})
		if err != nil {
			return nil, err
		}
		defer p.stop()
		target := load.Target{Addr: p.addr, Raw: s.Raw}
		target.Offer, target.Agreed = offer(o)
		g, err := load.New(target, conns, conns, nil)
		if err != nil {
			return nil, err
		}
		defer g.Close()
		b := &broadcaster{p: p, g: g, conns: conns, compressed: o.Compression != "", messages: load.Payloads(load.Text, size, 4)}
		if _, err := b.run(run.warm); err != nil {
			return nil, err
		}
		var n int
		cost, err := p.during(func() (err error) {
			n, err = b.run(run.time)
			return err
		})
		return []float64{each(cost.cpu, n*conns)}, err
	}}
}

// A broadcaster has the server send messages to all connections.
type broadcaster struct {
	p          *process
	g          *load.Generator
	conns      int
	compressed bool
	messages   [][]byte
	n          int
}

// run sends one message after the other, each when all have the one before,
// and returns how many there were.
func (b *broadcaster) run(duration time.Duration) (int, error) {
	end := time.Now().Add(duration)
	for n := 0; ; n++ {
		if n > 0 && time.Now().After(end) {
			return n, nil
		}
		message := b.messages[b.n%len(b.messages)]
		b.n++
		// The messages wait in the sockets until all have been sent: how fast
		// they are read is not to matter.
		if _, err := b.p.ask(request{Op: opBroadcast, Payload: message, Conns: b.conns}); err != nil {
			return n, err
		}
		var err error
		if b.compressed {
			_, err = b.g.ReceiveCompressed(message)
		} else {
			err = b.g.Receive(load.ServerFrame(load.Text, message))
		}
		if err != nil {
			return n, err
		}
	}
}
