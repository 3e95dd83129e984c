package websocket

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

var testKeepAlive = KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second}

// connectAlive is connect with a KeepAlive.
func (m mode) connectKeepAlive(t *testing.T, k KeepAlive) (*Conn, *peer) {
	a, b := wstest.Pipe(0, m.chunking())
	c := withKeepAlive(newConn(a, connConfig{client: m.client, readBufferSize: m.buffer, writeBufferSize: m.buffer}), k)
	t.Cleanup(func() {
		c.Close()
		b.Close()
	})
	return c, &peer{t: t, conn: b, masked: !m.client}
}

// pingsSent returns the number of pings of ours so far.
func (c *Conn) pingsSent() uint64 {
	pings := c.ownPings()
	pings.mu.Lock()
	defer pings.mu.Unlock()
	return pings.sent
}

func TestKeepAlivePingsIdlePeers(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectKeepAlive(t, testKeepAlive)
		c.SetPongHandler(func(s string) error {
			t.Errorf("the handler got %q", s)
			return nil
		})
		ended := readUntilError(c)
		last := time.Now()
		for i := range 100 {
			payload := p.expectPing()
			since := time.Since(last)
			last = time.Now()
			require.LessOrEqual(t, since, testKeepAlive.Interval)
			require.Greater(t, since, testKeepAlive.Interval/2)
			if i == 0 {
				require.Equal(t, testKeepAlive.Interval, since)
			}
			p.send(p.pong(payload))
		}
		require.Empty(t, ended)
	})
}

// requireGivenUp checks that a connection ends with ErrKeepAlive, and when.
func requireGivenUp(t *testing.T, c *Conn, at time.Time) {
	t.Helper()
	<-c.Done()
	require.Equal(t, at, time.Now())
	require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
	for _, r := range readMethods {
		_, _, err := r.read(c)
		require.Equal(t, ErrKeepAlive, err)
	}
	require.ErrorIs(t, c.WriteMessage(TextMessage, nil), net.ErrClosed)
}

func TestKeepAliveEndsSilentPeers(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, timeout := range []time.Duration{0, time.Millisecond, time.Second, time.Hour} {
			k := KeepAlive{30 * time.Second, timeout}
			c, p := m.connectKeepAlive(t, k)
			if timeout == 0 {
				timeout = defaultKeepAliveTimeout
			}
			end := time.Now().Add(k.Interval + timeout)
			ended := readUntilError(c)
			require.Equal(t, ErrKeepAlive, <-ended)
			requireGivenUp(t, c, end)
			p.expectPing()
			p.expectEOF()
			_, err := c.Ping(t.Context())
			require.ErrorIs(t, err, net.ErrClosed)
		}
	})
}

func TestErrKeepAlive(t *testing.T) {
	assert.ErrorIs(t, ErrKeepAlive, net.ErrClosed)
	assert.ErrorIs(t, ErrKeepAlive, os.ErrDeadlineExceeded)
	assert.True(t, IsCloseError(ErrKeepAlive, CloseAbnormalClosure))
	_, ok := errors.AsType[net.Error](ErrKeepAlive)
	assert.False(t, ok, "trying again is of no use")
}

// TestKeepAliveEndsWaitingPing: Ping, and a read with a context, return
// ErrKeepAlive.
func TestKeepAliveEndsWaitingPing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _ := m.connectKeepAlive(t, testKeepAlive)
		ended := make(chan error)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() {
			_, _, err := c.ReadMessageContext(ctx)
			ended <- err
		}()
		_, err := c.Ping(t.Context())
		require.Equal(t, ErrKeepAlive, err)
		require.Equal(t, ErrKeepAlive, <-ended)
	})
}

// TestKeepAliveCountsEveryByte: while bytes of longText messages arrive one at a
// time, no ping is sent.
func TestKeepAliveCountsEveryByte(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectKeepAlive(t, testKeepAlive)
		ended := readUntilError(c)
		frames := append(p.text("hello"), p.binary(longText[:200])...)
		for _, b := range append(frames, frames...) {
			time.Sleep(testKeepAlive.Interval/2 - 1)
			p.send([]byte{b})
		}
		require.Empty(t, ended)
		require.Zero(t, c.pingsSent())
		time.Sleep(testKeepAlive.Interval)
		p.expectPing()
	})
}

// TestKeepAliveWithoutAReader: where the transport cannot be monitored, the time
// during which nobody readUntilError does not count.
func TestKeepAliveWithoutAReader(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectKeepAlive(t, testKeepAlive)
		p.send(p.text("1"))
		p.send(p.pong(p.expectPing()), p.text("2"))
		time.Sleep(time.Hour)
		for range 2 {
			_, _, err := c.ReadMessage()
			require.NoError(t, err)
		}
		p.expectPing()
		time.Sleep(time.Hour) // nobody readUntilError: the pong may wait in the transport
		start := time.Now()
		_, _, err := c.ReadMessage()
		require.Equal(t, ErrKeepAlive, err)
		require.LessOrEqual(t, time.Since(start), testKeepAlive.Timeout*3/2)
		require.GreaterOrEqual(t, time.Since(start), testKeepAlive.Timeout/2)
	})
}

// TestKeepAliveAndReadDeadlines: readUntilError whose contexts end again and again count
// as readUntilError that wait.
func TestKeepAliveAndReadDeadlines(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectKeepAlive(t, testKeepAlive)
		poll := func() error {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), 70*time.Millisecond)
				_, _, err := c.ReadMessageContext(ctx)
				cancel()
				if err != context.DeadlineExceeded {
					return err
				}
			}
		}
		go func() {
			for range 5 {
				p.send(p.pong(p.expectPing()))
			}
		}()
		start := time.Now()
		require.Equal(t, ErrKeepAlive, poll())
		require.Greater(t, time.Since(start), 5*testKeepAlive.Interval/2)
		require.EqualValues(t, 6, c.pingsSent())
	})
}

