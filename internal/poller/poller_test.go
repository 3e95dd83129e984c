package poller

import (
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// A testTask reads what comes on a socket and calls function for each byte.
type testTask struct {
	Task
	t        *testing.T
	conn     net.Conn
	raw      syscall.RawConn
	limit    *Limit
	function func(b byte)
	runs     atomic.Int32
	ended    chan struct{}
	running  atomic.Bool
	perRun   int // bytes, if not as many as there are
}

func (t *testTask) Limit() *Limit { return t.limit }

func (t *testTask) Run(hangup bool) (more bool) {
	if !t.running.CompareAndSwap(false, true) {
		t.t.Error("two calls of Run at the same time")
	}
	defer t.running.Store(false)
	t.runs.Add(1)
	buf := make([]byte, 100)
	if t.perRun > 0 {
		buf = buf[:t.perRun]
	}
	for {
		n, err := socket.TryRead(t.raw, t.conn, buf)
		if err != nil {
			t.conn.Close()
			t.Stop(t.raw)
			close(t.ended)
			return false
		}
		for _, b := range buf[:n] {
			t.function(b)
		}
		if n == 0 || t.perRun > 0 {
			return n > 0
		}
	}
}

// start starts a task for a new connection, and returns it and the other end.
func start(t *testing.T, task *testTask) (*testTask, net.Conn) {
	t.Helper()
	if !Supported() {
		t.Skip("there are no pollers here")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	other, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	conn, err := l.Accept()
	require.NoError(t, err)
	task.t, task.conn, task.ended = t, conn, make(chan struct{})
	task.raw = socket.Raw(conn)
	require.NoError(t, task.Register(task.raw, task))
	task.Start()
	t.Cleanup(func() {
		other.Close()
		<-task.ended
	})
	return task, other
}

// countPollers returns how many pollers there are.
func countPollers() (n int) {
	pollers.mu.Lock()
	defer pollers.mu.Unlock()
	for _, p := range pollers.all {
		if p != nil {
			n++
		}
	}
	return n
}

// TestTasks: each gets what is its own, in order, and the pollers end with the last.
func TestTasks(t *testing.T) {
	t.Run("", func(t *testing.T) {
		for i := range byte(50) {
			got := make(chan byte, 100)
			_, other := start(t, &testTask{function: func(b byte) { got <- b }})
			for range 3 {
				other.Write([]byte{i, i + 1})
				require.Equal(t, i, <-got)
				require.Equal(t, i+1, <-got)
			}
		}
		require.NotZero(t, countPollers())
	})
	require.Zero(t, countPollers())
}

// TestBlockedTask: a function that blocks holds up no other task, and its own goes on
// after that.
func TestBlockedTask(t *testing.T) {
	release, blocked := make(chan struct{}), make(chan struct{}, 10)
	var quickCalls atomic.Int32
	others := make([]net.Conn, 4)
	for i := range others {
		_, others[i] = start(t, &testTask{function: func(b byte) {
			if b == 'b' {
				blocked <- struct{}{}
				<-release
			} else {
				quickCalls.Add(1)
			}
		}})
		others[i].Write([]byte("b"))
	}
	for range others {
		<-blocked
	}
	got := make(chan byte, 10)
	_, quick := start(t, &testTask{function: func(b byte) { got <- b }})
	for i := range byte(100) {
		quick.Write([]byte{i})
		require.Equal(t, i, <-got)
	}
	close(release)
	for _, other := range others {
		for range 5 * quickRuns {
			calls := quickCalls.Load()
			other.Write([]byte("q"))
			wstest.Settle(t, "a call", func() bool { return quickCalls.Load() > calls })
		}
	}
}

// TestGoexit: a task whose function ends its goroutine runs again, others do too, and its
// limit does not count it any more.
func TestGoexit(t *testing.T) {
	limit := NewLimit(1)
	got := make(chan byte, 1)
	for slow := range 2 {
		_, other := start(t, &testTask{limit: limit, perRun: 1, function: func(b byte) {
			if b == 'x' {
				time.Sleep(time.Duration(slow) * 5 * patience) // until another one leads
				runtime.Goexit()
			}
			got <- b
		}})
		for range 20 {
			other.Write([]byte("x"))
			other.Write([]byte("a"))
			require.Equal(t, byte('a'), <-got)
		}
	}
}

// TestWake runs a task whose socket has nothing, once or more, and not after its end.
func TestWake(t *testing.T) {
	task, other := start(t, &testTask{function: func(byte) {}})
	for range 10 {
		runs := task.runs.Load()
		task.Wake()
		wstest.Settle(t, "a run", func() bool { return task.runs.Load() > runs })
	}
	other.Close()
	<-task.ended
	runs := task.runs.Load()
	task.Wake()
	time.Sleep(5 * time.Millisecond)
	require.Equal(t, runs, task.runs.Load())
}

// TestTurns: tasks that have more to do let others have their turns.
func TestTurns(t *testing.T) {
	var greedy atomic.Int32
	_, other := start(t, &testTask{perRun: 1, function: func(byte) {
		greedy.Add(1)
		time.Sleep(10 * time.Microsecond)
	}})
	other.Write(make([]byte, 2_000))
	got := make(chan byte, 1)
	_, modest := start(t, &testTask{function: func(b byte) { got <- b }})
	for i := range byte(10) {
		modest.Write([]byte{i})
		require.Equal(t, i, <-got)
	}
	require.Less(t, greedy.Load(), int32(2_000), "there was more to do all the time")
	wstest.Settle(t, "all of it", func() bool { return greedy.Load() == 2_000 })
}

// TestShare: a batch that takes long is run by several goroutines.
func TestShare(t *testing.T) {
	const n = 64
	var running, most, done atomic.Int32
	var others []net.Conn
	for range n {
		_, other := start(t, &testTask{function: func(byte) {
			now := running.Add(1)
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			for begun := time.Now(); time.Since(begun) < 500*time.Microsecond; {
			}
			running.Add(-1)
			done.Add(1)
		}})
		others = append(others, other)
	}
	for round := range int32(5) {
		for _, other := range others {
			other.Write([]byte("x"))
		}
		wstest.Settle(t, "all of them", func() bool { return done.Load() == n*(round+1) })
	}
	t.Log("at the same time: ", most.Load())
}

// TestLimit: as many tasks and goroutines run as may, and all of them do in the end.
func TestLimit(t *testing.T) {
	limit := NewLimit(2)
	var running, most, calls atomic.Int32
	var others []net.Conn
	call := func(byte) {
		now := running.Add(1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		time.Sleep(100 * time.Microsecond)
		running.Add(-1)
		calls.Add(1)
	}
	for range 20 {
		_, other := start(t, &testTask{limit: limit, function: call})
		others = append(others, other)
	}
	for range 20 {
		go func() {
			for range 20 {
				limit.Enter()
				call(0)
				limit.Leave()
			}
		}()
	}
	for range 20 {
		for _, other := range others {
			other.Write([]byte("x"))
		}
	}
	wstest.Settle(t, "all calls", func() bool { return calls.Load() == 800 })
	require.LessOrEqual(t, most.Load(), int32(2))
	require.Equal(t, int32(2), most.Load(), "both places are used")
}

// TestStorm starts and ends tasks, whose descriptors and keys are used again at once.
func TestStorm(t *testing.T) {
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for i := range 50 {
				id := byte(w*50 + i)
				t.Run("", func(t *testing.T) {
					got := make(chan byte, 10)
					_, other := start(t, &testTask{function: func(b byte) { got <- b }})
					other.Write([]byte{id, id})
					if i%3 > 0 {
						if b := <-got; b != id {
							t.Errorf("%d is of another task than %d", b, id)
						}
					}
				})
			}
		})
	}
	workers.Wait()
	require.Zero(t, countPollers())
}
