package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// A message is what an application receives.
type message struct {
	kind int
	data string
}

// A reading is one of the ways to receive a message.
type reading struct {
	name string
	read func(*Conn) (int, []byte, error)
}

var readings = []reading{
	{"ReadMessage", (*Conn).ReadMessage},
	{"AppendMessage", func(c *Conn) (int, []byte, error) {
		kind, p, err := c.AppendMessage([]byte("before"))
		return kind, bytes.TrimPrefix(p, []byte("before")), err
	}},
	{"NextReader", func(c *Conn) (int, []byte, error) {
		kind, r, err := c.NextReader()
		if err != nil {
			return kind, nil, err
		}
		p, err := io.ReadAll(r)
		return kind, p, err
	}},
}

func eachReading(t *testing.T, test func(t *testing.T, m mode, r reading)) {
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) { test(t, m, r) })
		})
	}
}

var long = strings.Repeat("0123456789abcdef", 5000) // 80,000 bytes

// streams are what a peer sends and what becomes of it: the messages that
// arrive, and the error after them with the close code that it is answered
// with, zero for none.
var streams = []struct {
	name     string
	frames   func(p *peer) [][]byte
	messages []message
	err      error
	code     int
}{
	{"text and binary", func(p *peer) [][]byte { return [][]byte{p.text("hello"), p.binary("\x00\xFF")} },
		[]message{{TextMessage, "hello"}, {BinaryMessage, "\x00\xFF"}}, errEOF, 0},
	{"empty messages", func(p *peer) [][]byte { return [][]byte{p.text(""), p.binary("")} },
		[]message{{TextMessage, ""}, {BinaryMessage, ""}}, errEOF, 0},
	{"every length form", func(p *peer) [][]byte {
		return [][]byte{p.text(long[:125]), p.text(long[:126]), p.text(long[:65535]), p.text(long[:65536]), p.text(long)}
	}, []message{{TextMessage, long[:125]}, {TextMessage, long[:126]}, {TextMessage, long[:65535]}, {TextMessage, long[:65536]}, {TextMessage, long}}, errEOF, 0},
	{"fragments", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opText, "he"), p.frame(false, opContinuation, ""), p.frame(false, opContinuation, "l"), p.frame(true, opContinuation, "lo"), p.text("next")}
	}, []message{{TextMessage, "hello"}, {TextMessage, "next"}}, errEOF, 0},
	{"long fragments", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opBinary, long), p.frame(false, opContinuation, long), p.frame(true, opContinuation, long)}
	}, []message{{BinaryMessage, long + long + long}}, errEOF, 0},
	{"empty last fragment", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opText, "hi"), p.frame(true, opContinuation, "")}
	},
		[]message{{TextMessage, "hi"}}, errEOF, 0},
	{"rune across fragments", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opText, "\xE2"), p.frame(false, opContinuation, "\x82"), p.frame(true, opContinuation, "\xAC")}
	}, []message{{TextMessage, "€"}}, errEOF, 0},
	{"pong between messages", func(p *peer) [][]byte { return [][]byte{p.text("a"), p.frame(true, opPong, "x"), p.text("b")} },
		[]message{{TextMessage, "a"}, {TextMessage, "b"}}, errEOF, 0},
	{"pong inside a message", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opText, "a"), p.frame(true, opPong, strings.Repeat("x", 125)), p.frame(true, opContinuation, "b")}
	}, []message{{TextMessage, "ab"}}, errEOF, 0},

	{"the end inside a frame", func(p *peer) [][]byte { b := p.text("hello"); return [][]byte{p.text("a"), b[:len(b)-1]} },
		[]message{{TextMessage, "a"}}, errEOF, 0},
	{"the end inside a header", func(p *peer) [][]byte { return [][]byte{p.text("hello")[:1]} }, nil, errEOF, 0},
	{"the end between fragments", func(p *peer) [][]byte { return [][]byte{p.frame(false, opText, "hello")} }, nil, errEOF, 0},

	{"invalid text", func(p *peer) [][]byte { return [][]byte{p.text("ok"), p.text("\xFF")} }, []message{{TextMessage, "ok"}}, errTextUTF8, 1007},
	{"text cut inside a rune", func(p *peer) [][]byte { return [][]byte{p.text("\xE2\x82")} }, nil, errTextUTF8, 1007},
	{"invalid text over fragments", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opText, "\xE2"), p.frame(true, opContinuation, "(")}
	}, nil, errTextUTF8, 1007},
	{"invalid text in a frame that never ends", func(p *peer) [][]byte {
		b := p.text("\xFF" + long)
		return [][]byte{b[:len(b)-len(long)]}
	}, nil, errTextUTF8, 1007},
	{"invalid text in a message that never ends", func(p *peer) [][]byte { return [][]byte{p.frame(false, opText, "\xC0")} }, nil, errTextUTF8, 1007},
	{"binary is not checked", func(p *peer) [][]byte { return [][]byte{p.binary("\xFF\xE2")} }, []message{{BinaryMessage, "\xFF\xE2"}}, errEOF, 0},

	{"RSV1", func(p *peer) [][]byte { b := p.text("x"); b[0] |= 0x40; return [][]byte{p.text("ok"), b} }, []message{{TextMessage, "ok"}}, errReservedBits, 1002},
	{"reserved opcode", func(p *peer) [][]byte { return [][]byte{p.frame(true, 3, "x")} }, nil, errReservedOpcode, 1002},
	{"reserved control opcode", func(p *peer) [][]byte { return [][]byte{p.frame(true, 0xB, "")} }, nil, errReservedOpcode, 1002},
	{"continuation of nothing", func(p *peer) [][]byte {
		return [][]byte{p.text("ok"), p.frame(true, opContinuation, "x"), p.text("never")}
	},
		[]message{{TextMessage, "ok"}}, errNoMessage, 1002},
	{"message inside a message", func(p *peer) [][]byte { return [][]byte{p.frame(false, opText, "x"), p.text("y")} }, nil, errInMessage, 1002},
	{"fragmented ping", func(p *peer) [][]byte { return [][]byte{p.frame(false, opPing, "x")} }, nil, errControlFragmented, 1002},
	{"long ping", func(p *peer) [][]byte { return [][]byte{p.frame(true, opPing, long[:126])} }, nil, errControlTooLong, 1002},
	{"long close", func(p *peer) [][]byte { return [][]byte{p.frame(true, opClose, "\x03\xE8"+long[:124])} }, nil, errControlTooLong, 1002},
	{"wrong masking", func(p *peer) [][]byte {
		other := &peer{masked: !p.masked}
		return [][]byte{p.text("ok"), other.text("x")}
	}, []message{{TextMessage, "ok"}}, errWrongMasking, 1002},
	{"length not minimal", func(p *peer) [][]byte { return [][]byte{lengthOf(p, 126, "\x00\x05")} }, nil, errLengthNotMinimal, 1002},
	{"64-bit length not minimal", func(p *peer) [][]byte { return [][]byte{lengthOf(p, 127, "\x00\x00\x00\x00\x00\x00\xFF\xFF")} }, nil, errLengthNotMinimal, 1002},
	{"high bit of the length", func(p *peer) [][]byte { return [][]byte{lengthOf(p, 127, "\x80\x00\x00\x00\x00\x00\x00\x00")} }, nil, errLengthHighBit, 1002},
	{"length beyond the limit", func(p *peer) [][]byte { return [][]byte{lengthOf(p, 127, "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF")} }, nil, ErrReadLimit, 1009},
	{"half a close code", func(p *peer) [][]byte { return [][]byte{p.frame(true, opClose, "\x03")} }, nil, errCloseTruncated, 1002},
	{"close code 1005", func(p *peer) [][]byte { return [][]byte{p.frame(true, opClose, "\x03\xED")} }, nil, errCloseCode, 1002},
	{"close code 2999", func(p *peer) [][]byte { return [][]byte{p.frame(true, opClose, "\x0B\xB7")} }, nil, errCloseCode, 1002},
	{"close reason not UTF-8", func(p *peer) [][]byte { return [][]byte{p.frame(true, opClose, "\x03\xE8\xFF")} }, nil, errCloseReasonUTF8, 1007},
	{"endless empty fragments", func(p *peer) [][]byte {
		frames := [][]byte{p.frame(false, opText, "x")}
		for range maxEmptyFragments + 1 {
			frames = append(frames, p.frame(false, opContinuation, ""))
		}
		return frames
	}, nil, errEmptyFragments, 1008},
	{"flood of pongs", func(p *peer) [][]byte {
		frames := [][]byte{p.text("ok")}
		for range maxControlFrames + 1 {
			frames = append(frames, p.frame(true, opPong, ""))
		}
		return append(frames, p.text("never"))
	}, []message{{TextMessage, "ok"}}, errControlFlood, 1008},

	{"close", func(p *peer) [][]byte { return [][]byte{p.text("a"), p.close(1000, "bye"), p.text("never")} },
		[]message{{TextMessage, "a"}}, &CloseError{1000, "bye"}, 1000},
	{"close without a code", func(p *peer) [][]byte { return [][]byte{p.close(CloseNoStatusReceived, "")} }, nil, &CloseError{Code: 1005}, CloseNoStatusReceived},
	{"close inside a message", func(p *peer) [][]byte { return [][]byte{p.frame(false, opText, "x"), p.close(4999, "")} }, nil, &CloseError{Code: 4999}, 4999},
}

