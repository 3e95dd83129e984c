package websocket

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"

	"github.com/seed23105783/websocket/internal/bufpool"
)

// How messages are received. What comes up from the messageReader beside
// payload is dealt with here: control frames by handleControl, errors by
// readFailed.

// errStarted is what read methods return after [Conn.Start].
var errStarted = errors.New("websocket: the functions given to Start receive the messages")

// acquireRead takes the lock of the messageReader for a read method. It returns
// net.ErrClosed if giveUp has ended the wait.
func (c *Conn) acquireRead(giveUp <-chan struct{}) error {
	if c.read.frames.ready.Load() != nil {
		return errStarted // a goroutine may have the lock as long as it waits
	}
	if !c.read.lock.TryAcquire() && !c.read.lock.Acquire(giveUp, c.closing.done()) {
		return c.closing.cause()
	}
	if c.read.frames.ready.Load() != nil {
		c.read.lock.Release()
		return errStarted
	}
	return nil
}

// receive reads the next message, or the rest of one that was cut short, and
// appends it to dst.
func (c *Conn) receive(dst []byte) (messageType int, p []byte, err error) {
	if err := c.acquireRead(nil); err != nil {
		return -1, dst, err
	}
	defer c.read.lock.Release() // also when a handler panics
	kind, p := opcode(0), dst
	if err = c.awaitMessage(dst); err == nil {
		kind, p, err = c.appendMessage(dst)
	}
	if err != nil {
		return -1, dst, err
	}
	return int(kind), p, nil
}

// receivePooled is receive into a buffer from the pool of at least size bytes,
// which the caller gives back. No buffer is held while there is nothing to
// receive.
func (c *Conn) receivePooled(size int) (kind opcode, p []byte, buf *bufpool.Buffer, err error) {
	if err := c.acquireRead(nil); err != nil {
		return 0, nil, nil, err
	}
	defer c.read.lock.Release()
	if err := c.awaitMessage(nil); err != nil {
		return 0, nil, nil, err
	}
	if err := c.beginMessage(); err != nil {
		return 0, nil, nil, err
	}
	buf = bufpool.Get(max(size, int(min(c.read.frames.remaining, trustedLength))))
	kind, p, err = c.appendMessage(buf.B[:0])
	if err != nil {
		bufpool.Put(buf)
		return 0, nil, nil, err
	}
	return kind, p, buf, nil
}

// receiveUntil is receive until ctx ends.
func (c *Conn) receiveUntil(ctx context.Context, dst []byte) (messageType int, p []byte, err error) {
	if err := c.readContextError(ctx); err != nil {
		return -1, dst, err
	}
	if err := c.acquireRead(ctx.Done()); err != nil {
		return -1, dst, c.contextError(ctx, err)
	}
	defer c.read.lock.Release()
	defer c.read.frames.deadline.watch(ctx)()
	kind, p, err := c.appendMessage(dst)
	if err != nil {
		return -1, dst, c.contextError(ctx, err)
	}
	return int(kind), p, nil
}

// awaitMessage waits for the first bytes of the next message if nothing has to
// be done before and no buffer held meanwhile. The messageReader would do so
// too, but this is where most connections are most of the time, and a goroutine
// keeps a stack as deep as it once was. dst is what the message will be appended to.
func (c *Conn) awaitMessage(dst []byte) error {
	if c.transport.raw == nil && !c.transport.isTLS() || !c.read.isIdle() || c.closing.readError() != nil {
		return nil
	}
	if c.write.hasQueued() {
		c.flushQueue()
	}
	c.read.looked = false
	if err := c.read.frames.fillAround(dst[len(dst):cap(dst)]); err != nil {
		return c.readFailed(err)
	}
	return nil
}

// appendMessage appends a message to dst. What it had when an error came that
// is no end stays with the messageReader.
func (c *Conn) appendMessage(dst []byte) (opcode, []byte, error) {
	if err := c.beginMessage(); err != nil {
		return 0, dst, err
	}
	m := &c.read
	kind, start := m.kind, len(dst)
	p, err := m.appendRest(m.resume(dst), start)
	for err == errControlFrame {
		if err = c.handleControl(); err == nil {
			p, err = m.appendRest(p, start)
		}
	}
	if err == nil {
		c.messageRead()
		return kind, p, nil
	}
	if err = c.readFailed(err); c.closing.readError() == nil {
		m.pause(p[start:], dst == nil)
	}
	return 0, nil, err
}

