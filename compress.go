package websocket

import (
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed23105783/websocket/internal/deflate"
)

// Compression configures the compression of messages with permessage-deflate
// (RFC 7692). The zero value is context takeover and windows of 32 KiB.
//
// With context takeover a message can refer to earlier ones. Similar messages
// become several times smaller, and each connection keeps memory: for receiving
// the size of the window; for sending up to twice that, and from level 4 on up
// to five times that. Small windows take relatively more.
type Compression struct {
	// Level is the compression level, as in compress/flate. 1 to 3 are the
	// fastest, 7 to 9 compress best, -1 means 6, and -2 is Huffman coding only.
	// Zero means 1. To send without compression, use
	// [Conn.EnableWriteCompression].
	Level int

	// Threshold is the minimum length in bytes of a message that is compressed.
	// Zero means 128 with context takeover and 512 without. With a negative
	// value all messages are compressed. Without context takeover, WriteMessage
	// does not send a message compressed that does not become shorter.
	// NextWriter compresses messages that do not fit into the write buffer
	// whatever their length is.
	Threshold int

	// Server and Client are the parameters to negotiate for the messages of each
	// side. A Dialer can ask the server for anything. An Upgrader can always
	// require that the client does without context takeover. It can limit the
	// client's window only if the client offers that.
	Server, Client CompressionSide

	// Required makes the handshake fail if the peer does not agree to Server
	// and Client. By default the connection is opened with what the peer agrees
	// to: larger windows, context takeover, or no compression at all. See
	// [Conn.Extensions].
	Required bool
}

// A CompressionSide has the parameters for the messages of one side.
type CompressionSide struct {
	// NoContextTakeover compresses each message on its own.
	NoContextTakeover bool

	// WindowBits is the base-two logarithm of the window size in bytes, from 8
	// to 15. Zero means 15. The window is how far back a message can refer.
	// Peers that use zlib cannot compress with 8.
	WindowBits int
}

var (
	errCompressionLevel  = errors.New("websocket: invalid compression level")
	errCompressionWindow = errors.New("websocket: Compression.WindowBits is not from 8 to 15")
)

// noTakeover is the Compression that EnableCompression stands for.
var noTakeover = Compression{
	Server: CompressionSide{NoContextTakeover: true},
	Client: CompressionSide{NoContextTakeover: true},
}

// compressionWish returns the compression that an Upgrader or a Dialer is to
// negotiate, or nil for none.
func compressionWish(c *Compression, enabled bool) (*Compression, error) {
	if c == nil {
		if enabled {
			return &noTakeover, nil
		}
		return nil, nil
	}
	if _, err := compressionLevel(c.Level); err != nil {
		return nil, err
	}
	for _, side := range []CompressionSide{c.Server, c.Client} {
		if side.WindowBits != 0 && (side.WindowBits < deflate.MinWindowBits || side.WindowBits > deflate.MaxWindowBits) {
			return nil, errCompressionWindow
		}
	}
	return c, nil
}

// params returns the parameters to negotiate.
func (c *Compression) params() deflate.Params {
	return deflate.Params{Server: deflate.Side(c.Server), Client: deflate.Side(c.Client)}
}

// compressionLevel returns the codec's level for one of compress/flate's.
func compressionLevel(level int) (deflate.Level, error) {
	switch {
	case level < -2 || level > 9:
		return 0, errCompressionLevel
	case level == -2:
		return deflate.HuffmanOnly, nil
	case level >= 7:
		return deflate.Ratio, nil
	case level >= 4 || level == -1: // which is 6
		return deflate.Balance, nil
	}
	return deflate.Speed, nil
}

// EnableWriteCompression says whether the messages to come are compressed, on
// a connection that negotiated compression. They are unless it is called.
func (c *Conn) EnableWriteCompression(enable bool) {
	if d := c.write.deflater; d != nil {
		d.off.Store(!enable)
	}
}

// SetCompressionLevel sets the compression level of the messages to come: one
// of those of compress/flate, from HuffmanOnly to BestCompression, where
// NoCompression is BestSpeed, as in [Compression].Level. Any other is an error.
func (c *Conn) SetCompressionLevel(level int) error {
	l, err := compressionLevel(level)
	if d := c.write.deflater; err == nil && d != nil {
		d.level.Store(int32(l))
	}
	return err
}

