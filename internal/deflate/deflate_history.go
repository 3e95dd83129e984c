package deflate

// A history holds the last bytes that were compressed, at least as many as the
// window has. New bytes are appended to it, so that matches are found in one
// slice.
type history struct {
	bytes []byte
}

// slack returns how many bytes a history has room for beyond the window. When
// there is no more room, the window is moved to the front.
func slack(window int) int { return max(window/4, 1<<10) }

// extend appends a piece of at most slack(window) bytes and returns where it
// begins.
func (h *history) extend(piece []byte, window int) (start int) {
	room := window + slack(window)
	need := len(h.bytes) + len(piece)
	if need > cap(h.bytes) && cap(h.bytes) < room {
		// Grow in steps: a connection that sends little needs less.
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

// set replaces the history by the last bytes of a message.
func (h *history) set(last []byte, window int) {
	if cap(h.bytes) < window {
		h.bytes = make([]byte, 0, window+slack(window))
	}
	h.bytes = append(h.bytes[:0], last...)
}

// reset makes the history empty.
func (h *history) reset() { h.bytes = h.bytes[:0] }
