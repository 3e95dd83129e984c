package websocket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

const (
	stressWriters = 50
	stressTime    = 2 * time.Second // in a bubble
)

// stressActions are what goroutines do with a connection at random, any number
// of them at the same time. n counts those of a goroutine.
var stressActions = []struct {
	name string
	do   func(s *stressConn, r *rand.Rand, n int) error
}{
	{"WriteMessage", func(s *stressConn, r *rand.Rand, n int) error {
		return s.c.WriteMessage(TextMessage, stressMessage(r, "m", n))
	}},
	{"WriteMessageContext", func(s *stressConn, r *rand.Rand, n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), stressPause(r))
		defer cancel()
		return s.c.WriteMessageContext(ctx, BinaryMessage, stressMessage(r, "c", n))
	}},
	{"WritePreparedMessage", func(s *stressConn, r *rand.Rand, n int) error { return s.c.WritePreparedMessage(s.prepared) }},
	{"WriteControl", func(s *stressConn, r *rand.Rand, n int) error {
		return s.c.WriteControl(PingMessage+r.IntN(2), []byte("control"), time.Now().Add(stressPause(r)))
	}},
	{"Send", func(s *stressConn, r *rand.Rand, n int) error { return s.c.Send(TextMessage, stressMessage(r, "q", n)) }},
	{"Ping", func(s *stressConn, r *rand.Rand, n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), stressPause(r))
		defer cancel()
		_, err := s.c.Ping(ctx)
		return err
	}},
	{"Broadcast", func(s *stressConn, r *rand.Rand, n int) error { s.group.Broadcast(s.prepared); return nil }},
	{"WriteJSON", func(s *stressConn, r *rand.Rand, n int) error { return s.c.WriteJSON(n) }},
	{"SetReadDeadline", func(s *stressConn, r *rand.Rand, n int) error {
		return s.c.SetReadDeadline(time.Now().Add(stressPause(r) - time.Millisecond))
	}},
	{"no deadline", func(s *stressConn, r *rand.Rand, n int) error {
		return errors.Join(s.c.SetReadDeadline(time.Time{}), s.c.SetWriteDeadline(time.Time{}))
	}},
	{"SetWriteDeadline", func(s *stressConn, r *rand.Rand, n int) error {
		return s.c.SetWriteDeadline(time.Now().Add(stressTime / 10))
	}},
	{"settings", func(s *stressConn, r *rand.Rand, n int) error {
		s.c.EnableWriteCompression(n%2 == 0)
		s.c.SetReadLimit(DefaultReadLimit + int64(n))
		return s.c.SetCompressionLevel(n%12 - 2)
	}},
	{"handlers", func(s *stressConn, r *rand.Rand, n int) error {
		s.c.SetPingHandler(s.c.PingHandler())
		s.c.SetPongHandler(nil)
		s.c.SetCloseHandler(nil)
		return nil
	}},
	{"accessors", func(s *stressConn, r *rand.Rand, n int) error {
		_ = fmt.Sprint(s.c.State(), s.c.URL(), s.c.Subprotocol(), s.c.Extensions(), s.c.RemoteAddr())
		return nil
	}},
	{"read", func(s *stressConn, r *rand.Rand, n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), stressPause(r))
		defer cancel()
		_, _, err := s.c.ReadMessageContext(ctx)
		return err
	}},
}

// stressEnds are the ways in which it ends.
var stressEnds = map[string]func(s *stressConn){
	"Close":       func(s *stressConn) { s.c.Close() },
	"Close twice": func(s *stressConn) { go s.c.Close(); s.c.Close() },
	"Shutdown": func(s *stressConn) {
		ctx, cancel := context.WithTimeout(context.Background(), stressTime)
		defer cancel()
		go s.c.Shutdown(ctx, CloseGoingAway, "")
		s.group.Shutdown(ctx, CloseGoingAway, "")
	},
	"peer's Close":     func(s *stressConn) { s.other.Close() },
	"CloseMessage":     func(s *stressConn) { s.c.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, "")) },
	"peer's goodbye":   func(s *stressConn) { s.other.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, "")) },
	"both say goodbye": func(s *stressConn) { go s.other.WriteMessage(CloseMessage, nil); s.c.WriteMessage(CloseMessage, nil) },
	"a violation":      func(s *stressConn) { s.pipe.Write([]byte("no frame, or hardly one")) },
}

