package peer

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

func gobwasServers() []*Server {
	return []*Server{
		{Name: "gobwas", serve: overTCP(gobwasEcho), broadcast: gobwasBroadcast,
			Takes: func(o Options) bool { return o.Compression != Takeover && !o.InHandler }},
		// Without buffers it reads a header in several system calls, and a
		// connection that waits has nothing.
		{Name: "gobwas-unbuffered", serve: overTCP(gobwasUnbuffered), Takes: plain},
	}
}

// A gobwasConn is a connection with the buffers that belong to it.
type gobwasConn struct {
	net.Conn
	r       io.Reader
	message []byte // room for a header, then the payload
}

// headerRoom is where the payload begins, so that a header fits before it and
// both go out in one write.
const headerRoom = ws.MaxHeaderSize

func gobwasEcho(conn net.Conn, o Options, h *Hub) {
	defer conn.Close()
	if o.Compression != "" {
		gobwasDeflated(conn)
		return
	}
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	h.add(conn)
	c := &gobwasConn{Conn: conn, r: bufio.NewReaderSize(conn, 4096)}
	for {
		if header, err := c.read(); err != nil || c.write(header.OpCode) != nil {
			return
		}
	}
}

// gobwasUnbuffered keeps nothing between messages.
func gobwasUnbuffered(conn net.Conn, _ Options, _ *Hub) {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	c := &gobwasConn{Conn: conn, r: conn}
	for {
		if header, err := c.read(); err != nil || c.write(header.OpCode) != nil {
			return
		}
		c.message = nil
	}
}

var errGobwasFrame = errors.New("not a whole data message")

// read reads a message of one frame and unmasks it.
func (c *gobwasConn) read() (ws.Header, error) {
	header, err := ws.ReadHeader(c.r)
	if err != nil {
		return header, err
	}
	if !header.Fin || !header.OpCode.IsData() {
		return header, errGobwasFrame
	}
	end := headerRoom + int(header.Length)
	c.message = slices.Grow(c.message[:0], end)[:end]
	if _, err := io.ReadFull(c.r, c.message[headerRoom:]); err != nil {
		return header, err
	}
	ws.Cipher(c.message[headerRoom:], header.Mask, 0)
	return header, nil
}

// write writes the message in an unmasked frame.
func (c *gobwasConn) write(op ws.OpCode) error {
	header := ws.Header{Fin: true, OpCode: op, Length: int64(len(c.message) - headerRoom)}
	start := headerRoom - ws.HeaderSize(header)
	if err := ws.WriteHeader(into(c.message[start:]), header); err != nil {
		return err
	}
	_, err := c.Conn.Write(c.message[start:])
	return err
}

// into is a writer to the beginning of itself.
type into []byte

func (b into) Write(p []byte) (int, error) { return copy(b, p), nil }

// gobwasDeflated echoes compressed messages, each on its own.
func gobwasDeflated(conn net.Conn) {
	e := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	u := ws.Upgrader{Negotiate: e.Negotiate}
	if _, err := u.Upgrade(conn); err != nil {
		return
	}
	if _, accepted := e.Accepted(); !accepted {
		return
	}
	c := &gobwasConn{Conn: conn, r: bufio.NewReaderSize(conn, 4096)}
	for {
		header, err := c.read()
		if err != nil {
			return
		}
		header.Masked = false // as read does it
		frame, err := gobwasHelper.DecompressFrame(ws.Frame{Header: header, Payload: c.message[headerRoom:]})
		if err == nil {
			frame, err = gobwasHelper.CompressFrame(ws.NewFrame(frame.Header.OpCode, true, frame.Payload))
		}
		if err != nil {
			return
		}
		if out, err := ws.CompileFrame(frame); err != nil {
			return
		} else if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func gobwasBroadcast(conns []any, payload []byte) error {
	frame, err := ws.CompileFrame(ws.NewTextFrame(payload))
	if err != nil {
		return err
	}
	for _, c := range conns {
		if _, err := c.(net.Conn).Write(frame); err != nil {
			return err
		}
	}
	return nil
}
