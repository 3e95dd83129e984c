package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/wstest"
)

// canary is a text that fills everything in the pools. It is long enough to be
// recognized, and no test sends it.
const canary = "\xC5\x8ACANARY-OF-ANOTHER-CONNECTION\x00"

// fillPools fills the pools with the canary, as if another connection had used them.
func fillPools(a agreement) {
	for size := bufpool.Min; size <= bufpool.Max; size *= 2 {
		for range 3 {
			bufpool.Put(&bufpool.Buffer{B: canaryBytes(size)})
		}
	}
	for range 3 {
		compressedBuffers.Put(&compressedBuffer{canaryBytes(100 << 10)})
	}
	if a.wish == nil {
		return
	}
	// Compressors and decompressors get it from messages.
	s := &scriptedStream{chunking: wstest.Whole}
	other := newConn(s, connConfig{agreement: a})
	other.WriteMessage(BinaryMessage, canaryBytes(60<<10))
	s.in = (&peer{masked: true}).compressedFrame(true, opBinary, deflated(string(canaryBytes(60<<10))))
	other.ReadMessage()
}

// canaryBytes returns n bytes of the canary.
func canaryBytes(n int) []byte { return bytes.Repeat([]byte(canary), n/len(canary)+1)[:n:n] }

// FuzzSentBytes checks that a connection sends what was written and nothing that was in
// the pools, in whatever way it was written, and that reads return what the peer has
// sent.
func FuzzSentBytes(f *testing.F) {
	for seed := range uint64(60) {
		f.Add([]byte(testPayload(int(seed*seed*20))), seed, seed%2 == 0, byte(seed*37))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, client bool, compression byte) {
		if len(data) > 100<<10 || bytes.Contains(data, []byte(canary[:8])) {
			t.Skip()
		}
		var a agreement
		if bits := int(compression % 16); bits >= deflate.MinWindowBits {
			side := deflate.Side{NoContextTakeover: compression >= 128, WindowBits: bits}
			a = agreement{wish: &Compression{Threshold: -int(compression >> 4 & 1)}, params: deflate.Params{Server: side, Client: side}}
		}
		fillPools(a)
		s := &scriptedStream{chunking: wstest.Random(seed)}
		w := &canarySession{Rand: rand.New(rand.NewPCG(seed, 5)), t: t, data: data, s: s, p: &peer{masked: !client}}
		w.c = newConn(s, connConfig{client: client, agreement: a, readLimit: -1, writeBufferSize: minBuffer << (seed % 5), readBufferSize: minBuffer})
		w.c.transport.socket = seed%3 == 0 // sockets write long frames in another way
		for range 1 + w.IntN(10) {
			canarySteps[w.IntN(len(canarySteps))](w)
		}
		w.end()
		sent := s.out.Bytes()
		require.Equal(t, w.want, messagesIn(t, bytes.Clone(sent), client, int(compression%16), compression < 128))
		require.False(t, bytes.Contains(sent, []byte(canary[:8])))
	})
}

// A canarySession uses a connection and records what has to be sent.
type canarySession struct {
	*rand.Rand
	t    *testing.T
	data []byte
	s    *scriptedStream
	p    *peer
	c    *Conn
	want []message
}

// piece returns a part of the data, short or long.
func (w *canarySession) piece(longest int) []byte {
	n := w.IntN(min(len(w.data), longest) + 1)
	at := w.IntN(len(w.data) - n + 1)
	return w.data[at : at+n]
}

// expectSent records a message that was written.
func (w *canarySession) expectSent(kind int, p []byte, err error) {
	require.NoError(w.t, err)
	w.want = append(w.want, message{kind, string(p)})
}

// canarySteps are the ways to make a connection send something.
var canarySteps = []func(w *canarySession){
	func(w *canarySession) {
		p := w.piece(1 << 20)
		w.expectSent(BinaryMessage, p, w.c.WriteMessage(BinaryMessage, p))
	},
	func(w *canarySession) {
		p := w.piece(100)
		w.expectSent(TextMessage, p, w.c.WriteMessage(TextMessage, p))
	},
	func(w *canarySession) {
		p := w.piece(maxControlPayload)
		w.expectSent(PingMessage, p, w.c.WriteControl(PingMessage, p, time.Time{}))
	},
	func(w *canarySession) {
		p := w.piece(1 << 20)
		pm, err := NewPreparedMessage(TextMessage, p)
		require.NoError(w.t, err)
		w.expectSent(TextMessage, p, w.c.WritePreparedMessage(pm))
	},
	func(w *canarySession) { // control messages of NextWriter, valid and too long
		for _, p := range [][]byte{w.piece(maxControlPayload), make([]byte, maxControlPayload+1)} {
			nw, err := w.c.NextWriter(PongMessage)
			require.NoError(w.t, err)
			nw.Write(p)
			if len(p) > maxControlPayload {
				require.Error(w.t, nw.Close())
			} else {
				w.expectSent(PongMessage, p, nw.Close())
			}
		}
	},
	(*canarySession).stream,
	func(w *canarySession) { // a ping that is answered, and a message that is read
		ping, p := w.piece(maxControlPayload), w.piece(1<<20)
		w.s.in = append(w.p.frame(true, opPing, string(ping)), w.p.binary(string(p))...)
		_, got, err := w.c.ReadMessage()
		w.expectSent(PongMessage, ping, err)
		require.Equal(w.t, string(p), string(got))
	},
	func(w *canarySession) { // no byte of the pools behind a message in memory
		p := w.piece(1 << 20)
		w.s.in = append(w.p.frame(false, opBinary, string(p)), w.p.frame(true, opContinuation, "x")...)
		_, got, err := w.c.AppendMessage([]byte("before"))
		require.NoError(w.t, err)
		require.Equal(w.t, "before"+string(p)+"x", string(got))
		require.False(w.t, bytes.Contains(got[:cap(got)], []byte(canary[:8])))
	},
}

