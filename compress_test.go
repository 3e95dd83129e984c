package websocket

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/wstest"
)

// agreements are the ways in which both sides can compress.
func agreements() map[string]agreement {
	all := make(map[string]agreement)
	for _, bits := range []int{8, 12, 15} {
		for _, alone := range []bool{false, true} {
			side := deflate.Side{NoContextTakeover: alone, WindowBits: bits}
			all[fmt.Sprintf("bits=%d,alone=%v", bits, alone)] = agreement{
				wish:   &Compression{Threshold: -1},
				params: deflate.Params{Server: side, Client: side},
			}
		}
	}
	return all
}

func eachAgreement(t *testing.T, test func(t *testing.T, m mode, a agreement)) {
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) { test(t, m, a) })
		})
	}
}

// connectDeflating is connect for a connection that has negotiated a.
func (m mode) connectDeflating(t *testing.T, a agreement) (*Conn, *peer) {
	c, p := m.connect(t)
	c.setCompression(a)
	return c, p
}

// deflated returns the compressed form of a message, by compress/flate.
func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(w, s)
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xFF\xFF")
}

// compressedFrame is a frame with RSV1 set.
func (p *peer) compressedFrame(fin bool, op opcode, payload string) []byte {
	b := p.frame(fin, op, payload)
	b[0] |= rsvCompressed
	return b
}

var compressible = []string{
	"hello", "hello", "", `{"id":1,"name":"one","tags":["a","b"]}`, `{"id":2,"name":"two","tags":["a","b"]}`,
	strings.Repeat("The quick brown fox jumps over the lazy dog. ", 300), long, "x", "ünïcödé ünïcödé",
}

// TestCompressedStreams: compressed messages, whole, in fragments and mixed
// with others, arrive.
func TestCompressedStreams(t *testing.T) {
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connectDeflating(t, agreement{
					wish:   &Compression{},
					params: deflate.Params{Server: deflate.Side{NoContextTakeover: true, WindowBits: 15}, Client: deflate.Side{WindowBits: 15}},
				})
				var want []message
				for _, s := range compressible {
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

// TestCompressedConversation has two connections talk in every agreement and
// by every way to write and to read.
func TestCompressedConversation(t *testing.T) {
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			for _, chunking := range []wstest.Chunking{wstest.Whole, wstest.Random(3)} {
				left, right := wstest.Pipe(0, chunking)
				server, client := newConn(left, connConfig{agreement: a}), newConn(right, connConfig{client: true, agreement: a})
				converse(t, server, client)
				converse(t, client, server)
			}
		})
	}
}

