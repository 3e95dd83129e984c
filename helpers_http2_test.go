package websocket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/deadlines"
)

// HTTP/2 frames for peers of connections under test: RFC 9113. A frameConn has one
// stream, and uses nothing of net/http.

// Types and flags of frames: RFC 9113, Section 6.
const (
	h2Data         = 0
	h2Headers      = 1
	h2Reset        = 3
	h2Settings     = 4
	h2Ping         = 6
	h2GoAway       = 7
	h2WindowUpdate = 8

	h2EndStream  = 1 // also ACK
	h2EndHeaders = 4

	h2InitialWindow  = 4 // settings
	h2MaxFrame       = 16384
	h2DefaultWindow  = 65535
	h2CodeCancel     = 8
	h2ConnectSetting = 8 // RFC 8441, Section 3
)

const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// A frameConn is a TCP or TLS connection with one HTTP/2 stream, as an io.ReadWriteCloser.
// Read opens the windows by what it has read.
type frameConn struct {
	net.Conn
	deaf atomic.Bool // pings are not answered

	writing sync.Mutex // held while a frame is written

	mu       sync.Mutex
	change   sync.Cond
	stream   uint32 // 0 before there is one
	answer   []byte // the header block that came
	in       bytes.Buffer
	err      error // behind in
	unwanted bool  // the other side reads no more
	initial  int   // SETTINGS_INITIAL_WINDOW_SIZE of the other side
	windows  [2]int
}

// errReset is the error of a stream that the other side has reset.
var errReset = errors.New("RST_STREAM")

// newFrameConn does the start of an HTTP/2 connection, with a window of this size for the
// stream and for the connection.
func newFrameConn(conn net.Conn, server bool, window int) (*frameConn, error) {
	c := &frameConn{Conn: conn, initial: h2DefaultWindow, windows: [2]int{h2DefaultWindow, h2DefaultWindow}}
	c.change.L = &c.mu
	if server {
		preface := make([]byte, len(h2Preface))
		if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != h2Preface {
			return nil, fmt.Errorf("the preface %q: %w", preface, err)
		}
	} else if _, err := io.WriteString(conn, h2Preface); err != nil {
		return nil, err
	}
	settings := []byte{0, h2InitialWindow}
	settings = binary.BigEndian.AppendUint32(settings, uint32(window))
	settings = append(settings, 0, h2ConnectSetting, 0, 0, 0, 1)
	err := c.writeFrame(h2Settings, 0, 0, settings)
	if err == nil && window > h2DefaultWindow {
		err = c.writeFrame(h2WindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(window-h2DefaultWindow)))
	}
	go c.readFrames()
	return c, err
}

// writeFrame writes a frame.
func (c *frameConn) writeFrame(kind, flags byte, stream uint32, payload []byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.Conn.Write(append(b, payload...))
	return err
}

// readFrames reads frames until the connection ends.
func (c *frameConn) readFrames() {
	var head [9]byte
	for {
		_, err := io.ReadFull(c.Conn, head[:])
		payload := make([]byte, binary.BigEndian.Uint32(head[:])>>8)
		if err == nil {
			_, err = io.ReadFull(c.Conn, payload)
		}
		c.mu.Lock()
		if err != nil {
			c.end(fmt.Errorf("the HTTP/2 connection: %w", err))
		} else {
			c.frame(head[3], head[4], binary.BigEndian.Uint32(head[5:]), payload)
		}
		c.change.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
		if head[4]&1 == 0 && (head[3] == h2Settings || head[3] == h2Ping) && !c.deaf.Load() {
			if head[3] == h2Settings {
				payload = nil
			}
			c.writeFrame(head[3], 1, 0, payload)
		}
	}
}

// frame takes a frame in, with mu held.
func (c *frameConn) frame(kind, flags byte, stream uint32, payload []byte) {
	switch kind {
	case h2Settings:
		for s := range slices.Chunk(payload, 6) {
			if flags == 0 && binary.BigEndian.Uint16(s) == h2InitialWindow {
				initial := int(binary.BigEndian.Uint32(s[2:]))
				c.windows[1] += initial - c.initial
				c.initial = initial
			}
		}
	case h2WindowUpdate:
		c.windows[min(stream, 1)] += int(binary.BigEndian.Uint32(payload))
	case h2Headers:
		c.stream, c.answer = stream, payload
	case h2Data:
		c.in.Write(payload)
	case h2Reset:
		// RFC 9113, Section 8.1: with NO_ERROR behind END_STREAM a server wants no more of
		// the request, and the response is whole.
		if c.unwanted = c.err == io.EOF && binary.BigEndian.Uint32(payload) == 0; c.unwanted {
			return
		}
		c.end(fmt.Errorf("%w with code %d", errReset, binary.BigEndian.Uint32(payload)))
	}
	if flags&h2EndStream != 0 && (kind == h2Data || kind == h2Headers) {
		c.end(io.EOF)
	}
}

