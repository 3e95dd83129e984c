package deflate

import "math/bits"

// An inflateOutput is where a call's output goes, with all that was put out
// before it and that matches may still refer to.
type inflateOutput struct {
	buf    []byte
	n      int           // what of buf has been put out
	window inflateWindow // what came before buf
}

// reaches reports whether there is a byte at the distance before buf[n].
func (o *inflateOutput) reaches(n, distance int) bool {
	return distance <= o.window.size && distance <= n+len(o.window.buf)
}

// match puts out what there is room for of the length bytes that begin at a
// distance which reaches, and returns how many they are.
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

// repeat sets b[n:end] to what begins at the distance before n, if there is
// anything to set. Where the two overlap, what has been copied repeats: each
// round copies all that there is since the beginning, twice as much as the
// round before.
func repeat(b []byte, n, distance, end int) {
	for from := n - distance; n < end; {
		n += copy(b[n:end], b[from:n])
	}
}

// An inflateWindow keeps the last bytes that were put out.
//
// Buf holds them in order while it is shorter than size. Once it is not, it is
// a ring: the oldest byte is at next, and is the next to be replaced. Until
// then next is zero.
type inflateWindow struct {
	buf  []byte
	next int
	size int
}

// forget empties w.
func (w *inflateWindow) forget() { w.buf, w.next = w.buf[:0], 0 }

// add puts p behind what w holds.
func (w *inflateWindow) add(p []byte) {
	if len(p) >= w.size {
		p = p[len(p)-w.size:]
		w.forget()
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

// grow makes room for k more bytes, of which there are never more than size.
// It takes memory by powers of two: few connections see enough of short
// messages to fill their window.
func (w *inflateWindow) grow(k int) {
	n := len(w.buf) + k
	if n <= cap(w.buf) {
		return
	}
	buf := make([]byte, len(w.buf), min(w.size, 1<<bits.Len(uint(n-1))))
	copy(buf, w.buf)
	w.buf = buf
}

// read sets p to what begins at the distance before the end of w. The distance
// is not less than the length of p and not more than that of w.
func (w *inflateWindow) read(p []byte, distance int) {
	from := w.next - distance
	if from < 0 {
		from += len(w.buf)
	}
	k := copy(p, w.buf[from:])
	copy(p[k:], w.buf)
}
