package lock

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMutexIsHandedOverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Mutex
		require.True(t, l.TryAcquire())
		require.False(t, l.TryAcquire())
		var order []int
		for i := range 5 {
			go func() {
				l.Acquire(nil, nil)
				order = append(order, i)
				l.Release()
			}()
			synctest.Wait()
		}
		l.Release()
		synctest.Wait()
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
		require.True(t, l.TryAcquire())
	})
}

func TestMutexCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Mutex
		l.Acquire(nil, nil)
		giveUp := make(chan struct{})
		outcome := make(chan bool)
		go func() { outcome <- l.Acquire(giveUp, nil) }()
		go func() { outcome <- l.Acquire(nil, giveUp) }()
		synctest.Wait()
		close(giveUp)
		require.False(t, <-outcome)
		require.False(t, <-outcome)
		l.Release()
		require.True(t, l.TryAcquire(), "nobody holds it")
	})
}

// TestMutexUnderStress has holders and waiters of which some give up: there is one
// holder at a time, and at the end none.
func TestMutexUnderStress(t *testing.T) {
	var l Mutex
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
				if l.Acquire(giveUp, nil) {
					held++
					total++
					if held != 1 {
						t.Error("two holders")
					}
					held--
					l.Release()
				}
			}
		})
	}
	done.Wait()
	require.Greater(t, total, 8*2000/2)
	require.Zero(t, l.users.Load())
	require.Empty(t, l.turn.Get(1))
}
