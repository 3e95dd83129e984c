package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// lengths are around every step of the way of a sent message: the length
// forms, the sizes of the buffers, the longest piece that is masked at once.
var lengths = []int{0, 1, 125, 126, 240, minBuffer, defaultBuffer - 14, defaultBuffer, 65535, 65536, maxBuffer + 1, 3*maxBuffer + 17, 2*maxMasked + 17}

func testPayload(n int) string {
	return strings.Repeat("The quick brown fox. ", n/21+1)[:n]
}

func TestWriteMessage(t *testing.T) {
	for name, write := range map[string]func(c *Conn, kind int, data []byte) error{
		"WriteMessage": (*Conn).WriteMessage,
		"WriteMessageContext": func(c *Conn, kind int, data []byte) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			return c.WriteMessageContext(ctx, kind, data)
		},
		"WritePreparedMessage": func(c *Conn, kind int, data []byte) error {
			pm, err := NewPreparedMessage(kind, data)
			if err != nil {
				return err
			}
			if err := c.WritePreparedMessage(pm); err != nil {
				return err
			}
			return c.WritePreparedMessage(pm)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				for _, n := range lengths {
					for _, kind := range []int{TextMessage, BinaryMessage} {
						data := []byte(testPayload(n))
						require.NoError(t, write(c, kind, data))
						require.Equal(t, testPayload(n), string(data), "the caller's data is as it was")
						p.expect(true, opcode(kind), testPayload(n))
						if name == "WritePreparedMessage" {
							p.expect(true, opcode(kind), testPayload(n))
						}
					}
				}
				for _, kind := range []int{PingMessage, PongMessage} {
					require.NoError(t, write(c, kind, []byte(long[:125])))
					p.expect(true, opcode(kind), long[:125])
					if name == "WritePreparedMessage" {
						p.expect(true, opcode(kind), long[:125])
					}
				}
			})
		})
	}
}

// TestWriteOverSockets goes the ways that only the kernel's sockets have.
func TestWriteOverSockets(t *testing.T) {
	for _, client := range []bool{false, true} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			a, b := socketPair(t)
			c := newConn(a, connConfig{client: client})
			peer := newConn(b, connConfig{client: !client})
			for _, n := range lengths {
				go func() { assert.NoError(t, c.WriteMessage(TextMessage, []byte(testPayload(n)))) }()
				_, data, err := peer.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, testPayload(n), string(data))
			}
		})
	}
}

// socketPair returns the ends of a TCP connection on loopback.
func socketPair(t testing.TB) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func TestMisuseSendsNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		for _, kind := range []int{-1, 0, 3, 7, 11, 15, 256 + 1} {
			assert.Equal(t, errBadMessageType, c.WriteMessage(kind, nil))
			assert.Equal(t, errNotControlType, c.WriteControl(kind, nil, time.Time{}))
			_, err := c.NextWriter(kind)
			assert.Equal(t, errBadMessageType, err)
			_, err = NewPreparedMessage(kind, nil)
			assert.Equal(t, errBadMessageType, err)
		}
		assert.Equal(t, errNotControlType, c.WriteControl(TextMessage, nil, time.Time{}))
		for _, kind := range []int{PingMessage, PongMessage} {
			assert.Equal(t, errControlPayload, c.WriteControl(kind, make([]byte, 126), time.Time{}))
			assert.Equal(t, errControlPayload, c.WriteMessage(kind, make([]byte, 126)))
			_, err := NewPreparedMessage(kind, make([]byte, 126))
			assert.Equal(t, errControlPayload, err)
			w, err := c.NextWriter(kind)
			require.NoError(t, err)
			w.Write(make([]byte, 126))
			assert.Equal(t, errControlPayload, w.Close())
			w, err = c.NextWriter(kind)
			require.NoError(t, err)
			_, err = io.WriteString(w, long)
			assert.Equal(t, errControlPayload, err)
		}
		assert.Equal(t, ErrInvalidCloseCode, c.WriteMessage(CloseMessage, FormatCloseMessage(1006, "")))
		assert.Equal(t, ErrCloseReasonTooLong, c.WriteMessage(CloseMessage, FormatCloseMessage(1000, long[:124])))
		assert.Equal(t, ErrCloseReasonTooLong, c.WriteControl(CloseMessage, FormatCloseMessage(1000, long[:124]), time.Time{}))

		require.Equal(t, StateOpen, c.State())
		require.NoError(t, c.WriteMessage(TextMessage, []byte("fine")))
		p.expect(true, opText, "fine")
	})
}

// conclude makes c a reader that only looks: the flood of pings in a test is
// meant, and nobody waits for an answer.
func (c *Conn) conclude() {
	c.SetPingHandler(func(string) error { c.flood.count = 0; return nil })
	c.SetCloseHandler(func(int, string) error { return nil })
}

func TestNothingFollowsAClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		w, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		io.WriteString(w, "unsent")
		pm, err := NewPreparedMessage(TextMessage, nil)
		require.NoError(t, err)

		require.NoError(t, c.WriteControl(CloseMessage, FormatCloseMessage(1001, "leaving"), time.Now().Add(soon)))
		require.Equal(t, StateClosing, c.State())
		p.expect(true, opClose, "\x03\xE9leaving")

		require.Equal(t, ErrCloseSent, c.WriteMessage(TextMessage, nil))
		require.Equal(t, ErrCloseSent, c.WriteMessageContext(t.Context(), TextMessage, nil))
		require.Equal(t, ErrCloseSent, c.WriteMessage(CloseMessage, nil))
		require.Equal(t, ErrCloseSent, c.WriteControl(PingMessage, nil, time.Time{}))
		require.Equal(t, ErrCloseSent, c.WritePreparedMessage(pm))
		require.Equal(t, ErrCloseSent, c.WriteJSON(1))
		require.Equal(t, ErrCloseSent, w.Close())
		_, err = c.NextWriter(TextMessage)
		require.Equal(t, ErrCloseSent, err)

		p.send(p.text("still reading"), p.close(1001, ""))
		p.closesWhenTold()
		_, data, err := c.ReadMessage()
		require.NoError(t, err, "the peer may send until it closes")
		require.Equal(t, "still reading", string(data))
		_, _, err = c.ReadMessage()
		require.Equal(t, &CloseError{Code: 1001}, err)
		require.Equal(t, ErrCloseSent, c.WriteMessage(TextMessage, nil))
	})
}

// stuffed returns a connection whose peer does not read, over a socket: its
// next write blocks with nothing of it on its way.
func stuffed(t *testing.T) *Conn {
	c, _ := stuffedPair(t)
	return c
}

// stuffedPair returns the peer too. All that comes to it before what c writes
// are zeros.
func stuffedPair(t *testing.T) (*Conn, *net.TCPConn) {
	a, b := socketPair(t)
	a.SetWriteBuffer(1)
	b.SetReadBuffer(1)
	a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		if _, err := a.Write(make([]byte, 1<<16)); err != nil {
			break
		}
	}
	// Until not one byte more fits.
	for {
		a.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := a.Write([]byte{0}); n == 0 && err != nil {
			break
		}
	}
	a.SetWriteDeadline(time.Time{})
	return newConn(a, connConfig{}), b
}

func TestWriteDeadlineBeforeTheFirstByte(t *testing.T) {
	c := stuffed(t)
	passed := time.Now().Add(-time.Second)
	for name, err := range map[string]error{
		"a deadline that has passed": c.WriteControl(PingMessage, nil, passed),
		"a deadline that passes":     c.WriteControl(PingMessage, nil, time.Now().Add(10*time.Millisecond)),
	} {
		ne, ok := errors.AsType[net.Error](err)
		require.True(t, ok, name)
		require.True(t, ne.Timeout(), name)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
		require.NotErrorIs(t, err, net.ErrClosed, name)
	}
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	require.ErrorIs(t, c.WriteMessage(TextMessage, []byte("x")), os.ErrDeadlineExceeded)
	c.SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, []byte("x")))
	require.Equal(t, StateOpen, c.State(), "nothing was begun, nothing is lost")

	// The one whose turn it is not gives up too.
	blocked := make(chan error)
	go func() { blocked <- c.WriteMessage(TextMessage, []byte("x")) }()
	for c.write.frames.lock.IsFree() {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, c.WriteMessageContext(ctx, TextMessage, []byte("y")))
	require.Equal(t, errWriteTimeout, c.WriteControl(PingMessage, nil, time.Now().Add(10*time.Millisecond)))
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-blocked, net.ErrClosed)
}

// TestCloseFrameThatWasNotBegun can be sent again.
func TestCloseFrameThatWasNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{})
		defer c.Close()
		c.transport.socket = true // a write that timed out has changed nothing
		require.NoError(t, c.WriteControl(PingMessage, []byte("12345678"), time.Time{}))
		goodbye := FormatCloseMessage(CloseNormalClosure, "")
		require.ErrorIs(t, c.WriteControl(CloseMessage, goodbye, time.Now().Add(time.Second)), os.ErrDeadlineExceeded)
		require.Equal(t, StateOpen, c.State())
		p := &peer{t: t, conn: b, masked: true}
		p.expect(true, opPing, "12345678")
		require.NoError(t, c.WriteControl(CloseMessage, goodbye, time.Now().Add(time.Second)))
		require.Equal(t, StateClosing, c.State())
		p.expectClose(1000)
	})
}

