package websocket

import (
	"cmp"
	"context"
	"io"
	"time"
)

// How messages are sent. What comes up from the messageWriter is dealt with
// here: errQueuedFirst by retry, other errors by writeFailed, and what has been
// queued or kept by starting the goroutines that write it.

// WriteMessage sends a message of any type, a control message too, in one
// frame. It does not keep or change data. It returns when the message has been
// handed to the transport.
//
// While a writer of [Conn.NextWriter] has sent a part of its message,
// WriteMessage waits until that is closed.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	if c.write.hasDeadline() {
		return c.sendWithin(messageType, data)
	}
	return c.send(messageType, data, unlimited)
}

// WriteMessageContext is [Conn.WriteMessage] until ctx ends. If the message
// still waits for its turn then, it is not sent and ctx.Err() is returned. If a
// part of it has been written the connection ends, and the error wraps
// ctx.Err().
func (c *Conn) WriteMessageContext(ctx context.Context, messageType int, data []byte) error {
	if err := c.writeContextError(ctx); err != nil {
		return err
	}
	return c.send(messageType, data, &waitLimit{ctx: ctx, deadline: c.write.loadDeadline()})
}

// writeContextError is readContextError for writes.
func (c *Conn) writeContextError(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return cmp.Or(c.closing.writeError(), ctx.Err())
}

// writeLimit returns the limit of a write with no context of its own.
func (c *Conn) writeLimit() waitLimit {
	return waitLimit{ctx: context.Background(), deadline: c.write.loadDeadline()}
}

// sendWithin is send with the write deadline.
func (c *Conn) sendWithin(messageType int, data []byte) error {
	l := c.writeLimit()
	return c.send(messageType, data, &l)
}

// send sends a message, or leaves it to others. On the way from here to the
// socket frames of functions are kept small: a goroutine that writes once keeps
// the stack that it took.
func (c *Conn) send(messageType int, data []byte, l *waitLimit) error {
	switch {
	case messageType != TextMessage && messageType != BinaryMessage:
		return c.sendControl(messageType, data, l)
	case c.read.more.Load() && c.leaveToReader(opcode(messageType), data, l):
		return nil
	case !c.write.lock.IsFree() && c.write.frames.isSmall(data) && l.isUnlimited():
		return c.sendTogether(opcode(messageType), data)
	}
	err := c.write.writeMessage(opcode(messageType), data, l)
	if err != nil {
		return c.sendAgain(opcode(messageType), data, l, err)
	}
	return nil
}

// sendAgain continues send after an error.
func (c *Conn) sendAgain(op opcode, data []byte, l *waitLimit, err error) error {
	for {
		again, err2 := c.retry(err, l)
		if !again {
			return err2
		}
		err = c.write.writeMessage(op, data, l)
	}
}

// sendTogether has a message written by the flusher, with those of all others
// who come while the one before is being written.
func (c *Conn) sendTogether(op opcode, data []byte) error {
	result := c.write.ownQueue().addWaiting(finBit|firstByte(op), data)
	c.startFlusher()
	<-result.done
	return result.err
}

// retry decides what to do about the error of a write. If the write is to be
// tried again it returns true, after what was queued before has been written.
func (c *Conn) retry(err error, l *waitLimit) (again bool, _ error) {
	if err != errQueuedFirst {
		return false, c.writeFailed(err)
	}
	if err := c.awaitFlush(l); err != nil {
		return false, err
	}
	l.flushed = true
	return true, nil
}

// awaitFlush waits within the limit until what is queued has been written by
// others.
func (c *Conn) awaitFlush(l *waitLimit) error {
	result := c.write.ownQueue().awaitPending()
	if result == nil {
		return nil
	}
	c.startFlusher()
	err := l.wait(func(giveUp <-chan struct{}) bool {
		select {
		case <-result.done:
			return true
		case <-giveUp:
			return false
		}
	})
	if err == nil {
		return nil
	}
	return cmp.Or(c.closing.writeError(), err)
}

func (c *Conn) sendControl(messageType int, data []byte, l *waitLimit) error {
	op, err := messageOpcode(messageType)
	if err != nil {
		return err
	}
	return c.writeControl(op, data, l)
}

// writeControl checks and sends a control frame.
func (c *Conn) writeControl(op opcode, payload []byte, l *waitLimit) error {
	if err := checkControlPayload(op, payload); err != nil {
		return err
	}
	if err := c.transport.checkControl(op, payload); err != nil {
		return err
	}
	if op == opClose {
		return c.sendClose(payload, false, l)
	}
	return c.writeFailed(c.write.frames.write(finBit|firstByte(op), payload, l))
}

