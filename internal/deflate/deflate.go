package deflate

// A Level says how much time a Compressor spends on a better ratio.
type Level int

const (
	// Speed looks at one place for a match.
	Speed Level = iota
	// Balance looks at a few places, and one byte ahead for a longer match.
	Balance
	// Ratio looks at many places.
	Ratio
	// HuffmanOnly looks at none and keeps no history.
	HuffmanOnly
)

// A Compressor deflates the messages that one side of a connection sends. It
// holds what has to be kept between them, the end of what was sent and an
// index of it, in memory that it allocates when there is something to keep.
// What is needed only while a message is compressed comes from a pool.
//
// The compressed form of a message is a sequence of blocks that ends with an
// empty one of no compression, without its last four bytes 00 00 FF FF (RFC
// 7692, Section 7.2.1). No match in it reaches further back than the window.
type Compressor struct {
	level      Level
	windowBits uint8

	// tail has the last bits of the parts of a message that goes on, fewer
	// than eight.
	tail, tailBits uint8

	history history
	index   index
}

// NewCompressor returns a Compressor with a window of 1<<windowBits bytes.
func NewCompressor(windowBits int, level Level) *Compressor {
	return &Compressor{
		level:      level,
		windowBits: uint8(min(max(windowBits, MinWindowBits), MaxWindowBits)),
	}
}

// SetLevel changes the level from the next message or part on. The history
// stays, unless the new level keeps none.
func (c *Compressor) SetLevel(level Level) {
	if level.chains() != c.level.chains() {
		c.index = index{} // prepare makes another
	}
	c.level = level
}

// Append appends the compressed form of a message, or of the last part of one,
// to dst. Messages after it can refer to it. It allocates nothing if dst has
// room for the message, an eighth of it and 32 bytes.
func (c *Compressor) Append(dst, message []byte) []byte {
	w := c.resume(dst)
	c.compress(&w, message, true)
	return finish(&w)
}

// AppendPart appends the compressed form of a part of a message to dst, all of
// it but the bits that do not fill a byte. More parts may follow, and in the
// end Append for the last one, which may be empty.
func (c *Compressor) AppendPart(dst, part []byte) []byte {
	w := c.resume(dst)
	c.compress(&w, part, true)
	c.tail, c.tailBits = uint8(w.bits), uint8(w.n)
	return w.out
}

// AppendAlone appends the compressed form of a message that refers to none
// before it, and that none after it can refer to, to dst. It is the one for
// connections without context takeover: it copies nothing, and leaves c as
// Reset does, so that the next message can be any other connection's.
func (c *Compressor) AppendAlone(dst, message []byte) []byte {
	c.Reset()
	w := bitWriter{out: dst}
	c.compress(&w, message, false)
	c.Reset()
	return finish(&w)
}

// Reset forgets the history, and the parts of a message that was not finished.
// It keeps the memory.
func (c *Compressor) Reset() {
	c.tail, c.tailBits = 0, 0
	c.history.forget()
	c.index.forget()
}

// resume returns a bitWriter that goes on where the last part ended.
func (c *Compressor) resume(dst []byte) bitWriter {
	w := bitWriter{out: dst, bits: uint64(c.tail), n: uint(c.tailBits)}
	c.tail, c.tailBits = 0, 0
	return w
}

// finish ends a message with the header of an empty block of no compression.
// An empty message is nothing else, one zero byte (RFC 7692, Section 7.2.3.6).
func finish(w *bitWriter) []byte {
	w.reserve(8)
	w.write(blockStored, 3)
	w.align()
	return w.out
}

// compress appends the blocks of a message or part. If it is not to join the
// history, there is none.
func (c *Compressor) compress(w *bitWriter, message []byte, join bool) {
	window := 1 << c.windowBits
	if c.level != HuffmanOnly {
		c.index.prepare(c.level, window, c.history.bytes)
		c.index.expect(len(message))
	} else if join {
		c.history.forget()
		c.index = index{}
		join = false
	}
	k := blocks.Get().(*block)
	for from, to := 0, 0; from < len(message); from = to {
		to = min(from+maxBlock, len(message))
		f := finder{window: window, found: k.sequences[:0]}
		at := from
		for join && at < min(to, window) {
			n := min(to-at, window-at, slack(window))
			start := c.history.extend(message[at:at+n], window)
			c.index.find(&f, c.history.bytes, start)
			at += n
		}
		// From here on, the message itself is all the history there is.
		if at < to && c.level != HuffmanOnly {
			c.index.find(&f, message[:to], at)
		}
		k.append(w, f.found, message[from:to])
	}
	blocks.Put(k)
	if join && len(message) > window {
		c.history.set(message[len(message)-window:], window)
	}
}