// TestStress has fifty goroutines use a connection in all ways while messages
// go both ways, until one of the ends comes. Under the race detector it shows
// that they may; without it, that every message arrives whole and in its
// writer's order, that every error is one of those that are documented, and
// that all come to an end.
func TestStress(t *testing.T) {
	for name, end := range stressEnds {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/client=%v", name, client), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { newStressConn(t, client, agreements()["bits=12,noTakeover=false"]).run(end) })
			})
		}
	}
}

// A stressed connection has another at its other end, which only watches.
type stressConn struct {
	t        *testing.T
	c, other *Conn
	pipe     *wstest.Conn // other's
	prepared *PreparedMessage
	group    Group
	all      sync.WaitGroup

	last map[string]int // of each writer, what other has received
	seen int
}

func newStressConn(t *testing.T, client bool, a agreement) *stressConn {
	left, right := wstest.Pipe(10_000, wstest.Random(1))
	pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
	require.NoError(t, err)
	s := &stressConn{
		t: t, c: withKeepAlive(newConn(left, connConfig{client: client, agreement: a, writeBufferSize: minBuffer, url: "ws://x/"}), KeepAlive{Interval: 20 * time.Millisecond}), pipe: right,
		other: newConn(right, connConfig{client: !client, agreement: a}), prepared: pm, last: make(map[string]int),
	}
	s.group.Add(s.c)
	return s
}

// stressPause returns some milliseconds.
func stressPause(r *rand.Rand) time.Duration { return time.Duration(1+r.IntN(90)) * time.Millisecond }

// stressMessage returns the n-th message of a writer, of any length.
func stressMessage(r *rand.Rand, kind string, n int) []byte {
	return fmt.Appendf(nil, "%s %p %d %s", kind, r, n, longText[:r.IntN(1000)*r.IntN(10)])
}

func (s *stressConn) run(end func(*stressConn)) {
	for id := range stressWriters {
		s.loop(id, func(r *rand.Rand, n int) error { return stressActions[r.IntN(len(stressActions))].do(s, r, n) })
	}
	s.loop(100, s.stream) // NextWriter wants one goroutine
	s.loop(101, func(*rand.Rand, int) error { _, _, err := s.c.ReadMessage(); return err })
	s.loop(102, func(r *rand.Rand, n int) error { return s.other.WriteMessage(TextMessage, stressMessage(r, "m", n)) })
	s.all.Go(s.readAll)
	time.Sleep(stressTime)
	end(s)
	time.Sleep(time.Second) // for a goodbye
	s.c.Close()
	s.other.Close()
	s.all.Wait()
	assert.Equal(s.t, StateClosed, s.c.State())
	assert.Greater(s.t, s.seen, stressWriters)
	assert.False(s.t, !s.c.read.lock.IsFree() || !s.c.write.lock.IsFree() || !s.c.write.frames.lock.IsFree(), "no lock is held")
}

// loop does something until the connection is over.
func (s *stressConn) loop(id int, do func(r *rand.Rand, n int) error) {
	s.all.Go(func() {
		r := rand.New(rand.NewPCG(uint64(id), 1))
		for n := 1; ; n++ {
			err := do(r, n)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			timeout, ok := errors.AsType[net.Error](err)
			assert.True(s.t, err == nil || ok && timeout.Timeout(), "%T %v", err, err)
			time.Sleep(stressPause(r))
		}
	})
}

// stream writes a message in fragments.
func (s *stressConn) stream(r *rand.Rand, n int) error {
	w, err := s.c.NextWriter(TextMessage)
	if err != nil {
		return err
	}
	for rest := stressMessage(r, "s", n); len(rest) > 0; {
		piece, err := w.Write(rest[:min(len(rest), 300)])
		if rest = rest[piece:]; errors.Is(err, net.ErrClosed) {
			return err
		}
		time.Sleep(stressPause(r) / 10)
	}
	for {
		if err := w.Close(); err == nil || errors.Is(err, net.ErrClosed) {
			return err
		}
		time.Sleep(stressPause(r))
	}
}

// watch is the reader at the other end.
func (s *stressConn) readAll() {
	for {
		_, data, err := s.other.ReadMessage()
		if err != nil {
			_, violated := errors.AsType[*ProtocolError](err)
			assert.False(s.t, violated, err)
			return
		}
		s.seen++
		var kind, writer, rest string
		var n int
		if got, _ := fmt.Sscanf(string(data), "%1s %s %d %s", &kind, &writer, &n, &rest); got < 3 {
			continue // JSON or prepared
		}
		assert.True(s.t, strings.HasPrefix(longText, rest), "a message is whole")
		assert.Greater(s.t, n, s.last[kind+writer], "and comes after its writer's last")
		s.last[kind+writer] = n
	}
}
