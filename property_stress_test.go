package websocket

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A stressTest is the transport of a connection, and how it is used.
type stressTest struct {
	transport string
	client    bool
	slow      bool // the peer does not read for a while
	cut       bool // writes may end meanwhile, even inside a frame, which ends the connection
	started   bool // Conn.Start receives the messages
	writers   int
	duration  time.Duration
}

func (test stressTest) String() string {
	return fmt.Sprintf("%s/client=%v,slow=%v,cut=%v,started=%v", test.transport, test.client, test.slow, test.cut, test.started)
}

// stressTimeout is how long a closing handshake may take.
const stressTimeout = 20 * time.Second

// TestStress has many goroutines use a connection in all ways while messages are
// sent in both directions, until one of the ends comes. It checks that every message
// arrives whole and in the order of its writer, that all messages that were written
// before a closing handshake arrive and no others, that every error is a documented
// one, and that all goroutines come to an end. The race detector checks the rest.
func TestStress(t *testing.T) {
	for _, test := range []stressTest{{}, {client: true}, {slow: true}, {client: true, slow: true}, {slow: true, cut: true},
		{started: true}, {client: true, slow: true, started: true}} {
		test.transport, test.writers, test.duration = "pipe", 50, 2*time.Second // in a bubble
		for _, end := range stressEnds {
			t.Run(test.String()+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					left, right := wstest.Pipe(10_000, wstest.Random(1))
					newStressConn(t, test, left, right).run(end)
				})
			})
		}
	}
}

// TestStressOverSockets is TestStress over TCP, TLS and HTTP/2, in real time. TCP sockets
// are written to without waiting. The buffers are small, so that writes block while
// the peer does not read.
func TestStressOverSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("real time: an emulated processor may be too slow")
	}
	duration := 600 * time.Millisecond
	for _, test := range []stressTest{{}, {slow: true}, {slow: true, cut: true}, {started: true}, {slow: true, started: true}} {
		for _, client := range []bool{false, true} {
			test.client, test.writers, test.duration = client, 15, duration
			t.Run(test.String(), func(t *testing.T) {
				var all sync.WaitGroup
				defer all.Wait()
				for _, transport := range []string{"tcp", "tls", "http2"} {
					test := test
					test.transport = transport
					if test.started && transport == "tcp" && !client {
						test.transport = "detached"
					}
					for _, end := range stressEnds {
						all.Go(func() { // they sleep for the most part: t.Parallel would run too few of them
							t.Run(test.transport+"/"+end.name, func(t *testing.T) {
								left, right := stressSockets(t, test.transport)
								if test.transport == "http2" && !client {
									left, right = right, left
								}
								newStressConn(t, test, left, right).run(end)
							})
						})
					}
				}
			})
		}
	}
}

// stressSockets returns two ends of a connection whose socket buffers are small.
func stressSockets(t *testing.T, transport string) (left, right stream) {
	if transport == "http2" {
		return http2Streams(t)
	}
	a, b := socketPair(t)
	for _, c := range []*net.TCPConn{a, b} {
		require.NoError(t, c.SetReadBuffer(16<<10))
		require.NoError(t, c.SetWriteBuffer(16<<10))
	}
	switch transport {
	case "tcp":
		return a, b
	case "detached":
		return socket.Detach(a), b
	}
	return tlsPair(t, a, b)
}

// http2Streams returns a stream of HTTP/2 on both sides, that of the client first.
func http2Streams(t *testing.T) (client, server stream) {
	servers, ended := make(chan stream, 1), make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(Upgrader).Upgrade(w, r, nil)
		if assert.NoError(t, err) {
			servers <- c.transport.stream
			<-ended
		}
	}))
	s.Config.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(ended) })
	d := Dialer{HTTP2: &HTTP2{}, TLSClientConfig: clientTLSConfig(s)}
	t.Cleanup(d.CloseIdleConnections)
	c, _, err := d.Dial(s.URL, nil)
	require.NoError(t, err)
	return c.transport.stream, <-servers
}

