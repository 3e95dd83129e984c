package websocket

// What is queued is written by flushers: goroutines that exist while there is something
// to write.

// flushQueue writes what is queued without waiting, or starts a flusher.
func (c *Conn) flushQueue() {
	flushed, rest, err := c.write.flushDirect()
	c.writeFailed(err)
	if rest {
		c.startBacklogFlusher()
	}
	if !flushed {
		c.startFlusher()
	}
}

// startFlusher makes sure that there is a flusher.
func (c *Conn) startFlusher() {
	if c.write.ownQueue().wantsFlusher() {
		go c.flush()
	}
}

// flush is the flusher: it writes what is queued until nothing is.
func (c *Conn) flush() {
	for {
		c.writeFailed(c.write.flush())
		if c.write.ownQueue().isFlushed() {
			return
		}
	}
}

// startFlushTimer starts a flusher in a while, in case the reader takes longer
// than that.
func (c *Conn) startFlushTimer() {
	if q := c.write.ownQueue(); !q.timing.Load() { // or else the function value would allocate
		q.startTimer(flushDelay, c.flushTimeout)
	}
}

func (c *Conn) flushTimeout() {
	c.write.ownQueue().timing.Store(false)
	if c.write.hasQueued() {
		c.startFlusher()
	}
}

// startBacklogFlusher makes sure that a goroutine writes the backlog, and
// reports whether it has started one.
func (c *Conn) startBacklogFlusher() bool {
	if !c.write.frames.wantsFlusher() {
		return false
	}
	b := c.write.frames.ownBacklog()
	if b.flush == nil {
		b.flush = c.flushBacklog
	}
	go b.flush()
	return true
}

// flushBacklog writes the backlog until there is none.
func (c *Conn) flushBacklog() {
	for {
		c.writeFailed(c.write.frames.flush())
		if c.write.frames.isFlushed() {
			return
		}
	}
}
