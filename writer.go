package websocket

import "io"

// A messageWriter is what NextWriter returns: it collects a message in a
// buffer and sends a fragment whenever that is full. A message that fits goes
// out in one frame when the writer is closed.
//
// All its methods hold w.open, so that one writer can be closed by the next.
type messageWriter struct {
	w       *writeSide
	op      opcode  // of the next frame: opContinuation once a fragment is out
	control bool    // the message is a control frame, which has no fragments
	begun   bool    // w.message is held: a fragment is out
	buf     *buffer // room for a header, then what is collected
	n       int     // the length of that
	err     error   // why there can be no more
}

// nextWriter returns a writer for a message, after closing the one before.
func (w *writeSide) nextWriter(op opcode) (*messageWriter, error) {
	if err := w.acquire(&w.open, w.patience()); err != nil {
		return nil, err
	}
	defer w.open.release()
	if w.writer != nil {
		if err := w.writer.close(); err != nil {
			return nil, err
		}
	}
	if err := w.broken.Load(); err != nil {
		return nil, err
	}
	if w.closing.has(closeSent | transportClosed) {
		return nil, w.over()
	}
	w.writer = &messageWriter{w: w, op: op, control: op.isControl(), buf: w.getBuffer(w.size)}
	return w.writer, nil
}

// room returns the part of the buffer that is free.
func (m *messageWriter) room() []byte { return m.buf.b[maxHeaderSize+m.n : m.w.size] }

// enter takes the right to use m. It fails if m is closed.
func (m *messageWriter) enter() error {
	if err := m.w.acquire(&m.w.open, m.w.patience()); err != nil {
		return err
	}
	if m.err != nil {
		m.w.open.release()
		return m.err
	}
	return nil
}

// Write adds p to the message.
func (m *messageWriter) Write(p []byte) (int, error) {
	if err := m.enter(); err != nil {
		return 0, err
	}
	defer m.w.open.release()
	written := 0
	for written < len(p) {
		rest := p[written:]
		if m.n == 0 && len(rest) > len(m.room()) && !m.control {
			// More than the buffer holds: a fragment of its own, not copied.
			if err := m.flush(rest); err != nil {
				return written, err
			}
			return len(p), nil
		}
		if err := m.makeRoom(); err != nil {
			return written, err
		}
		n := copy(m.room(), rest)
		m.n += n
		written += n
	}
	return written, nil
}

// WriteString adds s to the message.
func (m *messageWriter) WriteString(s string) (int, error) {
	if err := m.enter(); err != nil {
		return 0, err
	}
	defer m.w.open.release()
	written := 0
	for written < len(s) {
		if err := m.makeRoom(); err != nil {
			return written, err
		}
		n := copy(m.room(), s[written:])
		m.n += n
		written += n
	}
	return written, nil
}

// ReadFrom adds what r has until its end to the message.
func (m *messageWriter) ReadFrom(r io.Reader) (int64, error) {
	if err := m.enter(); err != nil {
		return 0, err
	}
	defer m.w.open.release()
	var read int64
	for {
		if err := m.makeRoom(); err != nil {
			return read, err
		}
		n, err := r.Read(m.room())
		m.n += n
		read += int64(n)
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

// Close sends the end of the message.
func (m *messageWriter) Close() error {
	if err := m.enter(); err != nil {
		return err
	}
	defer m.w.open.release()
	return m.close()
}

// makeRoom sends what is collected if there is no room for more.
func (m *messageWriter) makeRoom() error {
	if m.control && m.n > maxControlPayload {
		return m.end(errControlPayload)
	}
	if len(m.room()) > 0 {
		return nil
	}
	return m.flush(nil)
}

// flush sends a fragment that is not the last: direct, or else what is
// collected.
func (m *messageWriter) flush(direct []byte) error {
	w, p := m.w, m.w.patience()
	if !m.begun {
		if err := w.acquire(&w.message, p); err != nil {
			return m.failed(err)
		}
		m.begun = true
	}
	var err error
	if direct != nil {
		err = w.writeFrame(header{opcode: m.op}, direct, p)
	} else {
		err = m.send(header{opcode: m.op}, p)
	}
	if err != nil {
		return m.failed(err)
	}
	m.op, m.n = opContinuation, 0
	return nil
}

// close sends the last frame.
func (m *messageWriter) close() error {
	w, p := m.w, m.w.patience()
	payload := m.buf.b[maxHeaderSize : maxHeaderSize+m.n]
	if m.control {
		return m.end(w.writeControl(m.op, payload, p))
	}
	if !m.begun {
		if err := w.acquire(&w.message, p); err != nil {
			return m.failed(err)
		}
		m.begun = true
	}
	if err := m.send(header{fin: true, opcode: m.op}, p); err != nil {
		return m.failed(err)
	}
	return m.end(nil)
}

// send sends what is collected from where it lies: the header goes in front
// of it, and a client masks it in place.
func (m *messageWriter) send(h header, p patience) error {
	h = m.w.complete(h, m.n)
	payload := m.buf.b[maxHeaderSize : maxHeaderSize+m.n]
	start := maxHeaderSize - headerSize(m.n, h.masked)
	appendHeader(m.buf.b[:start], h)
	if !h.masked {
		return m.w.writeEncoded(h.opcode, m.buf.b[start:maxHeaderSize+m.n], p)
	}
	maskBytes(payload, payload, h.key, 0)
	err := m.w.writeEncoded(h.opcode, m.buf.b[start:maxHeaderSize+m.n], p)
	if err != nil {
		maskBytes(payload, payload, h.key, 0) // there may be another try
	}
	return err
}

// failed keeps m as it is after an error that leaves the connection whole: a
// deadline that came before the first byte of a frame. The call can be made
// again. Any other error is the end of m.
func (m *messageWriter) failed(err error) error {
	if isTimeout(err) && !m.w.closing.has(transportClosed) {
		return err
	}
	return m.end(err)
}

// end closes m and returns err.
func (m *messageWriter) end(err error) error {
	m.err = err
	if m.err == nil {
		m.err = errWriterClosed
	}
	if m.begun {
		m.w.message.release()
	}
	m.w.writer = nil
	m.w.putBuffer(m.buf)
	m.buf = nil
	return err
}