// A stressConn is a connection that is used by many goroutines. The one at the other
// end reads all messages, and writes some.
type stressConn struct {
	stressTest
	t         *testing.T
	c, other  *Conn
	transport stream // of other
	prepared  *PreparedMessage
	group     Group
	start     time.Time
	all       sync.WaitGroup

	sent, read             stressRecord // the messages of c's writers
	theirsSent, theirsRead stressRecord // those of other's writer
}

func newStressConn(t *testing.T, test stressTest, left, right stream) *stressConn {
	pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
	require.NoError(t, err)
	a := agreements()["bits=12,noTakeover=false"]
	c := newConn(left, connConfig{client: test.client, agreement: a, writeBufferSize: minBuffer, url: "ws://x/"})
	s := &stressConn{
		stressTest: test, t: t, c: withKeepAlive(c, KeepAlive{Interval: 20 * time.Millisecond}),
		other: newConn(right, connConfig{client: !test.client, agreement: a}), transport: right,
		prepared: pm, group: Group{Slow: SlowDrop}, start: time.Now(),
	}
	s.group.Add(s.c)
	return s
}

// A stressRecord has the numbers of messages by writer.
type stressRecord struct {
	mu      sync.Mutex
	numbers map[string][]int
}

// add records the n-th message of a writer if err is nil, and returns err.
func (l *stressRecord) add(kind string, r *rand.Rand, n int, err error) error {
	if err == nil {
		l.append(fmt.Sprintf("%s %p", kind, r), n)
	}
	return err
}

// addMessage checks and records a message that was read if err is nil, and returns
// err.
func (l *stressRecord) addMessage(t *testing.T, data []byte, err error) error {
	if parts := strings.SplitN(string(data), " ", 4); err == nil && len(parts) == 4 { // neither JSON nor prepared
		n, err := strconv.Atoi(parts[2])
		assert.NoError(t, err)
		assert.True(t, strings.HasPrefix(longText, parts[3]), "the message is whole")
		l.append(parts[0]+" "+parts[1], n)
	}
	return err
}

func (l *stressRecord) append(writer string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.numbers == nil {
		l.numbers = make(map[string][]int)
	}
	l.numbers[writer] = append(l.numbers[writer], n)
}

// some reports whether there are messages.
func (l *stressRecord) some() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.numbers) > 0
}

// stressPause returns some milliseconds.
func stressPause(r *rand.Rand) time.Duration { return time.Duration(1+r.IntN(90)) * time.Millisecond }

// writeLimit returns how long a write may take.
func (s *stressConn) writeLimit(r *rand.Rand) time.Duration {
	if (s.slow || s.stressTest.transport != "pipe") && !s.cut {
		// Longer than the peer does not read, and longer than a busy machine takes.
		return stressTimeout
	}
	return stressPause(r)
}

// stressMessage returns the n-th message of a writer, of any length.
func stressMessage(r *rand.Rand, kind string, n int) []byte {
	return fmt.Appendf(nil, "%s %p %d %s", kind, r, n, longText[:r.IntN(1000)*r.IntN(10)])
}

func (s *stressConn) run(end stressEnd) {
	if s.started {
		s.startReading()
	}
	for id := range s.writers {
		s.loop(id, func(r *rand.Rand, n int) error { return stressActions[r.IntN(len(stressActions))].do(s, r, n) })
	}
	s.loop(100, s.stream) // only one goroutine may use NextWriter
	s.loop(101, func(*rand.Rand, int) error {
		if s.started {
			<-s.c.Done()
			return net.ErrClosed
		}
		_, data, err := s.c.ReadMessage()
		if err != nil {
			s.c.SetReadDeadline(time.Time{}) // the other goroutines may wait for this one
		}
		closeUnanswered(s.c)
		return s.theirsRead.addMessage(s.t, data, err)
	})
	s.loop(102, func(r *rand.Rand, n int) error {
		return s.theirsSent.add("m", r, n, s.other.WriteMessage(TextMessage, stressMessage(r, "m", n)))
	})
	s.all.Go(s.readAll)
	time.Sleep(s.duration)
	if !s.cut {
		wstest.Settle(s.t, "messages in both directions", func() bool { return s.read.some() && s.theirsRead.some() })
	}
	end.end(s)
	end.clean = end.clean && !s.cut
	timeout := time.Second
	if end.clean {
		timeout = stressTimeout
	}
	for _, c := range []*Conn{s.c, s.other} {
		select {
		case <-c.Done():
		case <-time.After(timeout):
			assert.False(s.t, end.clean, "the connection has not ended")
		}
	}
	end.clean = end.clean && !isUnanswered(s.c) && !isUnanswered(s.other)
	s.c.Close()
	s.other.Close()
	s.all.Wait()
	s.check(end)
}

