package websocket

import (
	"io"
	"math"

	"github.com/seed23105783/websocket/internal/bufpool"
)

// A fragmentWriter collects a message in a buffer and sends a fragment whenever
// that is full. A message that fits is sent in one frame when the writer is
// closed. An error that leaves the connection usable leaves the fragmentWriter as
// it was, so that the call can be made again.
//
// messageWriter.open is held while any of its methods works, so that one writer
// can be closed by the next.
type fragmentWriter struct {
	messages *messageWriter
	op       opcode          // of the next frame: opContinuation once a fragment has been sent
	control  bool            // the message is a control frame, which has no fragments
	begun    bool            // messages.lock is held
	buf      *bufpool.Buffer // room for a header, then what is collected
	n        int             // the length of that
	err      error           // why there can be no more

	// deflated is what has been compressed and not sent, nil if the message is
	// not compressed. That is decided when the first frame of it is made.
	deflated *compressedBuffer
	finished bool // the end of the message is in it
}

// openFragments makes f the writer of a message, after closing the one before.
func (m *messageWriter) openFragments(f *fragmentWriter, op opcode, l *waitLimit) error {
	if err := m.frames.acquire(&m.open, l); err != nil {
		return err
	}
	defer m.open.Release()
	if m.fragments != nil {
		if err := m.fragments.finish(l); err != nil {
			return err
		}
	}
	if err := m.frames.closing.writeError(); err != nil {
		return err
	}
	*f = fragmentWriter{messages: m, op: op, control: op.isControl(), buf: m.frames.getBuffer(int(m.frames.size))}
	m.fragments = f
	return nil
}

// enter takes the right to use f. It fails if f is closed.
func (f *fragmentWriter) enter(l *waitLimit) error {
	if err := f.messages.frames.acquire(&f.messages.open, l); err != nil {
		return err
	}
	if f.err != nil {
		f.messages.open.Release()
		return f.err
	}
	return nil
}

// leave gives the right back.
func (f *fragmentWriter) leave() { f.messages.open.Release() }

// room returns the part of the buffer that is free.
func (f *fragmentWriter) room() []byte { return f.buf.B[maxHeaderSize+f.n : f.messages.frames.size] }

// payload returns what is collected.
func (f *fragmentWriter) payload() []byte { return f.buf.B[maxHeaderSize : maxHeaderSize+f.n] }

// write adds p to the message, and returns how many bytes of it.
func (f *fragmentWriter) write(p []byte, l *waitLimit) (written int, err error) {
	if err := f.enter(l); err != nil {
		return 0, err
	}
	defer f.leave()
	for written < len(p) {
		rest := p[written:]
		if f.n == 0 && len(rest) > len(f.room()) && !f.control && f.messages.deflater == nil {
			// More than the buffer holds: a fragment of its own, not copied.
			if err := f.writeThrough(rest, l); err != nil {
				return written, err
			}
			return len(p), nil
		}
		if err := f.makeRoom(l); err != nil {
			return written, err
		}
		n := copy(f.room(), rest)
		f.n += n
		written += n
	}
	return written, nil
}

// writeString is write for a string.
func (f *fragmentWriter) writeString(s string, l *waitLimit) (written int, err error) {
	if err := f.enter(l); err != nil {
		return 0, err
	}
	defer f.leave()
	for written < len(s) {
		if err := f.makeRoom(l); err != nil {
			return written, err
		}
		n := copy(f.room(), s[written:])
		f.n += n
		written += n
	}
	return written, nil
}

