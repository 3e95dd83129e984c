// Package lock has a mutex that a waiter can give up.
package lock

import (
	"runtime"
	"sync/atomic"
)

// A Mutex is a lock whose waiters can give up, because of a context or a
// deadline. It is handed over in the order of arrival, and costs one atomic
// operation each way while nobody waits. Its zero value is free.
type Mutex struct {
	// users counts the holder, real or to be, and the waiters.
	users atomic.Int32

	// turn carries the lock from the goroutine that releases it to one that waits.
	turn Chan
}

// Acquire takes the lock and returns true, or returns false when one of the
// channels is closed first. A nil channel never is.
func (m *Mutex) Acquire(giveUp, over <-chan struct{}) bool {
	if m.users.Add(1) == 1 {
		return true
	}
	turn := m.turn.Get(1)
	select {
	case <-turn:
		return true
	case <-giveUp:
	case <-over:
	}
	// We stay counted until it is certain that the turn is not ours: a lock that
	// looks free and has a turn in its channel would let two in at once.
	for {
		users := m.users.Load()
		if users > 1 {
			if m.users.CompareAndSwap(users, users-1) {
				return false // the holder is still there, or another waiter
			}
			continue
		}
		// The holder has left and made the turn ours, or is about to.
		select {
		case <-turn:
			m.Release()
			return false
		default:
			runtime.Gosched()
		}
	}
}

// TryAcquire takes the lock if it is free, and reports whether it did.
func (m *Mutex) TryAcquire() bool { return m.users.CompareAndSwap(0, 1) }

// IsFree reports whether nobody holds the lock.
func (m *Mutex) IsFree() bool { return m.users.Load() == 0 }

// HasWaiters reports whether somebody waits for the lock.
func (m *Mutex) HasWaiters() bool { return m.users.Load() > 1 }

// Release hands the lock to the next waiter.
func (m *Mutex) Release() {
	if m.users.Add(-1) > 0 {
		m.turn.Get(1) <- struct{}{}
	}
}
