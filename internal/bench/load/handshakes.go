package load

import (
	"sync"
	"sync/atomic"
	"time"
)

// perSource is how many connections come from one address. Those that are
// closed keep their ports in TIME_WAIT, and an address has 28,000 of them.
const perSource = 8000

// Handshakes opens connections, one after the other in each of a few
// goroutines, checks the answers, closes the connections, and returns how many
// there were.
func Handshakes(target Target, duration time.Duration) (int, error) {
	var total atomic.Int64
	errs := make([]error, workers)
	end := time.Now().Add(duration)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			for time.Now().Before(end) {
				from := target
				from.source = [4]byte{127, 0, 0, byte(2 + total.Load()/perSource%250)}
				c, err := from.Dial()
				if err != nil {
					errs[i] = err
					return
				}
				if err := c.closeOrderly(); err != nil {
					errs[i] = err
					return
				}
				total.Add(1)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return int(total.Load()), nil
}
