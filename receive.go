package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
)

// receive reads the next message, or the rest of one that was cut short, and
// appends it to dst.
func (c *Conn) receive(dst []byte) (messageType int, p []byte, err error) {
	r := &c.read
	r.lock.acquire(nil, nil)
	defer r.lock.release() // also when a handler panics
	kind, p := opcode(0), dst
	if err = c.awaitMessage(); err == nil {
		kind, p, err = c.appendMessage(dst)
	}
	if err != nil {
		return -1, dst, err
	}
	return int(kind), p, nil
}

// receiveUntil is receive until ctx ends.
func (c *Conn) receiveUntil(ctx context.Context, dst []byte) (messageType int, p []byte, err error) {
	r := &c.read
	if err := ctx.Err(); err != nil {
		return -1, dst, err
	}
	if !r.lock.acquire(ctx.Done(), nil) {
		return -1, dst, ctx.Err()
	}
	defer r.lock.release()
	defer r.deadline.watch(ctx)()
	kind, p, err := c.appendMessage(dst)
	if err != nil {
		if ctx.Err() != nil && r.ended == nil && isTimeout(err) {
			err = ctx.Err()
		}
		return -1, dst, err
	}
	return int(kind), p, nil
}

// awaitMessage waits for the first bytes of the next message if nothing has to
// be done before and no buffer held meanwhile. nextFrame would do so too, but
// this is where most connections are most of the time, and a goroutine keeps a
// stack as deep as it once was.
func (c *Conn) awaitMessage() error {
	r := &c.read
	if r.raw == nil || r.start != r.end || r.kind != 0 || r.ended != nil || r.reader != nil || r.discard || r.head != nil {
		return nil
	}
	if c.write.queued() {
		c.flushBeforeWait()
	}
	r.looked = false
	if err := r.fill(); err != nil {
		return c.readFailed(err)
	}
	return nil
}

// appendMessage appends a message to dst. What it had when an error came that
// is no end stays in r.partial.
func (c *Conn) appendMessage(dst []byte) (opcode, []byte, error) {
	r := &c.read
	if err := c.beginMessage(); err != nil {
		return 0, dst, err
	}
	kind, start, ours := r.kind, len(dst), dst == nil
	if ours {
		dst = r.partial
	} else {
		dst = append(dst, r.partial...)
	}
	r.partial = nil
	dst, err := c.appendPayload(dst, start)
	switch {
	case err == nil:
		return kind, dst, nil
	case r.ended != nil:
	case ours:
		r.partial = dst
	default:
		r.partial = bytes.Clone(dst[start:])
	}
	return 0, nil, err
}

