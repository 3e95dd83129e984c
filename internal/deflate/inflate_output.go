package deflate

import "math/bits"

// An inflateOutput is the output of a call, with the earlier output that matches
// can refer to.
type inflateOutput struct {
	buf    []byte
	n      int           // the number of bytes written to buf
	window inflateWindow // the output before buf
}

// reaches reports whether a match at buf[n] may have this distance.
func (o *inflateOutput) reaches(n, distance int) bool {
	return distance <= o.window.size && distance <= n+len(o.window.buf)
}

// match copies a match with a valid distance, or as much of it as buf has room
// for, and returns how many bytes it copied.
func (o *inflateOutput) match(distance, length int) int {
	begin, end := o.n, min(o.n+length, len(o.buf))
	if before := distance - o.n; before > 0 {
		k := min(before, end-begin)
		o.window.read(o.buf[begin:begin+k], before)
		o.n += k
	}
	repeat(o.buf, o.n, distance, end)
	o.n = end
	return end - begin
}

// repeat copies b[n-distance:] to b[n:end] byte by byte in effect: where the two
// overlap, the copied bytes are copied again. Each round copies twice as much as
// the one before.
func repeat(b []byte, n, distance, end int) {
	for from := n - distance; n < end; {
		n += copy(b[n:end], b[from:n])
	}
}

// An inflateWindow holds the last bytes of the output. While buf is shorter than
// size, they are in order and next is zero. After that, buf is a ring, and next is
// the index of the oldest byte, which is replaced next.
type inflateWindow struct {
	buf  []byte
	next int
	size int
}

// reset makes w empty.
func (w *inflateWindow) reset() { w.buf, w.next = w.buf[:0], 0 }

// add appends p to w.
func (w *inflateWindow) add(p []byte) {
	if len(p) >= w.size {
		p = p[len(p)-w.size:]
		w.reset()
	}
	if k := min(len(p), w.size-len(w.buf)); k > 0 {
		w.grow(k)
		w.buf = append(w.buf, p[:k]...)
		p = p[k:]
	}
	for len(p) > 0 {
		k := copy(w.buf[w.next:], p)
		p = p[k:]
		if w.next += k; w.next == w.size {
			w.next = 0
		}
	}
}

// grow makes room for k more bytes, up to size. The capacity is a power of two:
// with short messages, few connections ever fill their window.
func (w *inflateWindow) grow(k int) {
	n := len(w.buf) + k
	if n <= cap(w.buf) {
		return
	}
	buf := make([]byte, len(w.buf), min(w.size, 1<<bits.Len(uint(n-1))))
	copy(buf, w.buf)
	w.buf = buf
}

// read copies the bytes that begin at a distance from the end of w to p. The
// distance is at least the length of p and at most the length of w.
func (w *inflateWindow) read(p []byte, distance int) {
	from := w.next - distance
	if from < 0 {
		from += len(w.buf)
	}
	k := copy(p, w.buf[from:])
	copy(p[k:], w.buf)
}
