package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed23105783/websocket"
)

const (
	// writeTimeout is how long a write may take.
	writeTimeout = 10 * time.Second

	// defaultCloseTimeout is how long the peer may take to answer a close frame.
	defaultCloseTimeout = 5 * time.Second
)

// conversation is the exchange of messages over a connection. One goroutine sends,
// and one receives and prints.
type conversation struct {
	conn           *websocket.Conn
	stdout, stderr io.Writer
	start          time.Time
	closeTimeout   time.Duration

	ended chan struct{} // closed when the connection has ended
	err   error         // why it ended; may be read when ended is closed
}

func newConversation(conn *websocket.Conn, stdout, stderr io.Writer) *conversation {
	return &conversation{
		conn:         conn,
		stdout:       stdout,
		stderr:       stderr,
		start:        time.Now(),
		closeTimeout: defaultCloseTimeout,
		ended:        make(chan struct{}),
	}
}

// run sends and receives until the connection ends, and returns the exit code.
func (c *conversation) run(ctx context.Context, stdin io.Reader, pingInterval time.Duration) int {
	c.notef("connected, subprotocol %q", c.conn.Subprotocol())
	c.conn.SetPongHandler(c.printRoundTrip)
	go c.receive()
	c.send(ctx, stdin, pingInterval)
	select {
	case <-c.ended:
		return c.report()
	case <-time.After(c.closeTimeout):
		c.notef("connection lost: the peer sent no close frame within %v", c.closeTimeout)
		return exitLost
	}
}

// send sends the lines of stdin and the pings. It returns after it has sent a close
// frame, or when nothing more can be sent.
func (c *conversation) send(ctx context.Context, stdin io.Reader, pingInterval time.Duration) {
	lines := c.readLines(stdin)
	var pings <-chan time.Time
	if pingInterval > 0 {
		ticker := time.NewTicker(pingInterval)
		defer ticker.Stop()
		pings = ticker.C
	}
	for {
		var err error
		select {
		case <-c.ended:
			return
		case <-ctx.Done():
			c.sendClose(websocket.CloseGoingAway)
			return
		case <-pings:
			err = c.sendPing()
		case line, ok := <-lines:
			if !ok {
				c.sendClose(websocket.CloseNormalClosure)
				return
			}
			err = c.sendLine(line)
		}
		if err != nil {
			c.noteFailure("cannot send", err)
			return
		}
	}
}

// readLines reads stdin in a goroutine of its own, because a read from a
// terminal cannot be interrupted. It closes the channel at the end of stdin.
func (c *conversation) readLines(stdin io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(stdin)
		for {
			line, err := reader.ReadString('\n')
			// The last line may have no line feed.
			if err == nil || line != "" {
				select {
				case lines <- strings.TrimRight(line, "\r\n"):
				case <-c.ended:
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					c.notef("cannot read the input: %v", err)
				}
				return
			}
		}
	}()
	return lines
}

func (c *conversation) sendLine(line string) error {
	// A text message must be valid UTF-8 (RFC 6455, Section 5.6); otherwise, the
	// peer has to fail the connection (Section 8.1).
	if !utf8.ValidString(line) {
		c.notef("not sent, because it is not valid UTF-8: %q", line)
		return nil
	}
	c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	return c.conn.WriteMessage(websocket.TextMessage, []byte(line))
}

func (c *conversation) sendClose(code int) {
	payload := websocket.FormatCloseMessage(code, "")
	err := c.conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(writeTimeout))
	if err != nil {
		c.noteFailure("cannot send the close frame", err)
	}
}

// sendPing sends a ping with the current time as its payload. The pong has the same
// payload (Section 5.5.3), so that the round-trip time can be computed.
func (c *conversation) sendPing() error {
	payload := strconv.FormatInt(int64(time.Since(c.start)), 10)
	return c.conn.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(writeTimeout))
}

func (c *conversation) printRoundTrip(payload string) error {
	sent, err := strconv.ParseInt(payload, 10, 64)
	if err != nil {
		c.notef("unsolicited pong %q", payload)
		return nil
	}
	c.notef("pong after %v", time.Since(c.start)-time.Duration(sent))
	return nil
}

// receive prints messages until the connection ends.
func (c *conversation) receive() {
	defer close(c.ended)
	for c.err == nil {
		c.err = c.receiveMessage()
	}
}

// receiveMessage prints a message while it arrives, so that long messages need
// little memory.
func (c *conversation) receiveMessage() error {
	messageType, message, err := c.conn.NextReader()
	if err != nil {
		return err
	}
	if messageType == websocket.BinaryMessage {
		dump := hex.Dumper(c.stdout)
		_, err = io.Copy(dump, message)
		return errors.Join(err, dump.Close())
	}
	_, err = io.Copy(c.stdout, message)
	fmt.Fprintln(c.stdout)
	return err
}

// report prints how the connection ended and returns the exit code.
func (c *conversation) report() int {
	var closed *websocket.CloseError
	// Code 1006 is never sent. It stands for the lack of a close frame (Section
	// 7.1.5).
	if !errors.As(c.err, &closed) || closed.Code == websocket.CloseAbnormalClosure {
		c.notef("connection lost: %v", c.err)
		return exitLost
	}
	switch closed.Code {
	case websocket.CloseNoStatusReceived:
		c.notef("closed without a code")
		return exitClean
	case websocket.CloseNormalClosure, websocket.CloseGoingAway:
		c.notef("closed with code %d, reason %q", closed.Code, closed.Text)
		return exitClean
	default:
		c.notef("closed by the peer with code %d, reason %q", closed.Code, closed.Text)
		return exitClosed
	}
}

// noteFailure prints the error of a write, except for ErrCloseSent: then the peer
// has closed the connection, which report prints.
func (c *conversation) noteFailure(what string, err error) {
	if !errors.Is(err, websocket.ErrCloseSent) {
		c.notef("%s: %v", what, err)
	}
}

func (c *conversation) notef(format string, args ...any) {
	fmt.Fprintf(c.stderr, format+"\n", args...)
}
