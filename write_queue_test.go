package websocket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestSendSharesAWrite checks that messages that are queued during a write are
// written together, in the order of the calls.
func TestSendSharesAWrite(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, s, p := m.connectGated(t, connConfig{})
		var want []string
		for i := range 50 {
			want = append(want, strings.Repeat("x", i))
		}
		c.write.lock.Acquire(nil, nil) // as during a write
		for i, text := range want {
			require.NoError(t, c.Send(TextMessage, []byte(text)), i)
		}
		c.write.lock.Release()
		synctest.Wait()
		require.EqualValues(t, 1, s.writes.Load(), "one write for all")
		require.Zero(t, c.BufferedAmount())
		require.NoError(t, c.Send(BinaryMessage, []byte(longText)))
		require.NoError(t, c.WriteMessage(TextMessage, []byte("behind")))
		for _, text := range want {
			p.expect(true, opText, text)
		}
		p.expect(true, opBinary, longText)
		p.expect(true, opText, "behind")
	})
}

// TestWritersShareAWrite checks that messages of WriteMessage that wait for a write
// are written together.
func TestWritersShareAWrite(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, s, p := m.connectGated(t, connConfig{})
		const writers = 40
		c.write.lock.Acquire(nil, nil) // as during a write
		var done sync.WaitGroup
		for i := range writers {
			done.Go(func() { require.NoError(t, c.WriteMessage(BinaryMessage, fmt.Appendf(nil, "%02d", i))) })
			synctest.Wait() // makes sure of the order
		}
		require.Zero(t, c.BufferedAmount(), "BufferedAmount has the messages of Send only")
		c.write.lock.Release()
		done.Wait()
		require.EqualValues(t, 1, s.writes.Load())
		for i := range writers {
			p.expect(true, opBinary, fmt.Sprintf("%02d", i))
		}
	})
}

// TestSendQueueLimit checks that the limit is exact, and that a message that does not
// fit is not queued.
func TestSendQueueLimit(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, s, p := m.connectGated(t, connConfig{sendQueueLimit: 100})
		require.Equal(t, ErrSendQueueFull, c.Send(TextMessage, make([]byte, 101)))
		c.write.lock.Acquire(nil, nil)
		require.NoError(t, c.Send(BinaryMessage, make([]byte, 97)))
		require.NoError(t, c.Send(BinaryMessage, nil))
		require.NoError(t, c.Send(BinaryMessage, nil))
		require.EqualValues(t, 97, c.BufferedAmount())
		require.Equal(t, ErrSendQueueFull, c.Send(BinaryMessage, make([]byte, 2)))
		require.NoError(t, c.Send(BinaryMessage, nil))
		require.Equal(t, ErrSendQueueFull, c.Send(BinaryMessage, nil), "empty messages count")
		c.write.lock.Release()
		synctest.Wait()
		require.Zero(t, c.BufferedAmount())
		require.NoError(t, c.Send(BinaryMessage, make([]byte, 100)))
		synctest.Wait()
		require.EqualValues(t, 2, s.writes.Load())
		p.expect(true, opBinary, string(make([]byte, 97)))
	})
	c := newEndlessConn(false, opText, 1)
	c.write.lock.Acquire(nil, nil)
	require.NoError(t, c.Send(BinaryMessage, make([]byte, DefaultSendQueueLimit)))
	require.Equal(t, ErrSendQueueFull, c.Send(BinaryMessage, []byte{0}), "the default")
	c.Close()
	unlimited := newConn(&endlessStream{}, connConfig{sendQueueLimit: -1})
	require.NoError(t, unlimited.Send(BinaryMessage, make([]byte, 2*DefaultSendQueueLimit)))
	unlimited.Close()
}

// TestSendBetweenFragments checks that a queued message is not sent inside a message
// that is being written in fragments.
func TestSendBetweenFragments(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		require.NoError(t, c.Send(TextMessage, []byte("before")))
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		io.WriteString(w, longText)
		require.NoError(t, c.Send(TextMessage, []byte("after")))
		synctest.Wait()
		require.EqualValues(t, 5, c.BufferedAmount())
		require.NoError(t, w.Close())
		synctest.Wait()
		require.Zero(t, c.BufferedAmount())

		p.expect(true, opText, "before")
		var streamed string
		for {
			f, err := p.next()
			require.NoError(t, err)
			streamed += f.payload
			if f.fin {
				break
			}
		}
		require.Equal(t, longText, streamed)
		p.expect(true, opText, "after")
	})
}

// TestBatchWrites checks that answers to messages that were received in one piece
// are written together before the reader waits for more.
func TestBatchWrites(t *testing.T) {
	for _, send := range []struct {
		name string
		call func(c *Conn, kind int, data []byte) error
	}{{"WriteMessage", (*Conn).WriteMessage}, {"Send", (*Conn).Send}} {
		t.Run(send.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mode{chunking: func() wstest.Chunking { return wstest.Whole }, buffer: defaultBuffer}
				c, s, p := m.connectGated(t, connConfig{})
				go func() {
					for {
						kind, data, err := c.ReadMessage()
						if err != nil || send.call(c, kind, data) != nil {
							return
						}
					}
				}()
				for round := range int32(3) {
					var frames [][]byte
					for i := range 16 {
						frames = append(frames, p.text(fmt.Sprint(i)))
					}
					p.send(append(frames, p.text(strings.Repeat("cut", 10))[:20])...)
					synctest.Wait()
					require.Equal(t, round*2+1, s.writes.Load())
					p.send(p.text(strings.Repeat("cut", 10))[20:])
					for i := range 16 {
						p.expect(true, opText, fmt.Sprint(i))
					}
					p.expect(true, opText, strings.Repeat("cut", 10))
					require.Equal(t, round*2+2, s.writes.Load())
				}
			})
		})
	}
}

