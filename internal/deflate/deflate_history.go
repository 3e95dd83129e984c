package deflate

// A history is the end of what was compressed: the last window's length of it
// at least, as far as there is that much. What comes next is copied behind it,
// so that matches are found in one piece of memory.
type history struct {
	bytes []byte
}

// slack returns how many bytes a history has room for beyond the window. It
// is moved to the front when they are used up: the more there are, the less
// often.
func slack(window int) int { return max(window/4, 1<<10) }

// extend appends a piece of slack(window) bytes at most, and returns where it
// begins.
func (h *history) extend(piece []byte, window int) (start int) {
	room := window + slack(window)
	need := len(h.bytes) + len(piece)
	if need > cap(h.bytes) && cap(h.bytes) < room {
		// A connection that sends little does not need all of it.
		grown := make([]byte, len(h.bytes), min(max(need, 2*cap(h.bytes)), room))
		copy(grown, h.bytes)
		h.bytes = grown
	}
	if need > cap(h.bytes) {
		h.bytes = h.bytes[:copy(h.bytes, h.bytes[len(h.bytes)-window:])]
	}
	start = len(h.bytes)
	h.bytes = append(h.bytes, piece...)
	return start
}

// set makes the history what a longer message ended with.
func (h *history) set(last []byte, window int) {
	if cap(h.bytes) < window {
		h.bytes = make([]byte, 0, window+slack(window))
	}
	h.bytes = append(h.bytes[:0], last...)
}

// forget makes the history empty.
func (h *history) forget() { h.bytes = h.bytes[:0] }