// TestNextWriterOnABrokenConnection: a loop that looks at no other error ends.
func TestNextWriterOnABrokenConnection(t *testing.T) {
	cause := errors.New("cable cut")
	c := newConn(brokenStream{cause}, connConfig{})
	w, err := c.NextWriter(TextMessage)
	require.NoError(t, err)
	require.ErrorIs(t, w.Close(), cause)
	for range 3 {
		_, err = c.NextWriter(TextMessage)
		require.ErrorIs(t, err, cause)
	}
	c = newConn(&scriptedStream{}, connConfig{})
	c.Close()
	_, err = c.NextWriter(TextMessage)
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestPreparedMessageFromNowhere(t *testing.T) {
	for _, client := range []bool{false, true} {
		s := &scriptedStream{}
		require.Equal(t, errBadMessageType, newConn(s, connConfig{client: client}).WritePreparedMessage(&PreparedMessage{}))
		require.Zero(t, s.out.Len())
	}
}

// TestWriteCutInsideAFrame: what cannot be completed ends the connection.
func TestWriteCutInsideAFrame(t *testing.T) {
	for name, test := range map[string]struct {
		write func(c *Conn) error
		cause error
	}{
		"deadline": {func(c *Conn) error {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			return c.WriteMessage(BinaryMessage, []byte(long))
		}, os.ErrDeadlineExceeded},
		"context": {func(c *Conn) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return c.WriteMessageContext(ctx, BinaryMessage, []byte(long))
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe(1000, wstest.Whole)
				defer b.Close()
				c := newConn(a, connConfig{})
				read := make(chan error)
				go func() {
					_, _, err := c.ReadMessage()
					read <- err
				}()
				err := test.write(c)
				require.ErrorIs(t, err, test.cause)
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, StateClosed, c.State())
				require.ErrorIs(t, <-read, net.ErrClosed)
				require.Equal(t, err, c.WriteMessage(TextMessage, nil), "the error stays")
			})
		})
	}
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

// TestCloseWakesWriters: who waits for a message that never ends is let go.
func TestCloseWakesWriters(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, _ := m.connect(t)
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		w.Write([]byte(long))
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

func TestWriteBufferPool(t *testing.T) {
	for _, client := range []bool{false, true} {
		a, b := wstest.Pipe(0, wstest.Whole)
		pool := &countingPool{}
		c := newConn(a, connConfig{client: client, writeBufferPool: pool, writeBufferSize: 1000})
		require.NoError(t, c.WriteMessage(TextMessage, []byte("small")))
		require.NoError(t, c.WriteMessage(TextMessage, []byte(long)))
		w, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		require.EqualValues(t, 1, pool.lent.Load())
		io.WriteString(w, "streamed")
		require.NoError(t, w.Close())
		require.Zero(t, pool.lent.Load(), "all given back")
		require.NotZero(t, pool.gets.Load())

		peer := newConn(b, connConfig{client: !client})
		for _, want := range []string{"small", long, "streamed"} {
			_, data, err := peer.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, want, string(data))
		}
	}
}

// A countingPool is a BufferPool that knows what it has lent.
type countingPool struct {
	pool       sync.Pool
	gets, lent atomic.Int32
}

func (p *countingPool) Get() any {
	p.gets.Add(1)
	p.lent.Add(1)
	return p.pool.Get()
}

func (p *countingPool) Put(v any) {
	p.lent.Add(-1)
	p.pool.Put(v)
}

func TestJSON(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		require.NoError(t, c.WriteJSON(map[string]int{"a": 1}))
		p.expect(true, opText, "{\"a\":1}\n")
		require.NoError(t, WriteJSON(c, "x"))
		p.expect(true, opText, "\"x\"\n")
		require.Error(t, c.WriteJSON(func() {}))

		p.send(p.text(`{"a":2} trailing`), p.text(""), p.text("[1,2]"), p.text("{"))
		var object map[string]int
		require.NoError(t, c.ReadJSON(&object))
		require.Equal(t, map[string]int{"a": 2}, object)
		require.Equal(t, io.ErrUnexpectedEOF, c.ReadJSON(&object))
		var list []int
		require.NoError(t, ReadJSON(c, &list))
		require.Equal(t, []int{1, 2}, list)
		require.Equal(t, io.ErrUnexpectedEOF, c.ReadJSON(&object))
		require.Equal(t, StateOpen, c.State())
	})
}

func TestJoinMessages(t *testing.T) {
	for _, term := range []string{"", "\n"} {
		eachMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			p.send(p.text("one"), p.text(""), p.frame(false, opText, "t"), p.frame(true, opContinuation, "wo"), p.close(1000, ""))
			p.closesWhenTold()
			var joined bytes.Buffer
			_, err := joined.ReadFrom(JoinMessages(c, term))
			require.Equal(t, &CloseError{Code: 1000}, err)
			require.Equal(t, "one"+term+term+"two"+term, joined.String())
		})
	}
}
