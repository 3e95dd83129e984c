package websocket

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
)

// TestInflatedBytesAreReturnedAtOnce checks that all data that a peer has flushed is
// returned before more is received: the peer may wait for an answer to it.
func TestInflatedBytesAreReturnedAtOnce(t *testing.T) {
	z := deflated(strings.Repeat("x", 1000)) + "\x00\x00\xFF\xFF"
	for name, send := range map[string]func(p *peer){
		"fragment": func(p *peer) { p.send(p.compressedFrame(false, opText, z)) },
		"part of a frame": func(p *peer) {
			frame := p.compressedFrame(true, opText, z+"\x00")
			p.send(frame[:len(frame)-1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachAgreement(t, func(t *testing.T, m mode, a agreement) {
				c, p := m.connectCompressed(t, a)
				send(p)
				c.SetReadDeadline(time.Now().Add(time.Second))
				_, r, err := c.NextReader()
				require.NoError(t, err)
				var buf [100]byte
				for range 1000 / len(buf) {
					_, err := io.ReadFull(r, buf[:])
					require.NoError(t, err)
				}
				_, err = r.Read(buf[:])
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			})
		})
	}
}

// compressionRules have the examples of RFC 7692, Section 7.2.3, and other valid
// streams that libraries have got wrong.
var compressionRules = []struct {
	name   string
	frames func(p *peer) [][]byte
	want   []string
}{
	{"one block: 7.2.3.1", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\xF2\x48\xCD\xC9\xC9\x07\x00")}
	}, []string{"Hello"}},
	{"fragments: 7.2.3.1", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(false, opText, "\xF2\x48\xCD"), p.frame(true, opContinuation, "\xC9\xC9\x07\x00")}
	}, []string{"Hello"}},
	{"shared window: 7.2.3.2", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\xF2\x48\xCD\xC9\xC9\x07\x00"), p.compressedFrame(true, opText, "\xF2\x00\x11\x00\x00")}
	}, []string{"Hello", "Hello"}},
	{"no compression: 7.2.3.3", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\x00\x05\x00\xFA\xFFHello\x00")}
	}, []string{"Hello"}},
	{"BFINAL: 7.2.3.4", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\xF3\x48\xCD\xC9\xC9\x07\x00\x00")}
	}, []string{"Hello"}},
	{"BFINAL without its octet", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\xF3\x48\xCD\xC9\xC9\x07\x00"), p.compressedFrame(true, opText, "\x01\x05\x00\xFA\xFFHello")}
	}, []string{"Hello", "Hello"}},
	{"two blocks: 7.2.3.5", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00")}
	}, []string{"Hello"}},
	{"empty: 7.2.3.6", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opText, "\x00")} }, []string{""}},
	{"empty without its octet", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, ""), p.compressedFrame(false, opText, ""), p.frame(true, opContinuation, "")}
	}, []string{"", ""}},
	{"BFINAL in the middle", func(p *peer) [][]byte {
		return [][]byte{p.compressedFrame(true, opText, "\xF3\x48\xCD\xC9\xC9\x07\x00"+"\xF3\x48\xCD\xC9\xC9\x07\x00"+"\xF2\x48\xCD\xC9\xC9\x07\x00")}
	}, []string{"HelloHelloHello"}},
	{"BFINAL does not end the window", func(p *peer) [][]byte {
		return [][]byte{
			p.compressedFrame(true, opText, "\xF3\x48\xCD\xC9\xC9\x07\x00\x00"), p.compressedFrame(true, opText, "\xF2\x00\x11\x00\x00"),
			p.compressedFrame(true, opText, "\xF3\x48\xCD\xC9\xC9\x07\x00"+"\xF2\x00\x11\x00\x00"),
		}
	}, []string{"Hello", "Hello", "HelloHello"}},
	{"window over other messages", func(p *peer) [][]byte {
		return [][]byte{
			p.compressedFrame(true, opText, "\xF2\x48\xCD\xC9\xC9\x07\x00"), p.text("plain"), p.frame(true, opPing, ""), p.binary(longText),
			p.compressedFrame(true, opText, "\x00"), p.compressedFrame(true, opText, "\xF2\x00\x11\x00\x00"),
		}
	}, []string{"Hello", "plain", longText, "", "Hello"}},
	{"window over control frames in the message", func(p *peer) [][]byte {
		return [][]byte{
			p.compressedFrame(false, opText, "\xF2\x48\xCD"), p.frame(true, opPing, "\xF2\x00"), p.frame(false, opContinuation, "\xC9\xC9\x07\x00"),
			p.frame(true, opPong, "x"), p.frame(true, opContinuation, ""), p.compressedFrame(false, opText, "\xF2"), p.frame(true, opPing, ""),
			p.frame(true, opContinuation, "\x00\x11\x00\x00"),
		}
	}, []string{"Hello", "Hello"}},
}

// TestCompressionRules reads them in all modes and by all methods.
func TestCompressionRules(t *testing.T) {
	for _, test := range compressionRules {
		t.Run(test.name, func(t *testing.T) {
			eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
				c, p := m.connectCompressed(t, agreements()["bits=15,noTakeover=false"])
				p.send(test.frames(p)...)
				for _, want := range test.want {
					_, data, err := r.read(c)
					require.NoError(t, err)
					require.Equal(t, want, string(data))
				}
				require.Equal(t, StateOpen, c.State())
			})
		})
	}
}

