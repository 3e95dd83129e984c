package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Target is a server, and how to open a connection to it.
type Target struct {
	Addr string

	// Raw is set for a server that echoes bytes and knows no handshake.
	Raw bool

	// TLS is set for a server that speaks TLS. Its certificate is not checked.
	TLS bool

	// HTTP2 is set for connections that are streams of one HTTP/2 connection over TLS
	// for each worker (RFC 8441).
	HTTP2 *HTTP2

	// Offer is the Sec-WebSocket-Extensions header of the request.
	Offer string

	// Agreed says whether the server's answer to the offer is what the
	// measurement needs.
	Agreed func(extensions string) bool

	source [4]byte // the address to connect from, if it is not zero
}

// A Conn is a connection of the generator.
type Conn struct {
	*socket
	over   io.ReadWriteCloser // what carries the bytes if that is not the socket: TLS, or a stream; or nil
	index  int
	at     int           // how many messages have been sent
	seen   int           // how many have come back
	rest   []byte        // of what is being sent: see send
	reader *bufio.Reader // for answers whose length is not known
}

// The key is the one of RFC 6455, Section 1.3, and so is what has to come back.
const (
	requestKey = "dGhlIHNhbXBsZSBub25jZQ=="
	acceptKey  = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// Dial opens a connection and does the opening handshake if there is one.
func (t *Target) Dial() (*Conn, error) {
	if t.HTTP2 != nil {
		over, err := t.HTTP2.open(t.Addr)
		return &Conn{over: over}, err
	}
	conn, err := dial(t.Addr, t.source)
	if err != nil {
		return nil, err
	}
	c := &Conn{socket: conn}
	if t.TLS {
		client := tls.Client(netConn{conn}, &tls.Config{InsecureSkipVerify: true})
		if err := client.Handshake(); err != nil {
			conn.Close()
			return nil, err
		}
		c.over = client
	}
	if t.Raw {
		return c, nil
	}
	extensions, err := Handshake(c, t.Offer)
	if err == nil && t.Agreed != nil && !t.Agreed(extensions) {
		err = fmt.Errorf("the answer to the extensions %q is %q", t.Offer, extensions)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// Handshake asks for a WebSocket connection, checks the answer, and returns
// the extensions in it.
func Handshake(conn io.ReadWriter, offer string) (extensions string, err error) {
	request := "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + requestKey + "\r\n"
	if offer != "" {
		request += "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
		return "", err
	}
	head, err := readHead(conn)
	if err != nil {
		return "", err
	}
	lines := strings.Split(head, "\r\n")
	if !strings.HasPrefix(lines[0], "HTTP/1.1 101 ") {
		return "", fmt.Errorf("handshake: %s", lines[0])
	}
	accepted := false
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "sec-websocket-accept":
			accepted = value == acceptKey
		case "sec-websocket-extensions":
			extensions = value
		}
	}
	if !accepted {
		return "", errors.New("handshake: wrong Sec-WebSocket-Accept")
	}
	return extensions, nil
}

// readHead reads up to the empty line that ends a head. Nothing may follow it:
// the other side has to wait for us.
func readHead(conn io.Reader) (string, error) {
	buf := make([]byte, 0, 4096)
	for !bytes.HasSuffix(buf, []byte("\r\n\r\n")) {
		if len(buf) == cap(buf) {
			return "", errors.New("handshake: the head is too long")
		}
		n, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return "", fmt.Errorf("handshake: %w", err)
		}
		buf = buf[:len(buf)+n]
	}
	return string(buf), nil
}

// longWrite is from how many bytes on a write must not keep the generator from
// reading: a server that echoes before it has read all would wait for us.
const longWrite = 32 << 10

// send writes p. Of what is long it writes what the socket takes, and leaves
// the rest to Read.
func (c *Conn) send(p []byte) error {
	c.at++
	if c.over != nil || len(p) < longWrite {
		_, err := c.Write(p)
		return err
	}
	c.rest = p
	return c.sendRest()
}

// sendRest writes what the socket takes.
func (c *Conn) sendRest() error {
	n, err := c.writeSome(c.rest)
	c.rest = c.rest[n:]
	return err
}

// closeOrderly is Close without a reset, as clients do. A stream has its own way.
func (c *Conn) closeOrderly() error {
	if c.socket == nil {
		return c.over.Close()
	}
	return c.socket.closeOrderly()
}

// Close closes the connection.
func (c *Conn) Close() error {
	if c.socket == nil {
		return c.over.Close()
	}
	return c.socket.Close()
}

// Write writes p.
func (c *Conn) Write(p []byte) (int, error) {
	if c.over != nil {
		return c.over.Write(p)
	}
	return c.socket.Write(p)
}

// Read reads what is there, and waits for it to come. As long as there is a
// rest to send it does both.
func (c *Conn) Read(p []byte) (int, error) {
	if c.over != nil {
		return c.over.Read(p)
	}
	for len(c.rest) > 0 {
		readable, err := c.wait()
		if err != nil {
			return 0, err
		}
		if readable {
			return c.socket.Read(p)
		}
		if err := c.sendRest(); err != nil {
			return 0, err
		}
	}
	return c.socket.Read(p)
}