// setCompression makes a connection compress and inflate as was agreed.
func (c *Conn) setCompression(agreed agreement) {
	ours, theirs, wish := agreed.params.Server, agreed.params.Client, agreed.wish
	if c.write.client {
		ours, theirs = theirs, ours
	}
	threshold := wish.Threshold
	switch {
	case threshold < 0:
		threshold = 0
	case threshold == 0 && ours.NoContextTakeover:
		threshold = 512
	case threshold == 0:
		threshold = 128
	}
	d := &deflater{side: ours, threshold: threshold}
	level, _ := compressionLevel(wish.Level)
	d.level.Store(int32(level))
	c.write.deflater = d
	c.read.inflater = &inflater{side: theirs}
	c.read.sequence.compress = true
}

// An inflater is what a read side has for compressed messages.
type inflater struct {
	side    deflate.Side          // how the peer compresses
	history deflate.History       // between messages, with context takeover
	codec   *deflate.Decompressor // of the message under way
	active  bool                  // the message under way is compressed
	begun   bool                  // some of it has been inflated
	done    bool                  // all of it
	full    bool                  // there was no room for more: it may need no input
	idle    int                   // how much input came since there was output
}

// Codecs are lent to a connection for the time of a message: one pool for each
// size of a window. Compressors keep more than a window between messages, and
// are shared only where there is no context takeover.
var (
	decompressors       [deflate.MaxWindowBits + 1]sync.Pool // with takeover
	singleDecompressors [deflate.MaxWindowBits + 1]sync.Pool // without
	compressors         [deflate.MaxWindowBits + 1]sync.Pool
)

// pool returns where the codec comes from.
func (i *inflater) pool() *sync.Pool {
	if i.side.NoContextTakeover {
		return &singleDecompressors[i.side.WindowBits]
	}
	return &decompressors[i.side.WindowBits]
}

// begin prepares for a message.
func (i *inflater) begin(compressed bool) {
	i.active, i.begun, i.done, i.full, i.idle = compressed, false, false, false, 0
	if !compressed {
		return
	}
	var ok bool
	if i.codec, ok = i.pool().Get().(*deflate.Decompressor); !ok {
		i.codec = deflate.NewDecompressor(i.side.WindowBits, !i.side.NoContextTakeover)
	}
	i.exchange()
}

// exchange lends the codec the history, or takes it back.
func (i *inflater) exchange() {
	if !i.side.NoContextTakeover {
		i.codec.Exchange(&i.history)
	}
}

// restart goes back to the beginning of a message that was not inflated to its
// end, which the history does not have.
func (i *inflater) restart() {
	i.exchange()
	i.codec.Reset()
	i.exchange()
}

// end ends a message.
func (i *inflater) end() {
	i.exchange()
	i.codec.Reset()
	i.pool().Put(i.codec)
	i.codec, i.active = nil, false
}