// sendClose sends a close frame behind all that was sent before. patient is as in
// messageWriter.writeClose.
func (c *Conn) sendClose(payload []byte, patient bool, l *waitLimit) error {
	err := c.write.writeClose(payload, patient, l)
	for err != nil {
		again, err2 := c.retry(err, l)
		if !again {
			return err2
		}
		err = c.write.writeClose(payload, patient, l)
	}
	c.closeWritten()
	return nil
}

// WriteControl sends a [CloseMessage], [PingMessage] or [PongMessage] with a
// payload of up to 125 bytes. A ping or pong waits for the frame that is being
// written, but not for the end of a message, nor for queued messages. A close
// frame waits for all messages that were sent or queued before it, except for one
// that NextWriter has begun. If the deadline passes before the frame has been
// begun, the error has a Timeout method that returns true, and the connection
// stays as it was. The zero deadline is none.
//
// After a close frame every write returns [ErrCloseSent].
func (c *Conn) WriteControl(messageType int, data []byte, deadline time.Time) error {
	op, err := messageOpcode(messageType)
	if err != nil || !op.isControl() {
		return errNotControlType
	}
	return c.writeControl(op, data, &waitLimit{ctx: context.Background(), deadline: deadline})
}

// WritePreparedMessage sends a prepared message.
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	l := c.writeLimit()
	return c.sendPrepared(pm, &l)
}

// WritePreparedMessageContext is [Conn.WritePreparedMessage] until ctx ends,
// like [Conn.WriteMessageContext].
func (c *Conn) WritePreparedMessageContext(ctx context.Context, pm *PreparedMessage) error {
	if err := c.writeContextError(ctx); err != nil {
		return err
	}
	return c.sendPrepared(pm, &waitLimit{ctx: ctx, deadline: c.write.loadDeadline()})
}

func (c *Conn) sendPrepared(pm *PreparedMessage, l *waitLimit) error {
	switch {
	case len(pm.plain.frame) == 0:
		return errBadMessageType // not from NewPreparedMessage
	case pm.op.isControl():
		return c.writeControl(pm.op, pm.plain.payload(), l)
	}
	for {
		again, err := c.retry(c.write.writePrepared(pm, l), l)
		if !again {
			return err
		}
	}
}

// A connWriter is what NextWriter returns.
type connWriter struct {
	fragmentWriter
	c   *Conn
	ctx context.Context // of all calls
}

// limit returns the limit of a call.
func (w *connWriter) limit() waitLimit {
	return waitLimit{ctx: w.ctx, deadline: w.c.write.loadDeadline()}
}

// NextWriter returns a writer for a message of any type. The writer sends a
// fragment when its buffer is full, and the end of the message when it is
// closed. It is an io.StringWriter and an io.ReaderFrom too.
//
// There is one writer at a time: NextWriter closes the one before if that has
// not been done. Goroutines that send messages at the same time use
// [Conn.WriteMessage].
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	return c.NextWriterContext(context.Background(), messageType)
}

// NextWriterContext is [Conn.NextWriter] with a context for all calls of the
// writer's methods, like that of [Conn.WriteMessageContext]. After ctx has ended
// these return ctx.Err() and send nothing. A writer that was not closed by then is
// closed by the next NextWriter.
func (c *Conn) NextWriterContext(ctx context.Context, messageType int) (io.WriteCloser, error) {
	op, err := messageOpcode(messageType)
	if err != nil {
		return nil, err
	}
	if err := c.writeContextError(ctx); err != nil {
		return nil, err
	}
	if op.isControl() {
		if err := c.transport.checkControlWriter(); err != nil {
			return nil, err
		}
	}
	w := &connWriter{c: c, ctx: ctx}
	l := w.limit()
	for {
		again, err := c.retry(c.write.openFragments(&w.fragmentWriter, op, &l), &l)
		if !again {
			if err != nil {
				return nil, err
			}
			return w, nil
		}
	}
}

// Write adds p to the message.
func (w *connWriter) Write(p []byte) (written int, err error) {
	if err := w.c.writeContextError(w.ctx); err != nil {
		return 0, err
	}
	l := w.limit()
	for again := true; again; {
		var n int
		n, err = w.write(p[written:], &l)
		written += n
		again, err = w.c.retry(err, &l)
	}
	return written, err
}

// WriteString adds s to the message.
func (w *connWriter) WriteString(s string) (written int, err error) {
	if err := w.c.writeContextError(w.ctx); err != nil {
		return 0, err
	}
	l := w.limit()
	for again := true; again; {
		var n int
		n, err = w.writeString(s[written:], &l)
		written += n
		again, err = w.c.retry(err, &l)
	}
	return written, err
}

