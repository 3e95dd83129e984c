package websocket

// A PreparedMessage is a message that is encoded once to be written to many
// connections with [Conn.WritePreparedMessage]. It does not change and may be
// used by any number of goroutines.
type PreparedMessage struct {
	op    opcode
	frame []byte // as a server sends it
	start int    // where the payload begins in frame
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
	h := header{fin: true, opcode: op, length: uint64(len(data))}
	start := headerSize(len(data), false)
	frame := appendFrame(make([]byte, 0, start+len(data)), h, data)
	return &PreparedMessage{op, frame, start}, nil
}

// writePrepared writes a prepared message: on a server the very bytes, on a
// client the payload under a key of its own.
func (w *writeSide) writePrepared(pm *PreparedMessage, p patience) error {
	if len(pm.frame) == 0 {
		return errBadMessageType // not from NewPreparedMessage
	}
	if !pm.op.isControl() {
		if err := w.acquire(&w.message, p); err != nil {
			return err
		}
		defer w.message.release()
	}
	if w.client {
		return w.writeFrame(header{fin: true, opcode: pm.op}, pm.frame[pm.start:], p)
	}
	return w.writeEncoded(pm.op, pm.frame, p)
}
