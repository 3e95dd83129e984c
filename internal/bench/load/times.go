package load

import "time"

// Times does one exchange after the other, on each worker, for the given time, and
// returns how long each took. The connections take turns.
func (g *Generator) Times(duration time.Duration) ([]time.Duration, error) {
	deadline := time.Now().Add(duration)
	results := make(chan []time.Duration, workers)
	_, err := g.split(func(conns []*Conn, _ int) (Count, error) {
		var times []time.Duration
		var buf []byte
		defer func() { results <- times }()
		for i := 0; time.Now().Before(deadline); i++ {
			c := conns[i%len(conns)]
			start := time.Now()
			if err := c.send(g.traffic.next(c)); err != nil {
				return Count{}, err
			}
			if _, err := g.traffic.receive(c, &buf); err != nil {
				return Count{}, err
			}
			times = append(times, time.Since(start))
		}
		return Count{}, nil
	})
	var all []time.Duration
	for len(results) > 0 {
		all = append(all, <-results...)
	}
	return all, err
}

// NewMessage returns the traffic of one message, which comes back as it is.
func NewMessage(opcode byte, payload []byte) *Echo {
	e := &Echo{depth: 1}
	for range variants {
		e.bursts = append(e.bursts, burst{AppendFrame(nil, fin|opcode, true, payload), AppendFrame(nil, fin|opcode, false, payload)})
	}
	return e
}
