package deflate

import (
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrCorrupt is wrapped by the errors for invalid compressed data.
	ErrCorrupt = errors.New("corrupt compressed data")

	// ErrTooLong is returned by Append for a message longer than its limit.
	ErrTooLong = errors.New("inflated message is too long")
)

var (
	errBlockType    = fmt.Errorf("%w: reserved block type", ErrCorrupt)
	errStoredLength = fmt.Errorf("%w: a stored block's length and its complement differ", ErrCorrupt)
	errCodeCounts   = fmt.Errorf("%w: too many codes", ErrCorrupt)
	errCodeLengths  = fmt.Errorf("%w: code lengths that make no code", ErrCorrupt)
	errRepeat       = fmt.Errorf("%w: repeated code lengths without a first, or too many", ErrCorrupt)
	errSymbol       = fmt.Errorf("%w: no such symbol", ErrCorrupt)
	errDistance     = fmt.Errorf("%w: distance beyond the window", ErrCorrupt)
	errTruncated    = fmt.Errorf("%w: truncated", ErrCorrupt)
)

// The reasons for which decoding stops without an error. They are not returned to
// the caller.
var (
	errNeedInput = errors.New("the input is used up")
	errNeedRoom  = errors.New("the output is full")
	errEnd       = errors.New("the message has ended")
)

// A Decompressor inflates messages, one after the other. A message may be cut
// anywhere, both in its compressed form and in its inflated one. After an error,
// all calls return it until Reset.
type Decompressor struct {
	in       bitReader
	out      inflateOutput
	takeover bool // the window is kept between messages
	err      error

	stage stage
	fixed bool // stageSymbols: with the fixed codes

	// open is false before the first block of a message and after a block with
	// BFINAL set, where the message may end.
	open  bool
	final bool // BFINAL of the current block

	length   int // the rest of a stored block or of a match
	distance int // of the match

	dynamic dynamicHeader
	codes   inflateCodes
}

// A stage is the next element of the input.
type stage uint8

const (
	stageHeader       stage = iota // of a block
	stageStoredLength              // of a stored block
	stageStored                    // its bytes
	stageCounts                    // of a block with dynamic codes
	stagePrecode                   // the lengths of the code for the code lengths
	stageCodeLengths               // the code lengths
	stageSymbols                   // literals and matches
	stageMatch                     // none: the rest of a match is still to be copied
)

// NewDecompressor returns a Decompressor for messages that were compressed with a
// window of 1<<windowBits bytes, where windowBits is limited to MinWindowBits to
// MaxWindowBits. With takeover, a message may refer to earlier ones (RFC 7692,
// Section 7.1.1).
//
// The memory for the window grows as it fills. Append without takeover needs none.
func NewDecompressor(windowBits int, takeover bool) *Decompressor {
	bits := min(max(windowBits, MinWindowBits), MaxWindowBits)
	d := &Decompressor{takeover: takeover}
	d.out.window.size = 1 << bits
	return d
}

// Reset discards the window, an unfinished message, and an error. It keeps the
// memory.
func (d *Decompressor) Reset() {
	d.err = nil
	d.endMessage()
	d.out.window.reset()
}

// A History is the part of a Decompressor that has to be kept between two messages
// with context takeover: the window. The zero value is an empty window.
type History struct{ window inflateWindow }

// Exchange swaps h and the history of d. With it, connections can share
// Decompressors, which they need only while a message is inflated. Both histories
// must be of windows of the same size. Exchange must not be called within a
// message.
func (d *Decompressor) Exchange(h *History) {
	size := d.out.window.size
	d.out.window, h.window = h.window, d.out.window
	d.out.window.size = size
}

// Inflate inflates a piece of a message from src to dst until dst is full, src is
// used up, or the message ends. It returns how many bytes it wrote and read. If
// last is set, the payload of the message ends with src. done reports that the
// message has ended and that all of it has been written. The bytes of src that
// were not read have to be given to the next call, with the same last.
//
// Inflate may change all of dst, not only the bytes that it reports as written.
// dst and src must not overlap.
func (d *Decompressor) Inflate(dst, src []byte, last bool) (written, read int, done bool, err error) {
	d.out.buf, d.out.n = dst, 0
	read, err = d.run(src, last)
	written, done = d.out.n, err == errEnd
	d.endCall(done)
	if err == errEnd || err == errNeedInput || err == errNeedRoom {
		err = nil
	}
	return written, read, done, err
}

// Append inflates a message, or the rest of one that Inflate began, and appends it
// to dst. If more than limit bytes would be appended, it returns ErrTooLong; a
// negative limit is none. After an error it returns dst with nothing appended.
// Append may change dst up to its capacity. That memory must not overlap src.
func (d *Decompressor) Append(dst, src []byte, limit int) ([]byte, error) {
	start := len(dst)
	if cap(dst)-start < len(src)/2 {
		dst = slices.Grow(dst, firstGrowth(len(src), limit))
	}
	d.out.n = 0
	for {
		d.out.buf = dst[start:cap(dst)]
		if limit >= 0 && limit < len(d.out.buf) {
			d.out.buf = d.out.buf[:limit]
		}
		read, err := d.run(src, true)
		n := d.out.n
		switch {
		case err == errEnd:
			d.endCall(true)
			return dst[:start+n], nil
		case err == errNeedRoom && n != limit:
			// The memory doubles with what has been inflated.
			more := max(n, minGrowth)
			if limit >= 0 {
				more = min(more, limit-n)
			}
			dst = slices.Grow(dst[:start+n], more)[:start]
			src = src[read:]
		default:
			if err == errNeedRoom {
				err, d.err = ErrTooLong, ErrTooLong
			}
			d.endCall(false)
			return dst[:start], err
		}
	}
}

