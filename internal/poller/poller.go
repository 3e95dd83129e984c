// Package poller runs functions when sockets have become readable, without a
// goroutine for each socket.
//
// A poller has one goroutine, its leader, which waits for all its sockets and runs
// their functions itself, so that a quick function costs no switch between
// goroutines. A function that blocks, or takes long, loses its goroutine the lead:
// another one goes on with the other sockets. Such a task is run by a goroutine of
// its own from then on, until it has proved to be quick again.
package poller

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed23105783/websocket/internal/socket"
)

// patience is how often the watchdog looks: a function that it finds at work twice
// loses the lead.
const patience = time.Millisecond

// A poller waits for sockets. It ends with the last of them.
type poller struct {
	queue *socket.Queue

	// turn is odd while the leader runs a function. Whoever moves it on from there
	// has the lead: the leader, when the function has returned, or the watchdog.
	turn atomic.Uint64

	// The leader's: what is to be run, the last first; what is to be run again after
	// that; and ticks, when batch was filled.
	ready []socket.Ready
	batch []*Task
	again []*Task
	since uint32

	// Of the watchdog: whether its timer runs, how often it has looked, and what turn
	// was when it looked last.
	watching atomic.Bool
	ticks    atomic.Uint32
	timer    *time.Timer
	seen     uint64

	mu    sync.Mutex // guards the rest
	slots []slot
	free  []int32
	count int // of tasks
}

// A slot is where a poller finds the task of a key.
type slot struct {
	task       *Task
	generation uint32
}

// pollers has a poller for every two processors: the other half is for what the
// kernel does with what is read and written, for functions that take long, and for
// the rest of the program. They are made when they are needed.
var pollers struct {
	mu   sync.Mutex
	all  []*poller // nil where there is none
	last int       // the one that got a task last
}

// register adds a task to one of the pollers.
func register(t *Task, raw syscall.RawConn) error {
	pollers.mu.Lock()
	defer pollers.mu.Unlock()
	if pollers.all == nil {
		pollers.all = make([]*poller, max(1, runtime.GOMAXPROCS(0)/2))
	}
	i := (pollers.last + 1) % len(pollers.all)
	pollers.last = i
	p := pollers.all[i]
	if p == nil {
		queue, err := socket.NewQueue()
		if err != nil {
			return err
		}
		p = &poller{queue: queue}
		p.timer = time.AfterFunc(time.Hour, p.watch)
		p.timer.Stop()
		go p.lead()
		pollers.all[i] = p
	}
	t.poller = p
	t.key = p.add(t)
	if err := p.queue.Add(raw, t.key); err != nil {
		p.remove(t)
		p.endIfEmpty(i)
		return err
	}
	return nil
}

// unregister removes a task from its poller.
func unregister(t *Task, raw syscall.RawConn) {
	p := t.poller
	p.queue.Remove(raw) // it may be closed, which does the same
	if p.remove(t) > 0 {
		return
	}
	pollers.mu.Lock()
	defer pollers.mu.Unlock()
	for i, other := range pollers.all {
		if other == p {
			p.endIfEmpty(i)
		}
	}
}

// endIfEmpty ends a poller that has no tasks, with pollers.mu held.
func (p *poller) endIfEmpty(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == 0 {
		pollers.all[i] = nil
		p.queue.Close() // which ends the leader
	}
}

// add makes room for a task.
func (p *poller) add(t *Task) socket.Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		p.slots[i].task = t
		return socket.Key{Index: i, Generation: p.slots[i].generation}
	}
	p.slots = append(p.slots, slot{task: t})
	return socket.Key{Index: int32(len(p.slots) - 1)}
}

// remove forgets a task, and returns how many are left.
func (p *poller) remove(t *Task) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[t.key.Index]
	s.task = nil
	s.generation++
	p.free = append(p.free, t.key.Index)
	p.count--
	return p.count
}

// lead is the leader: it runs what becomes ready until it has lost the lead, or
// there are no tasks any more.
func (p *poller) lead() {
	for {
		t := p.take()
		if t == nil {
			return
		}
		if t.slow {
			go t.work(false)
			continue
		}
		limit := t.runner.Limit()
		if !limit.acquire(t) {
			continue
		}
		turn := p.begin()
		more := t.runOnce(limit)
		leads := p.turn.CompareAndSwap(turn, turn+1)
		limit.release()
		if !leads {
			t.slow, t.quick = true, 0
		}
		more = t.finish(more)
		switch {
		case leads && more:
			p.again = append(p.again, t)
		case !leads && more:
			t.work(false)
			return
		case !leads:
			return
		}
	}
}

// begin tells the watchdog that the leader begins to run a function.
func (p *poller) begin() (turn uint64) {
	turn = p.turn.Load() + 1
	p.turn.Store(turn)
	if !p.watching.Load() && p.watching.CompareAndSwap(false, true) {
		p.timer.Reset(patience)
	}
	return turn
}

// watch is the watchdog. It looks as long as there is something to do.
func (p *poller) watch() {
	p.ticks.Add(1)
	turn := p.turn.Load()
	switch {
	case turn != p.seen:
	case turn%2 == 1:
		if p.turn.CompareAndSwap(turn, turn+1) {
			go p.lead()
		}
	default:
		p.watching.Store(false)
		if p.turn.Load() == turn || !p.watching.CompareAndSwap(false, true) {
			return
		}
	}
	p.seen = turn
	p.timer.Reset(patience)
}

// take returns the next task to run, nil after the end.
func (p *poller) take() *Task {
	for len(p.batch) == 0 {
		if err := p.fetch(); err != nil {
			return nil
		}
	}
	if p.ticks.Load()-p.since >= 2 {
		p.share()
	}
	last := len(p.batch) - 1
	t := p.batch[last]
	p.batch[last] = nil
	p.batch = p.batch[:last]
	return t
}

// share leaves half of a batch that takes long to goroutines, which the other
// processors can run.
func (p *poller) share() {
	p.since = p.ticks.Load()
	half := len(p.batch) / 2
	for _, t := range p.batch[:half] {
		go t.work(false)
	}
	rest := copy(p.batch, p.batch[half:])
	clear(p.batch[rest:])
	p.batch = p.batch[:rest]
}

// fetch fills the batch. It waits if there is nothing to do.
func (p *poller) fetch() (err error) {
	if len(p.again) == 0 {
		p.ready, err = p.queue.Wait(p.ready[:0])
	} else {
		p.ready, err = p.queue.Poll(p.ready[:0])
	}
	if err != nil {
		return err
	}
	// The last to become readable is run first. A peer with many connections, which
	// waits for the answers in order, is woken once for all of them that way.
	p.batch, p.again = append(p.batch, p.again...), p.again[:0]
	p.since = p.ticks.Load()
	p.mu.Lock()
	for _, r := range p.ready {
		s := p.slots[r.Key.Index]
		if s.task != nil && s.generation == r.Key.Generation && s.task.signal(r.Hangup) {
			p.batch = append(p.batch, s.task)
		}
	}
	p.mu.Unlock()
	return nil
}
