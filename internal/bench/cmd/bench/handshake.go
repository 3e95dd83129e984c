package main

import (
	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

func handshakeScenarios() []*scenario {
	const row = "connect, upgrade, close"
	s := &scenario{name: "handshake", quick: true, limit: "rawhttp", metrics: []metric{
		{"Handshakes, CPU", row, "µs CPU/handshake", "handshake"},
		{"Handshakes, allocations", row, "allocations/handshake", ""},
	}}
	names := []string{"rawhttp", "websocket", "gorilla", "coder", "gws", "gws-own", "gobwas", "nbio", "nbio-blocking"}
	for _, server := range serversNamed(names, peer.Options{}) {
		s.columns = append(s.columns, column{server.Name, server.Ours, server.Limit, func(o options) ([]float64, error) {
			return handshakes(server, o)
		}})
	}
	return []*scenario{s}
}

func handshakes(s *peer.Server, o options) ([]float64, error) {
	p, err := start(role{Server: s.Name, Profile: o.profile(s.Name)})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	target := load.Target{Addr: p.addr}
	if _, err := load.Handshakes(target, o.warm); err != nil {
		return nil, err
	}
	var n int
	cost, err := p.during(func() (err error) {
		n, err = load.Handshakes(target, o.time)
		return err
	})
	return []float64{each(cost.cpu, n), float64(cost.mallocs) / float64(n)}, err
}
