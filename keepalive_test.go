package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// testKeepAlive is used by most tests of KeepAlive.
var testKeepAlive = KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second}

// connectKeepAlive returns a connection with a KeepAlive, and its peer.
func (m mode) connectKeepAlive(t *testing.T, k KeepAlive) (*Conn, *peer) {
	a, b := wstest.Pipe(0, m.chunking())
	c := withKeepAlive(newConn(a, connConfig{client: m.client, readBufferSize: m.buffer, writeBufferSize: m.buffer}), k)
	t.Cleanup(func() {
		c.Close()
		b.Close()
	})
	return c, &peer{t: t, conn: b, masked: !m.client}
}

// pingsSent returns the number of pings that c has sent.
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

// requireKeepAliveError checks that a connection ends with ErrKeepAlive at a time.
func requireKeepAliveError(t *testing.T, c *Conn, at time.Time) {
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
			requireKeepAliveError(t, c, end)
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
	assert.False(t, ok, "an error that is not temporary")
}

// TestKeepAliveEndsWaitingPing checks that Ping and a read with a context return
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

// TestKeepAliveCountsAnyBytes checks that no ping is sent while bytes are received,
// even if they do not complete a frame.
func TestKeepAliveCountsAnyBytes(t *testing.T) {
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

// TestKeepAliveWithoutAReader checks that the time without a read does not count if
// the transport does not tell what it has received.
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
		time.Sleep(time.Hour) // without a read, a pong would not be seen
		start := time.Now()
		_, _, err := c.ReadMessage()
		require.Equal(t, ErrKeepAlive, err)
		require.LessOrEqual(t, time.Since(start), testKeepAlive.Timeout*3/2)
		require.GreaterOrEqual(t, time.Since(start), testKeepAlive.Timeout/2)
	})
}

// TestKeepAliveAndReadDeadlines checks that reads with short timeouts count as
// reading.
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

// TestKeepAliveWithBlockedPing checks that a connection ends if its ping cannot be
// written.
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
			requireKeepAliveError(t, c, end)
			if writing {
				require.ErrorIs(t, <-written, net.ErrClosed)
			}
		})
	}
}

// TestKeepAliveWithBlockedPingAndTraffic checks that what a peer sends counts even if
// it does not read, and that no more than one ping waits to be written.
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

// TestKeepAliveWhileClosing checks that a connection ends if the peer does not answer
// its close frame, after which no ping may be sent.
func TestKeepAliveWhileClosing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectKeepAlive(t, testKeepAlive)
		end := time.Now().Add(testKeepAlive.Interval + testKeepAlive.Timeout)
		require.NoError(t, c.WriteMessage(CloseMessage, FormatCloseMessage(1000, "")))
		require.Equal(t, ErrKeepAlive, <-readUntilError(c))
		requireKeepAliveError(t, c, end)
		p.expectClose(1000)
		p.expectEOF()
	})
}

// TestKeepAliveEndsWithTheConnection checks that the timer is stopped.
func TestKeepAliveEndsWithTheConnection(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		alive := c.startKeepAlive(testKeepAlive)
		p.expectCloseThenClose(1000)
		p.send(p.close(1000, ""))
		_, _, err := c.ReadMessage()
		require.Equal(t, &CloseError{Code: 1000}, err)
		require.False(t, alive.timer.Stop(), "it was stopped before")
		alive.look()
		require.False(t, alive.timer.Stop(), "it was not started again")
	})
}

func TestKeepAliveSchedule(t *testing.T) {
	mute, audible := func() bool { return true }, func() bool { return false }
	s := silence{interval: 40, timeout: 30}
	s.interval, s.timeout = 40*time.Second, 30*time.Second
	for i, look := range []struct {
		heard bool
		mute  func() bool
		do    step
		next  time.Duration
	}{
		{true, nil, stepWait, 20},
		{true, nil, stepWait, 20},
		{false, nil, stepPing, 15},
		{true, nil, stepWait, 20},
		{false, nil, stepPing, 15},
		{false, mute, stepWait, 15},
		{true, nil, stepWait, 20},
		{false, nil, stepPing, 15},
		{false, mute, stepWait, 15},
		{false, audible, stepWait, 15},
		{false, mute, stepWait, 15},
		{false, mute, stepEnd, 0},
	} {
		do, next := s.next(look.heard, look.mute)
		require.Equal(t, look.do, do, "look %d", i)
		require.Equal(t, look.next*time.Second, next, "look %d", i)
	}
	tiny := silence{interval: 1, timeout: 1}
	_, next := tiny.next(true, nil)
	require.Equal(t, time.Millisecond, next, "no more often than that")
}

func TestUnreadBytes(t *testing.T) {
	eachSocketKind(t, func(t *testing.T, a, b net.Conn) {
		unread := unreadBytes(a)
		if _, ok := a.(*tls.Conn); !ok { // which has session tickets to send
			require.False(t, unread())
			go func() { // beside a reader that waits
				time.Sleep(10 * time.Millisecond)
				unread()
				b.Write([]byte("x"))
			}()
			_, err := a.Read(make([]byte, 1))
			require.NoError(t, err)
			require.False(t, unread())
		}
		b.Write([]byte("y"))
		require.Eventually(t, unread, 10*time.Second, time.Millisecond)
		require.True(t, unread(), "the byte was not read")
		a.Close()
		require.False(t, unread())
	})
	a, _ := wstest.Pipe(0, wstest.Whole)
	require.Nil(t, unreadBytes(a))
	conn, _ := socketPair(t)
	require.Nil(t, unreadBytes(struct{ *net.TCPConn }{conn}), "it may have a buffer of its own")
}

// TestKeepAliveOfSockets without a reader: the pong that waits in the socket
// saves the peer, and a peer that sends nothing is found out. The test is the
// timer.
func TestKeepAliveOfSockets(t *testing.T) {
	k := KeepAlive{Interval: time.Hour, Timeout: time.Hour}
	eachSocketKind(t, func(t *testing.T, a, b net.Conn) {
		c, other := newConn(a, connConfig{}), newConn(b, connConfig{client: true})
		alive := c.startKeepAlive(k)
		ended := readUntilError(other)
		alive.look() // the handshake was a sign of life
		alive.look() // a ping
		require.Eventually(t, func() bool { return !alive.mute() }, 10*time.Second, time.Millisecond)
		for range 10 {
			alive.look()
		}
		require.Equal(t, StateOpen, c.State())
		readUntilError(c)
		_, err := c.Ping(t.Context())
		require.NoError(t, err)
		require.True(t, alive.activity.heard.Load())
		c.Close()
		other.Close()
		<-ended
	})
	eachSocketKind(t, func(t *testing.T, a, b net.Conn) {
		c := newConn(a, connConfig{client: true})
		alive := c.startKeepAlive(k)
		p := &peer{t: t}
		_, err := b.Write(append(p.text("1"), p.text("2")...))
		require.NoError(t, err)
		for i := range 2 {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, string(rune('1'+i)), string(data))
		}
		for range 4 {
			require.Equal(t, StateOpen, c.State())
			alive.look()
		}
		<-c.Done()
		_, _, err = c.ReadMessage()
		require.Equal(t, ErrKeepAlive, err)
	})
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
