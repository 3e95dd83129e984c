package websocket

import "time"

// DefaultSendQueueLimit is how many bytes of messages [Conn.Send] queues where
// no other limit is set: 1 MiB.
const DefaultSendQueueLimit = 1 << 20

// dawdleTime is how long messages that were left to the reader wait for it.
const dawdleTime = time.Millisecond

// Send queues a message of type [TextMessage] or [BinaryMessage] and returns,
// like send in the browser. It copies data. Messages go out in the order of
// the calls of Send and [Conn.WriteMessage], as many as there are in one system
// call; the write deadline does not concern them.
//
// When the payload of all that is queued would exceed SendQueueLimit (see
// [Upgrader]) it returns [ErrSendQueueFull], and after the end of the
// connection the error that ended it; nothing was queued then. A message that
// was queued is lost if the connection ends before it is written.
func (c *Conn) Send(messageType int, data []byte) error {
	if messageType != TextMessage && messageType != BinaryMessage {
		return errBadMessageType
	}
	if err := c.write.writable(); err != nil {
		return err
	}
	if err := c.write.outbox().add(finBit|lead(messageType), data); err != nil {
		return err
	}
	c.flushLater()
	return nil
}

// BufferedAmount returns how many bytes of the messages that [Conn.Send] has
// queued are not with the operating system yet, without what framing adds.
// Those of [Group.Broadcast] count too, as they are sent, and so do those of
// WriteMessage that BatchWrites of [Upgrader] has queued. What is half on its
// way counts as a whole. The end of the connection does not reset it.
func (c *Conn) BufferedAmount() int64 {
	q := c.write.queue.Load()
	if q == nil {
		return 0
	}
	return q.buffered()
}

// flushLater sees to it that what is queued gets written soon.
func (c *Conn) flushLater() {
	switch w := &c.write; {
	case c.read.more.Load():
		// There are more messages, and perhaps more answers: whoever reads
		// those flushes before he waits.
		w.dawdle()
	case c.read.lock.isFree() && w.flushNow():
		// Nobody waits for a message: this is likely to be the answer to the
		// last, which is not worth a goroutine.
	default:
		w.startFlusher()
	}
}

// leave leaves a short message to the reader, who has more to read. It reports
// false if the message has to be written now.
func (c *Conn) leave(op opcode, payload []byte) bool {
	w := &c.write
	if !w.isSmall(payload) || w.writable() != nil || w.outbox().add(finBit|lead(op), payload) != nil {
		return false
	}
	w.dawdle()
	return true
}

// flushBeforeWait writes what is queued, for a reader.
func (c *Conn) flushBeforeWait() {
	if !c.write.flushNow() {
		c.write.startFlusher()
	}
}

// dawdle starts a flusher if the reader takes too long.
func (w *writeSide) dawdle() {
	q := w.outbox()
	if q.timing.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timing.Store(true)
	if q.timer == nil {
		q.timer = time.AfterFunc(dawdleTime, w.dawdled)
		return
	}
	q.timer.Reset(dawdleTime)
}

func (w *writeSide) dawdled() {
	q := w.outbox()
	q.timing.Store(false)
	if q.some.Load() {
		w.startFlusher()
	}
}

// writable returns the error of a write that cannot succeed any more.
func (w *writeSide) writable() error {
	if err := w.broken.Load(); err != nil {
		return err
	}
	if w.closing.has(closeSent | transportClosed) {
		return w.ending()
	}
	return nil
}