// readFrom adds what r has until its end to the message. An error of r comes
// back as it is.
func (f *fragmentWriter) readFrom(r io.Reader, l *waitLimit) (read int64, err error) {
	if err := f.enter(l); err != nil {
		return 0, err
	}
	defer f.leave()
	for {
		if err := f.makeRoom(l); err != nil {
			return read, err
		}
		n, err := r.Read(f.room())
		f.n += n
		read += int64(n)
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

// makeRoom sends what is collected if there is no room for more.
func (f *fragmentWriter) makeRoom(l *waitLimit) error {
	if f.control && f.n > maxControlPayload {
		return f.end(errControlPayload)
	}
	if len(f.room()) > 0 {
		return nil
	}
	if err := f.begin(false, l); err != nil {
		return err
	}
	return f.failed(f.send(false, l))
}

// writeThrough sends data in a fragment of its own.
func (f *fragmentWriter) writeThrough(data []byte, l *waitLimit) error {
	if err := f.begin(false, l); err != nil {
		return err
	}
	err := f.messages.frames.write(firstByte(f.op), data, l)
	if err == nil {
		f.op = opContinuation
	}
	return f.failed(err)
}

// close sends the end of the message.
func (f *fragmentWriter) close(l *waitLimit) error {
	if err := f.enter(l); err != nil {
		return err
	}
	defer f.leave()
	return f.finish(l)
}

// finish sends the end of the message, with messageWriter.open held.
func (f *fragmentWriter) finish(l *waitLimit) error {
	if f.control {
		return f.closeControl(l)
	}
	if err := f.begin(true, l); err != nil {
		return err
	}
	if err := f.send(true, l); err != nil {
		return f.failed(err)
	}
	return f.end(nil)
}

// closeControl sends the control frame.
func (f *fragmentWriter) closeControl(l *waitLimit) error {
	err := checkControlPayload(f.op, f.payload())
	if err == nil && f.op == opClose {
		err = f.messages.writeClose(f.payload(), false, l)
	} else if err == nil {
		err = f.messages.frames.write(finBit|firstByte(f.op), f.payload(), l)
	}
	if err == errQueuedFirst {
		return err
	}
	return f.end(err)
}

// begin prepares for the first frame, which may be the last: it waits for the
// messages before and decides about compression. A message that does not fit
// into the buffer is long enough for that.
func (f *fragmentWriter) begin(last bool, l *waitLimit) error {
	m := f.messages
	if f.begun {
		return nil
	}
	if err := m.begin(l); err != nil {
		return f.failed(err)
	}
	if m.hasQueued() && l.isUnlimited() {
		if err := m.writeQueued(); err != nil {
			m.lock.Release()
			return f.failed(err)
		}
	}
	f.begun = true
	m.fragmented.Store(true)
	length := f.n
	if !last {
		length = math.MaxInt
	}
	if m.deflater.wants(length) {
		f.deflated = compressedBuffers.Get().(*compressedBuffer)
		f.deflated.b = f.deflated.b[:0]
		m.deflater.begin()
	}
	return nil
}

// send sends what is collected.
func (f *fragmentWriter) send(fin bool, l *waitLimit) error {
	first := firstByte(f.op)
	if fin {
		first |= finBit
	}
	if f.deflated != nil {
		return f.sendDeflated(first, l)
	}
	if err := f.sendInPlace(first, l); err != nil {
		return err
	}
	f.op, f.n = opContinuation, 0
	return nil
}

// sendInPlace sends a frame from where its payload is: the header goes in
// front of it, and a client masks it in place.
func (f *fragmentWriter) sendInPlace(first firstByte, l *waitLimit) error {
	w := &f.messages.frames
	h := w.header(first, f.n)
	payload := f.payload()
	start := maxHeaderSize - headerSize(f.n, h.masked)
	appendHeader(f.buf.B[:start], h)
	if !h.masked {
		return w.writeEncoded(f.buf.B[start:maxHeaderSize+f.n], l)
	}
	maskBytes(payload, payload, h.key, 0)
	err := w.writeEncoded(f.buf.B[start:maxHeaderSize+f.n], l)
	if err != nil {
		maskBytes(payload, payload, h.key, 0) // there may be another try
	}
	return err
}

// sendDeflated compresses what is collected, and sends a frame when it is the
// last or there is enough for one.
func (f *fragmentWriter) sendDeflated(first firstByte, l *waitLimit) error {
	out, codec, fin := f.deflated, f.messages.deflater.codec, first&finBit != 0
	if f.finished && f.n > 0 {
		// It was written to after a Close that a deadline ended: the end becomes
		// an empty block in the middle.
		out.b = append(out.b, 0x00, 0x00, 0xFF, 0xFF)
		f.finished = false
	}
	switch {
	case !fin:
		out.b = codec.AppendPart(out.b, f.payload())
	case !f.finished: // or else this is another try
		out.b = codec.Append(out.b, f.payload())
		f.finished = true
	}
	f.n = 0
	if !fin && len(out.b) < int(f.messages.frames.size) {
		return nil
	}
	if first.opcode() != opContinuation {
		first |= rsvCompressed
	}
	if err := f.messages.frames.write(first, out.b, l); err != nil {
		return err
	}
	f.op, out.b = opContinuation, out.b[:0]
	return nil
}

// failed keeps f as it is after an error that leaves the connection usable: a
// limit that ended before the first byte of a frame. Any other error is the end
// of f, and of writing if a part of the message was sent: no other can follow that.
func (f *fragmentWriter) failed(err error) error {
	closing := f.messages.frames.closing
	_, broken := err.(*brokenError)
	switch {
	case err == nil || !broken && closing.writeError() == nil:
		return err
	case f.op == opContinuation && !closing.has(closeSent):
		closing.endWrites(err) // a close frame under way may yet be given up
	}
	return f.end(err)
}

// end closes f and returns err.
func (f *fragmentWriter) end(err error) error {
	m := f.messages
	f.err = err
	if f.err == nil {
		f.err = errWriterClosed
	}
	if f.deflated != nil {
		m.deflater.end(err == nil)
		putCompressedBuffer(f.deflated)
		f.deflated = nil
	}
	if f.begun {
		m.fragmented.Store(false)
		m.lock.Release()
	}
	m.fragments = nil
	m.frames.putBuffer(f.buf)
	f.buf = nil
	return err
}
