package websocket

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// countFrames counts the pongs and the close frames among what was sent.
func countFrames(t *testing.T, sent []byte) (pongs, closes int) {
	for len(sent) > 0 {
		h, n, err := parseHeader(sent)
		require.NoError(t, err)
		require.NotZero(t, n)
		switch h.opcode {
		case opPong:
			pongs++
		case opClose:
			closes++
		}
		sent = sent[n+int(h.length):]
	}
	return pongs, closes
}

// skipUnlessAllocationsCount skips a test under the race detector, which changes
// what is allocated. .ci/run runs every test without it too.
func skipUnlessAllocationsCount(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are counted without the race detector")
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

// maskByByte masks as RFC 6455, Section 5.3 has it.
func maskByByte(dst, src []byte, key [4]byte, pos int) int {
	for i, b := range src {
		dst[i] = b ^ key[(pos+i)%4]
	}
	return (pos + len(src)) % 4
}

var maskKey = [4]byte{0x12, 0xFE, 0x00, 0x81}

func TestMain(m *testing.M) {
	dialInTests = (*Dialer).dialHTTP
	os.Exit(wstest.Main(m))
}

// A mode is a role of the connection, a way to cut its input into pieces and a size
// of its buffers. A connection has to behave the same in all of them.
type mode struct {
	client   bool // the role of the Conn under test
	chunking func() wstest.Chunking
	buffer   int // size of its buffers
}

// eachMode runs a test in each mode, in a bubble of testing/synctest.
func eachMode(t *testing.T, test func(t *testing.T, m mode)) {
	for _, role := range []string{"server", "client"} {
		for _, cut := range []struct {
			name     string
			chunking func() wstest.Chunking
		}{
			{"whole", func() wstest.Chunking { return wstest.Whole }},
			{"byte", func() wstest.Chunking { return wstest.Byte }},
			{"random", func() wstest.Chunking { return wstest.Random(7) }},
		} {
			for _, buffer := range []int{minBuffer, defaultBuffer} {
				t.Run(fmt.Sprintf("%s/%s/%d", role, cut.name, buffer), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { test(t, mode{role == "client", cut.chunking, buffer}) })
				})
			}
		}
	}
}

// connect returns a connection and its peer.
func (m mode) connect(t *testing.T) (*Conn, *peer) {
	a, b := wstest.Pipe(0, m.chunking())
	c := newConn(a, connConfig{client: m.client, readBufferSize: m.buffer, writeBufferSize: m.buffer})
	t.Cleanup(func() {
		synctest.Wait() // for a peer that is about to read the end of the stream
		c.Close()
		b.Close()
	})
	return c, &peer{t: t, conn: b, masked: !m.client}
}

// A peer is the other end of a connection under test. It sends frames, valid or
// not, and parses the frames that it receives.
type peer struct {
	t        *testing.T
	conn     *wstest.Conn
	masked   bool   // whether its frames are masked
	unparsed []byte // received and not parsed
	buf      []byte
}

// send sends frames in one piece.
func (p *peer) send(frames ...[]byte) {
	p.t.Helper()
	_, err := p.conn.Write(bytes.Join(frames, nil))
	require.NoError(p.t, err)
}

// frame encodes a frame that the peer can send.
func (p *peer) frame(fin bool, op opcode, payload string) []byte {
	h := header{fin: fin, opcode: op, masked: p.masked, length: uint64(len(payload))}
	if p.masked {
		h.key = maskKey
	}
	frame := appendHeader(nil, h)
	masked := make([]byte, len(payload))
	copy(masked, payload)
	if p.masked {
		maskByByte(masked, masked, h.key, 0)
	}
	return append(frame, masked...)
}

func (p *peer) text(s string) []byte { return p.frame(true, opText, s) }

func (p *peer) binary(s string) []byte { return p.frame(true, opBinary, s) }

func (p *peer) close(code int, reason string) []byte {
	return p.frame(true, opClose, string(FormatCloseMessage(code, reason)))
}

// A frame is a frame that a peer has received.
type frame struct {
	header
	payload string
}

// next returns the next frame, or io.EOF at the end.
func (p *peer) next() (frame, error) {
	for {
		h, n, err := parseHeader(p.unparsed)
		if err != nil {
			return frame{}, err
		}
		if n > 0 && uint64(len(p.unparsed)-n) >= h.length {
			payload := p.unparsed[n : n+int(h.length)]
			p.unparsed = p.unparsed[n+int(h.length):]
			require.Equal(p.t, !p.masked, h.masked, "masking follows the role")
			if h.masked {
				maskByByte(payload, payload, h.key, 0)
			}
			return frame{h, string(payload)}, nil
		}
		if p.buf == nil {
			p.buf = make([]byte, 64<<10)
		}
		n, err = p.conn.Read(p.buf)
		p.unparsed = append(p.unparsed, p.buf[:n]...)
		if err != nil {
			return frame{}, err
		}
	}
}

