package websocket

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func TestPing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.SetPongHandler(func(s string) error {
			assert.Equal(t, "unsolicited", s)
			return nil
		})
		readUntilError(c)
		go func() {
			payload := p.expectPing()
			time.Sleep(3 * time.Second)
			p.send(p.pong("unsolicited"), p.pong(payload), p.pong(payload))
		}()
		rtt, err := c.Ping(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3*time.Second, rtt)
		synctest.Wait()
		require.Empty(t, c.ownPings().waiting)
	})
}

// TestPingsInFlight checks that the pong for the last ping ends the calls with the
// pings before it too: RFC 6455, Section 5.5.3.
func TestPingsInFlight(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		readUntilError(c)
		const n = 2 * maxControlFrames // the limit does not count pongs for own pings
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				rtt, err := c.Ping(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, time.Second, rtt)
			})
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		var payloads []string
		for range n {
			payloads = append(payloads, p.expectPing())
		}
		time.Sleep(time.Second)
		for _, payload := range payloads[:n/2] {
			p.send(p.pong(payload))
		}
		last := payloads[0]
		for _, payload := range payloads {
			last = max(last, payload) // a payload ends with the number of the ping
		}
		p.send(p.pong(last))
		all.Wait()
		require.Equal(t, StateOpen, c.State())
	})
}

func TestPingEndsWithItsContext(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.SetPongHandler(func(s string) error {
			t.Errorf("the handler got %q", s)
			return nil
		})
		readUntilError(c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Ping(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		_, err = c.Ping(ctx)
		require.Equal(t, context.DeadlineExceeded, err, "nothing is sent")
		require.Empty(t, c.ownPings().waiting)

		late := p.expectPing()
		p.send(p.pong(late))
		go func() { p.send(p.pong(p.expectPing())) }()
		_, err = c.Ping(t.Context())
		require.NoError(t, err)
	})
}

// TestPingEndsWithTheConnection checks that Ping returns the same error as reads.
func TestPingEndsWithTheConnection(t *testing.T) {
	for name, end := range map[string]func(c *Conn, p *peer){
		"Close":     func(c *Conn, p *peer) { c.Close() },
		"peer":      func(c *Conn, p *peer) { p.closeAfterConn(); p.send(p.close(1001, "bye")) },
		"violation": func(c *Conn, p *peer) { p.closeAfterConn(); p.send(p.frame(true, 3, "")) },
		"lost":      func(c *Conn, p *peer) { p.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				ended := readUntilError(c)
				go func() {
					p.expectPing()
					end(c, p)
				}()
				_, err := c.Ping(t.Context())
				require.Equal(t, <-ended, err)
				require.ErrorIs(t, err, net.ErrClosed)
				_, err = c.Ping(t.Context())
				require.ErrorIs(t, err, net.ErrClosed)
				require.Empty(t, c.ownPings().waiting)
			})
		})
	}
}

// TestPingThatCannotBeSent checks that Ping stops waiting for its turn to write when
// its context ends.
func TestPingThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{})
		defer c.Close()
		go c.WriteMessage(TextMessage, []byte(longText))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Ping(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, StateOpen, c.State())
	})
}

// TestPingAllocations checks that Ping allocates the ping, its channel, and at times a
// longer list of pings.
func TestPingAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
	a, b := socketPair(t)
	c, other := newConn(a, connConfig{}), newConn(b, connConfig{client: true})
	readUntilError(c)
	readUntilError(other)
	ctx := context.Background()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if _, err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}), 4.0)
	c.Close()
	other.Close()
}
