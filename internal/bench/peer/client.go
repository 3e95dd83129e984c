package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/bench/load"
)

// A Client is a library's client.
type Client struct {
	Name  string
	Ours  bool
	Limit bool

	// Dial connects to the address, to have a message of the given opcode
	// echoed.
	Dial func(addr string, opcode byte, message []byte) (RoundTrips, error)
}

// RoundTrips sends the message, waits for the answer, and so on until stop
// says so, and returns how many there were.
type RoundTrips func(stop func() bool) (int, error)

// Clients are all there are, in the order of the tables.
func Clients() []*Client {
	return []*Client{
		{Name: "rawtcp", Limit: true, Dial: rawDial},
		{Name: "websocket", Ours: true, Dial: ourDial(false)},
		{Name: "websocket-append", Ours: true, Dial: ourDial(true)},
		{Name: "gorilla", Dial: gorillaDial(false)},
		{Name: "gorilla-reader", Dial: gorillaDial(true)},
		{Name: "coder", Dial: coderDial},
		{Name: "gobwas", Dial: gobwasDial},
		{Name: "gws", Dial: gwsDial},
	}
}

// inTurn makes RoundTrips of a function that does one and returns the answer.
func inTurn(message []byte, trip func() ([]byte, error)) RoundTrips {
	return func(stop func() bool) (int, error) {
		for n := 0; ; n++ {
			if stop() {
				return n, nil
			}
			got, err := trip()
			if err == nil {
				err = check(got, message)
			}
			if err != nil {
				return n, err
			}
		}
	}
}

var errAnswer = errors.New("the answer is not what was sent")

// check compares an answer where it is cheap to do so: its cost is the
// client's.
func check(got, want []byte) error {
	const end = 8
	if len(got) != len(want) || len(want) < end ||
		!bytes.Equal(got[:end], want[:end]) || !bytes.Equal(got[len(got)-end:], want[len(want)-end:]) {
		return errAnswer
	}
	return nil
}

// rawDial sends a frame that was masked ahead of time and reads as many bytes
// as the answer has.
func rawDial(addr string, opcode byte, message []byte) (RoundTrips, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := load.Handshake(conn, ""); err != nil {
		return nil, err
	}
	frame := load.AppendFrame(nil, 0x80|opcode, true, message)
	answer := make([]byte, len(frame)-len("mask"))
	header := len(answer) - len(message)
	return inTurn(message, func() ([]byte, error) {
		if _, err := conn.Write(frame); err != nil {
			return nil, err
		}
		_, err := io.ReadFull(conn, answer)
		return answer[header:], err
	}), nil
}

func ourDial(appends bool) func(string, byte, []byte) (RoundTrips, error) {
	return func(addr string, opcode byte, message []byte) (RoundTrips, error) {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws", nil)
		if err != nil {
			return nil, err
		}
		var buf []byte
		return inTurn(message, func() (p []byte, err error) {
			if err := c.WriteMessage(int(opcode), message); err != nil {
				return nil, err
			}
			if !appends {
				_, p, err = c.ReadMessage()
				return p, err
			}
			_, buf, err = c.AppendMessage(buf[:0])
			return buf, err
		}), nil
	}
}

func gorillaDial(keeps bool) func(string, byte, []byte) (RoundTrips, error) {
	return func(addr string, opcode byte, message []byte) (RoundTrips, error) {
		c, _, err := gorilla.DefaultDialer.Dial("ws://"+addr+"/ws", nil)
		if err != nil {
			return nil, err
		}
		var buf bytes.Buffer
		return inTurn(message, func() ([]byte, error) {
			if err := c.WriteMessage(int(opcode), message); err != nil {
				return nil, err
			}
			if !keeps {
				_, p, err := c.ReadMessage()
				return p, err
			}
			_, r, err := c.NextReader()
			if err != nil {
				return nil, err
			}
			buf.Reset()
			_, err = buf.ReadFrom(r)
			return buf.Bytes(), err
		}), nil
	}
}

func coderDial(addr string, opcode byte, message []byte) (RoundTrips, error) {
	ctx := context.Background()
	c, _, err := coder.Dial(ctx, "ws://"+addr+"/ws", nil)
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	var buf bytes.Buffer
	return inTurn(message, func() ([]byte, error) {
		if err := c.Write(ctx, coder.MessageType(opcode), message); err != nil {
			return nil, err
		}
		_, r, err := c.Reader(ctx)
		if err != nil {
			return nil, err
		}
		buf.Reset()
		_, err = buf.ReadFrom(r)
		return buf.Bytes(), err
	}), nil
}

// gobwasDial masks a copy of the message with a new key and sends it with its
// header in one write.
func gobwasDial(addr string, opcode byte, message []byte) (RoundTrips, error) {
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+addr+"/ws")
	if err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 4096)
	var in, out []byte
	return inTurn(message, func() ([]byte, error) {
		header := ws.Header{Fin: true, OpCode: ws.OpCode(opcode), Masked: true, Mask: ws.NewMask(), Length: int64(len(message))}
		size := ws.HeaderSize(header)
		out = slices.Grow(out[:0], size+len(message))[:size+len(message)]
		if err := ws.WriteHeader(into(out), header); err != nil {
			return nil, err
		}
		copy(out[size:], message)
		ws.Cipher(out[size:], header.Mask, 0)
		if _, err := conn.Write(out); err != nil {
			return nil, err
		}
		if header, err = ws.ReadHeader(r); err != nil {
			return nil, err
		}
		in = slices.Grow(in[:0], int(header.Length))[:header.Length]
		_, err := io.ReadFull(r, in)
		return in, err
	}), nil
}
