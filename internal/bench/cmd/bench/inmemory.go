package main

import (
	"errors"
	"fmt"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// batch is how many messages are read or written between two looks at the
// clock.
const batch = 4096

// inMemory returns what reads or writes messages on a connection in memory.
func inMemory(codec *peer.Codec, r role) (func(stop func() bool) (int, error), error) {
	s := peer.NewStream(r.Message)
	read, write, err := codec.Open(s)
	if err != nil {
		return nil, err
	}
	do := read
	if r.Write {
		do = func(n int) error {
			before := s.Written
			for range n {
				if err := write(r.Message); err != nil {
					return err
				}
			}
			if s.Written < before+n*len(r.Message) {
				return errors.New("less was written than there was to write")
			}
			return nil
		}
	}
	return func(stop func() bool) (int, error) {
		for n := 0; ; n += batch {
			if stop() && n > 0 {
				return n, nil
			}
			if err := do(batch); err != nil {
				return n, err
			}
		}
	}, nil
}

// inMemoryScenarios measure reading and writing without sockets.
func inMemoryScenarios() []*scenario {
	var all []*scenario
	for _, write := range []bool{false, true} {
		verb, noun := "read", "Reading"
		if write {
			verb, noun = "write", "Writing"
		}
		for _, size := range []int{16, 128, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
			s := &scenario{
				name:  fmt.Sprintf("memory/%s/%s", verb, inName(size)),
				quick: size == 1<<10,
				metrics: []metric{
					{noun + " in memory, CPU", bytesName(size), "ns CPU/message", verb},
					{noun + " in memory, time", bytesName(size), "ns on the clock/message", ""},
					{noun + " in memory, allocations", bytesName(size), "allocations/message", ""},
				},
			}
			message := load.Payloads(load.Text, size, 1)[0]
			for _, c := range peer.Codecs() {
				if write && c.ReadsOnly {
					continue
				}
				s.columns = append(s.columns, column{c.Name, c.Ours, false, func(o options) ([]float64, error) {
					cost, n, err := repeated(role{Codec: c.Name, Message: message, Write: write, Profile: o.profile(c.Name)}, o)
					return []float64{1000 * each(cost.cpu, n), 1000 * each(cost.elapsed, n), float64(cost.mallocs) / float64(n)}, err
				}})
			}
			all = append(all, s)
		}
	}
	return all
}