// ReadFrom adds what r has until its end to the message.
func (w *connWriter) ReadFrom(r io.Reader) (read int64, err error) {
	if err := w.c.writeContextError(w.ctx); err != nil {
		return 0, err
	}
	l := w.limit()
	for again := true; again; {
		var n int64
		n, err = w.readFrom(r, &l)
		read += n
		again, err = w.c.retry(err, &l)
	}
	return read, err
}

// Close sends the end of the message.
func (w *connWriter) Close() (err error) {
	if err := w.c.writeContextError(w.ctx); err != nil {
		return err
	}
	l := w.limit()
	for again := true; again; {
		again, err = w.c.retry(w.close(&l), &l)
	}
	if err == nil && w.op == opClose {
		w.c.closeWritten()
	}
	return err
}

// flushDelay is how long messages that were left to the reader wait for it.
const flushDelay = time.Millisecond

// Send queues a message of type [TextMessage] or [BinaryMessage] and returns,
// like send in the browser. It copies data. Messages are sent in the order of
// the calls of Send and [Conn.WriteMessage], as many as are queued with one system
// call. The write deadline does not concern them.
//
// If the payload of all that is queued would exceed SendQueueLimit (see
// [Upgrader]) Send returns [ErrSendQueueFull]; after the end of the connection
// it returns an error that matches net.ErrClosed. Nothing is queued then. A
// message that was queued is lost if the connection ends before it is written.
func (c *Conn) Send(messageType int, data []byte) error {
	if messageType != TextMessage && messageType != BinaryMessage {
		return errBadMessageType
	}
	if err := c.closing.writeError(); err != nil {
		return err
	}
	if err := c.write.ownQueue().add(finBit|firstByte(messageType), data); err != nil {
		return err
	}
	switch {
	case c.read.more.Load():
		// There are more messages, and perhaps more answers: whoever reads
		// those flushes before it waits.
		c.startFlushTimer()
	case c.read.lock.IsFree():
		// Nobody waits for a message: this is likely to be the answer to the
		// last, which is not worth a goroutine.
		c.flushQueue()
	default:
		c.startFlusher()
	}
	return nil
}

// BufferedAmount returns the number of bytes of messages that [Conn.Send] has
// queued and that have not been handed to the operating system, like
// bufferedAmount in the browser: payload without framing. Messages of
// [Group.Broadcast] count too, with the length that they are sent with, and so do
// those of WriteMessage that are written with later ones. A message
// counts until all of it has been handed over. The end of the connection does
// not reset it.
func (c *Conn) BufferedAmount() int64 {
	n := c.transport.bufferedAmount()
	if q := c.write.queue.Load(); q != nil {
		n += q.buffered()
	}
	return n
}

// leaveToReader leaves a short message to the reader, which has the next message
// already and flushes before it waits. It reports false if the message has to be
// written now: it is also written now while the reader is inside a read method,
// where it is of no use to wait for it, and if the caller wants to know within a
// limit what becomes of the message.
func (c *Conn) leaveToReader(op opcode, payload []byte, l *waitLimit) bool {
	if c.write.immediate || !l.isUnlimited() || !c.read.lock.IsFree() ||
		!c.write.frames.isSmall(payload) || !c.write.lock.TryAcquire() {
		return false
	}
	// With the lock held nobody else writes a close frame, which nothing can follow.
	defer c.write.lock.Release()
	if c.closing.writeError() != nil || c.write.ownQueue().add(finBit|firstByte(op), payload) != nil {
		return false
	}
	c.startFlushTimer()
	return true
}

// offer hands a prepared data message over as far as that needs no waiting.
func (c *Conn) offer(pm *PreparedMessage) error {
	if pm.op != opText && pm.op != opBinary {
		return errBadMessageType
	}
	if err := c.closing.writeError(); err != nil {
		return err
	}
	queued, rest, err := c.write.offer(pm)
	switch {
	case rest:
		c.startBacklogFlusher()
	case queued:
		c.startFlusher()
	}
	if err == ErrSendQueueFull {
		return err
	}
	return c.writeFailed(err)
}

// EnableWriteCompression sets whether messages are compressed from now on, on
// a connection that negotiated compression. They are by default.
func (c *Conn) EnableWriteCompression(enable bool) {
	if d := c.write.deflater; d != nil {
		d.off.Store(!enable)
	}
}

// SetCompressionLevel sets the compression level of the messages to come: one
// of those of compress/flate, from HuffmanOnly to BestCompression, where
// NoCompression is BestSpeed, as in [Compression].Level. Any other is an error.
func (c *Conn) SetCompressionLevel(level int) error {
	l, err := compressionLevel(level)
	if d := c.write.deflater; err == nil && d != nil {
		d.level.Store(int32(l))
	}
	return err
}