// TestReservedBitsWithCompression checks that RSV1 is valid in the first frame of a
// message only, and RSV2 and RSV3 in no frame: RFC 7692, Section 6.
func TestReservedBitsWithCompression(t *testing.T) {
	for bits := byte(1); bits < 8; bits++ {
		for _, op := range []opcode{opContinuation, opText, opBinary, opClose, opPing, opPong} {
			for _, client := range []bool{false, true} {
				p := &peer{masked: !client}
				frame := p.frame(true, op, "\x00")
				frame[0] |= bits << 4
				if op == opContinuation {
					frame = append(p.compressedFrame(false, opText, "\x00"), frame...)
				}
				s := &scriptedStream{in: frame, chunking: func(n int) int { return n }}
				_, _, err := newConn(s, connConfig{client: client, agreement: agreements()["bits=15,noTakeover=false"]}).ReadMessage()
				if bits == 4 && (op == opText || op == opBinary) {
					require.NoError(t, err)
				} else {
					require.Equal(t, error(errReservedBits), err, "%b of %x", bits, op)
				}
			}
		}
	}
}

// TestCompressedStreams reads compressed messages in one frame and in fragments,
// mixed with others.
func TestCompressedStreams(t *testing.T) {
	for _, r := range readMethods {
		t.Run(r.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connectCompressed(t, agreement{
					wish:   &Compression{},
					params: deflate.Params{Server: deflate.Side{NoContextTakeover: true, WindowBits: 15}, Client: deflate.Side{WindowBits: 15}},
				})
				var want []message
				for _, s := range compressibleTexts {
					z := deflated(s)
					p.send(p.compressedFrame(true, opText, z), p.frame(true, opPong, ""), p.binary("plain"))
					half := len(z) / 2
					p.send(p.compressedFrame(false, opBinary, z[:half]), p.frame(true, opPong, ""), p.frame(false, opContinuation, ""),
						p.frame(true, opContinuation, z[half:]))
					want = append(want, message{TextMessage, s}, message{BinaryMessage, "plain"}, message{BinaryMessage, s})
				}
				for _, w := range want {
					kind, data, err := r.read(c)
					require.NoError(t, err)
					require.Equal(t, w, message{kind, string(data)})
				}
			})
		})
	}
}

func TestCompressionViolations(t *testing.T) {
	for _, test := range []struct {
		name   string
		frames func(p *peer) [][]byte
		err    error
		code   int
	}{
		{"RSV1 on a ping", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opPing, "")} }, errReservedBits, 1002},
		{"RSV1 on a close", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opClose, "")} }, errReservedBits, 1002},
		{"RSV1 on a continuation", func(p *peer) [][]byte {
			return [][]byte{p.compressedFrame(false, opText, deflated("x")), p.compressedFrame(true, opContinuation, "")}
		}, errReservedBits, 1002},
		{"RSV2", func(p *peer) [][]byte { b := p.text("x"); b[0] |= 0x20; return [][]byte{b} }, errReservedBits, 1002},
		{"RSV1 and RSV3", func(p *peer) [][]byte {
			b := p.compressedFrame(true, opText, deflated("x"))
			b[0] |= 0x10
			return [][]byte{b}
		}, errReservedBits, 1002},
		{"reserved block type", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opText, "\x06")} }, errDeflate, 1007},
		{"distance before the beginning", func(p *peer) [][]byte {
			return [][]byte{p.compressedFrame(true, opText, "\x02\x23\x00")}
		}, errDeflate, 1007},
		{"truncated", func(p *peer) [][]byte {
			z := deflated(longText)
			return [][]byte{p.compressedFrame(true, opText, z[:len(z)-10])}
		}, errDeflate, 1007},
		{"text that is not UTF-8", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opText, deflated("fine \xFF not"))} }, errTextUTF8, 1007},
		{"text cut inside a rune", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opText, deflated("\xE2\x82"))} }, errTextUTF8, 1007},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
				c, p := m.connectCompressed(t, agreements()["bits=15,noTakeover=true"])
				p.send(p.compressedFrame(true, opText, deflated("first")))
				p.send(test.frames(p)...)
				_, data, err := r.read(c)
				require.NoError(t, err)
				require.Equal(t, "first", string(data))
				p.expectCloseThenClose(test.code)
				_, _, err = r.read(c)
				require.Equal(t, test.err, err)
			})
		})
	}
}

// TestInvalidTextInHistory checks that invalid text is found in a message that
// refers to the history.
func TestInvalidTextInHistory(t *testing.T) {
	eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
		c, p := m.connectCompressed(t, agreements()["bits=15,noTakeover=false"])
		z := deflate.NewCompressor(15, deflate.Speed)
		first, second := "0123456789 0123456789 0123456789", "0123456789 0123456789 \xFF 0123456789"
		p.send(p.compressedFrame(true, opText, string(z.Append(nil, []byte(first)))),
			p.compressedFrame(true, opText, string(z.Append(nil, []byte(second)))))
		_, data, err := r.read(c)
		require.NoError(t, err)
		require.Equal(t, first, string(data))
		p.expectCloseThenClose(1007)
		_, _, err = r.read(c)
		require.Equal(t, error(errTextUTF8), err)
	})
}

// TestDeadlineInsideACompressedMessage has a deadline before every byte.
func TestDeadlineInsideACompressedMessage(t *testing.T) {
	eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
		if r.name == "Start" {
			return // a deadline ends it
		}
		if r.name == "NextReader" {
			r.read = resumingReader()
		}
		c, p := m.connectCompressed(t, agreements()["bits=15,noTakeover=true"])
		want := strings.Repeat("some text, more text, ", 50) + "€"
		z := deflated(want)
		stream := append(p.compressedFrame(false, opText, z[:10]), p.frame(true, opContinuation, z[10:])...)
		for {
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, data, err := r.read(c)
			if err == nil {
				require.Empty(t, stream)
				require.Equal(t, want, string(data))
				return
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			p.send(stream[:1])
			stream = stream[1:]
		}
	})
}
