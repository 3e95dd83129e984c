package websocket

import (
	"runtime"
	"sync/atomic"
)

// A lock is a mutex that a waiter can give up: the one lock that a context or
// a deadline can be put to. It is handed over in the order of arrival, and
// costs one atomic operation each way while nobody waits.
type lock struct {
	// users counts the holder, real or to be, and those who wait.
	users atomic.Int32

	// turn carries the lock from one who leaves it to one who waits.
	turn lazyChannel
}

// acquire takes the lock and returns true, or returns false when one of the
// channels is closed first. A nil channel never is.
func (l *lock) acquire(giveUp, over <-chan struct{}) bool {
	if l.users.Add(1) == 1 {
		return true
	}
	turn := l.turn.get(1)
	select {
	case <-turn:
		return true
	case <-giveUp:
	case <-over:
	}
	// We stay counted until it is certain that the turn is not ours: to a lock
	// that looks free and has a turn in the channel two could come at once.
	for {
		users := l.users.Load()
		if users > 1 {
			if l.users.CompareAndSwap(users, users-1) {
				return false // the holder is still there, or one who waits
			}
			continue
		}
		// The holder has left and made the turn ours, or is about to.
		select {
		case <-turn:
			l.release()
			return false
		default:
			runtime.Gosched()
		}
	}
}

// tryAcquire takes the lock if it is free.
func (l *lock) tryAcquire() bool { return l.users.CompareAndSwap(0, 1) }

// isFree reports whether nobody holds the lock.
func (l *lock) isFree() bool { return l.users.Load() == 0 }

// release leaves the lock to the next in line.
func (l *lock) release() {
	if l.users.Add(-1) > 0 {
		l.turn.get(1) <- struct{}{}
	}
}
