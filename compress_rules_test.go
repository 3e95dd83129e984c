package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
)

// compressionRules are what peers and libraries get wrong in RFC 7692, with the
// examples of its Section 7.2.3.
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
			p.compressedFrame(true, opText, "\xF2\x48\xCD\xC9\xC9\x07\x00"), p.text("plain"), p.frame(true, opPing, ""), p.binary(long),
			p.compressedFrame(true, opText, "\x00"), p.compressedFrame(true, opText, "\xF2\x00\x11\x00\x00"),
		}
	}, []string{"Hello", "plain", long, "", "Hello"}},
	{"window over control frames in the message", func(p *peer) [][]byte {
		return [][]byte{
			p.compressedFrame(false, opText, "\xF2\x48\xCD"), p.frame(true, opPing, "\xF2\x00"), p.frame(false, opContinuation, "\xC9\xC9\x07\x00"),
			p.frame(true, opPong, "x"), p.frame(true, opContinuation, ""), p.compressedFrame(false, opText, "\xF2"), p.frame(true, opPing, ""),
			p.frame(true, opContinuation, "\x00\x11\x00\x00"),
		}
	}, []string{"Hello", "Hello"}},
}

// TestCompressionRules: in both roles, in all ways to read, and however the
// stream is cut.
func TestCompressionRules(t *testing.T) {
	for _, test := range compressionRules {
		t.Run(test.name, func(t *testing.T) {
			eachReading(t, func(t *testing.T, m mode, r reading) {
				c, p := m.connectDeflating(t, agreements()["bits=15,alone=false"])
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

// TestReservedBitsWithCompression: RFC 7692, Section 6: of all the bits and all
// the frames, only RSV1 of the first of a message means something.
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
				_, _, err := newConn(s, connConfig{client: client, agreement: agreements()["bits=15,alone=false"]}).ReadMessage()
				if bits == 4 && (op == opText || op == opBinary) {
					require.NoError(t, err)
				} else {
					require.Equal(t, error(errReservedBits), err, "%b of %x", bits, op)
				}
			}
		}
	}
}

// TestWriterKeepsNoWindowOfAnother: what a connection compresses is readable for
// one who has seen nothing else, whatever other connections have compressed.
func TestWriterKeepsNoWindowOfAnother(t *testing.T) {
	for name, a := range agreements() {
		for _, client := range []bool{false, true} {
			for i := range 10 {
				s := &scriptedStream{}
				c := newConn(s, connConfig{client: client, agreement: a})
				text := strings.Repeat("a secret that they share, ", 20+i)
				if i%3 == 0 {
					require.NoError(t, c.WriteMessage(TextMessage, []byte(text)))
				} else {
					w, err := c.NextWriter(TextMessage)
					require.NoError(t, err)
					_, err = io.WriteString(w, text)
					require.NoError(t, err)
					require.NoError(t, w.Close())
				}
				b := bytes.Clone(s.out.Bytes())
				h, n, err := parseHeader(b)
				require.NoError(t, err)
				require.True(t, h.isCompressed(), name)
				if client {
					maskByByte(b[n:], b[n:], h.key, 0)
				}
				got, err := io.ReadAll(flate.NewReader(strings.NewReader(string(b[n:]) + "\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF")))
				require.NoError(t, err)
				require.Equal(t, text, string(got))
				_, err = deflate.NewDecompressor(a.params.Server.WindowBits, false).Append(nil, b[n:], -1)
				require.NoError(t, err, "nor goes beyond its own window")
			}
		}
	}
}