// beginMessage leaves the messageReader inside a message of which the
// application has seen nothing.
func (c *Conn) beginMessage() error {
	for {
		if err := c.closing.readError(); err != nil {
			return err
		}
		if !c.read.hasMore() && c.write.hasQueued() {
			c.flushQueue()
		}
		err := c.read.begin()
		if err == errControlFrame {
			err = c.handleControl()
			if err == nil {
				continue
			}
		}
		if err != nil {
			return c.readFailed(err)
		}
		return nil
	}
}

// messageRead is called at the end of a message.
func (c *Conn) messageRead() {
	c.read.hasMore()
}

// A connReader is what NextReader returns. It is of use until the message has
// been read or NextReader or ReadMessage is called.
type connReader struct {
	pieceReader
	c   *Conn
	ctx context.Context // of all reads, or nil
}

// NextReader waits for the next message and returns its type and a reader for
// its payload, which returns io.EOF at the end. Text that is not UTF-8 ends the
// connection at the first byte that shows it; the bytes before may have been
// returned by then. What was not read of the message before is discarded.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	reader, kind, err := c.nextReader(context.Background(), nil)
	if err != nil {
		return -1, nil, err
	}
	return int(kind), reader, nil
}

// NextReaderContext is [Conn.NextReader] until ctx ends, when it returns
// ctx.Err() and nothing is lost. If ctx ends later, the reader returns ctx.Err(),
// and the next read method discards the rest of its message.
func (c *Conn) NextReaderContext(ctx context.Context) (messageType int, r io.Reader, err error) {
	if ctx.Done() == nil {
		return c.NextReader()
	}
	if err := c.readContextError(ctx); err != nil {
		return -1, nil, err
	}
	reader, kind, err := c.nextReader(ctx, ctx.Done())
	if err != nil {
		return -1, nil, c.contextError(ctx, err)
	}
	reader.ctx = ctx
	return int(kind), reader, nil
}

// readContextError returns why a read with a context that has ended does not
// begin, nil if it has not. The end of the reading comes first: ctx may be the
// connection's own.
func (c *Conn) readContextError(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return cmp.Or(c.closing.readError(), ctx.Err())
}

// contextError returns the error of ctx if that has ended a read, and err
// otherwise.
func (c *Conn) contextError(ctx context.Context, err error) error {
	if ctx.Err() != nil && (isTimeout(err) || err == net.ErrClosed) {
		return cmp.Or(c.closing.readError(), ctx.Err()) // the end may have come since
	}
	return err
}

// nextReader is NextReader until ctx ends. giveUp ends the wait for another
// reader.
func (c *Conn) nextReader(ctx context.Context, giveUp <-chan struct{}) (*connReader, opcode, error) {
	if err := c.acquireRead(giveUp); err != nil {
		return nil, 0, err
	}
	defer c.read.lock.Release()
	defer c.read.frames.deadline.watch(ctx)()
	if err := c.beginMessage(); err != nil {
		return nil, 0, err
	}
	r := &connReader{c: c}
	c.read.piecewise = &r.pieceReader
	return r, c.read.kind, nil
}

// Read reads some of the message.
func (r *connReader) Read(p []byte) (int, error) {
	if r.ctx == nil {
		return r.read(context.Background(), p, nil)
	}
	if err := r.c.readContextError(r.ctx); err != nil {
		return 0, err
	}
	n, err := r.read(r.ctx, p, r.ctx.Done())
	if err != nil && err != io.EOF {
		err = r.c.contextError(r.ctx, err)
	}
	return n, err
}

// read is Read until ctx ends. giveUp ends the wait for another reader.
func (r *connReader) read(ctx context.Context, p []byte, giveUp <-chan struct{}) (int, error) {
	c, m := r.c, &r.c.read
	if err := c.acquireRead(giveUp); err != nil {
		return 0, err
	}
	defer m.lock.Release()
	defer m.frames.deadline.watch(ctx)()
	switch {
	case r.cut: // not io.EOF: half a message must not look like a whole one
		return 0, net.ErrClosed
	case m.piecewise != &r.pieceReader:
		return 0, io.EOF
	case c.closing.readError() != nil:
		return 0, c.closing.readError()
	case len(p) == 0:
		return 0, nil
	case m.partial != nil:
		return m.readPartial(p), nil
	}
	n, err := m.readPiece(p)
	for err == errControlFrame {
		if err = c.handleControl(); err == nil {
			n, err = m.readPiece(p)
		}
	}
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		m.piecewise = nil
		c.messageRead()
		return 0, io.EOF
	}
	return 0, c.readFailed(err)
}
