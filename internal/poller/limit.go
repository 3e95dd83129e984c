package poller

import "sync"

// A Limit bounds how many tasks run at the same time, and goroutines between Enter and
// Leave. Those that have to wait take their turns in order. A nil Limit is none.
type Limit struct {
	max int

	mu      sync.Mutex
	running int
	waiting []func() // each has a turn begin
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
	l.waiting = append(l.waiting, func() { go t.work(true) })
	return false
}

// Enter waits until the calling goroutine may run.
func (l *Limit) Enter() {
	if l == nil {
		return
	}
	l.mu.Lock()
	if l.running < l.max {
		l.running++
		l.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, func() { close(turn) })
	l.mu.Unlock()
	<-turn
}

// Leave ends the turn that Enter began.
func (l *Limit) Leave() { l.release() }

// release ends a turn, and begins that of who waits longest.
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
	begin := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	begin()
}
