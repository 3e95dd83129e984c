package websocket

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// blockedWrites write messages in all ways to a peer that does not read.
var blockedWrites = map[string]func(c *Conn, data []byte) error{
	"WriteMessage": func(c *Conn, data []byte) error { return c.WriteMessage(BinaryMessage, data) },
	"WriteMessageContext": func(c *Conn, data []byte) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		return c.WriteMessageContext(ctx, BinaryMessage, data)
	},
	"NextWriter": func(c *Conn, data []byte) error {
		w, err := c.NextWriter(BinaryMessage)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		return w.Close()
	},
	"WritePreparedMessage": func(c *Conn, data []byte) error {
		pm, err := NewPreparedMessage(BinaryMessage, data)
		if err != nil {
			return err
		}
		return c.WritePreparedMessage(pm)
	},
	"WriteControl": func(c *Conn, data []byte) error {
		return c.WriteControl(PingMessage, data[:100], time.Time{})
	},
	"behind Send": func(c *Conn, data []byte) error {
		if err := c.Send(BinaryMessage, data); err != nil {
			return err
		}
		return c.WriteMessage(TextMessage, []byte("short"))
	},
}

// TestWriteTimeout checks that a connection ends if its peer does not read, in
// whatever way a message is written, and that the writer, the calls that wait for it
// and the reader return.
func TestWriteTimeout(t *testing.T) {
	for name, write := range blockedWrites {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, _ := m.connectSmallPipe(t, connConfig{writeTimeout: settleTime})
				start := time.Now()
				read, waited := make(chan error, 1), make(chan error, 1)
				go func() { _, _, err := c.ReadMessage(); read <- err }()
				go func() {
					time.Sleep(settleTime / 2)
					waited <- c.WriteMessage(TextMessage, []byte("waits"))
				}()
				err := write(c, []byte(longText))
				require.ErrorIs(t, err, net.ErrClosed)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.Equal(t, settleTime, time.Since(start))
				<-c.Done()
				require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
				require.ErrorIs(t, <-waited, net.ErrClosed)
				require.Equal(t, ErrSlowPeer, <-read)
				require.ErrorIs(t, c.Send(TextMessage, nil), os.ErrDeadlineExceeded)
			})
		})
	}
}

// TestWriteTimeoutIsAnError checks that Events.Error is called.
func TestWriteTimeoutIsAnError(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _ := m.connectSmallPipe(t, connConfig{writeTimeout: settleTime})
		require.NoError(t, c.Send(BinaryMessage, []byte(longText)))
		var reported []error
		c.Serve(Events{Error: func(_ *Conn, err error) { reported = append(reported, err) }})
		require.Len(t, reported, 1)
		require.Equal(t, ErrSlowPeer, reported[0])
		require.EqualValues(t, len(longText), c.BufferedAmount())
	})
}

// TestWriteTimeoutOnASocket is TestWriteTimeout with a socket that is full.
func TestWriteTimeoutOnASocket(t *testing.T) {
	for name, write := range blockedWrites {
		t.Run(name, func(t *testing.T) {
			c := newBlockedConn(t)
			c.write.frames.timeout = 10 * time.Millisecond
			err := write(c, []byte(longText))
			require.ErrorIs(t, err, net.ErrClosed)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			<-c.Done()
		})
	}
	t.Run("Send", func(t *testing.T) {
		c := newBlockedConn(t)
		c.write.frames.timeout = 10 * time.Millisecond
		require.NoError(t, c.Send(BinaryMessage, []byte(longText)))
		<-c.Done() // although no call waits
		require.EqualValues(t, len(longText), c.BufferedAmount())
		require.ErrorIs(t, c.Send(BinaryMessage, nil), net.ErrClosed)
	})
}

// TestWriteTimeoutIsForEachFrame checks that the timeout begins anew with each frame:
// a peer that reads slowly, and a time without writing, do not end the connection.
func TestWriteTimeoutIsForEachFrame(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectSmallPipe(t, connConfig{writeTimeout: settleTime})
		go func() {
			for buf := make([]byte, smallPipe); ; {
				time.Sleep(settleTime / 4)
				if _, err := io.ReadFull(p.conn, buf); err != nil {
					return
				}
			}
		}()
		for i := range 20 {
			data := []byte(longText[:2*smallPipe])
			if i%3 == 0 {
				require.NoError(t, c.Send(BinaryMessage, data))
				time.Sleep(5 * settleTime)
				require.Zero(t, c.BufferedAmount())
			} else {
				require.NoError(t, c.WriteMessage(BinaryMessage, data))
			}
		}
		require.Equal(t, StateOpen, c.State())
		c.Close()
		time.Sleep(settleTime)
	})
}

// TestWriteTimeoutAndDeadline checks that the earlier of the two ends a write.
func TestWriteTimeoutAndDeadline(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, deadline := range []time.Duration{settleTime / 2, 2 * settleTime} {
			c, _ := m.connectSmallPipe(t, connConfig{writeTimeout: settleTime})
			start := time.Now()
			c.SetWriteDeadline(start.Add(deadline))
			err := c.WriteMessage(BinaryMessage, []byte(longText))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.ErrorIs(t, err, net.ErrClosed, "a part of the frame was written")
			require.Equal(t, min(settleTime, deadline), time.Since(start))
		}
	})
	// On a socket, a deadline before the first byte does not end the connection.
	c := newBlockedConn(t)
	c.write.frames.timeout = time.Hour
	require.ErrorIs(t, c.WriteControl(PingMessage, nil, time.Now().Add(10*time.Millisecond)), os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, nil))
	require.Equal(t, StateOpen, c.State())
	// The timeout does.
	c.write.frames.timeout = 10 * time.Millisecond
	err := c.WriteControl(PingMessage, nil, time.Now().Add(time.Hour))
	require.ErrorIs(t, err, net.ErrClosed)
	<-c.Done()
}

// TestNoWriteTimeout checks that a write without a timeout waits until the peer
// reads.
func TestNoWriteTimeout(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connectSmallPipe(t, connConfig{})
		require.NoError(t, c.Send(TextMessage, []byte(longText)))
		written := make(chan error, 1)
		go func() { written <- c.WriteMessage(TextMessage, []byte("at last")) }()
		time.Sleep(1000 * time.Hour)
		require.Empty(t, written)
		go io.Copy(io.Discard, p.conn)
		require.NoError(t, <-written)
		require.Zero(t, c.write.frames.deadline.value)
	})
}
