package main

import (
	"fmt"
	"net"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// clientScenarios measure the process that is the client; the server is here.
func clientScenarios() []*scenario {
	var all []*scenario
	for _, kind := range opcodes {
		for _, size := range sizes {
			s := &scenario{
				name:    fmt.Sprintf("client/%s/%s", kind.name, inName(size)),
				limit:   "rawtcp",
				metrics: []metric{{"Client, " + kind.name, bytesName(size), "µs CPU/round trip", ""}},
			}
			if kind.opcode == load.Text {
				s.quick = size == 128
				s.metrics[0].chart = "client"
			}
			for _, c := range peer.Clients() {
				s.columns = append(s.columns, column{c.Name, c.Ours, c.Limit, func(o options) ([]float64, error) {
					return roundTrips(c, kind.opcode, size, o)
				}})
			}
			all = append(all, s)
		}
	}
	return all
}

func roundTrips(c *peer.Client, opcode byte, size int, o options) ([]float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	message := load.Payloads(opcode, size, 1)[0]
	target := load.NewEchoTarget(opcode, message)
	go target.Serve(l)
	r := role{Client: c.Name, Addr: l.Addr().String(), Opcode: opcode, Message: message, Profile: o.profile(c.Name)}
	cost, n, err := repeated(r, o)
	select {
	case wrong := <-target.Failed:
		err = fmt.Errorf("what the client sends: %w", wrong)
	default:
	}
	return []float64{each(cost.cpu, n)}, err
}

// repeated has a new process do its work again and again, and returns what it
// spends and how often it did it.
func repeated(r role, o options) (cost spent, n int, err error) {
	p, err := start(r)
	if err != nil {
		return cost, 0, err
	}
	defer p.stop()
	if _, err := p.ask(request{Op: opRun, For: o.warm}); err != nil {
		return cost, 0, err
	}
	var done reply
	cost, err = p.during(func() (err error) {
		done, err = p.ask(request{Op: opRun, For: o.time})
		return err
	})
	cost.elapsed = done.Elapsed
	return cost, done.Count, err
}