var (
	errEOF          = &CloseError{CloseAbnormalClosure, "unexpected EOF"}
	errWrongMasking = errors.New("one of errMasked and errNotMasked")
)

// lengthOf is the beginning of a binary frame with the length in a long form.
func lengthOf(p *peer, form byte, length string) []byte {
	if p.masked {
		return append([]byte{0x82, form | maskBit}, length+"\x00\x00\x00\x00"...)
	}
	return append([]byte{0x82, form}, length...)
}

func TestStreams(t *testing.T) {
	for _, test := range streams {
		t.Run(test.name, func(t *testing.T) {
			eachReading(t, func(t *testing.T, m mode, r reading) {
				c, p := m.connect(t)
				p.send(test.frames(p)...)
				if test.err == errEOF {
					p.conn.CloseWrite()
				}
				for _, want := range test.messages {
					kind, data, err := r.read(c)
					require.NoError(t, err)
					require.Equal(t, want, message{kind, string(data)})
				}
				if test.code != 0 {
					// The answer is there before the read returns, and the
					// peer can read it to the end.
					p.closesAfter(test.code)
				}
				_, _, err := r.read(c)
				synctest.Wait()
				switch {
				case test.err == errWrongMasking && m.client:
					require.Equal(t, error(errMasked), err)
				case test.err == errWrongMasking:
					require.Equal(t, error(errNotMasked), err)
				default:
					require.Equal(t, test.err, err)
				}
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, StateClosed, c.State())
				if test.code == 0 {
					p.expectEOF()
				}
				for range 3 {
					kind, data, again := r.read(c)
					require.Equal(t, err, again, "the error stays")
					require.Equal(t, -1, kind)
					require.Empty(t, data)
				}
				require.ErrorIs(t, c.WriteMessage(TextMessage, nil), net.ErrClosed)
			})
		})
	}
}

