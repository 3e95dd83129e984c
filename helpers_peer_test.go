package websocket_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// First bytes of frames.
const (
	finText   = 0x81
	finBinary = 0x82
	finClose  = 0x88
	finPing   = 0x89
	finPong   = 0x8A
)

// A rawPeer is the other end of a connection under test. It reads and writes
// frames, and does nothing by itself.
type rawPeer struct {
	net.Conn           // carries the frames
	socket    net.Conn // is or carries Conn
	t         *testing.T
	r         *bufio.Reader
	masked    bool   // its frames are: it is a client
	fragments string // of the message under way
}

// frame encodes a frame of the peer's.
func (p *rawPeer) frame(first byte, payload string) []byte {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if !p.masked {
		return append(b, payload...)
	}
	b[1] |= 0x80
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	start := len(b)
	b = append(b, payload...)
	for i := range len(payload) { // not its runes
		b[start+i] ^= key[i%4]
	}
	return b
}

// closeFrame encodes a close frame of the peer's.
func (p *rawPeer) closeFrame(code int) []byte {
	return p.frame(finClose, string(binary.BigEndian.AppendUint16(nil, uint16(code))))
}

// send writes frames in one piece.
func (p *rawPeer) send(frames ...[]byte) {
	p.t.Helper()
	p.SetWriteDeadline(time.Now().Add(20 * time.Second))
	_, err := p.Write(bytes.Join(frames, nil))
	require.NoError(p.t, err)
}

// closeWrite says that the peer sends nothing more.
func (p *rawPeer) closeWrite() {
	p.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// A rawFrame is a frame that a rawPeer has received.
type rawFrame struct {
	first   byte
	payload string
}

func (f rawFrame) opcode() byte { return f.first & 0x0F }

// closeCode returns the code of a close frame, 1005 if it has none.
func (f rawFrame) closeCode() int {
	if len(f.payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16([]byte(f.payload)))
}

// next reads a frame.
func (p *rawPeer) next() (rawFrame, error) {
	p.SetReadDeadline(time.Now().Add(20 * time.Second))
	var head [2]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return rawFrame{}, err
	}
	length := uint64(head[1] & 0x7F)
	if extended := map[uint64]int{126: 2, 127: 8}[length]; extended > 0 {
		var b [8]byte
		if _, err := io.ReadFull(p.r, b[8-extended:]); err != nil {
			return rawFrame{}, err
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	var key [4]byte
	if masked := head[1]&0x80 != 0; masked == p.masked {
		return rawFrame{}, fmt.Errorf("a frame whose mask bit is %v", masked)
	} else if masked {
		if _, err := io.ReadFull(p.r, key[:]); err != nil {
			return rawFrame{}, err
		}
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(p.r, payload)
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return rawFrame{head[0], string(payload)}, err
}

// A received is what a rawPeer has received.
type received struct {
	messages []string // the digest of each
	pongs    []string
	code     int    // of the close frame, 0 if none came
	cut      string // the message that the close frame has cut short
	err      error  // of reading, if no close frame came
}

// receive reads until a close frame comes or nothing can be read any more, and
// pauses before each frame.
func (p *rawPeer) receive(pause time.Duration) (got received) {
	for {
		time.Sleep(pause)
		f, err := p.next()
		if err != nil {
			got.err = err
			return got
		}
		switch f.opcode() {
		case 8:
			got.code = f.closeCode()
			got.cut = p.fragments
			return got
		case 10:
			got.pongs = append(got.pongs, f.payload)
		case 0, 1, 2:
			p.fragments += f.payload
			if f.first&0x80 != 0 {
				got.messages = append(got.messages, digest(p.fragments))
				p.fragments = ""
			}
		}
	}
}

// receiving calls receive in a goroutine.
func (p *rawPeer) receiving(pause time.Duration) <-chan received {
	return async(func() received { return p.receive(pause) })
}

// digest returns the beginning of a message, its length and a checksum.
func digest(message string) string {
	label, _, _ := strings.Cut(message, "|")
	return fmt.Sprintf("%.20s, %d bytes, %x", label, len(message), crc32.ChecksumIEEE([]byte(message)))
}

// longMessage returns a message of n bytes that begins with a label.
func longMessage(label any, n int) string {
	s := fmt.Sprint(label, "|")
	return s + strings.Repeat("x", max(0, n-len(s)))
}

// expectEOF checks that nothing more comes and that the stream ends.
func (p *rawPeer) expectEOF() {
	p.t.Helper()
	f, err := p.next()
	require.Equal(p.t, io.EOF, err, "frame: %v", f)
}