// isUnanswered reports whether the peer's close frame could not be answered in time, on a
// busy machine.
func isUnanswered(c *Conn) bool { return c.closing.has(closeHandled) && !c.closing.has(closeSending) }

// closeUnanswered closes a connection whose closing handshake will not be completed.
func closeUnanswered(c *Conn) {
	if isUnanswered(c) {
		c.Close()
	}
}

// startReading has the messages received by Conn.Start.
func (s *stressConn) startReading() {
	s.all.Add(1)
	err := s.c.Start(Events{
		ReuseData: true,
		Message:   func(_ *Conn, m Message) { s.theirsRead.addMessage(s.t, m.Data, nil) },
		Error: func(_ *Conn, err error) {
			assert.ErrorIs(s.t, err, net.ErrClosed)
		},
		Close: func(*Conn, CloseInfo) { s.all.Done() },
	})
	assert.NoError(s.t, err)
}

// check checks the connection after all goroutines have ended.
func (s *stressConn) check(end stressEnd) {
	assert.Equal(s.t, StateClosed, s.c.State())
	wstest.Settle(s.t, "no lock is held", func() bool { // a goroutine that writes what is queued may be about to end
		return s.c.read.lock.IsFree() && s.c.write.lock.IsFree() && s.c.write.frames.lock.IsFree()
	})
	for writer, numbers := range s.read.numbers {
		assert.True(s.t, isIncreasing(numbers), "%s: the order of the writer: %v", writer, numbers)
		if end.clean && writer[0] != 'q' { // Send does not wait until a message is written
			assert.Equal(s.t, s.sent.numbers[writer], numbers, writer)
		}
	}
	if end.clean {
		assert.True(s.t, s.c.CloseInfo().WasClean)
		for writer, numbers := range s.sent.numbers {
			assert.Len(s.t, s.read.numbers[writer], len(numbers), writer)
		}
	}
	for writer, numbers := range s.theirsRead.numbers {
		slices.Sort(numbers) // several goroutines read them
		assert.True(s.t, isIncreasing(numbers), "each message is read once: %v", numbers)
		if end.clean && end.theirs {
			assert.Equal(s.t, s.theirsSent.numbers[writer], numbers)
		}
	}
}

func isIncreasing(numbers []int) bool {
	for i := range numbers {
		if i > 0 && numbers[i] <= numbers[i-1] {
			return false
		}
	}
	return true
}

// loop does something until the connection ends.
func (s *stressConn) loop(id int, do func(r *rand.Rand, n int) error) {
	s.all.Go(func() {
		r := rand.New(rand.NewPCG(uint64(id), 1))
		for n := 1; ; n++ {
			err := do(r, n)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			assert.True(s.t, err == nil || isTimeout(err), "%T %v", err, err)
			time.Sleep(stressPause(r))
		}
	})
}

// readAll reads the messages at the other end. A slow peer reads nothing for a third of
// the time.
func (s *stressConn) readAll() {
	for slow := s.slow; ; {
		if slow && time.Since(s.start) > s.duration/3 {
			time.Sleep(s.duration / 3)
			slow = false
		}
		_, data, err := s.other.ReadMessage()
		if s.read.addMessage(s.t, data, err) != nil {
			_, violated := errors.AsType[*ProtocolError](err)
			assert.False(s.t, violated, err)
			closeUnanswered(s.other)
			return
		}
	}
}