// stream writes a message in pieces.
func (w *canarySession) stream() {
	var all []byte
	nw, err := w.c.NextWriter(BinaryMessage)
	require.NoError(w.t, err)
	for range w.IntN(5) {
		p := w.piece(10_000)
		all = append(all, p...)
		switch w.IntN(3) {
		case 0:
			_, err = nw.Write(p)
		case 1:
			_, err = nw.(io.StringWriter).WriteString(string(p))
		default:
			_, err = nw.(io.ReaderFrom).ReadFrom(bytes.NewReader(p))
		}
		require.NoError(w.t, err)
	}
	w.expectSent(BinaryMessage, all, nw.Close())
}

// end closes the connection in one of the ways in which a close frame is sent.
func (w *canarySession) end() {
	reason := "fine"
	switch code := 1000; w.IntN(4) {
	case 0:
		w.expectSent(CloseMessage, FormatCloseMessage(code, reason), w.c.WriteMessage(CloseMessage, FormatCloseMessage(code, reason)))
	case 1:
		w.s.in = w.p.close(code, string(strings.Repeat("long reason ", 10)))
		w.c.ReadMessage()
		w.expectSent(CloseMessage, FormatCloseMessage(code, ""), nil)
	case 2:
		w.s.in = w.p.frame(true, opClose, "")
		w.c.ReadMessage()
		w.expectSent(CloseMessage, nil, nil)
	default:
		w.s.in = w.p.frame(true, 3, "")
		w.c.ReadMessage()
		w.expectSent(CloseMessage, FormatCloseMessage(CloseProtocolError, errReservedOpcode.Reason), nil)
	}
}

// messagesIn returns the messages that were sent. It parses them with the oracle's
// model, which shares no code with the package.
func messagesIn(t *testing.T, sent []byte, client bool, bits int, takeover bool) (all []message) {
	var (
		kind       int
		compressed bool
		payload    []byte
		history    []byte
	)
	for len(sent) > 0 {
		h, size, bad := modelParse(sent)
		require.True(t, !bad && size > 0 && h.masked == client)
		p := sent[size : size+int(h.length)]
		for i := range p {
			if client {
				p[i] ^= h.key[i%4]
			}
		}
		sent = sent[size+int(h.length):]
		if h.op >= 8 {
			all = append(all, message{int(h.op), string(p)})
			continue
		}
		if h.op != 0 {
			kind, compressed, payload = int(h.op), h.rsv == 4, nil
		}
		if payload = append(payload, p...); !h.fin {
			continue
		}
		if compressed {
			data, ended, corrupt := modelInflate(history, payload, bits)
			require.True(t, ended && !corrupt, "the message refers to data that was not sent on this connection")
			if payload = data; takeover {
				history = append(history, data...)
			}
		}
		all = append(all, message{kind, string(payload)})
	}
	return all
}

// TestDecompressorKeepsNoOtherWindow checks that a message that refers to data before
// the first message is corrupt. It must not read what another connection has received
// with the same decompressor.
func TestDecompressorKeepsNoOtherWindow(t *testing.T) {
	secret := strings.Repeat("another connection's secret ", 20)
	for name, a := range agreements() {
		for _, client := range []bool{false, true} {
			for _, r := range readMethods {
				p := &peer{masked: !client}
				z := p.compressedFrame(true, opBinary, deflated(secret))
				for range 5 {
					other := newConn(&scriptedStream{in: z, chunking: wstest.Whole}, connConfig{client: client, agreement: a})
					_, data, err := r.read(other)
					require.NoError(t, err)
					require.Equal(t, secret, string(data))
					other.Close()
				}
				// "b" and a match of length 3. Distance 1 is valid, 2 and 101 refer to
				// data before the "b".
				for payload, want := range map[string]error{
					"\x4A\x02\x02\x00\x00": nil, "\x4A\x02\x42\x00\x00": errDeflate, "\x4A\x02\x1A\x02\x00": errDeflate,
				} {
					s := &scriptedStream{in: p.compressedFrame(true, opBinary, payload), chunking: wstest.Whole}
					c := newConn(s, connConfig{client: client, agreement: a})
					_, data, err := r.read(c)
					c.Close()
					if want == nil {
						require.NoError(t, err)
						require.Equal(t, "bbbb", string(data))
						continue
					}
					require.Equal(t, want, err, name)
					require.NotContains(t, string(data), "secret")
				}
			}
		}
	}
}

// TestCompressorKeepsNoOtherWindow checks that messages of a connection can be
// decompressed without data that other connections have compressed.
func TestCompressorKeepsNoOtherWindow(t *testing.T) {
	for name, a := range agreements() {
		for _, client := range []bool{false, true} {
			for i := range 10 {
				s := &scriptedStream{}
				c := newConn(s, connConfig{client: client, agreement: a})
				text := strings.Repeat("the same text everywhere, ", 20+i)
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
				require.NoError(t, err, "no distance beyond the window")
			}
		}
	}
}