// TestKeepAliveWithBlockedPing: a peer that readUntilError nothing is given up too, though
// the ping cannot be written.
func TestKeepAliveWithBlockedPing(t *testing.T) {
	for _, writing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.Pipe(10, wstest.Whole)
			defer b.Close()
			c := withKeepAlive(newConn(a, connConfig{}), testKeepAlive)
			end := time.Now().Add(testKeepAlive.Interval + testKeepAlive.Timeout)
			written := make(chan error, 1)
			if writing {
				go func() { written <- c.WriteMessage(TextMessage, []byte(longText)) }()
			}
			require.Equal(t, ErrKeepAlive, <-readUntilError(c))
			requireGivenUp(t, c, end)
			if writing {
				require.ErrorIs(t, <-written, net.ErrClosed)
			}
		})
	}
}

// TestKeepAliveWithBlockedPingAndTraffic: what the peer sends counts, whether or
// not it readUntilError, and no second ping waits to be written.
func TestKeepAliveWithBlockedPingAndTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		c := withKeepAlive(newConn(a, connConfig{}), testKeepAlive)
		p := &peer{t: t, conn: b, masked: true}
		ended := readUntilError(c)
		for range 100 {
			time.Sleep(testKeepAlive.Interval/2 + testKeepAlive.Timeout*2/3)
			p.send(p.text("x"))
		}
		require.EqualValues(t, 1, c.pingsSent())
		c.Close()
		b.Close()
		<-ended
	})
}

// TestKeepAliveWhileClosing: after a close frame no ping is sent, and a peer that
// does not answer it is given up.
func TestKeepAliveWhileClosing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectKeepAlive(t, testKeepAlive)
		end := time.Now().Add(testKeepAlive.Interval + testKeepAlive.Timeout)
		require.NoError(t, c.WriteMessage(CloseMessage, FormatCloseMessage(1000, "")))
		require.Equal(t, ErrKeepAlive, <-readUntilError(c))
		requireGivenUp(t, c, end)
		p.expectClose(1000)
		p.expectEOF()
	})
}

// TestKeepAliveEndsWithTheConnection: the timer is stopped.
func TestKeepAliveEndsWithTheConnection(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		alive := c.startKeepAlive(testKeepAlive)
		p.expectCloseThenClose(1000)
		p.send(p.close(1000, ""))
		_, _, err := c.ReadMessage()
		require.Equal(t, &CloseError{Code: 1000}, err)
		require.False(t, alive.timer.Stop(), "it has been stopped")
		alive.check()
		require.False(t, alive.timer.Stop(), "it is not started again")
	})
}

func TestKeepAliveSchedule(t *testing.T) {
	const active, idle, unknown = socket.Active, socket.Idle, socket.Unknown
	type row struct {
		peer socket.Activity
		do   step
		next time.Duration // seconds
	}
	for _, table := range []struct {
		name              string
		interval, timeout time.Duration // seconds
		rows              []row
	}{
		{"active", 40, 30, []row{{active, stepWait, 20}, {active, stepWait, 20}, {active, stepWait, 20}}},
		{"answers", 40, 30, []row{
			{active, stepWait, 20}, {idle, stepPing, 15}, {active, stepWait, 20}, {idle, stepPing, 15},
			{idle, stepWait, 15}, {active, stepWait, 20},
		}},
		{"vanishes", 40, 30, []row{{active, stepWait, 20}, {idle, stepPing, 15}, {idle, stepWait, 15}, {idle, stepEnd, 0}}},
		{"no room, then idle", 40, 30, []row{
			{active, stepWait, 20}, {unknown, stepPing, 15}, {unknown, stepWait, 15}, {idle, stepWait, 15},
			{unknown, stepWait, 15}, {idle, stepWait, 15}, {idle, stepEnd, 0},
		}},
		{"no room for ever", 40, 30, []row{
			{active, stepWait, 20}, {unknown, stepPing, 15}, {unknown, stepWait, 15}, {unknown, stepWait, 15}, {unknown, stepWait, 15},
		}},
		{"long timeout", 40, 50, []row{
			{active, stepWait, 20}, {idle, stepPing, 20}, {idle, stepWait, 20}, {idle, stepWait, 10}, {idle, stepEnd, 0},
		}},
		{"short timeout", 40, 2, []row{{active, stepWait, 20}, {idle, stepPing, 1}, {idle, stepWait, 1}, {idle, stepEnd, 0}}},
	} {
		s := silence{interval: table.interval * time.Second, timeout: table.timeout * time.Second}
		for i, r := range table.rows {
			do, next := s.next(r.peer)
			require.Equal(t, r.do, do, "%s, row %d", table.name, i)
			require.Equal(t, r.next*time.Second, next, "%s, row %d", table.name, i)
		}
	}
	tiny := silence{interval: 1, timeout: 1}
	_, next := tiny.next(active)
	require.Equal(t, time.Millisecond, next, "no more often than that")
}

func TestKeepAliveDoesNotAllocate(t *testing.T) {
	skipUnlessAllocationsCount(t)
	p := &peer{masked: true}
	c := newConn(&endlessStream{frame: p.text("hello")}, connConfig{})
	c.startKeepAlive(KeepAlive{Interval: time.Hour})
	defer c.Close()
	dst := make([]byte, 0, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() { c.AppendMessage(dst) }))
}
