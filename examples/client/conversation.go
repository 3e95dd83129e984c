package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
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
	editor         *editor // of a terminal; nil without
	closeTimeout   time.Duration
	options        *options

	mu    sync.Mutex
	pings map[string]time.Time // those of /ping that have no pong yet, by payload

	ended chan struct{} // closed when the connection has ended
	err   error         // why it ended; may be read when ended is closed
}

func newConversation(conn *websocket.Conn, o *options, stdout, stderr io.Writer) *conversation {
	return &conversation{
		conn:         conn,
		stdout:       stdout,
		stderr:       stderr,
		options:      o,
		pings:        make(map[string]time.Time),
		closeTimeout: defaultCloseTimeout,
		ended:        make(chan struct{}),
	}
}

// run sends and receives until the connection ends, and returns the exit code.
func (c *conversation) run(ctx context.Context, stdin io.Reader) int {
	if c.options.messages == nil && !c.options.binary {
		if c.editor = newEditor(stdin, c.stdout); c.editor != nil {
			defer c.editor.close()
			context.AfterFunc(ctx, c.editor.close) // a second signal may end the process
			c.stdout, c.stderr = c.editor, c.editor
		}
	}
	c.notef("connected, subprotocol %q", c.conn.Subprotocol())
	c.conn.SetPongHandler(c.printPong)
	go c.receive()
	c.send(ctx, stdin)
	select {
	case <-c.ended:
		return c.report()
	case <-time.After(c.closeTimeout):
		c.notef("connection lost: the peer sent no close frame within %v", c.closeTimeout)
		return exitLost
	}
}

// send sends the input and the pings. It returns after it has sent a close frame, or
// when nothing more can be sent.
func (c *conversation) send(ctx context.Context, stdin io.Reader) {
	input := c.readInput(stdin)
	var pings, waited <-chan time.Time
	if c.options.ping > 0 {
		ticker := time.NewTicker(c.options.ping)
		defer ticker.Stop()
		pings = ticker.C
	}
	for {
		var err error
		select {
		case <-c.ended:
			return
		case <-ctx.Done():
			c.sendClose(websocket.CloseGoingAway, "")
			return
		case <-waited:
			c.sendClose(websocket.CloseNormalClosure, "")
			return
		case <-pings:
			go c.ping(ctx)
		case message, ok := <-input:
			if !ok {
				input, waited = nil, time.After(c.options.wait)
				continue
			}
			var closed bool
			if closed, err = c.sendInput(message); closed {
				return
			}
		}
		if err != nil {
			c.noteFailure("cannot send", err)
			return
		}
	}
}

// readInput returns the messages to send: those of -x, all of stdin as one, or its
// lines. It closes the channel at their end.
func (c *conversation) readInput(stdin io.Reader) <-chan string {
	input := make(chan string)
	send := func(message string) bool {
		select {
		case input <- message:
			return true
		case <-c.ended:
			return false
		}
	}
	// A goroutine of its own, because a read from a terminal cannot be interrupted.
	go func() {
		defer close(input)
		var err error
		switch {
		case c.options.messages != nil:
			for _, message := range c.options.messages {
				send(message)
			}
		case c.options.binary:
			var all []byte
			if all, err = io.ReadAll(stdin); err == nil {
				send(string(all))
			}
		case c.editor != nil:
			err = c.editor.readLines(send)
		default:
			err = readLines(stdin, send)
		}
		if err != nil {
			c.notef("cannot read the input: %v", err)
		}
	}()
	return input
}

// readLines calls send for each line until that returns false.
func readLines(stdin io.Reader, send func(line string) bool) error {
	reader := bufio.NewReader(stdin)
	for {
		line, err := reader.ReadString('\n')
		// The last line may have no line feed.
		if (err == nil || line != "") && !send(strings.TrimRight(line, "\r\n")) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sendInput sends a message, or does what a line with a slash says. It reports whether
// it has sent a close frame.
func (c *conversation) sendInput(message string) (closed bool, err error) {
	if c.options.binary {
		c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		return false, c.conn.WriteMessage(websocket.BinaryMessage, []byte(message))
	}
	if !c.options.slash || !strings.HasPrefix(message, "/") {
		return false, c.sendLine(message)
	}
	command, argument, _ := strings.Cut(message, " ")
	switch command {
	case "/ping":
		return false, c.sendPing(argument)
	case "/close":
		code, reason, _ := strings.Cut(argument, " ")
		n, err := strconv.Atoi(cmp.Or(code, "1000"))
		if err == nil {
			payload := websocket.FormatCloseMessage(n, reason)
			err = c.conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(writeTimeout))
		}
		if err != nil {
			c.notef("not closed: %v", err)
		}
		return err == nil, nil
	}
	c.notef("no command %q: there are /ping [text] and /close [code [reason]]", command)
	return false, nil
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

func (c *conversation) sendClose(code int, reason string) {
	payload := websocket.FormatCloseMessage(code, reason)
	err := c.conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(writeTimeout))
	if err != nil {
		c.noteFailure("cannot send the close frame", err)
	}
}

// ping prints the round-trip time.
func (c *conversation) ping(ctx context.Context) {
	if roundTrip, err := c.conn.Ping(ctx); err == nil {
		c.notef("pong after %v", roundTrip)
	}
}

// sendPing sends a ping with a payload. The pong has the same payload (Section 5.5.3).
func (c *conversation) sendPing(payload string) error {
	if len(payload) > 125 {
		c.notef("not sent, because a ping has at most 125 bytes: %q", payload)
		return nil
	}
	c.mu.Lock()
	c.pings[payload] = time.Now()
	c.mu.Unlock()
	return c.conn.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(writeTimeout))
}

func (c *conversation) printPong(payload string) error {
	c.mu.Lock()
	sent, ok := c.pings[payload]
	delete(c.pings, payload)
	c.mu.Unlock()
	if !ok {
		c.notef("unsolicited pong %q", payload)
		return nil
	}
	c.notef("pong %q after %v", payload, time.Since(sent))
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
	if c.options.terminal {
		io.WriteString(c.stdout, "< ")
		_, err = io.Copy(&visible{w: c.stdout}, message)
	} else {
		_, err = io.Copy(c.stdout, message)
	}
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
