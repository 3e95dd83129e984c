package websocket

import (
	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/socket"
)

// How the payload of a long message gets from a socket to where the application wants
// it without going through a buffer, in the same system call as its header.

// aroundMin is the length of a message in bytes from which that is tried for the next.
const aroundMin = 4 << 10

// landed are bytes that came where the application wants them: see fillAround.
type landed struct{ p []byte }

// fillAround is fill for an empty buffer between messages, where the caller wants the
// next message in spare. Long messages are often as long as the one before: if there
// is room for that, one system call puts the header into the buffer, the payload into
// spare, and what follows into the buffer again.
func (r *frameReader) fillAround(spare []byte) error {
	f := &r.frame // the last one
	long := f.fin && !f.isCompressed() && f.length >= aroundMin && f.length <= uint64(len(spare))
	if !long || !socket.CanScatter || r.transport.raw == nil || r.waiter == nil {
		return r.fill()
	}
	r.release()
	r.start, r.end = 0, 0
	head := headerSize(int(f.length), f.masked)
	buf, n, err := r.waiter.ReadAround(r.transport.raw, r.transport.stream, int(r.size), head, spare[:f.length])
	if err != nil {
		return unexpectedEOF(err)
	}
	if r.status != nil {
		r.status.recordRead()
	}
	r.land(buf, n, head, spare[:f.length])
	return nil
}

// land makes the n bytes that ReadAround has read those that are buffered, except for
// what belongs in spare and is there.
func (r *frameReader) land(buf *bufpool.Buffer, n, head int, spare []byte) {
	first := min(n, head)
	spare = spare[:min(n-first, len(spare))]
	rest := n - first - len(spare)
	r.buf, r.end = buf, first+rest
	if len(spare) == 0 {
		return
	}
	h, size, err := parseHeader(buf.B[:first])
	if err == nil && size == head && !h.opcode.isControl() && !h.isCompressed() && h.length >= uint64(len(spare)) {
		if r.landed == nil {
			r.landed = new(landed)
		}
		r.landed.p = spare
		return
	}
	// It is another frame than was expected.
	r.buf, r.end = bufpool.Get(n), n
	copy(r.buf.B, buf.B[:first])
	copy(r.buf.B[first:], spare)
	copy(r.buf.B[first+len(spare):], buf.B[head:head+rest])
	bufpool.Put(buf)
}

// readLanded is read of bytes that did not go through the buffer. As a rule they are
// where the caller wants them.
func (r *frameReader) readLanded(p []byte) int {
	from := r.landed
	n := min(len(p), len(from.p))
	r.unmask(p[:n], from.p[:n])
	if from.p = from.p[n:]; len(from.p) == 0 {
		from.p = nil
	}
	return n
}
