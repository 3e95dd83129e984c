package poller

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed23105783/websocket/internal/socket"
)

// Supported reports whether there are pollers on this system.
func Supported() bool { return socket.CanQueue() }

// A Runner does what there is to do for a socket.
type Runner interface {
	// Run is called when the socket may have become readable, and after Wake.
	// There is one call at a time. It must read until nothing is left, or report
	// that there is more to do. hangup says that the peer has closed its side: only
	// reading the end tells that all has been read.
	Run(hangup bool) (more bool)

	// Limit returns what bounds how many tasks run at the same time, nil for nothing.
	Limit() *Limit
}

// A Task is what a poller runs for one socket. Its zero value has not been started.
type Task struct {
	runner Runner
	poller *poller
	key    socket.Key
	state  atomic.Uint32

	// Whoever runs the task has these: whether it has a goroutine of its own when it
	// runs, and how often in a row it would not have needed that.
	slow  bool
	quick uint8
}

// The state of a task.
const (
	running = 1 << iota // somebody runs it, or will
	pending             // it is to be run (again)
	hangup              // Runner.Run is told so from now on
	stopped             // it does not run any more
)

// Register has a task run, after Start, when the socket raw becomes readable. Without
// a socket it runs only when Wake is called.
func (t *Task) Register(raw syscall.RawConn, r Runner) error {
	t.runner = r
	t.state.Store(running) // by Start
	if raw == nil {
		return nil
	}
	return register(t, raw)
}

// Start has a task run for the first time.
func (t *Task) Start() { go t.work(false) }

// Stop ends a task. Only its Runner may call it, within Run.
func (t *Task) Stop(raw syscall.RawConn) {
	t.state.Or(stopped)
	if t.poller != nil {
		unregister(t, raw)
	}
}

// Wake has the task run although its socket may not be readable.
func (t *Task) Wake() {
	if t.signal(false) {
		go t.work(false)
	}
}

// signal notes that there is something to do. If it returns true the caller has to
// run the task.
func (t *Task) signal(hungUp bool) bool {
	bits := uint32(running | pending)
	if hungUp {
		bits |= hangup
	}
	before := t.state.Or(bits)
	return before&(running|stopped) == 0
}

// runOnce runs the task once, and reports whether there is more to do. limit counts it.
func (t *Task) runOnce(limit *Limit) (more bool) {
	before := t.state.And(^uint32(pending))
	returns := false
	defer func() {
		if !returns { // runtime.Goexit was called, and this goroutine ends
			limit.release()
			if t.finish(true) {
				go t.work(false)
			}
		}
	}()
	more = t.runner.Run(before&hangup != 0)
	returns = true
	return more
}

// finish ends the run of a task unless it has to run again, which it reports.
func (t *Task) finish(more bool) bool {
	for {
		s := t.state.Load()
		switch {
		case s&stopped != 0:
			return false
		case more || s&pending != 0:
			return true
		case t.state.CompareAndSwap(s, s&^running):
			return false
		}
	}
}

// A task that has a goroutine of its own loses it after enough quick runs.
const (
	quickRun  = 100 * time.Microsecond
	quickRuns = 16
)

// work runs a task until there is nothing to do. counted says that its limit
// counts it already.
func (t *Task) work(counted bool) {
	limit := t.runner.Limit()
	for {
		if !counted && !limit.acquire(t) {
			return
		}
		start := time.Now()
		more := t.runOnce(limit)
		if took := time.Since(start); t.slow && took < quickRun {
			t.quick++
			t.slow = t.quick < quickRuns
		} else if took >= patience {
			t.slow, t.quick = true, 0
		}
		limit.release()
		if !t.finish(more) {
			return
		}
		runtime.Gosched() // for those that wait
		counted = false
	}
}
