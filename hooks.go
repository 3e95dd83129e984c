package websocket

import "sync/atomic"

// hooks are functions to be called once, the last that was added first.
type hooks struct{ last atomic.Pointer[hook] }

// A hook does not change. Its owner, if it has one, can remove it.
type hook struct {
	call   func()
	owner  any
	before *hook
}

// called stands for hooks that have been called.
var called hook

// add adds a hook, or returns false if they have been called.
func (h *hooks) add(owner any, f func()) bool {
	for {
		last := h.last.Load()
		if last == &called {
			return false
		}
		if h.last.CompareAndSwap(last, &hook{f, owner, last}) {
			return true
		}
	}
}

// remove removes the hooks of an owner, unless they have been called.
func (h *hooks) remove(owner any) {
	for {
		last := h.last.Load()
		if last == &called || h.last.CompareAndSwap(last, last.without(owner)) {
			return
		}
	}
}

// without returns k and those before it but for the ones of an owner. What
// has to change is copied.
func (k *hook) without(owner any) *hook {
	if k == nil {
		return nil
	}
	before := k.before.without(owner)
	switch {
	case k.owner == owner:
		return before
	case before == k.before:
		return k
	}
	return &hook{k.call, k.owner, before}
}

func (h *hooks) run() {
	for last := h.last.Swap(&called); last != nil && last != &called; last = last.before {
		last.call()
	}
}
