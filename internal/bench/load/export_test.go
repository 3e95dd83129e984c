package load

import (
	"bufio"
	"bytes"
	"io"
)

// Unmasked returns the messages of the traffic as a server sends them.
func (d *Deflated) Unmasked() []byte {
	var all []byte
	for _, f := range d.frames {
		r := bufio.NewReader(bytes.NewReader(f))
		first, length, key, err := readMaskedHeader(r)
		if err != nil {
			panic(err)
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(r, payload); err != nil {
			panic(err)
		}
		unmask(payload, key)
		all = AppendFrame(all, first, false, payload)
	}
	return all
}

// ReceiveAll receives messages until there are no more.
func (d *Deflated) ReceiveAll(r io.Reader) error {
	c := &Conn{reader: bufio.NewReader(r)}
	for {
		if _, err := c.reader.Peek(1); err != nil {
			return nil
		}
		var buf []byte
		if _, err := d.receive(c, &buf); err != nil {
			return err
		}
	}
}
