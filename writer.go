package websocket

import (
	"io"
	"math"
)

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

	// deflated is what has been compressed and not sent, nil if the message is
	// not compressed. That is decided when the first frame of it is made.
	deflated *compressedBuffer
	finished bool // its end is in there
}

// nextWriter returns a writer for a message, after closing the one before.
func (w *writeSide) nextWriter(op opcode) (*messageWriter, error) {
	p := w.patience()
	if err := w.acquire(&w.open, &p); err != nil {
		return nil, err
	}
	defer w.open.release()
	if w.writer != nil {
		if err := w.writer.close(); err != nil {
			return nil, err
		}
	}
	if err := w.writable(); err != nil {
		return nil, err
	}
	w.writer = &messageWriter{w: w, op: op, control: op.isControl(), buf: w.getBuffer(w.size)}
	return w.writer, nil
}

// room returns the part of the buffer that is free.
func (m *messageWriter) room() []byte { return m.buf.b[maxHeaderSize+m.n : m.w.size] }

// enter takes the right to use m. It fails if m is closed.
func (m *messageWriter) enter() error {
	p := m.w.patience()
	if err := m.w.acquire(&m.w.open, &p); err != nil {
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
		if m.n == 0 && len(rest) > len(m.room()) && !m.control && m.w.deflater == nil {
			// More than the buffer holds: a fragment of its own, not copied.
			if err := m.writeThrough(rest); err != nil {
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

// payload returns what is collected.
func (m *messageWriter) payload() []byte { return m.buf.b[maxHeaderSize : maxHeaderSize+m.n] }

// makeRoom sends what is collected if there is no room for more.
func (m *messageWriter) makeRoom() error {
	if m.control && m.n > maxControlPayload {
		return m.end(errControlPayload)
	}
	if len(m.room()) > 0 {
		return nil
	}
	p := m.w.patience()
	if err := m.begin(false, &p); err != nil {
		return err
	}
	return m.failed(m.send(false, &p))
}

// writeThrough sends data in a fragment of its own.
func (m *messageWriter) writeThrough(data []byte) error {
	p := m.w.patience()
	if err := m.begin(false, &p); err != nil {
		return err
	}
	err := m.w.writeFrame(lead(m.op), data, &p)
	if err == nil {
		m.op = opContinuation
	}
	return m.failed(err)
}

// close sends the end of the message.
func (m *messageWriter) close() error {
	p := m.w.patience()
	if m.control {
		return m.end(m.w.writeControl(m.op, m.payload(), &p))
	}
	if err := m.begin(true, &p); err != nil {
		return err
	}
	if err := m.send(true, &p); err != nil {
		return m.failed(err)
	}
	return m.end(nil)
}

// begin prepares for the first frame, which may be the last: it waits for the
// messages before and decides about compression. A message that does not fit
// into the buffer is long enough for that.
func (m *messageWriter) begin(last bool, p *patience) error {
	if m.begun {
		return nil
	}
	if err := m.w.turn(p); err != nil {
		return m.failed(err)
	}
	m.begun = true
	length := m.n
	if !last {
		length = math.MaxInt
	}
	if d := m.w.deflater; d.wants(length) {
		m.deflated = compressedBuffers.Get().(*compressedBuffer)
		m.deflated.b = m.deflated.b[:0]
		d.begin()
	}
	return nil
}

// send sends what is collected.
func (m *messageWriter) send(fin bool, p *patience) error {
	first := lead(m.op)
	if fin {
		first |= finBit
	}
	if m.deflated != nil {
		return m.sendDeflated(first, p)
	}
	if err := m.sendInPlace(first, p); err != nil {
		return err
	}
	m.op, m.n = opContinuation, 0
	return nil
}

// sendInPlace sends a frame from where its payload lies: the header goes in
// front of it, and a client masks it in place.
func (m *messageWriter) sendInPlace(first lead, p *patience) error {
	h := m.w.header(first, m.n)
	payload := m.payload()
	start := maxHeaderSize - headerSize(m.n, h.masked)
	appendHeader(m.buf.b[:start], h)
	if !h.masked {
		return m.w.writeEncoded(m.buf.b[start:maxHeaderSize+m.n], p)
	}
	maskBytes(payload, payload, h.key, 0)
	err := m.w.writeEncoded(m.buf.b[start:maxHeaderSize+m.n], p)
	if err != nil {
		maskBytes(payload, payload, h.key, 0) // there may be another try
	}
	return err
}

// sendDeflated compresses what is collected, and sends a frame when it is the
// last or there is enough for one.
func (m *messageWriter) sendDeflated(first lead, p *patience) error {
	out, fin := m.deflated, first&finBit != 0
	if m.finished && m.n > 0 {
		// It was written on after a Close that a deadline ended: the end becomes
		// an empty block in the middle.
		out.b = append(out.b, 0x00, 0x00, 0xFF, 0xFF)
		m.finished = false
	}
	switch {
	case !fin:
		out.b = m.w.deflater.codec.AppendPart(out.b, m.payload())
	case !m.finished: // or else this is another try
		out.b = m.w.deflater.codec.Append(out.b, m.payload())
		m.finished = true
	}
	m.n = 0
	if !fin && len(out.b) < m.w.size {
		return nil
	}
	if first.opcode() != opContinuation {
		first |= rsvCompressed
	}
	if err := m.w.writeFrame(first, out.b, p); err != nil {
		return err
	}
	m.op, out.b = opContinuation, out.b[:0]
	return nil
}

// failed keeps m as it is after an error that leaves the connection whole: a
// deadline that came before the first byte of a frame. The call can be made
// again. Any other error is the end of m.
func (m *messageWriter) failed(err error) error {
	if err == nil || isTimeout(err) && !m.w.closing.has(transportClosed) {
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
	if m.deflated != nil {
		m.w.deflater.end(err == nil)
		putCompressedBuffer(m.deflated)
		m.deflated = nil
	}
	if m.begun {
		m.w.message.release()
	}
	m.w.writer = nil
	m.w.putBuffer(m.buf)
	m.buf = nil
	return err
}
