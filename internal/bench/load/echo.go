package load

import (
	"bytes"
	"fmt"
	"io"
)

// An Echo is traffic whose answers are known byte for byte: bursts of messages
// that come back as they are.
type Echo struct {
	bursts []burst
	depth  int
}

// A burst is what is sent in one write, and what has to come back.
type burst struct{ out, in []byte }

// variants is how many different bursts take turns, so that an answer that is
// late or comes twice is noticed.
const variants = 3

// NewEcho returns the traffic of messages of size bytes, depth of them sent at
// once. From a raw server the very bytes are to come back, from any other the
// messages in unmasked frames.
func NewEcho(opcode byte, size, depth int, raw bool) *Echo {
	payloads := Payloads(opcode, size, variants)
	e := &Echo{depth: depth}
	for i := range variants {
		var b burst
		for j := range depth {
			payload := payloads[(i+j)%variants]
			b.out = AppendFrame(b.out, fin|opcode, true, payload)
			b.in = AppendFrame(b.in, fin|opcode, false, payload)
		}
		if raw {
			b.in = b.out
		}
		e.bursts = append(e.bursts, b)
	}
	return e
}

func (e *Echo) next(c *Conn) []byte { return e.bursts[c.at%variants].out }

func (e *Echo) receive(c *Conn, buf *[]byte) (Count, error) {
	want := e.bursts[c.seen%variants].in
	if err := expect(c, want, buf); err != nil {
		return Count{}, err
	}
	c.seen++
	return Count{Messages: e.depth, Bytes: len(want)}, nil
}

// expect reads as many bytes as it wants and compares all of them.
func expect(c *Conn, want []byte, buf *[]byte) error {
	got := grow(buf, len(want))
	if n, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", n, len(want), err)
	}
	if bytes.Equal(got, want) {
		return nil
	}
	i := 0
	for got[i] == want[i] {
		i++
	}
	return fmt.Errorf("byte %d of the answer is %#x and not %#x", i, got[i], want[i])
}
