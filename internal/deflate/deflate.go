package deflate

// A Level is a trade-off between speed and compression ratio.
type Level int

const (
	// Speed compares each position with one earlier one.
	Speed Level = iota
	// Balance compares with a few, and looks one byte ahead for a longer match.
	Balance
	// Ratio compares with many.
	Ratio
	// HuffmanOnly finds no matches and keeps no history.
	HuffmanOnly
)

// A Compressor compresses the messages that one side of a connection sends.
// Between messages it keeps a window of what was sent, and an index of it. It
// allocates them with the first message that needs them. The memory that is
// needed only while a message is compressed comes from a pool.
//
// The compressed form of a message is a sequence of blocks. The last one is an
// empty stored block, without its last four bytes 00 00 FF FF (RFC 7692, Section
// 7.2.1). No match has a distance larger than the window.
type Compressor struct {
	level      Level
	windowBits uint8

	// tail holds the tailBits bits at the end of the last part that do not fill
	// a byte.
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

// SetLevel sets the level for the next message or part. It keeps the history,
// unless the level is HuffmanOnly.
func (c *Compressor) SetLevel(level Level) {
	if level.chains() != c.level.chains() {
		c.index = index{} // prepare makes a new one
	}
	c.level = level
}

// Append compresses a message, or the last part of one, and appends the result to
// dst. Later messages can refer to it. Append does not allocate if dst has room
// for the length of the message, an eighth of that and 32 bytes.
func (c *Compressor) Append(dst, message []byte) []byte {
	w := c.resume(dst)
	c.compress(&w, message, true)
	return finish(&w)
}

// AppendPart compresses a part of a message and appends the result to dst,
// without the last bits if they do not fill a byte. The last part of a message,
// which may be empty, is given to Append.
func (c *Compressor) AppendPart(dst, part []byte) []byte {
	w := c.resume(dst)
	c.compress(&w, part, true)
	c.tail, c.tailBits = uint8(w.bits), uint8(w.n)
	return w.out
}

// AppendAlone compresses a message without context takeover and appends the
// result to dst: the message refers to no earlier one, and no later one can refer
// to it. AppendAlone does not copy the message, and resets c, so that the next
// message may be one of another connection.
func (c *Compressor) AppendAlone(dst, message []byte) []byte {
	c.Reset()
	w := bitWriter{out: dst}
	c.compress(&w, message, false)
	c.Reset()
	return finish(&w)
}

// Reset discards the history and an unfinished message. It keeps the memory.
func (c *Compressor) Reset() {
	c.tail, c.tailBits = 0, 0
	c.history.reset()
	c.index.reset()
}

// resume returns a bitWriter that continues after the last part.
func (c *Compressor) resume(dst []byte) bitWriter {
	w := bitWriter{out: dst, bits: uint64(c.tail), n: uint(c.tailBits)}
	c.tail, c.tailBits = 0, 0
	return w
}

// finish ends a message with the header of an empty stored block. An empty
// message consists of that alone, one zero byte (RFC 7692, Section 7.2.3.6).
func finish(w *bitWriter) []byte {
	w.reserve(8)
	w.write(blockStored, 3)
	w.align()
	return w.out
}

// compress appends the blocks of a message or part. If keep is set it adds the
// message to the history; otherwise the history has to be empty.
func (c *Compressor) compress(w *bitWriter, message []byte, keep bool) {
	window := 1 << c.windowBits
	if c.level != HuffmanOnly {
		c.index.prepare(c.level, window, c.history.bytes)
		c.index.reserve(len(message))
	} else if keep {
		c.history.reset()
		c.index = index{}
		keep = false
	}
	k := blocks.Get().(*block)
	for from, to := 0, 0; from < len(message); from = to {
		to = min(from+maxBlock, len(message))
		f := finder{window: window, found: k.sequences[:0]}
		at := from
		for keep && at < min(to, window) {
			n := min(to-at, window-at, slack(window))
			start := c.history.extend(message[at:at+n], window)
			c.index.find(&f, c.history.bytes, start)
			at += n
		}
		// After the first window of the message, it is its own history.
		if at < to && c.level != HuffmanOnly {
			c.index.find(&f, message[:to], at)
		}
		k.append(w, f.found, message[from:to])
	}
	blocks.Put(k)
	if keep && len(message) > window {
		c.history.set(message[len(message)-window:], window)
	}
}