func converse(t *testing.T, from, to *Conn) {
	writers := []func(s string) error{
		func(s string) error { return from.WriteMessage(TextMessage, []byte(s)) },
		func(s string) error {
			w, err := from.NextWriter(TextMessage)
			if err != nil {
				return err
			}
			for rest := s; rest != ""; {
				n := min(1000, len(rest))
				if _, err := io.WriteString(w, rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return w.Close()
		},
		func(s string) error {
			pm, err := NewPreparedMessage(TextMessage, []byte(s))
			if err != nil {
				return err
			}
			return from.WritePreparedMessage(pm)
		},
		func(s string) error { return from.Send(TextMessage, []byte(s)) },
		func(s string) error {
			from.EnableWriteCompression(false)
			defer from.EnableWriteCompression(true)
			return from.WriteMessage(TextMessage, []byte(s))
		},
	}
	for round := range 3 {
		for i, s := range compressible {
			for j, write := range writers {
				require.NoError(t, write(s))
				reading := readings[(round+i+j)%len(readings)]
				kind, data, err := reading.read(to)
				require.NoError(t, err, "%s, writer %d, round %d", reading.name, j, round)
				require.Equal(t, message{TextMessage, s}, message{kind, string(data)})
			}
			require.NoError(t, from.SetCompressionLevel(i%12-2))
		}
	}
}

// TestCompressedFrames looks at what goes out: RSV1 on the first frame alone,
// and payload that compress/flate understands.
func TestCompressedFrames(t *testing.T) {
	eachAgreement(t, func(t *testing.T, m mode, a agreement) {
		c, p := m.connectDeflating(t, a)
		var history []byte
		receive := func() string {
			var z strings.Builder
			for op, rsv := opText, byte(rsvCompressed); ; op, rsv = opContinuation, 0 {
				f, err := p.next()
				require.NoError(t, err)
				require.Equal(t, op, f.opcode)
				if rsv != 0 && f.rsv == 0 && a.params.Server.NoContextTakeover {
					return f.payload // it was shorter without
				}
				require.Equal(t, rsv, f.rsv)
				z.WriteString(f.payload)
				if f.fin {
					break
				}
			}
			// A final block ends the stream for compress/flate.
			in := strings.NewReader(z.String() + "\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF")
			data, err := io.ReadAll(flate.NewReaderDict(in, history))
			require.NoError(t, err)
			if !a.params.Server.NoContextTakeover {
				history = append(history, data...)
				history = history[max(0, len(history)-1<<15):]
			}
			return string(data)
		}
		for _, s := range append(compressible, compressible...) {
			require.NoError(t, c.WriteMessage(TextMessage, []byte(s)))
			require.Equal(t, s, receive())
			w, err := c.NextWriter(TextMessage)
			require.NoError(t, err)
			_, err = io.WriteString(w, s)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			require.Equal(t, s, receive())
			require.NoError(t, c.WriteControl(PingMessage, []byte("as it is"), time.Time{}))
			p.expect(true, opPing, "as it is")
		}
	})
}

// TestCompressionThreshold: shorter messages go out as they are and are no
// part of the history.
func TestCompressionThreshold(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, test := range []struct {
			wish      Compression
			alone     bool
			threshold int
		}{
			{Compression{}, false, 128},
			{Compression{}, true, 512},
			{Compression{Threshold: 10}, false, 10},
		} {
			side := deflate.Side{NoContextTakeover: test.alone, WindowBits: 15}
			c, p := m.connectDeflating(t, agreement{wish: &test.wish, params: deflate.Params{Server: side, Client: side}})
			for _, n := range []int{test.threshold - 1, test.threshold} {
				require.NoError(t, c.WriteMessage(TextMessage, bytes.Repeat([]byte("x"), n)))
				f, err := p.next()
				require.NoError(t, err)
				require.Equal(t, n == test.threshold, f.rsv == rsvCompressed, "%d bytes", n)
			}
		}
	})
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
			z := deflated(long)
			return [][]byte{p.compressedFrame(true, opText, z[:len(z)-10])}
		}, errDeflate, 1007},
		{"text that is not UTF-8", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opText, deflated("fine \xFF not"))} }, errTextUTF8, 1007},
		{"text cut inside a rune", func(p *peer) [][]byte { return [][]byte{p.compressedFrame(true, opText, deflated("\xE2\x82"))} }, errTextUTF8, 1007},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachReading(t, func(t *testing.T, m mode, r reading) {
				c, p := m.connectDeflating(t, agreements()["bits=15,alone=true"])
				p.send(p.compressedFrame(true, opText, deflated("first")))
				p.send(test.frames(p)...)
				_, data, err := r.read(c)
				require.NoError(t, err)
				require.Equal(t, "first", string(data))
				p.closesAfter(test.code)
				_, _, err = r.read(c)
				require.Equal(t, test.err, err)
			})
		})
	}
}

// TestInvalidTextThatRefersBack: a text that is not UTF-8 stays that, whatever
// the history makes of it the second time.
func TestInvalidTextThatRefersBack(t *testing.T) {
	eachReading(t, func(t *testing.T, m mode, r reading) {
		c, p := m.connectDeflating(t, agreements()["bits=15,alone=false"])
		z := deflate.NewCompressor(15, deflate.Speed)
		first, second := "0123456789 0123456789 0123456789", "0123456789 0123456789 \xFF 0123456789"
		p.send(p.compressedFrame(true, opText, string(z.Append(nil, []byte(first)))),
			p.compressedFrame(true, opText, string(z.Append(nil, []byte(second)))))
		_, data, err := r.read(c)
		require.NoError(t, err)
		require.Equal(t, first, string(data))
		p.closesAfter(1007)
		_, _, err = r.read(c)
		require.Equal(t, error(errTextUTF8), err)
	})
}

// TestReadLimitCountsInflatedBytes: the limit passes, a byte more does not,
// and a bomb is stopped long before it goes off.
func TestReadLimitCountsInflatedBytes(t *testing.T) {
	const limit = 1000
	for name, test := range map[string]struct {
		n    int
		want error
	}{
		"limit": {limit, nil}, "limit+1": {limit + 1, ErrReadLimit}, "bomb": {fullOrShort(100<<20, 10<<20), ErrReadLimit},
	} {
		t.Run(name, func(t *testing.T) {
			z := deflated(strings.Repeat("x", test.n))
			eachReading(t, func(t *testing.T, m mode, r reading) {
				c, p := m.connectDeflating(t, agreements()["bits=15,alone=true"])
				c.SetReadLimit(limit)
				cut := len(z) / 2
				for _, frames := range [][][]byte{
					{p.compressedFrame(true, opText, z)},
					{p.compressedFrame(false, opText, z[:cut]), p.frame(true, opContinuation, z[cut:])},
				} {
					p.send(frames...)
					if test.want != nil {
						p.closesAfter(1009)
					}
					_, data, err := r.read(c)
					require.Equal(t, test.want, err)
					require.LessOrEqual(t, cap(data), 10*limit)
					if err != nil {
						break
					}
					require.Len(t, data, test.n)
				}
			})
		})
	}
}

