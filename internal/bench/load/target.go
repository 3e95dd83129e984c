package load

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
)

// An EchoTarget is the fixed server that clients are measured against. It
// expects one and the same message, checks it, and answers with a frame that
// is encoded ahead of time.
type EchoTarget struct {
	opcode  byte
	payload []byte
	answer  []byte

	// Failed gets the first thing that is wrong with what a client sends.
	Failed chan error
}

// NewEchoTarget returns the server of a message.
func NewEchoTarget(opcode byte, payload []byte) *EchoTarget {
	return &EchoTarget{opcode, payload, ServerFrame(opcode, payload), make(chan error, 1)}
}

// Serve serves connections until the listener is closed.
func (t *EchoTarget) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			if err := t.accepted(conn); err != nil {
				select {
				case t.Failed <- err:
				default:
				}
			}
		}()
	}
}

// accepted serves a connection that blocks a thread when it waits, like those
// of the generator.
func (t *EchoTarget) accepted(conn net.Conn) error {
	defer conn.Close()
	blocking, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	defer blocking.Close()
	return t.serve(blocking)
}

var keyLine = regexp.MustCompile(`(?i)\r\nSec-WebSocket-Key: *([^\r ]+)`)

// serve returns nil when the client goes away between two messages.
func (t *EchoTarget) serve(conn io.ReadWriter) error {
	head, err := readHead(conn)
	if err != nil {
		return err
	}
	key := keyLine.FindStringSubmatch(head)
	if key == nil {
		return errors.New("no Sec-WebSocket-Key")
	}
	sum := sha1.Sum([]byte(key[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	buf := make([]byte, len(t.payload))
	for {
		if _, err := r.Peek(1); err != nil {
			return nil
		}
		closed, err := t.message(r, buf)
		if err != nil || closed {
			return err
		}
		if _, err := conn.Write(t.answer); err != nil {
			return err
		}
	}
}

// message reads a message, in any number of frames, and compares it. It says
// whether there was a close frame instead.
func (t *EchoTarget) message(r *bufio.Reader, buf []byte) (closed bool, err error) {
	first := t.opcode
	for n := 0; ; {
		header, length, key, err := readMaskedHeader(r)
		if err != nil {
			return false, err
		}
		if header&opcodeMask == 8 {
			return true, nil
		}
		if header&^fin != first || n+length > len(buf) {
			return false, fmt.Errorf("a frame that begins with %#x, of %d bytes, where %d of %d have come",
				header, length, n, len(buf))
		}
		if _, err := io.ReadFull(r, buf[n:n+length]); err != nil {
			return false, err
		}
		unmask(buf[n:n+length], key)
		n += length
		first = 0
		if header&fin == 0 {
			continue
		}
		if !bytes.Equal(buf[:n], t.payload) {
			return false, errors.New("a message that is not the one to be sent")
		}
		return false, nil
	}
}

// readMaskedHeader reads the header of a frame from a client.
func readMaskedHeader(r *bufio.Reader) (first byte, length int, key [4]byte, err error) {
	h, err := r.Peek(2)
	if err != nil {
		return 0, 0, key, err
	}
	if h[1]&masked == 0 {
		return 0, 0, key, errors.New("a frame that is not masked")
	}
	size := 2
	switch h[1] &^ masked {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	first, length = h[0], int(h[1]&^masked)
	if h, err = r.Peek(size + 4); err != nil {
		return 0, 0, key, err
	}
	if size > 2 {
		length = 0
		for _, b := range h[2:size] {
			length = length<<8 | int(b)
		}
	}
	copy(key[:], h[size:])
	_, err = r.Discard(size + 4)
	return first, length, key, err
}