func TestReadLimitIsExact(t *testing.T) {
	cut := func(p *peer, s string) [][]byte {
		return [][]byte{p.frame(false, opBinary, s[:3]), p.frame(false, opContinuation, ""), p.frame(true, opContinuation, s[3:])}
	}
	whole := func(p *peer, s string) [][]byte { return [][]byte{p.binary(s)} }
	for name, frames := range map[string]func(*peer, string) [][]byte{"one frame": whole, "fragments": cut} {
		t.Run(name, func(t *testing.T) {
			eachReading(t, func(t *testing.T, m mode, r reading) {
				const limit = 100
				c, p := m.connect(t)
				c.SetReadLimit(limit)
				p.closesAfter(1009)
				p.send(frames(p, long[:limit])...)
				p.send(frames(p, long[:limit+1])...)
				_, data, err := r.read(c)
				require.NoError(t, err)
				require.Len(t, data, limit)
				_, data, err = r.read(c)
				require.Equal(t, ErrReadLimit, err)
				if r.name != "NextReader" {
					require.Empty(t, data)
				}
			})
		})
	}
}

// closesAfter makes the peer expect a close frame with the code and close.
func (p *peer) closesAfter(code int) {
	go func() {
		p.expectClose(code)
		p.conn.CloseWrite()
	}()
}

func TestNoReadLimit(t *testing.T) {
	eachReading(t, func(t *testing.T, m mode, r reading) {
		c, p := m.connect(t)
		c.SetReadLimit(0)
		p.send(p.binary(long))
		_, data, err := r.read(c)
		require.NoError(t, err)
		require.Equal(t, long, string(data))
	})
}

