package deflate

import (
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrCorrupt is returned for what is not the compressed payload of a
	// message. Every reason wraps it.
	ErrCorrupt = errors.New("corrupt compressed data")

	// ErrTooLong is returned by Append for a message beyond its limit.
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

// Why decoding stops without being wrong. None of these leaves the package.
var (
	errNeedInput = errors.New("the input is used up")
	errNeedRoom  = errors.New("the output is full")
	errEnd       = errors.New("the message has ended")
)

// A Decompressor inflates messages, one after the other.
//
// All that it knows between two calls is in here, so that a message may be cut
// anywhere, in its input and in its output. An error sticks until Reset.
type Decompressor struct {
	in       bitReader
	out      inflateOutput
	takeover bool // the window outlives a message
	err      error

	stage stage
	fixed bool // stageSymbols: by the fixed codes

	// open is clear before the first block of a message and after a block with
	// BFINAL set: where nothing says that more is to come.
	open  bool
	final bool // of the block under way: BFINAL

	length   int // what is left of a stored block or of a match
	distance int // of the match

	dynamic dynamicHeader
	codes   inflateCodes
}

// A stage is what comes next in the input.
type stage uint8

const (
	stageHeader       stage = iota // of a block
	stageStoredLength              // of a stored block
	stageStored                    // its bytes
	stageCounts                    // of a block with dynamic codes
	stagePrecode                   // the lengths of the code for the code lengths
	stageCodeLengths               // the code lengths
	stageSymbols                   // literals and matches
	stageMatch                     // none: the rest of a match has to be copied first
)

// NewDecompressor returns a Decompressor for messages that were compressed
// with a window of 2^windowBits bytes; beyond MinWindowBits and MaxWindowBits
// the nearer of them counts. With takeover, a message may refer to the ones
// before it (RFC 7692, Section 7.1.1); without, each is on its own.
//
// Memory for the window is taken as it fills, and not at all by Append without
// takeover.
func NewDecompressor(windowBits int, takeover bool) *Decompressor {
	bits := min(max(windowBits, MinWindowBits), MaxWindowBits)
	d := &Decompressor{takeover: takeover}
	d.out.window.size = 1 << bits
	return d
}

// Reset makes d expect the first message: it forgets the window, a message
// under way, and an error. It keeps the memory.
func (d *Decompressor) Reset() {
	d.err = nil
	d.endMessage()
	d.out.window.forget()
}

// A History is what has to be kept between two messages with context takeover:
// the window, without the rest of a Decompressor. The zero value is empty.
type History struct{ window inflateWindow }

// Exchange gives d the history h and h that of d, so that many connections
// share the Decompressors that they need only while a message is inflated. Both
// belong to windows of the same size, and no message is under way.
func (d *Decompressor) Exchange(h *History) {
	size := d.out.window.size
	d.out.window, h.window = h.window, d.out.window
	d.out.window.size = size
}

// Inflate inflates a piece of a message from src to dst until dst is full, src
// is used up, or the message ends, and returns how much it wrote and read. last
// says that the message's payload ends with src; done reports that the message
// has ended and is in dst to its last byte. What was not read has to be given
// again, with the same last.
//
// Inflate uses all of dst, also beyond what it returns as written. dst and src
// must not overlap.
func (d *Decompressor) Inflate(dst, src []byte, last bool) (written, read int, done bool, err error) {
	d.out.buf, d.out.n = dst, 0
	read, err = d.run(src, last)
	written, done = d.out.n, err == errEnd
	d.leave(done)
	if err == errEnd || err == errNeedInput || err == errNeedRoom {
		err = nil
	}
	return written, read, done, err
}

// Append inflates a message, or what is left of one that Inflate began, and
// appends it to dst. limit bounds what is appended, unless it is negative: a
// longer message is ErrTooLong, found before a byte more is produced. After an
// error dst is returned with nothing appended. Append uses dst up to its
// capacity, which must not overlap src.
//
// Matches are copied within dst. The window serves only for what they reach
// before the message, and gets the message once it is complete.
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
			d.leave(true)
			return dst[:start+n], nil
		case err == errNeedRoom && n != limit:
			// As much again as there is: memory follows what comes out.
			more := max(n, leastGrowth)
			if limit >= 0 {
				more = min(more, limit-n)
			}
			dst = slices.Grow(dst[:start+n], more)[:start]
			src = src[read:]
		default:
			if err == errNeedRoom {
				err, d.err = ErrTooLong, ErrTooLong
			}
			d.leave(false)
			return dst[:start], err
		}
	}
}

// leastGrowth is what Append extends a slice by at least.
const leastGrowth = 512

// firstGrowth returns how much a slice without room is extended by for a
// message of n bytes. The bounds keep it from following a claim.
func firstGrowth(n, limit int) int {
	growth := n + 3*min(n, 64<<10/3) + 64
	if limit >= 0 {
		growth = min(growth, limit)
	}
	return growth
}

// leave ends a call: the slices are the caller's again, and what came out goes
// into the window if anything can refer to it.
func (d *Decompressor) leave(done bool) {
	switch {
	case d.err != nil:
	case done && !d.takeover:
		d.out.window.forget()
	default:
		d.out.window.add(d.out.buf[:d.out.n])
	}
	if done {
		d.endMessage()
	}
	d.in.src, d.in.pos, d.out.buf, d.out.n = nil, 0, nil, 0
}

// endMessage makes d expect the next message.
func (d *Decompressor) endMessage() {
	d.in = bitReader{}
	d.stage, d.open = stageHeader, false
}

// run decodes src. The error is never nil: it says why the decoding stops.
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

// ended reports whether the message is complete, given that its payload is
// used up.
//
// A sender sees to it that the message ends with an empty stored block, and
// takes the four octets of its length away, for the receiver to append again
// (RFC 7692, Sections 7.2.1 and 7.2.2). So a payload ends after the header of a
// stored block. That the octets would also fit as something else, as the bytes
// of a longer block that was cut, makes no message.
//
// There are two more ends. A sender that ends a message by setting BFINAL has
// to append the header, an octet of zeros (Section 7.2.3.4), and the payload of
// an empty message is this octet alone (Section 7.2.3.6); when it is missing,
// nothing else can be meant.
func (d *Decompressor) ended() bool {
	return d.in.n == 0 && (d.stage == stageStoredLength || d.stage == stageHeader && !d.open)
}

// decode takes stage after stage until one of them cannot go on.
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

// header reads the three bits before a block (RFC 1951, Section 3.2.3).
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

// endBlock comes after the last bit of a block. One with BFINAL set ends with
// a byte, for others may follow (RFC 7692, Section 7.2.1). They go on with the
// window as it is: nothing but the end of a message may empty it.
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

// stored copies a stored block, first the bytes that have been read as bits.
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
