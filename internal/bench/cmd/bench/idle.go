package main

import (
	"fmt"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// plainSize and jsonSize are the lengths of the messages that come before a
// connection waits, without compression and with it; full is how many of the
// latter fill a window of 32 KiB.
const (
	plainSize = 128
	jsonSize  = 1 << 10
	full      = 40
)

var idleServers = []string{"rawtcp", "websocket", "websocket-events", "gorilla", "coder", "gobwas", "gobwas-unbuffered", "gws", "nbio", "nbio-blocking"}

// tlsServers are those that take connections of any kind.
var tlsServers = []string{"rawtcp", "websocket", "websocket-append", "websocket-events", "gorilla", "coder"}

func idleScenarios() []*scenario {
	var all []*scenario
	for _, conns := range []int{1000, 10000} {
		all = append(all,
			idle(fmt.Sprintf("idle/plain/%d", conns), fmt.Sprintf("%s, plain", thousands(conns)), conns, false, peer.Options{}),
			idle(fmt.Sprintf("idle/alone/%d", conns), fmt.Sprintf("%s, compressed without takeover", thousands(conns)), conns, false,
				peer.Options{Compression: peer.Alone}))
	}
	all[0].quick = true
	for _, bits := range []int{12, 0} {
		size := 4
		if bits == 0 {
			size = 32
		}
		all = append(all, idle(fmt.Sprintf("idle/takeover/%dKiB", size), fmt.Sprintf("2,000, takeover, %d KiB windows", size), 2000, true,
			peer.Options{Compression: peer.Takeover, WindowBits: bits}))
	}
	s := idle("idle/tls/1000", "1,000, TLS", 1000, false, peer.Options{TLS: true})
	all = append(all, s)
	return append(all, idle("idle/http2/1000", "1,000, HTTP/2", 1000, false, peer.Options{TLS: true, HTTP2: true}))
}

// idle returns the scenario of connections that wait after one message both
// ways, and for again after as many as fill a window.
func idle(name, row string, conns int, again bool, o peer.Options) *scenario {
	const table, unit = idleTable, "KiB resident/connection"
	s := &scenario{name: name, limit: "rawtcp", metrics: []metric{{table, row + ", after 1 message", unit, "idle"}}}
	if again {
		s.metrics = append(s.metrics, metric{table, fmt.Sprintf("%s, after %d", row, full), unit, "idle"})
	}
	if conns == 1000 {
		s.metrics[0].chart = "idle-1000"
	}
	o.Frame, o.Depth = load.FrameSize(plainSize), 1
	names := idleServers
	switch {
	case o.HTTP2:
		names = []string{"websocket", "websocket-append"}
	case o.TLS:
		names = tlsServers
	}
	for _, server := range serversNamed(names, o) {
		s.columns = append(s.columns, idleColumn(server.Name, server, conns, again, o))
		if server.Ours {
			o := o
			o.InHandler = true
			s.columns = append(s.columns, idleColumn(server.Name+" in handler", server, conns, again, o))
		}
	}
	return s
}

func idleColumn(name string, s *peer.Server, conns int, again bool, o peer.Options) column {
	return column{name, s.Ours, s.Limit, func(options) ([]float64, error) {
		p, err := start(role{Server: s.Name, Options: o})
		if err != nil {
			return nil, err
		}
		defer p.stop()
		var traffic load.Traffic = load.NewEcho(load.Text, plainSize, 1, s.Raw)
		var deflated *load.Deflated
		if o.Compression != "" {
			deflated = load.NewDeflated(jsonSize, false, o.Compression == peer.Takeover)
			traffic = deflated
		}
		target := load.Target{Addr: p.addr, Raw: s.Raw, TLS: o.TLS && !o.HTTP2}
		target.Offer, target.Agreed = offer(o)
		if o.HTTP2 {
			target.HTTP2 = new(load.HTTP2)
		}
		values, err := idleMemory(p, target, conns, traffic, again)
		if err == nil && deflated != nil {
			err = deflated.Verify()
		}
		return values, err
	}}
}

// idleMemory returns what afterMessages returns for each connection, in KiB.
func idleMemory(p *process, target load.Target, conns int, traffic load.Traffic, again bool) ([]float64, error) {
	before, err := p.ask(request{Op: opMemory})
	if err != nil {
		return nil, err
	}
	g, err := load.New(target, conns, 1, traffic)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	values, err := afterMessages(p, g, again)
	for i := range values {
		values[i] = (values[i] - float64(before.Resident)) / float64(conns) / 1024
	}
	return values, err
}

// afterMessages returns the resident memory after the first message, and after
// the last.
func afterMessages(p *process, g *load.Generator, again bool) ([]float64, error) {
	if err := g.Once(1); err != nil {
		return nil, err
	}
	first, err := p.ask(request{Op: opMemory})
	if err != nil || !again {
		return []float64{float64(first.Resident)}, err
	}
	if err := g.Once(full - 1); err != nil {
		return nil, err
	}
	last, err := p.ask(request{Op: opMemory})
	return []float64{float64(first.Resident), float64(last.Resident)}, err
}