// end sets the first error, with mu held.
func (c *frameConn) end(err error) {
	if c.err == nil || c.err == io.EOF && err != io.EOF {
		c.err = err
	}
}

// headers waits for the header block of the stream.
func (c *frameConn) headers() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.answer == nil && c.err == nil {
		c.change.Wait()
	}
	if c.answer == nil {
		return nil, c.err
	}
	return c.answer, nil
}

// Read reads what DATA frames carry, and io.EOF at END_STREAM.
func (c *frameConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	for c.in.Len() == 0 && c.err == nil {
		c.change.Wait()
	}
	n, _ := c.in.Read(p)
	err, stream := c.err, c.stream
	c.mu.Unlock()
	if n == 0 {
		return 0, err
	}
	if err == nil {
		update := binary.BigEndian.AppendUint32(nil, uint32(n))
		c.writeFrame(h2WindowUpdate, 0, 0, update)
		c.writeFrame(h2WindowUpdate, 0, stream, update)
	}
	return n, nil
}

// Write writes DATA frames as far as the windows are open. What the other side does not want
// is discarded.
func (c *frameConn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		c.mu.Lock()
		for min(c.windows[0], c.windows[1]) <= 0 && (c.err == nil || c.err == io.EOF) && !c.unwanted {
			c.change.Wait()
		}
		if c.unwanted {
			c.mu.Unlock()
			return len(p), nil
		}
		size := min(len(p)-n, c.windows[0], c.windows[1], h2MaxFrame)
		if err = c.err; err == io.EOF {
			err = nil
		}
		c.windows[0] -= size
		c.windows[1] -= size
		stream := c.stream
		c.mu.Unlock()
		if err == nil {
			err = c.writeFrame(h2Data, 0, stream, p[n:n+size])
		}
		if err != nil {
			return n, err
		}
		n += size
	}
	return n, nil
}

// CloseWrite sends END_STREAM.
func (c *frameConn) CloseWrite() error { return c.writeFrame(h2Data, h2EndStream, c.stream, nil) }

// reset sends RST_STREAM.
func (c *frameConn) reset(code byte) error {
	return c.writeFrame(h2Reset, 0, c.stream, []byte{0, 0, 0, code})
}

// goAway sends GOAWAY, with the last stream that is not refused.
func (c *frameConn) goAway(last uint32) error {
	return c.writeFrame(h2GoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), 0))
}

// connect sends an extended CONNECT and waits for the answer, which has to be 200.
func (c *frameConn) connect(fields ...string) error {
	c.stream = 1
	block := headerBlock(append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/",
		":authority", "example.com", "sec-websocket-version", "13"}, fields...)...)
	if err := c.writeFrame(h2Headers, h2EndHeaders, c.stream, block); err != nil {
		return err
	}
	answer, err := c.headers()
	if err == nil && answer[0] != h2Status200 {
		err = fmt.Errorf("the answer %q", answer)
	}
	return err
}

// accept waits for a request and answers it with 200.
func (c *frameConn) accept(fields ...string) error {
	if _, err := c.headers(); err != nil {
		return err
	}
	return c.writeFrame(h2Headers, h2EndHeaders, c.stream, append([]byte{h2Status200}, headerBlock(fields...)...))
}

// h2Status200 is :status 200: RFC 7541, Appendix A, and Section 6.1.
const h2Status200 = 0x88

// headerBlock encodes names and values of less than 127 bytes: RFC 7541, Section 6.2.2.
func headerBlock(fields ...string) (b []byte) {
	for pair := range slices.Chunk(fields, 2) {
		b = append(b, 0)
		for _, s := range pair {
			b = append(append(b, byte(len(s))), s...)
		}
	}
	return b
}

// A streamConn is the stream of a frameConn as a net.Conn.
type streamConn struct {
	*frameConn
	stream *deadlines.Stream
}

func newStreamConn(c *frameConn) net.Conn { return streamConn{c, deadlines.New(c)} }

func (c streamConn) Read(p []byte) (int, error)  { return c.stream.Read(p) }
func (c streamConn) Write(p []byte) (int, error) { return c.stream.Write(p) }
func (c streamConn) Close() error                { return c.stream.Close() }

func (c streamConn) SetReadDeadline(t time.Time) error  { return c.stream.SetReadDeadline(t) }
func (c streamConn) SetWriteDeadline(t time.Time) error { return c.stream.SetWriteDeadline(t) }
func (c streamConn) SetDeadline(t time.Time) error {
	c.stream.SetReadDeadline(t)
	return c.stream.SetWriteDeadline(t)
}