// TestBatchWritesFlush checks that an answer that waits for the next read is written
// if there is none, and before a close frame.
func TestBatchWritesFlush(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		p.send(p.text("1"), p.text("2"))
		_, _, err := c.ReadMessage()
		require.NoError(t, err)
		require.NoError(t, c.WriteMessage(TextMessage, []byte("one")))
		p.expect(true, opText, "one")
	})
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		p.send(p.text("1"), p.text("2"), p.close(1000, ""))
		for range 2 {
			_, _, err := c.ReadMessage()
			require.NoError(t, err)
			require.NoError(t, c.WriteMessage(TextMessage, []byte("answer")))
		}
		p.expectThenClose(func() {
			p.expect(true, opText, "answer")
			p.expect(true, opText, "answer")
			p.expectClose(1000)
		})
		_, _, err := c.ReadMessage()
		require.True(t, IsCloseError(err, 1000))
	})
}

// expectThenClose makes the peer call expect, and then close its side.
func (p *peer) expectThenClose(expect func()) {
	go func() {
		expect()
		p.conn.Close()
	}()
}

// TestSendToBlockedSocket checks that Send does not wait for a peer that does not
// read, and that no control frame is sent inside a frame of which the socket has
// taken a part.
func TestSendToBlockedSocket(t *testing.T) {
	for _, client := range []bool{false, true} {
		server, remote := socketPair(t)
		c := newConn(server, connConfig{client: client, sendQueueLimit: -1})
		peer := newConn(remote, connConfig{client: !client})
		message := []byte(testPayload(3000))
		sent := 0
		for c.BufferedAmount() < 1<<20 {
			require.NoError(t, c.Send(BinaryMessage, message))
			sent++
			if sent%100 == 0 {
				go c.WriteControl(PingMessage, nil, time.Time{})
			}
		}
		require.NoError(t, c.Send(TextMessage, []byte("end")))
		for range sent {
			_, data, err := peer.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, message, data)
		}
		_, data, err := peer.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "end", string(data))
		c.Close()
		peer.Close()
	}
}

// TestQueueSurvivesDeadline checks that a write that meets a deadline before its
// first byte leaves the messages in the queue that were queued before it.
func TestQueueSurvivesDeadline(t *testing.T) {
	c, remote := newBlockedPair(t)
	const text = firstByte(finBit | opText)
	require.NoError(t, c.write.ownQueue().add(text, []byte("first")))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, []byte("not sent")))
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	require.ErrorIs(t, c.WriteMessage(TextMessage, []byte(longText)), os.ErrDeadlineExceeded)
	c.SetWriteDeadline(time.Time{})
	require.EqualValues(t, 5, c.BufferedAmount())
	require.NoError(t, c.write.ownQueue().add(text, []byte("second")))

	last := make(chan error)
	go func() { last <- c.WriteMessage(TextMessage, []byte("third")) }()
	got := make([]byte, 0, 64)
	buf := make([]byte, 1<<16)
	for !bytes.HasSuffix(got, []byte("third")) {
		n, err := remote.Read(buf)
		require.NoError(t, err)
		got = append(got, bytes.TrimLeft(buf[:n], "\x00")...)
	}
	require.NoError(t, <-last)
	require.Equal(t, "\x81\x05first\x81\x06second\x81\x05third", string(got))
	require.Zero(t, c.BufferedAmount())
}

func TestSendAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
	for _, client := range []bool{false, true} {
		server, remote := socketPair(t)
		go io.Copy(io.Discard, remote)
		c := newConn(server, connConfig{client: client})
		data := []byte(testPayload(100))
		require.Zero(t, testing.AllocsPerRun(100, func() { require.NoError(t, c.Send(BinaryMessage, data)) }))
		c.Close()
		remote.Close()
	}
}

// TestSendBeforeClose checks that a close frame is not written before a batch that a
// flusher has taken from the queue. It does not wait for the end of a message of
// NextWriter.
func TestSendBeforeClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		c.write.lock.Acquire(nil, nil) // as by a flusher
		require.NoError(t, c.write.ownQueue().add(finBit|firstByte(opText), []byte("queued")))
		b := c.write.ownQueue().take()
		closed := make(chan error)
		go func() { closed <- c.WriteMessage(CloseMessage, FormatCloseMessage(1000, "")) }()
		synctest.Wait()
		require.Equal(t, StateOpen, c.State())
		require.NoError(t, c.write.writeBatch(b))
		c.write.lock.Release()
		require.NoError(t, <-closed)
		p.expect(true, opText, "queued")
		p.expectClose(1000)
	})
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		io.WriteString(w, longText) // the first fragments are written
		require.NoError(t, c.Send(TextMessage, []byte("lost")))
		require.NoError(t, c.WriteControl(CloseMessage, FormatCloseMessage(1000, ""), time.Now().Add(controlTimeout)))
		for f, err := p.next(); f.opcode != opClose; f, err = p.next() {
			require.NoError(t, err)
			require.NotEqual(t, opText, f.opcode)
		}
		require.EqualValues(t, 4, c.BufferedAmount())
	})
}

// TestLimitDoesNotCutTheQueue checks that a message that was queued before that of a
// writer with a context is written although the context has ended.
func TestLimitDoesNotCutTheQueue(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _, p := m.connectGated(t, connConfig{})
		c.write.frames.lock.Acquire(nil, nil) // as by a ping that is being written
		result := c.write.ownQueue().addWaiting(finBit|firstByte(opText), []byte("first"))
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, []byte("not sent")))
		c.write.frames.lock.Release()
		<-result.done
		require.NoError(t, result.err)
		p.expect(true, opText, "first")
	})
}
