package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSendKeepsNothing checks that the caller may change the data after Send.
func TestSendKeepsNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		data := []byte("before")
		require.NoError(t, c.Send(TextMessage, data))
		copy(data, "after!")
		synctest.Wait()
		p.expect(true, opText, "before")
	})
}

// TestSendAfterEnd checks that BufferedAmount still has what was queued and not
// sent, as in the browser, and that nothing can be queued any more.
func TestSendAfterEnd(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _, _ := m.connectGated(t, connConfig{})
		require.Equal(t, errBadMessageType, c.Send(PingMessage, nil))
		c.write.lock.Acquire(nil, nil)
		require.NoError(t, c.Send(TextMessage, []byte("lost")))
		waiting := make(chan error)
		go func() { waiting <- c.WriteMessage(TextMessage, []byte("lost too")) }()
		synctest.Wait()
		c.Close()
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		require.EqualValues(t, 4, c.BufferedAmount())
		require.ErrorIs(t, c.Send(TextMessage, nil), net.ErrClosed)
		c.write.lock.Release()
	})
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		require.NoError(t, c.Send(TextMessage, []byte("last")))
		require.NoError(t, c.WriteMessage(CloseMessage, FormatCloseMessage(1000, "")))
		require.Equal(t, ErrCloseSent, c.Send(TextMessage, nil))
		p.expect(true, opText, "last")
		p.expectClose(1000)
	})
}

// ignorePings makes c answer neither pings nor close frames, and accept any number
// of pings.
func (c *Conn) ignorePings() {
	c.SetPingHandler(func(string) error { c.flood.count = 0; return nil })
	c.SetCloseHandler(func(int, string) error { return nil })
}

func TestWriteMessageContextAlreadyOver(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, context.Canceled, c.WriteMessageContext(ctx, TextMessage, []byte("no")))
		require.NoError(t, c.WriteMessageContext(t.Context(), TextMessage, []byte("yes")))
		p.expect(true, opText, "yes")
	})
}

// TestCloseWakesWriters checks that Close ends calls that wait for another message
// to end.
func TestCloseWakesWriters(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _ := m.connect(t)
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		w.Write([]byte(longText))
		waiting := make(chan error, 2)
		go func() { waiting <- c.WriteMessage(TextMessage, nil) }()
		go func() { waiting <- c.WriteMessageContext(t.Context(), TextMessage, nil) }()
		synctest.Wait()
		require.NoError(t, c.Close())
		require.NoError(t, c.Close(), "again")
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		require.ErrorIs(t, w.Close(), net.ErrClosed)
	})
}

// TestConcurrentWriters calls all write methods at the same time. Every message has
// to arrive whole.
func TestConcurrentWriters(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		const writers, each = 8, 20
		pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
		require.NoError(t, err)
		var done sync.WaitGroup
		for i := range writers {
			done.Go(func() {
				for j := range each {
					data := []byte(fmt.Sprintf("%d/%d/%s", i, j, longText[:j*100]))
					assert.NoError(t, c.WriteMessage(TextMessage, data))
					assert.NoError(t, c.WriteMessageContext(t.Context(), BinaryMessage, data))
					assert.NoError(t, c.WriteControl(PingMessage, data[:3], time.Time{}))
					assert.NoError(t, c.WritePreparedMessage(pm))
				}
			})
		}
		done.Go(func() {
			for j := range each {
				w, err := c.NextWriter(TextMessage)
				assert.NoError(t, err)
				for range j {
					io.WriteString(w, "streamed ")
				}
				assert.NoError(t, w.Close())
			}
		})
		done.Wait()
		c.WriteMessage(CloseMessage, nil)

		reader := newConn(p.conn, connConfig{client: !m.client})
		reader.ignorePings()
		counts := map[string]int{}
		next := map[string]int{}
		for {
			_, data, err := reader.ReadMessage()
			if err != nil {
				require.Equal(t, &CloseError{Code: CloseNoStatusReceived}, err)
				break
			}
			var i, j int
			if n, _ := fmt.Sscanf(string(data), "%d/%d/", &i, &j); n == 2 {
				require.Equal(t, fmt.Sprintf("%d/%d/%s", i, j, longText[:j*100]), string(data))
				counts["message"]++
				writer := fmt.Sprint(i)
				require.Equal(t, j, next[writer]/2, "in the order of the writer")
				next[writer]++
			} else if string(data) == "prepared" {
				counts["prepared"]++
			} else {
				require.Empty(t, strings.ReplaceAll(string(data), "streamed ", ""))
				counts["streamed"]++
			}
		}
		require.Equal(t, map[string]int{"message": 2 * writers * each, "prepared": writers * each, "streamed": each}, counts)
	})
}
