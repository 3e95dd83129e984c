package poller

import "sync"

// A Limit bounds how many tasks run at the same time. Those that have to wait take
// their turns in order. A nil Limit is none.
type Limit struct {
	max int

	mu          sync.Mutex
	running     int
	first, last *Task // the queue
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
	if l.last == nil {
		l.first = t
	} else {
		l.last.next = t
	}
	l.last = t
	return false
}

// release ends the turn of a task that ran.
func (l *Limit) release() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.first
	if t == nil {
		l.running--
		return
	}
	l.first, t.next = t.next, nil
	if l.first == nil {
		l.last = nil
	}
	go t.work(true)
}
