package websocket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// streamTests have the frames that a peer sends, the messages that are read, and the
// error after them. code is that of the close frame that is sent for the error, zero
// for none.
var streamTests = []struct {
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
		return [][]byte{p.text(longText[:125]), p.text(longText[:126]), p.text(longText[:65535]), p.text(longText[:65536]), p.text(longText)}
	}, []message{{TextMessage, longText[:125]}, {TextMessage, longText[:126]}, {TextMessage, longText[:65535]}, {TextMessage, longText[:65536]}, {TextMessage, longText}}, errEOF, 0},
	{"fragments", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opText, "he"), p.frame(false, opContinuation, ""), p.frame(false, opContinuation, "l"), p.frame(true, opContinuation, "lo"), p.text("next")}
	}, []message{{TextMessage, "hello"}, {TextMessage, "next"}}, errEOF, 0},
	{"long fragments", func(p *peer) [][]byte {
		return [][]byte{p.frame(false, opBinary, longText), p.frame(false, opContinuation, longText), p.frame(true, opContinuation, longText)}
	}, []message{{BinaryMessage, longText + longText + longText}}, errEOF, 0},
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
		b := p.text("\xFF" + longText)
		return [][]byte{b[:len(b)-len(longText)]}
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
	{"long ping", func(p *peer) [][]byte { return [][]byte{p.frame(true, opPing, longText[:126])} }, nil, errControlTooLong, 1002},
	{"long close", func(p *peer) [][]byte { return [][]byte{p.frame(true, opClose, "\x03\xE8"+longText[:124])} }, nil, errControlTooLong, 1002},
	{"wrong masking", func(p *peer) [][]byte {
		other := &peer{masked: !p.masked}
		return [][]byte{p.text("ok"), other.text("x")}
	}, []message{{TextMessage, "ok"}}, errWrongMasking, 1002},
	{"length not minimal", func(p *peer) [][]byte { return [][]byte{encodeLongLength(p, 126, "\x00\x05")} }, nil, errLengthNotMinimal, 1002},
	{"64-bit length not minimal", func(p *peer) [][]byte { return [][]byte{encodeLongLength(p, 127, "\x00\x00\x00\x00\x00\x00\xFF\xFF")} }, nil, errLengthNotMinimal, 1002},
	{"high bit of the length", func(p *peer) [][]byte { return [][]byte{encodeLongLength(p, 127, "\x80\x00\x00\x00\x00\x00\x00\x00")} }, nil, errLengthHighBit, 1002},
	{"length beyond the limit", func(p *peer) [][]byte { return [][]byte{encodeLongLength(p, 127, "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF")} }, nil, ErrReadLimit, 1009},
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

func TestStreams(t *testing.T) {
	for _, test := range streamTests {
		t.Run(test.name, func(t *testing.T) {
			eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
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
					// The close frame is sent before the read returns.
					p.expectCloseThenClose(test.code)
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

// resumingReader returns a function that reads a message by NextReader. Called again
// after a deadline, it continues with the same reader.
func resumingReader() func(*Conn) (int, []byte, error) {
	var (
		kind int
		r    io.Reader
		data bytes.Buffer
	)
	return func(c *Conn) (_ int, _ []byte, err error) {
		if r == nil {
			if kind, r, err = c.NextReader(); err != nil {
				return -1, nil, err
			}
			data.Reset()
		}
		if _, err := data.ReadFrom(r); err != nil {
			return -1, nil, err
		}
		r = nil
		return kind, data.Bytes(), nil
	}
}

// TestDiscardingChecksText checks that text that NextReader discards has to be UTF-8
// too.
func TestDiscardingChecksText(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.expectCloseThenClose(1007)
		p.send(p.text("fine \xFF not"), p.text("second"))
		_, _, err := c.NextReader()
		require.NoError(t, err)
		_, _, err = c.NextReader()
		require.Equal(t, error(errTextUTF8), err)
	})
}
