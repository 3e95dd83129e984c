package load

import "bufio"

// Receive has every connection receive a message that the server sends to all,
// in a frame that has to be exactly want.
func (g *Generator) Receive(want []byte) error {
	_, err := g.split(func(conns []*Conn, _ int) (Count, error) {
		var buf []byte
		for _, c := range conns {
			if err := expect(c, want, &buf); err != nil {
				return Count{}, err
			}
		}
		return Count{}, nil
	})
	return err
}

// ServerFrame returns a message in one unmasked frame.
func ServerFrame(opcode byte, payload []byte) []byte {
	return AppendFrame(nil, fin|opcode, false, payload)
}

// ReceiveCompressed has every connection receive a compressed message that
// the server sends to all, in whatever way it does it. It has to inflate to
// want.
func (g *Generator) ReceiveCompressed(want []byte) (Count, error) {
	return g.split(func(conns []*Conn, _ int) (Count, error) {
		var sum Count
		var buf []byte
		d := Deflated{messages: [][]byte{want}}
		for _, c := range conns {
			if c.reader == nil {
				c.reader = bufio.NewReaderSize(c, 2<<10)
			}
			first, payload, size, err := readMessage(c.reader, buf[:0])
			if err != nil {
				return sum, err
			}
			buf = payload
			d.answers = append(d.answers[:0], answer{first&compressed != 0, payload})
			if err := d.Verify(); err != nil {
				return sum, err
			}
			sum.add(Count{1, size})
		}
		return sum, nil
	})
}
