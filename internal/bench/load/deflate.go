package load

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed23105783/websocket/internal/bench"
	"github.com/seed23105783/websocket/internal/deflate"
)

// A Deflated is traffic of compressed messages, which come back compressed in
// whatever way the server does it.
//
// Encoded ahead of time, they go round in a cycle that is longer than any
// window. Where they refer to those before, a primer goes ahead of the first
// cycle: it is the end of the cycle, so that the window is the same whenever
// one begins.
type Deflated struct {
	takeover bool     // of the answers
	messages [][]byte // the primer and a cycle
	frames   [][]byte
	primer   int

	// What came back on the first connection, to be inflated after the
	// measurement: see Verify.
	answers []answer
}

// An answer is the payload of a message that came back.
type answer struct {
	compressed bool
	payload    []byte
}

// cycleBytes is how long a cycle is, and window the longest window.
const (
	cycleBytes = 256 << 10
	window     = 32 << 10
)

// syncFlush ends a compressed message and is not sent (RFC 7692, Section
// 7.2.1); the empty final block after it makes a whole stream of a message.
const (
	syncFlush  = "\x00\x00\xFF\xFF"
	finalBlock = "\x01\x00\x00\xFF\xFF"
)

// NewDeflated returns the traffic of JSON messages of size bytes: whether those
// that are sent refer to those before, and whether the answers may.
func NewDeflated(size int, sent, answers bool) *Deflated {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.DefaultCompression) // no error at a valid level
	return newDeflated(size, sent, answers, func(m []byte) []byte {
		out.Reset()
		if !sent {
			w.Reset(&out)
		}
		w.Write(m)
		w.Flush()
		return bytes.TrimSuffix(out.Bytes(), []byte(syncFlush))
	})
}

// NewDeflatedWindow is NewDeflated with references both ways, none further back
// than 2 to the power of bits: what compress/flate cannot do.
func NewDeflatedWindow(size, bits int) *Deflated {
	c := deflate.NewCompressor(bits, deflate.Balance)
	return newDeflated(size, true, true, func(m []byte) []byte { return c.Append(nil, m) })
}

// newDeflated compresses the messages one after the other.
func newDeflated(size int, sent, answers bool, compress func(m []byte) []byte) *Deflated {
	cycle := bench.Messages(size, cycleBytes/size)
	d := &Deflated{takeover: answers}
	if sent {
		d.primer = (window + size - 1) / size
		d.messages = append(d.messages, cycle[len(cycle)-d.primer:]...)
	}
	d.messages = append(d.messages, cycle...)
	for _, m := range d.messages {
		d.frames = append(d.frames, AppendFrame(nil, fin|compressed|Text, true, compress(m)))
	}
	return d
}

// position returns the place in messages of the n-th on a connection.
func (d *Deflated) position(n int) int {
	if n < d.primer {
		return n
	}
	return d.primer + (n-d.primer)%(len(d.messages)-d.primer)
}

func (d *Deflated) next(c *Conn) []byte { return d.frames[d.position(c.at)] }

func (d *Deflated) receive(c *Conn, buf *[]byte) (Count, error) {
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(c, 4<<10)
	}
	first, payload, size, err := readMessage(c.reader, (*buf)[:0])
	*buf = payload
	if err != nil {
		return Count{}, err
	}
	if first&opcodeMask != Text || first&^(opcodeMask|compressed) != 0 {
		return Count{}, fmt.Errorf("the answer begins with %#x", first)
	}
	if c.index == 0 {
		d.answers = append(d.answers, answer{first&compressed != 0, bytes.Clone(payload)})
	}
	c.seen++
	return Count{Messages: 1, Bytes: size}, nil
}

// readMessage reads a message in any number of frames. It returns the first
// byte without FIN, the payload appended to dst, and the length of all frames.
func readMessage(r *bufio.Reader, dst []byte) (first byte, payload []byte, size int, err error) {
	for n := 0; ; n++ {
		b, length, header, err := readHeader(r)
		if err != nil {
			return 0, dst, 0, err
		}
		if n == 0 {
			first = b &^ fin
		} else if b&opcodeMask != 0 {
			return 0, dst, 0, fmt.Errorf("a frame that begins with %#x inside a message", b)
		}
		start := len(dst)
		dst = append(dst, make([]byte, length)...)
		if _, err := io.ReadFull(r, dst[start:]); err != nil {
			return 0, dst, 0, err
		}
		size += header + length
		if b&fin != 0 {
			return first, dst, size, nil
		}
	}
}

// readHeader reads the header of a frame from a server.
func readHeader(r *bufio.Reader) (first byte, length, size int, err error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return 0, 0, 0, err
	}
	first, length, size = h[0], int(h[1]), 2
	switch {
	case length >= masked:
		return 0, 0, 0, errors.New("a masked frame from a server")
	case length == 126:
		_, err = io.ReadFull(r, h[:2])
		length, size = int(binary.BigEndian.Uint16(h[:])), 4
	case length == 127:
		_, err = io.ReadFull(r, h[:])
		length, size = int(binary.BigEndian.Uint64(h[:])), 10
	}
	if length > 1<<30 {
		return 0, 0, 0, errors.New("a frame that is too long")
	}
	return first, length, size, err
}

// Verify inflates all that came back on the first connection.
func (d *Deflated) Verify() error {
	var history []byte
	for i, a := range d.answers {
		got := a.payload
		if a.compressed {
			whole := io.MultiReader(bytes.NewReader(a.payload), strings.NewReader(syncFlush+finalBlock))
			var err error
			if got, err = io.ReadAll(flate.NewReaderDict(whole, history)); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			if d.takeover {
				history = append(history, got...)
				history = history[max(0, len(history)-window):]
			}
		}
		if !bytes.Equal(got, d.messages[d.position(i)]) {
			return fmt.Errorf("message %d came back as another", i)
		}
	}
	if len(d.answers) == 0 {
		return errors.New("nothing came back")
	}
	return nil
}