// TestDeclaredLengthIsNotBelieved declares much and sends little.
func TestDeclaredLengthIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(0, wstest.Whole)
		c := newConn(a, connConfig{client: true})
		b.Write(appendHeader(nil, header{fin: true, opcode: opBinary, length: DefaultReadLimit}))
		b.Write(make([]byte, 1000))
		c.SetReadDeadline(time.Now().Add(soon))
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Len(t, c.read.partial, 1000)
		assert.LessOrEqual(t, cap(c.read.partial), trustedLength)

		b.Write(make([]byte, trustedLength))
		c.SetReadDeadline(time.Now().Add(soon))
		_, _, err = c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Len(t, c.read.partial, 1000+trustedLength)
		assert.LessOrEqual(t, cap(c.read.partial), (growth+1)*(1000+trustedLength))
		c.Close()
		b.Close()
	})
}

// TestSocketErrors reads from the kernel's sockets, which is a way of its own.
func TestSocketErrors(t *testing.T) {
	a, b := socketPair(t)
	c := newConn(a, connConfig{client: true})
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _, err := c.ReadMessage()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Regexp(t, `^read tcp .*: i/o timeout$`, err.Error())

	c.SetReadDeadline(time.Time{})
	b.SetLinger(0)
	b.Close() // with a reset
	_, _, err = c.ReadMessage()
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Regexp(t, `read tcp .*: (read: connection|recvfrom: Connection) reset by peer$`, err.Error()) // the latter: GOOS=js
	_, ok := err.(net.Error)
	require.True(t, ok)
	require.ErrorIs(t, err, net.ErrClosed)
	require.True(t, IsUnexpectedCloseError(err, CloseGoingAway))

	a, b = socketPair(t)
	c = newConn(a, connConfig{client: true})
	b.Close()
	_, _, err = c.ReadMessage()
	require.Equal(t, errEOF, err)

	a, _ = socketPair(t)
	c = newConn(a, connConfig{client: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, _, err = c.ReadMessageContext(ctx)
	require.Equal(t, context.DeadlineExceeded, err)
	go c.Close()
	_, _, err = c.ReadMessage()
	require.ErrorIs(t, err, net.ErrClosed)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestLostTransport(t *testing.T) {
	cause := errors.New("cable cut")
	c := newConn(brokenStream{cause}, connConfig{})
	_, _, err := c.ReadMessage()
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, net.ErrClosed)
	require.True(t, IsCloseError(err, CloseAbnormalClosure))
	require.Equal(t, StateClosed, c.State())
	require.NoError(t, c.Close())
}

// TestDeadPeerIsNoTimeout: the kernel's ETIMEDOUT has a Timeout method that
// returns true, and is an end all the same.
func TestDeadPeerIsNoTimeout(t *testing.T) {
	c := newConn(brokenStream{os.NewSyscallError("read", syscall.ETIMEDOUT)}, connConfig{})
	_, _, err := c.ReadMessage()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Equal(t, StateClosed, c.State())
	_, _, again := c.ReadMessage()
	require.Equal(t, err, again)
}

// TestReadJSONAfterADeadline goes on in the middle of a value.
func TestReadJSONAfterADeadline(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		frame := p.text(`{"a":[1,2,3]}`)
		p.send(frame[:len(frame)-5])
		c.SetReadDeadline(time.Now().Add(time.Second))
		var v any
		require.ErrorIs(t, c.ReadJSON(&v), os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		p.send(frame[len(frame)-5:])
		require.NoError(t, c.ReadJSON(&v))
		require.Equal(t, map[string]any{"a": []any{1., 2., 3.}}, v)
	})
}

// TestContextAfterAPanic: a context that a panic of a handler left behind does
// not cut later reads short.
func TestContextAfterAPanic(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.SetPingHandler(func(string) error { panic("handler") })
		p.send(p.frame(true, opPing, ""), p.text("after"))
		ctx, cancel := context.WithCancel(t.Context())
		require.Panics(t, func() { c.ReadMessageContext(ctx) })
		cancel()
		synctest.Wait()
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "after", string(data))
	})
}

// A brokenStream fails on every call.
type brokenStream struct{ err error }

func (s brokenStream) Read([]byte) (int, error)         { return 0, s.err }
func (s brokenStream) Write([]byte) (int, error)        { return 0, s.err }
func (s brokenStream) Close() error                     { return nil }
func (s brokenStream) SetReadDeadline(time.Time) error  { return nil }
func (s brokenStream) SetWriteDeadline(time.Time) error { return nil }
