package peer

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/bench/load"
)

// A Codec reads and writes messages on the server's side of a connection in
// memory.
type Codec struct {
	Name string
	Ours bool

	// ReadsOnly is set for another way to read, where the way to write is the
	// one of the codec before. Open returns no function to write then.
	ReadsOnly bool

	// Open makes a connection of s.
	Open func(s *Stream) (read func(n int) error, write func(p []byte) error, err error)
}

// Codecs are all there are, in the order of the tables.
func Codecs() []*Codec {
	return []*Codec{
		{Name: "websocket", Ours: true, Open: ourCodec(false)},
		{Name: "websocket-append", Ours: true, ReadsOnly: true, Open: ourCodec(true)},
		{Name: "gorilla", Open: gorillaCodec(false)},
		{Name: "gorilla-reader", ReadsOnly: true, Open: gorillaCodec(true)},
		{Name: "coder", Open: coderCodec},
		{Name: "gobwas", Open: gobwasCodec},
		{Name: "gws", Open: gwsCodec},
	}
}

// A Stream is a connection in memory on which the same frames come again and
// again, and which swallows what is written.
type Stream struct {
	frames  []byte
	frame   int // the length of each
	at      int
	message []byte // the payload of each frame
	left    int    // how many bytes to the end; negative if there is none
	Written int
}

// NewStream returns a stream of texts with the given payload.
func NewStream(message []byte) *Stream {
	frame := load.AppendFrame(nil, 0x80|load.Text, true, message)
	// Long enough that the end of the slice cuts few reads short.
	frames := bytes.Repeat(frame, 1+(256<<10)/len(frame))
	return &Stream{frames: frames, frame: len(frame), message: message, left: -1}
}

func (s *Stream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left > 0 {
		p = p[:min(len(p), s.left)]
	}
	n := copy(p, s.frames[s.at:])
	s.at = (s.at + n) % len(s.frames)
	s.left -= min(n, max(s.left, 0))
	return n, nil
}

func (s *Stream) Write(p []byte) (int, error) {
	s.Written += len(p)
	return len(p), nil
}

func (s *Stream) Close() error                     { return nil }
func (s *Stream) LocalAddr() net.Addr              { return new(net.TCPAddr) }
func (s *Stream) RemoteAddr() net.Addr             { return new(net.TCPAddr) }
func (s *Stream) SetDeadline(time.Time) error      { return nil }
func (s *Stream) SetReadDeadline(time.Time) error  { return nil }
func (s *Stream) SetWriteDeadline(time.Time) error { return nil }

// handedOver is a request whose answer and connection are the stream.
type handedOver struct {
	*httptest.ResponseRecorder
	s *Stream
}

func (h handedOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.s, bufio.NewReadWriter(bufio.NewReader(h.s), bufio.NewWriter(h.s)), nil
}

// request returns what an upgrade wants.
func (s *Stream) request() (http.ResponseWriter, *http.Request) {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return handedOver{httptest.NewRecorder(), s}, r
}

// times makes a reader of n messages of one that reads one.
func (s *Stream) times(read func() ([]byte, error)) func(int) error {
	return func(n int) error {
		for range n {
			p, err := read()
			if err == nil {
				err = check(p, s.message)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func ourCodec(appends bool) func(*Stream) (func(int) error, func([]byte) error, error) {
	return func(s *Stream) (func(int) error, func([]byte) error, error) {
		var u websocket.Upgrader
		w, r := s.request()
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return nil, nil, err
		}
		if !appends {
			read := func() ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }
			return s.times(read), func(p []byte) error { return c.WriteMessage(websocket.TextMessage, p) }, nil
		}
		var buf []byte
		return s.times(func() ([]byte, error) {
			var err error
			_, buf, err = c.AppendMessage(buf[:0])
			return buf, err
		}), nil, nil
	}
}

func gorillaCodec(keeps bool) func(*Stream) (func(int) error, func([]byte) error, error) {
	return func(s *Stream) (func(int) error, func([]byte) error, error) {
		var u gorilla.Upgrader
		w, r := s.request()
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return nil, nil, err
		}
		if !keeps {
			read := func() ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }
			return s.times(read), func(p []byte) error { return c.WriteMessage(gorilla.TextMessage, p) }, nil
		}
		var buf bytes.Buffer
		return s.times(func() ([]byte, error) {
			_, r, err := c.NextReader()
			if err != nil {
				return nil, err
			}
			buf.Reset()
			_, err = buf.ReadFrom(r)
			return buf.Bytes(), err
		}), nil, nil
	}
}

func coderCodec(s *Stream) (func(int) error, func([]byte) error, error) {
	ctx := context.Background()
	w, r := s.request()
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return nil, nil, err
	}
	c.SetReadLimit(-1)
	var buf bytes.Buffer
	read := func() ([]byte, error) {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return nil, err
		}
		buf.Reset()
		_, err = buf.ReadFrom(r)
		return buf.Bytes(), err
	}
	return s.times(read), func(p []byte) error { return c.Write(ctx, coder.MessageText, p) }, nil
}

func gobwasCodec(s *Stream) (func(int) error, func([]byte) error, error) {
	c := &gobwasConn{Conn: s, r: bufio.NewReaderSize(s, 4096)}
	read := func() ([]byte, error) {
		_, err := c.read()
		if err != nil {
			return nil, err
		}
		return c.message[headerRoom:], nil
	}
	write := func(p []byte) error {
		c.message = append(c.message[:headerRoom], p...)
		return c.write(ws.OpText)
	}
	c.message = make([]byte, headerRoom)
	return s.times(read), write, nil
}

// A gwsCounter counts messages.
type gwsCounter struct {
	gws.BuiltinEventHandler
	message []byte
	n       int
	err     error
}

func (g *gwsCounter) OnMessage(_ *gws.Conn, m *gws.Message) {
	if err := check(m.Bytes(), g.message); err != nil {
		g.err = err
	}
	m.Close()
	g.n++
}

// gwsCodec ends the stream after the messages that are to be read, since
// ReadLoop does not return before that. Each of its calls is on a connection
// of its own, whose cost is one in thousands of messages.
func gwsCodec(s *Stream) (func(int) error, func([]byte) error, error) {
	g := &gwsCounter{message: s.message}
	u := gws.NewUpgrader(g, nil)
	upgrade := func() (*gws.Conn, error) {
		w, r := s.request()
		return u.Upgrade(w, r)
	}
	writer, err := upgrade()
	if err != nil {
		return nil, nil, err
	}
	read := func(n int) error {
		s.at, s.left, g.n = 0, n*s.frame, 0
		c, err := upgrade()
		if err != nil {
			return err
		}
		c.ReadLoop()
		if g.err == nil && g.n != n {
			return fmt.Errorf("%d messages of %d", g.n, n)
		}
		return g.err
	}
	return read, func(p []byte) error { return writer.WriteMessage(gws.OpcodeText, p) }, nil
}