// TestDeadlineInsideACompressedMessage comes back after every byte.
func TestDeadlineInsideACompressedMessage(t *testing.T) {
	eachReading(t, func(t *testing.T, m mode, r reading) {
		if r.name == "NextReader" {
			r.read = patientReader()
		}
		c, p := m.connectDeflating(t, agreements()["bits=15,alone=true"])
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

// TestCompressionAllocations: compressing and inflating cost no more memory
// than the message that the caller gets.
func TestCompressionAllocations(t *testing.T) {
	countsAllocations(t)
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{600, 5000, 60_000} {
				data := []byte(testPayload(n))
				p := &peer{masked: true}
				c := newConn(&endlessStream{frame: p.compressedFrame(true, opText, deflated(string(data)))}, connConfig{agreement: a})
				dst := make([]byte, 0, 1<<17)
				if a.params.Client.WindowBits == 15 {
					assert.Zero(t, testing.AllocsPerRun(100, func() {
						if _, p, err := c.AppendMessage(dst); err != nil || len(p) != n {
							t.Fatal(len(p), err)
						}
					}), "reading %d", n)
				}
				assert.Zero(t, testing.AllocsPerRun(100, func() {
					if err := c.WriteMessage(TextMessage, data); err != nil {
						t.Fatal(err)
					}
				}), "writing %d", n)
			}
		})
	}
}

// TestAgreedWindowIsKept reads what goes out with a decompressor that knows no
// more than the agreed window, and refuses any distance beyond it.
func TestAgreedWindowIsKept(t *testing.T) {
	// Far apart enough to be found in a larger window alone.
	text := strings.Repeat("abcdefgh", 2) + testPayload(300) + strings.Repeat("0123456789", 100)
	inflates := func(c *Conn, s *scriptedStream, bits int) error {
		d := deflate.NewDecompressor(bits, true)
		for range 20 {
			s.out.Reset()
			require.NoError(t, c.WriteMessage(TextMessage, []byte(text)))
			h, n, err := parseHeader(s.out.Bytes())
			require.NoError(t, err)
			require.True(t, h.isCompressed())
			got, err := d.Append(nil, s.out.Bytes()[n:], -1)
			if err != nil {
				return err
			}
			require.Equal(t, text, string(got))
		}
		return nil
	}
	for bits := deflate.MinWindowBits; bits <= deflate.MaxWindowBits; bits++ {
		for level := -2; level <= 9; level++ {
			s := &scriptedStream{}
			side := deflate.Side{WindowBits: bits}
			c := newConn(s, connConfig{agreement: agreement{wish: &Compression{Level: level}, params: deflate.Params{Server: side, Client: side}}})
			require.NoError(t, inflates(c, s, bits), "%d bits, level %d", bits, level)
			if bits == deflate.MaxWindowBits && level >= 0 {
				require.ErrorIs(t, inflates(c, s, deflate.MinWindowBits), deflate.ErrCorrupt, "the check can fail")
			}
		}
	}
}

// TestStreamingTakesConstantMemory: of a long message no more is in memory than
// the buffers hold, compressed or not.
func TestStreamingTakesConstantMemory(t *testing.T) {
	countsAllocations(t)
	n := fullOrShort(64<<20, 8<<20)
	for name, config := range map[string]connConfig{
		"plain":      {},
		"takeover":   {agreement: agreements()["bits=15,alone=false"]},
		"on its own": {agreement: agreements()["bits=15,alone=true"]},
	} {
		t.Run(name, func(t *testing.T) {
			config.readLimit = -1
			piece := []byte(strings.Repeat("a line of a long text, ", 1000))
			server := newConn(&endlessStream{}, config)
			require.Less(t, allocated(func() {
				w, err := server.NextWriter(TextMessage)
				require.NoError(t, err)
				for written := 0; written < n; written += len(piece) {
					_, err := w.Write(piece)
					require.NoError(t, err)
				}
				require.NoError(t, w.Close())
			}), uint64(2<<20))

			p := &peer{masked: true}
			frame := p.frame(true, opText, strings.Repeat("x", n))
			if name != "plain" {
				frame = p.compressedFrame(true, opText, deflated(strings.Repeat("x", n)))
			}
			server = newConn(&endlessStream{frame: frame}, config)
			require.Less(t, allocated(func() {
				_, r, err := server.NextReader()
				require.NoError(t, err)
				read, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 4096))
				require.NoError(t, err)
				require.EqualValues(t, n, read)
			}), uint64(2<<20))
		})
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