// appendInflated appends what is left of a compressed message to dst, of which
// dst[start:] has been inflated already. A message that is in the buffer as a
// whole is inflated in one go.
func (c *Conn) appendInflated(dst []byte, start int) ([]byte, error) {
	r := &c.read
	if !r.inflater.begun && r.frame.fin && r.remaining > 0 && r.remaining <= uint64(r.end-r.start) {
		if whole, ok := c.inflateAll(dst); ok {
			if err := c.checkText(whole[start:]); err != nil {
				return dst, err
			}
			return whole, c.endMessage()
		}
	}
	for {
		dst = r.growInflated(dst, start)
		n, err := c.readInflated(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// inflateAll inflates a message of which nothing has been inflated yet. If it
// cannot be inflated to its end nothing has been done: what is wrong first is
// found piece by piece.
func (c *Conn) inflateAll(dst []byte) ([]byte, bool) {
	r := &c.read
	src, err := r.chunk()
	if err != nil {
		return nil, false
	}
	limit := int(min(r.allowance(), math.MaxInt32))
	dst, err = r.inflater.codec.Append(dst, src, limit)
	if err != nil {
		r.inflater.restart()
		return nil, false
	}
	r.used(len(src))
	return dst, true
}

// growInflated returns dst with room for more of a message whose length is not
// known. Memory follows what has been inflated.
func (r *readSide) growInflated(dst []byte, start int) []byte {
	if len(dst) < cap(dst) {
		return dst
	}
	room := max(int(4*min(r.remaining, trustedLength)), minBuffer, len(dst)-start)
	if allowance := r.allowance(); int64(room) > allowance {
		room = int(allowance) + 1 // the byte too many is to be seen
	}
	return slices.Grow(dst, room)
}

// maxIdleInput bounds the compressed bytes without a byte that comes of them,
// in empty blocks: they count nothing against the read limit.
const maxIdleInput = 64 << 10

// readInflated reads some of a compressed message, one byte at least, and
// returns io.EOF at its end.
func (c *Conn) readInflated(p []byte) (int, error) {
	r, i := &c.read, c.read.inflater
	i.begun = true
	for !i.done {
		src, last, err := c.compressed()
		if err != nil {
			return 0, err
		}
		n, used, done, corrupt := i.codec.Inflate(p, src, last)
		if err := c.checkInflated(p[:n], corrupt); err != nil {
			return 0, err
		}
		r.used(used)
		i.done, i.full = done, n == len(p)
		if n > 0 {
			i.idle = 0
			return n, nil
		}
		if i.idle += used; i.idle > maxIdleInput {
			return 0, c.readFailed(errIdleInput)
		}
	}
	if err := c.endMessage(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// checkInflated checks what was inflated, and what came of it, in the order of
// the message: so what is found does not depend on how it was cut.
func (c *Conn) checkInflated(p []byte, corrupt error) error {
	allowed := int(min(c.read.allowance(), int64(len(p))))
	c.read.received += int64(allowed)
	if err := c.checkText(p[:allowed]); err != nil {
		return err
	}
	if allowed < len(p) {
		return c.readFailed(ErrReadLimit)
	}
	if corrupt != nil {
		return c.readFailed(errDeflate)
	}
	return nil
}

// compressed returns a piece of the payload of the message under way, and
// whether it is the last, in which case it may be empty.
func (c *Conn) compressed() (src []byte, last bool, err error) {
	r := &c.read
	if r.inflater.full && r.clear == 0 {
		return nil, r.frame.fin && r.remaining == 0, nil // not to wait while there is more to put out
	}
	for r.remaining == 0 && r.clear == 0 && !r.frame.fin {
		if err := c.nextDataFrame(); err != nil {
			return nil, false, err
		}
	}
	if r.remaining > 0 || r.clear > 0 {
		if src, err = r.chunk(); err != nil {
			return nil, false, c.readFailed(err)
		}
	}
	return src, r.frame.fin && r.remaining == 0, nil
}

// A deflater is what a write side has to compress messages. All but the
// settings is guarded by the lock of messages.
type deflater struct {
	side      deflate.Side // how we compress
	threshold int
	level     atomic.Int32 // a deflate.Level
	off       atomic.Bool
	codec     *deflate.Compressor // nil between messages if there is no takeover
}

// wants reports whether a message of the given length is to be compressed.
func (d *deflater) wants(length int) bool {
	return d != nil && length >= d.threshold && !d.off.Load()
}

// begin returns the codec for a message.
func (d *deflater) begin() *deflate.Compressor {
	level := deflate.Level(d.level.Load())
	if d.codec == nil && d.side.NoContextTakeover {
		d.codec, _ = compressors[d.side.WindowBits].Get().(*deflate.Compressor)
	}
	if d.codec == nil {
		d.codec = deflate.NewCompressor(d.side.WindowBits, level)
	}
	d.codec.SetLevel(level)
	return d.codec
}

// end ends a message. If it was not sent as a whole the peer does not have
// what the next could refer to.
func (d *deflater) end(sent bool) {
	if d.codec == nil {
		return
	}
	if d.side.NoContextTakeover || !sent {
		d.codec.Reset()
	}
	if d.side.NoContextTakeover {
		compressors[d.side.WindowBits].Put(d.codec)
		d.codec = nil
	}
}

// A compressedBuffer is what a message is compressed into. It grows, and one
// that has grown too much is not kept.
type compressedBuffer struct{ b []byte }

var compressedBuffers = sync.Pool{New: func() any { return new(compressedBuffer) }}

const maxCompressedBuffer = 1 << 20

func putCompressedBuffer(buf *compressedBuffer) {
	if buf != nil && cap(buf.b) <= maxCompressedBuffer {
		compressedBuffers.Put(buf)
	}
}

// writeCompressed compresses and writes a data message, with message held.
func (w *writeSide) writeCompressed(op opcode, payload []byte, p *patience) error {
	buf := compressedBuffers.Get().(*compressedBuffer)
	defer putCompressedBuffer(buf)
	first := finBit | lead(op)
	if w.compress(buf, payload) {
		first, payload = first|rsvCompressed, buf.b
	}
	err := w.writeFrame(first, payload, p)
	w.deflater.end(err == nil)
	return err
}

// compress compresses a payload into buf, with message held, and reports
// whether that was of use: without takeover what did not get shorter can go as
// it is. What becomes of it the deflater's end is to be told.
func (w *writeSide) compress(buf *compressedBuffer, payload []byte) bool {
	codec := w.deflater.begin()
	if !w.deflater.side.NoContextTakeover {
		buf.b = codec.Append(buf.b[:0], payload)
		return true
	}
	buf.b = codec.AppendAlone(buf.b[:0], payload)
	return len(buf.b) < len(payload)
}
