package websocket

import (
	"sync"

	"github.com/seed23105783/websocket/internal/deflate"
)

// A PreparedMessage is a message that is encoded once and can be sent on many
// connections with [Conn.WritePreparedMessage] and [Group.Broadcast]. It is
// compressed once for each way in which they compress. It is safe for concurrent
// use.
type PreparedMessage struct {
	op    opcode
	plain preparedFrame

	mu       sync.Mutex
	deflated map[preparedKind]preparedFrame
}

// A preparedFrame is a frame as a server sends it. A client takes the payload
// and masks it.
type preparedFrame struct {
	frame []byte
	start int // of the payload in frame
}

func (f preparedFrame) payload() []byte { return f.frame[f.start:] }

// A preparedKind is what makes one compressed form differ from another.
type preparedKind struct {
	windowBits int
	level      deflate.Level
}

// NewPreparedMessage returns a PreparedMessage of the given type, which may
// be a control message too. It keeps a copy of data.
func NewPreparedMessage(messageType int, data []byte) (*PreparedMessage, error) {
	op, err := messageOpcode(messageType)
	if err != nil {
		return nil, err
	}
	if err := checkControlPayload(op, data); err != nil {
		return nil, err
	}
	return &PreparedMessage{op: op, plain: prepare(header{fin: true, opcode: op}, data)}, nil
}

func prepare(h header, payload []byte) preparedFrame {
	h.length = uint64(len(payload))
	start := headerSize(len(payload), false)
	frame := appendFrame(make([]byte, 0, start+len(payload)), h, payload)
	return preparedFrame{frame, start}
}

// compressed returns the message compressed on its own in the way of d.
func (pm *PreparedMessage) compressed(d *deflater) preparedFrame {
	kind := preparedKind{d.side.WindowBits, deflate.Level(d.level.Load())}
	pm.mu.Lock()
	defer pm.mu.Unlock()
	if f, ok := pm.deflated[kind]; ok {
		return f
	}
	pool := &compressors[kind.windowBits]
	codec, ok := pool.Get().(*deflate.Compressor)
	if !ok {
		codec = deflate.NewCompressor(kind.windowBits, kind.level)
	}
	codec.SetLevel(kind.level)
	payload := codec.AppendAlone(nil, pm.plain.payload())
	codec.Reset()
	pool.Put(codec)
	f := prepare(header{fin: true, rsv: rsvCompressed, opcode: pm.op}, payload)
	if pm.deflated == nil {
		pm.deflated = make(map[preparedKind]preparedFrame)
	}
	pm.deflated[kind] = f
	return f
}
