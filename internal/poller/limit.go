package poller

import "sync"

// A Limit bounds how many tasks run at the same time. Those that have to wait take
// their turns in order. A nil Limit is none.
type Limit struct {
	max int

	mu      sync.Mutex
	running int
	waiting []*Task
}

// NewLimit returns a limit of n tasks.
func NewLimit(n int) *Limit { return &Limit{max: n} }

// acquire reports whether t may run. If not, it is run later.
func (l *Limit) acquire(t *Task) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running < l.max {
		l.running++
		return true
	}
	l.waiting = append(l.waiting, t)
	return false
}

// release ends the turn of a task that ran.
func (l *Limit) release() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.running--
		l.waiting = nil
		return
	}
	t := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	go t.work(true)
}