// appendPayload appends what is left of the message under way, of which
// dst[start:] has been received already.
func (c *Conn) appendPayload(dst []byte, start int) ([]byte, error) {
	r := &c.read
	if r.inflating() {
		return c.appendInflated(dst, start)
	}
	for {
		more, err := c.more()
		if !more {
			return dst, err
		}
		if dst == nil && r.remaining > trustedLength {
			if dst, err = c.startLong(); err != nil {
				return dst, err
			}
			continue
		}
		dst = r.grow(dst, len(dst)-start)
		n, err := c.readPayload(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err != nil {
			return dst, err
		}
	}
}

// startLong receives the first trustedLength bytes of a longer frame. They
// come into a lent buffer, so that most messages get the memory that they need
// in one piece and no other.
func (c *Conn) startLong() ([]byte, error) {
	buf := getBuffer(trustedLength)
	defer putBuffer(buf)
	first := buf.b[:0]
	for len(first) < trustedLength {
		n, err := c.readPayload(buf.b[len(first):trustedLength])
		first = first[:len(first)+n]
		if err != nil {
			return bytes.Clone(first), err
		}
	}
	room := min(c.read.remaining, (growth-1)*trustedLength)
	return append(make([]byte, 0, trustedLength+room), first...), nil
}

// beginMessage leaves the read side inside a message of which the application
// has seen nothing: one that was cut short by a deadline, or the next.
func (c *Conn) beginMessage() error {
	r := &c.read
	if r.ended != nil {
		return r.ended
	}
	if r.reader != nil {
		r.reader, r.discard, r.partial = nil, true, nil
	}
	if r.discard {
		if err := c.skipMessage(); err != nil {
			return err
		}
	}
	if r.kind != 0 {
		return nil
	}
	return c.nextDataFrame()
}

// skipMessage reads what is left of the message under way for nobody.
func (c *Conn) skipMessage() error {
	buf := getBuffer(defaultBuffer)
	defer putBuffer(buf)
	for {
		_, err := c.readPiece(buf.b)
		if err == io.EOF {
			c.read.discard = false
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readPiece reads some of the message under way, one byte at least, and
// returns io.EOF at its end.
func (c *Conn) readPiece(p []byte) (int, error) {
	if c.read.inflating() {
		return c.readInflated(p)
	}
	more, err := c.more()
	switch {
	case err != nil:
		return 0, err
	case !more:
		return 0, io.EOF
	}
	return c.readPayload(p)
}

// more reports whether there is more of the message under way, and reads
// frame headers until it knows. At the end of the message it returns false
// and no error.
func (c *Conn) more() (bool, error) {
	r := &c.read
	for r.remaining == 0 {
		if r.frame.fin {
			return false, c.endMessage()
		}
		if err := c.nextDataFrame(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// endMessage ends the message under way, all of which has been read.
func (c *Conn) endMessage() error {
	r := &c.read
	if r.kind == opText && !r.text.Complete() {
		return c.readFailed(errTextUTF8)
	}
	r.kind = 0
	if r.inflating() {
		r.inflater.end()
	}
	if c.write.queue.Load() != nil {
		c.hasMore()
	}
	return nil
}

// hasMore reports whether the next frame is there already, and lets writers
// know.
func (c *Conn) hasMore() bool {
	r := &c.read
	if r.looked {
		return r.more.Load()
	}
	more := r.hasFrame()
	if r.more.Load() != more {
		r.more.Store(more)
	}
	r.looked = true
	return more
}

// readPayload reads some of the data frame under way, one byte at least.
// RFC 6455, Section 8.1: text that is not UTF-8 fails the connection, and the
// sooner the better.
func (c *Conn) readPayload(p []byte) (int, error) {
	r := &c.read
	n, err := r.readPayload(p)
	if err != nil {
		return n, c.readFailed(err)
	}
	if err := c.checkText(p[:n]); err != nil {
		return 0, err
	}
	return n, nil
}

// checkText checks what has been read of a message.
func (c *Conn) checkText(p []byte) error {
	if c.read.kind == opText && !c.read.text.Append(p) {
		return c.readFailed(errTextUTF8)
	}
	return nil
}

// nextDataFrame reads up to the payload of the next data frame, and does what
// the control frames on the way ask for.
func (c *Conn) nextDataFrame() error {
	r := &c.read
	for r.ended == nil {
		if c.write.queue.Load() != nil && !c.hasMore() && c.write.queued() {
			c.flushBeforeWait()
		}
		r.looked = false
		h, payload, err := r.nextFrame()
		if err != nil {
			return c.readFailed(err)
		}
		c.write.trace.read(&h)
		if !h.opcode.isControl() {
			c.flood.calm()
			return nil
		}
		if err := c.handleControl(h.opcode, payload); err != nil {
			r.fail(err)
			return err
		}
		// A buffer full of pings, the answers to which do not get out, would
		// take many times a deadline that only the transport looks at.
		if r.deadline.passed() {
			return os.ErrDeadlineExceeded
		}
	}
	return r.ended
}

// readFailed decides what an error of the read side means for the connection.
func (c *Conn) readFailed(err error) error {
	violation, ok := errors.AsType[*ProtocolError](err)
	switch {
	case ok:
		return c.fail(violation, violation.Code, violation.Reason)
	case err == ErrReadLimit:
		return c.fail(err, CloseMessageTooBig, "")
	case isTimeout(err):
		return err // nothing is lost, and the next read goes on
	case c.transport.cause.Load() != nil: // somebody else ended it
		err = *c.transport.cause.Load()
	case c.transport.closing.has(transportClosed) && !errors.Is(err, net.ErrClosed):
		err = net.ErrClosed
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		// RFC 6455, Section 7.1.5: the code when there was no close frame.
		err = &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
	case !errors.Is(err, net.ErrClosed):
		err = &lostError{err}
	}
	c.read.fail(err)
	c.transport.close()
	return err
}

// A messageReader is what NextReader returns. It is of use until the message
// has been read or NextReader or ReadMessage is called.
type messageReader struct {
	c   *Conn
	cut bool // by Shutdown, which discards the rest
}

func (c *Conn) nextReader() (*messageReader, opcode, error) {
	r := &c.read
	r.lock.acquire(nil, nil)
	defer r.lock.release()
	if err := c.beginMessage(); err != nil {
		return nil, 0, err
	}
	r.reader = &messageReader{c: c}
	return r.reader, r.kind, nil
}

// Read reads some of the message.
func (m *messageReader) Read(p []byte) (int, error) {
	c, r := m.c, &m.c.read
	r.lock.acquire(nil, nil)
	defer r.lock.release()
	switch {
	case m.cut: // not io.EOF: half a message must not look like a whole one
		return 0, net.ErrClosed
	case r.reader != m:
		return 0, io.EOF
	case r.ended != nil:
		return 0, r.ended
	case len(p) == 0:
		return 0, nil
	case len(r.partial) > 0:
		n := copy(p, r.partial)
		r.partial = r.partial[n:]
		return n, nil
	}
	n, err := c.readPiece(p)
	if err == io.EOF {
		r.reader = nil
	}
	return n, err
}
