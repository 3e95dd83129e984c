package websocket

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLockIsHandedOverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lock
		require.True(t, l.tryAcquire())
		require.False(t, l.tryAcquire())
		var order []int
		for i := range 5 {
			go func() {
				l.acquire(nil, nil)
				order = append(order, i)
				l.release()
			}()
			synctest.Wait()
		}
		l.release()
		synctest.Wait()
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
		require.True(t, l.tryAcquire())
	})
}

func TestLockCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lock
		l.acquire(nil, nil)
		giveUp := make(chan struct{})
		outcome := make(chan bool)
		go func() { outcome <- l.acquire(giveUp, nil) }()
		go func() { outcome <- l.acquire(nil, giveUp) }()
		synctest.Wait()
		close(giveUp)
		require.False(t, <-outcome)
		require.False(t, <-outcome)
		l.release()
		require.True(t, l.tryAcquire(), "nobody holds it")
	})
}

// TestLockUnderStress has holders, waiters and quitters at work: there is one
// holder at a time, and at the end none.
func TestLockUnderStress(t *testing.T) {
	var l lock
	held, total := 0, 0
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			for j := range 2000 {
				var giveUp chan struct{}
				if (i+j)%3 == 0 {
					giveUp = make(chan struct{})
					time.AfterFunc(time.Duration(j%5)*time.Microsecond, func() { close(giveUp) })
				}
				if l.acquire(giveUp, nil) {
					held++
					total++
					if held != 1 {
						t.Error("two holders")
					}
					held--
					l.release()
				}
			}
		})
	}
	done.Wait()
	require.Greater(t, total, 8*2000/2)
	require.Zero(t, l.users.Load())
	require.Empty(t, l.turn.get(1))
}
