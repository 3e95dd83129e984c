package websocket

import (
	"sync"
	"sync/atomic"

	"github.com/seed23105783/websocket/internal/deflate"
)

// A deflater is what a messageWriter has to compress messages. All but the
// settings is guarded by the lock of messages.
type deflater struct {
	side      deflate.Side // how we compress
	threshold int
	level     atomic.Int32 // a deflate.Level
	off       atomic.Bool
	codec     *deflate.Compressor // nil between messages if there is no takeover
}

// compressors are shared by connections without context takeover: one pool
// for each size of a window. With takeover a codec stays with its connection,
// since it keeps more than a window between messages.
var compressors [deflate.MaxWindowBits + 1]sync.Pool

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
	if d == nil || d.codec == nil {
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

// writeCompressed compresses and writes a data message, with lock held.
func (m *messageWriter) writeCompressed(op opcode, payload []byte, l *waitLimit) error {
	buf := compressedBuffers.Get().(*compressedBuffer)
	defer putCompressedBuffer(buf)
	first := finBit | firstByte(op)
	if m.compress(buf, payload) {
		first, payload = first|rsvCompressed, buf.b
	}
	err := m.frames.write(first, payload, l)
	m.deflater.end(err == nil)
	return err
}

// compress compresses a payload into buf, with lock held, and reports whether
// that was of use: without takeover what did not get shorter can go as it is.
// The deflater's end has to be told what becomes of it.
func (m *messageWriter) compress(buf *compressedBuffer, payload []byte) bool {
	codec := m.deflater.begin()
	if !m.deflater.side.NoContextTakeover {
		buf.b = codec.Append(buf.b[:0], payload)
		return true
	}
	buf.b = codec.AppendAlone(buf.b[:0], payload)
	return len(buf.b) < len(payload)
}