// expect reads a frame and checks it.
func (p *peer) expect(fin bool, op opcode, payload string) {
	p.t.Helper()
	f, err := p.next()
	require.NoError(p.t, err)
	require.Equal(p.t, frame{header{fin: fin, opcode: op, masked: f.masked, key: f.key, length: uint64(len(payload))}, payload}, f)
}

// expectClose reads a close frame with a code and any reason.
func (p *peer) expectClose(code int) {
	p.t.Helper()
	f, err := p.next()
	require.NoError(p.t, err)
	require.Equal(p.t, opClose, f.opcode)
	got, _, err := parseClose([]byte(f.payload))
	require.NoError(p.t, err)
	require.Equal(p.t, code, got)
}

// expectEOF checks that the stream ends without another frame.
func (p *peer) expectEOF() {
	p.t.Helper()
	_, err := p.next()
	require.Equal(p.t, io.EOF, err)
	require.Empty(p.t, p.unparsed)
}

// closeAfterConn makes the peer close its side as soon as the connection has
// closed its own.
func (p *peer) closeAfterConn() {
	go func() {
		io.Copy(io.Discard, p.conn)
		p.conn.Close()
	}()
}

// settleTime is longer than any timeout of the connection's own. In a bubble it
// takes no time.
const settleTime = time.Minute

func withKeepAlive(c *Conn, k KeepAlive) *Conn {
	c.startKeepAlive(k)
	return c
}

// readUntilError reads messages in a goroutine until the connection ends, and
// returns a channel with the error.
func readUntilError(c *Conn) (ended <-chan error) {
	end := make(chan error, 1)
	go func() {
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				end <- err
				return
			}
		}
	}()
	return end
}

// expectPing reads a ping and returns its payload.
func (p *peer) expectPing() string {
	p.t.Helper()
	f, err := p.next()
	require.NoError(p.t, err)
	require.Equal(p.t, opPing, f.opcode)
	return f.payload
}

func (p *peer) pong(payload string) []byte { return p.frame(true, opPong, payload) }

// A message is a message that an application receives.
type message struct {
	kind int
	data string
}

// A readMethod is one of the ways to receive a message.
type readMethod struct {
	name string
	read func(*Conn) (int, []byte, error)
}

var readMethods = []readMethod{
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
	{"Start", readStarted},
}

// eachReadMethod runs a test with each method and in each mode.
func eachReadMethod(t *testing.T, test func(t *testing.T, m mode, r readMethod)) {
	for _, r := range readMethods {
		t.Run(r.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) { test(t, m, r) })
		})
	}
}

var longText = strings.Repeat("0123456789abcdef", 5000) // 80,000 bytes

// encodeLongLength encodes the header of a binary frame whose length is in one of
// the long forms.
func encodeLongLength(p *peer, form byte, length string) []byte {
	if p.masked {
		return append([]byte{0x82, form | maskBit}, length+"\x00\x00\x00\x00"...)
	}
	return append([]byte{0x82, form}, length...)
}

// expectCloseThenClose makes the peer read a close frame with the code, and then
// close its side.
func (p *peer) expectCloseThenClose(code int) {
	go func() {
		p.expectClose(code)
		p.conn.CloseWrite()
	}()
}

// connectGated returns a connection over a gatedStream, and its peer.
func (m mode) connectGated(t *testing.T, config connConfig) (*Conn, *gatedStream, *peer) {
	a, b := wstest.Pipe(0, m.chunking())
	s := &gatedStream{Conn: a}
	config.client, config.readBufferSize, config.writeBufferSize = m.client, m.buffer, m.buffer
	c := newConn(s, config)
	t.Cleanup(func() {
		synctest.Wait() // for a peer that is about to read the end of the stream
		c.Close()
		b.Close()
	})
	return c, s, &peer{t: t, conn: b, masked: !m.client}
}

// testPayload returns a text of n bytes.
func testPayload(n int) string {
	return strings.Repeat("The quick brown fox. ", n/21+1)[:n]
}

// smallPipe is how many bytes a small pipe holds. A write of more blocks until the
// peer reads.
const smallPipe = 16

// connectSmallPipe returns a connection over a small pipe, and its peer.
func (m mode) connectSmallPipe(t *testing.T, config connConfig) (*Conn, *peer) {
	a, b := wstest.Pipe(smallPipe, m.chunking())
	config.client, config.readBufferSize, config.writeBufferSize = m.client, m.buffer, m.buffer
	c := newConn(a, config)
	t.Cleanup(func() {
		c.Close()
		b.Close()
	})
	return c, &peer{t: t, conn: b, masked: !m.client}
}

// partialBytes returns what was received of a message that was cut short.
func (m *messageReader) partialBytes() []byte {
	if m.partial == nil {
		return nil
	}
	return m.partial.p
}

// isReleased reports whether the transport of c has been closed.
func isReleased(c *Conn) bool {
	select {
	case <-c.transport.whenReleased():
		return true
	default:
		return false
	}
}
