package websocket

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// A mode is one of the circumstances under which every connection has to
// behave the same.
type mode struct {
	client   bool // the role of the Conn under test
	chunking func() wstest.Chunking
	buffer   int // size of its buffers
}

// eachMode runs a test once per mode, in a bubble of its own in which time
// stands still until everything waits.
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

// connect returns a connection of the mode and its peer.
func (m mode) connect(t *testing.T) (*Conn, *peer) {
	a, b := wstest.Pipe(0, m.chunking())
	c := newConn(a, connConfig{client: m.client, readBufferSize: m.buffer, writeBufferSize: m.buffer})
	t.Cleanup(func() {
		synctest.Wait() // for a peer that is about to see the end
		c.Close()
		b.Close()
	})
	return c, &peer{t: t, conn: b, masked: !m.client}
}

// A peer is the other end of a connection under test: it sends what it is
// told to, right or wrong, and sees the frames that come.
type peer struct {
	t      *testing.T
	conn   *wstest.Conn
	masked bool   // its frames are
	got    []byte // received and not looked at
	buf    []byte
}

// send sends frames one after the other in one piece.
func (p *peer) send(frames ...[]byte) {
	p.t.Helper()
	_, err := p.conn.Write(bytes.Join(frames, nil))
	require.NoError(p.t, err)
}

// frame encodes a frame of the peer's.
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

func (p *peer) text(s string) []byte   { return p.frame(true, opText, s) }
func (p *peer) binary(s string) []byte { return p.frame(true, opBinary, s) }

func (p *peer) close(code int, reason string) []byte {
	return p.frame(true, opClose, string(FormatCloseMessage(code, reason)))
}

// A frame is what a peer receives.
type frame struct {
	header
	payload string
}

// next returns the next frame, io.EOF at the end.
func (p *peer) next() (frame, error) {
	for {
		h, n, err := parseHeader(p.got)
		if err != nil {
			return frame{}, err
		}
		if n > 0 && uint64(len(p.got)-n) >= h.length {
			payload := p.got[n : n+int(h.length)]
			p.got = p.got[n+int(h.length):]
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
		p.got = append(p.got, p.buf[:n]...)
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

// expectEOF checks that nothing more comes.
func (p *peer) expectEOF() {
	p.t.Helper()
	_, err := p.next()
	require.Equal(p.t, io.EOF, err)
	require.Empty(p.t, p.got)
}

// closesWhenTold makes the peer close its side as soon as the connection does.
func (p *peer) closesWhenTold() {
	go func() {
		io.Copy(io.Discard, p.conn)
		p.conn.Close()
	}()
}

// soon is long enough in a bubble for everything to happen that is going to.
const soon = time.Minute

func withKeepAlive(c *Conn, k KeepAlive) *Conn {
	c.startKeepAlive(k)
	return c
}

func withTrace(c *Conn, hooks *Trace) *Conn {
	c.startTrace(hooks)
	return c
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