// minGrowth is the least number of bytes by which Append grows a slice.
const minGrowth = 512

// firstGrowth returns how many bytes Append grows a slice by at first, for n
// compressed bytes. It is bounded, since n says little about the inflated length.
func firstGrowth(n, limit int) int {
	growth := n + 3*min(n, 64<<10/3) + 64
	if limit >= 0 {
		growth = min(growth, limit)
	}
	return growth
}

// endCall ends a call. It adds the output to the window if later data can refer to
// it, and releases the caller's slices.
func (d *Decompressor) endCall(done bool) {
	switch {
	case d.err != nil:
	case done && !d.takeover:
		d.out.window.reset()
	default:
		d.out.window.add(d.out.buf[:d.out.n])
	}
	if done {
		d.endMessage()
	}
	d.in.src, d.in.pos, d.out.buf, d.out.n = nil, 0, nil, 0
}

// endMessage prepares d for the next message.
func (d *Decompressor) endMessage() {
	d.in = bitReader{}
	d.stage, d.open = stageHeader, false
}

// run decodes src. The error is never nil: it is the reason why decoding stops.
func (d *Decompressor) run(src []byte, last bool) (read int, err error) {
	if d.err != nil {
		return 0, d.err
	}
	d.in.src, d.in.pos = src, 0
	err = d.decode()
	if err == errNeedInput && last {
		if err = errTruncated; d.ended() {
			err = errEnd
		}
	}
	switch err {
	case errNeedInput, errNeedRoom, errEnd:
	default:
		d.err = err
	}
	return d.in.pos, err
}

// ended reports whether the message is complete after the last byte of its
// payload.
//
// A sender ends a message with an empty stored block and removes the four bytes of
// its length, which the receiver appends again (RFC 7692, Sections 7.2.1 and
// 7.2.2). So a payload has to end after the header of a stored block. It is not
// enough that the four bytes would fit in another way, for example as content of
// a longer stored block.
//
// Two more ends are accepted. A sender that sets BFINAL in the last block has to
// append the header of a stored block, a zero byte (Section 7.2.3.4), and the
// payload of an empty message is this byte alone (Section 7.2.3.6). A missing zero
// byte is tolerated in both cases, since the meaning is clear.
func (d *Decompressor) ended() bool {
	return d.in.n == 0 && (d.stage == stageStoredLength || d.stage == stageHeader && !d.open)
}

// decode runs the stages until one of them stops.
func (d *Decompressor) decode() (err error) {
	for err == nil {
		switch d.stage {
		case stageHeader:
			err = d.header()
		case stageStoredLength:
			err = d.storedLength()
		case stageStored:
			err = d.stored()
		case stageCounts:
			err = d.counts()
		case stagePrecode:
			err = d.precode()
		case stageCodeLengths:
			err = d.codeLengths()
		case stageSymbols:
			err = d.symbols()
		case stageMatch:
			err = d.match()
		}
	}
	return err
}

// header reads the header of a block (RFC 1951, Section 3.2.3).
func (d *Decompressor) header() error {
	if !d.in.need(3) {
		return errNeedInput
	}
	d.open = true
	d.final = d.in.take(1) != 0
	switch d.in.take(2) {
	case 0:
		d.in.align()
		d.stage = stageStoredLength
	case 1:
		d.stage, d.fixed = stageSymbols, true
	case 2:
		d.stage, d.fixed = stageCounts, false
	default:
		return errBlockType
	}
	return nil
}

// endBlock ends a block. After a block with BFINAL set, the rest of the byte is
// skipped, and more blocks may follow (RFC 7692, Section 7.2.1). They can refer
// to data before them.
func (d *Decompressor) endBlock() {
	if d.final {
		d.in.align()
		d.open = false
	}
	d.stage = stageHeader
}

// storedLength reads LEN and NLEN (RFC 1951, Section 3.2.4).
func (d *Decompressor) storedLength() error {
	if !d.in.need(32) {
		return errNeedInput
	}
	n, complement := d.in.take(16), d.in.take(16)
	if n != complement^0xFFFF {
		return errStoredLength
	}
	d.length = int(n)
	d.stage = stageStored
	return nil
}

// stored copies a stored block. Its first bytes may be in the bitReader already.
func (d *Decompressor) stored() error {
	for d.length > 0 {
		room := d.out.buf[d.out.n:]
		room = room[:min(len(room), d.length)]
		n := 0
		for n < len(room) && d.in.n > 0 {
			room[n] = byte(d.in.take(8))
			n++
		}
		if d.in.n == 0 {
			copied := copy(room[n:], d.in.src[d.in.pos:])
			n += copied
			d.in.pos += copied
		}
		d.out.n += n
		d.length -= n
		if n == 0 && len(room) == 0 {
			return errNeedRoom
		}
		if n == 0 {
			return errNeedInput
		}
	}
	d.endBlock()
	return nil
}
