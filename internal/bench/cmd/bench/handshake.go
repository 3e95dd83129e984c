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
			return handshakes(server, peer.Options{}, load.Target{}, o)
		}})
	}
	return []*scenario{s, tlsHandshakes(), http2Handshakes()}
}

// tlsHandshakes are those of new TLS connections.
func tlsHandshakes() *scenario {
	const row = "connect, TLS, upgrade, close"
	s := &scenario{name: "tls/handshake", limit: "rawhttp", metrics: []metric{
		{"Handshakes over TLS, CPU", row, "µs CPU/handshake", ""},
		{"Handshakes over TLS, allocations", row, "allocations/handshake", ""},
	}}
	with := peer.Options{TLS: true}
	for _, server := range serversNamed([]string{"rawhttp", "websocket", "websocket-events", "gorilla", "coder"}, with) {
		s.columns = append(s.columns, column{server.Name, server.Ours, server.Limit, func(o options) ([]float64, error) {
			return handshakes(server, with, load.Target{TLS: true}, o)
		}})
	}
	return s
}

// http2Handshakes are those of streams of an HTTP/2 connection that there is, next to those
// of TLS connections.
func http2Handshakes() *scenario {
	const row = "connect, upgrade, close"
	s := &scenario{name: "http2/handshake", metrics: []metric{
		{"Handshakes over HTTP/2, CPU", row, "µs CPU/handshake", ""},
		{"Handshakes over HTTP/2, allocations", row, "allocations/handshake", ""},
	}}
	server := serversNamed([]string{"websocket"}, peer.Options{TLS: true})[0]
	s.columns = []column{
		{server.Name + ", HTTP/1.1 over TLS", true, false, func(o options) ([]float64, error) {
			return handshakes(server, peer.Options{TLS: true}, load.Target{TLS: true}, o)
		}},
		{server.Name + ", HTTP/2", true, false, func(o options) ([]float64, error) {
			return handshakes(server, peer.Options{TLS: true, HTTP2: true}, load.Target{HTTP2: new(load.HTTP2)}, o)
		}},
	}
	return s
}

func handshakes(s *peer.Server, with peer.Options, target load.Target, o options) ([]float64, error) {
	p, err := start(role{Server: s.Name, Options: with, Profile: o.profile(s.Name)})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	target.Addr = p.addr
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
