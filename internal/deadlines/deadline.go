package deadlines

import (
	"sync"
	"time"
)

// A Deadline is one of the two of a stream: a time that can be changed until it
// passes, and afterwards. The zero value is none. A mutex of its owner guards it.
type Deadline struct {
	timer  *time.Timer
	passed bool
}

// Set sets d to t, the zero time for none. mu is the mutex that guards d; the
// caller does not hold it. changed is called with mu held, now and when t passes.
func (d *Deadline) Set(mu sync.Locker, t time.Time, changed func()) {
	mu.Lock()
	defer mu.Unlock()
	d.Stop()
	wait := time.Until(t)
	d.passed = !t.IsZero() && wait <= 0
	if !t.IsZero() && wait > 0 {
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() {
			mu.Lock()
			defer mu.Unlock()
			if d.timer == timer { // or else it was stopped too late
				d.passed = true
				changed()
			}
		})
		d.timer = timer
	}
	changed()
}

// Passed reports whether d has passed.
func (d *Deadline) Passed() bool { return d.passed }

// Stop keeps d from passing, if it has not.
func (d *Deadline) Stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
