package main

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// sleepers is how many of the connections have functions that sleep, and so do not
// answer for as long as peer.Sleep.
const sleepers = 100

// latencyScenarios are the times that echoes take while other connections, of the same
// server, sleep in their functions or do not.
func latencyScenarios() []*scenario {
	const table, conns = "Time of an echo, 128 B", 10000
	s := &scenario{name: "latency/10000", metrics: []metric{
		{table, "10,000, 2 busy, median", "µs", ""},
		{table, "10,000, 2 busy, 99th percentile", "µs", ""},
	}}
	for _, name := range []string{"websocket-append", "websocket-events", "nbio"} {
		for _, server := range serversNamed([]string{name}, peer.Options{}) {
			s.columns = append(s.columns, latencyColumn(server.Name, server, conns, 0))
			if server.Sleeps {
				s.columns = append(s.columns, latencyColumn(server.Name+", 100 asleep", server, conns, sleepers))
			}
		}
	}
	return []*scenario{s}
}

func latencyColumn(name string, s *peer.Server, conns, asleep int) column {
	return column{name, s.Ours, s.Limit, func(run options) ([]float64, error) {
		p, err := start(role{Server: s.Name, Options: peer.Options{}})
		if err != nil {
			return nil, err
		}
		defer p.stop()
		target := load.Target{Addr: p.addr}
		g, err := load.New(target, conns-asleep, 1, load.NewEcho(load.Text, 128, 1, false))
		if err != nil {
			return nil, err
		}
		defer g.Close()
		if asleep > 0 {
			idle, err := load.New(target, asleep, asleep, load.NewMessage(load.Text, []byte(peer.SleepRequest)))
			if err != nil {
				return nil, err
			}
			defer idle.Close()
			var sleeping sync.WaitGroup
			defer sleeping.Wait()
			sleeping.Go(func() { idle.Run(run.warm + run.time) })
		}
		if _, err := g.Times(run.warm); err != nil {
			return nil, err
		}
		times, err := g.Times(run.time)
		if err != nil {
			return nil, err
		}
		if len(times) == 0 {
			return nil, errors.New("there was no echo")
		}
		slices.Sort(times)
		micro := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
		return []float64{micro(times[len(times)/2]), micro(times[len(times)*99/100])}, nil
	}}
}
