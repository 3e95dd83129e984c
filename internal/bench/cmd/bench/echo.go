package main

import (
	"fmt"
	"sync"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

var sizes = []int{16, 128, 1 << 10, 16 << 10, 128 << 10, 1 << 20}

var opcodes = []struct {
	name   string
	opcode byte
}{{"text", load.Text}, {"binary", load.Binary}}

const microseconds = "µs CPU/message"

// inFlight is how many bytes may be on their way at the same time: of a
// thousand connections with a megabyte each, that many are busy and the others
// wait. The kernel's memory for sockets is not what is to be measured.
const inFlight = 64 << 20

func window(conns, bytes int) int { return min(conns, max(1, inFlight/bytes)) }

// echoScenarios are those with one message outstanding on each connection.
func echoScenarios() []*scenario {
	names := []string{"rawtcp", "websocket", "websocket-append", "websocket-events", "gorilla", "gorilla-reader", "coder", "gobwas", "gws",
		"nbio", "nbio-blocking"}
	return echoes("echo", 1, "rawtcp", names)
}

// pipelinedScenarios are those where several come at once.
func pipelinedScenarios() []*scenario {
	names := []string{"rawbatch", "rawtcp", "websocket", "websocket-append", "websocket-events", "websocket-immediate", "websocket-send", "gorilla",
		"coder", "gobwas", "gws", "nbio", "nbio-blocking"}
	return echoes("pipelined", 16, "rawbatch", names)
}

// tlsScenarios are echoes over TLS.
func tlsScenarios() []*scenario {
	var all []*scenario
	for _, size := range sizes {
		s := &scenario{name: "tls/text/100x" + inName(size), limit: "rawtcp"}
		s.metrics = []metric{{table: "Echo over TLS, text", row: "100 × " + bytesName(size), unit: microseconds}}
		s.columns = echoColumns(tlsServers, load.Text, 100, size, 1, true)
		all = append(all, s)
	}
	return all
}

// http2Scenarios are echoes over HTTP/2, next to the same over TLS alone.
func http2Scenarios() []*scenario {
	var all []*scenario
	for _, depth := range []int{1, 16} {
		for _, size := range []int{128, 1 << 10, 16 << 10} {
			s := &scenario{name: fmt.Sprintf("http2/%d/100x%s", depth, inName(size))}
			s.metrics = []metric{{table: "Echo over HTTP/2, text", row: fmt.Sprintf("100 × %s, %d outstanding", bytesName(size), depth), unit: microseconds}}
			for _, c := range echoColumns([]string{"websocket-append"}, load.Text, 100, size, depth, true) {
				c.name += ", HTTP/1.1"
				s.columns = append(s.columns, c)
			}
			o := peer.Options{TLS: true, HTTP2: true}
			for _, server := range serversNamed([]string{"websocket-append"}, o) {
				s.columns = append(s.columns, column{server.Name + ", HTTP/2", true, false, func(run options) ([]float64, error) {
					cost, count, err := busy(run, server, o, load.Target{HTTP2: new(load.HTTP2)}, 100, 100, load.NewEcho(load.Text, size, depth, false))
					return []float64{each(cost.cpu, count.Messages)}, err
				}})
			}
			all = append(all, s)
		}
	}
	return all
}

func echoes(family string, depth int, limit string, names []string) []*scenario {
	var all []*scenario
	for _, kind := range opcodes {
		table := fmt.Sprintf("Echo, %s", kind.name)
		if depth > 1 {
			table = fmt.Sprintf("Echo with %d messages outstanding, %s", depth, kind.name)
		}
		for _, conns := range []int{1, 100, 1000, 10000} {
			for _, size := range sizes {
				s := &scenario{name: fmt.Sprintf("%s/%s/%dx%s", family, kind.name, conns, inName(size)), limit: limit}
				m := metric{table: table, row: thousands(conns) + " × " + bytesName(size), unit: microseconds}
				if kind.opcode == load.Text && conns == 100 {
					m.chart = family
					s.quick = size == 128 || size == 16<<10 && depth == 1
				}
				s.metrics = []metric{m}
				s.columns = echoColumns(names, kind.opcode, conns, size, depth, false)
				all = append(all, s)
			}
		}
	}
	return all
}

func echoColumns(names []string, opcode byte, conns, size, depth int, overTLS bool) []column {
	o := peer.Options{Frame: load.FrameSize(size), Depth: depth, TLS: overTLS}
	// What goes over the wire is made when it is needed, and once.
	traffic := map[bool]func() *load.Echo{}
	for _, raw := range []bool{true, false} {
		traffic[raw] = sync.OnceValue(func() *load.Echo { return load.NewEcho(opcode, size, depth, raw) })
	}
	var columns []column
	for _, s := range serversNamed(names, o) {
		columns = append(columns, column{s.Name, s.Ours, s.Limit, func(run options) ([]float64, error) {
			target := load.Target{Raw: s.Raw, TLS: overTLS}
			cost, count, err := busy(run, s, o, target, conns, window(conns, size*depth), traffic[s.Raw]())
			return []float64{each(cost.cpu, count.Messages)}, err
		}})
	}
	return columns
}

// busy has a new server answer to connections that are kept busy.
func busy(run options, s *peer.Server, o peer.Options, target load.Target, conns, window int, traffic load.Traffic) (
	cost spent, count load.Count, err error) {
	p, err := start(role{Server: s.Name, Options: o, Profile: run.profile(s.Name)})
	if err != nil {
		return cost, count, err
	}
	defer p.stop()
	return p.busy(run, target, conns, window, traffic)
}

// busy keeps connections to a server busy, and returns what it spends and what it has
// sent.
func (p *process) busy(run options, target load.Target, conns, window int, traffic load.Traffic) (cost spent, count load.Count, err error) {
	target.Addr = p.addr
	g, err := load.New(target, conns, window, traffic)
	if err != nil {
		return cost, count, err
	}
	defer g.Close()
	if _, err := g.Run(run.warm); err != nil {
		return cost, count, err
	}
	cost, err = p.during(func() (err error) {
		count, err = g.Run(run.time)
		return err
	})
	return cost, count, err
}
