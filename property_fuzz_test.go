package websocket

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A result is all that the application and the peer get of a stream.
type result struct {
	messages []message
	err      string
	sent     string
	state    State
}

const fuzzLimit = 1 << 16

// readResult reads a stream to its end.
func readResult(t *testing.T, s *scriptedStream, config connConfig) result {
	config.readLimit = fuzzLimit
	c := newConn(s, config)
	var o result
	for {
		kind, data, err := c.ReadMessage()
		if err != nil && isTimeout(err) {
			require.LessOrEqual(t, cap(c.read.partialBytes()), 2*fuzzLimit, "memory is bounded")
			continue
		}
		if err != nil {
			require.ErrorIs(t, err, net.ErrClosed)
			o.err, o.state = fmt.Sprintf("%T %v", err, err), c.State()
			break
		}
		require.LessOrEqual(t, len(data), fuzzLimit)
		require.True(t, kind == BinaryMessage || kind == TextMessage && utf8.Valid(data))
		o.messages = append(o.messages, message{kind, string(data)})
	}
	o.sent = unmasked(t, s.out.Bytes())
	return o
}

// unmasked returns frames with the masking taken off: the keys are random.
func unmasked(t *testing.T, frames []byte) (s string) {
	for len(frames) > 0 {
		h, n, err := parseHeader(frames)
		require.NoError(t, err)
		require.NotZero(t, n, "half a frame")
		payload := frames[n : n+int(h.length)]
		maskByByte(payload, payload, h.key, 0)
		s += fmt.Sprintf("%x %q\n", byte(h.opcode), payload)
		frames = frames[n+int(h.length):]
	}
	return s
}

// FuzzConnRead reads any stream in several ways: in any pieces, and with timeouts
// between them. The messages, the frames that are sent and the error have to be the
// same.
func FuzzConnRead(f *testing.F) {
	for _, masked := range []bool{true, false} {
		p := &peer{masked: masked}
		for _, test := range streamTests {
			if frames := bytes.Join(test.frames(p), nil); len(frames) < 5000 {
				f.Add(frames, !masked, uint64(1), byte(0))
			}
		}
		// A stream with two violations, of which the first counts.
		f.Add(p.compressedFrame(true, opText, deflated("\xFF")+"\x06"), !masked, uint64(3), byte(15))
		for _, s := range compressibleTexts[:5] {
			z := deflated(s)
			f.Add(slices.Concat(p.compressedFrame(true, opText, z), p.compressedFrame(false, opBinary, z[:1]), p.frame(true, opContinuation, z[1:]), p.text("x")),
				!masked, uint64(2), byte(len(z)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, client bool, seed uint64, compression byte) {
		config := connConfig{client: client}
		if bits := int(compression % 16); bits >= deflate.MinWindowBits {
			side := deflate.Side{NoContextTakeover: compression >= 128, WindowBits: bits}
			config.agreement = agreement{wish: &Compression{}, params: deflate.Params{Server: side, Client: side}}
		}
		want := readResult(t, &scriptedStream{in: data, chunking: wstest.Whole}, config)
		require.Equal(t, StateClosed, want.state)
		config.readBufferSize = minBuffer
		for name, s := range map[string]*scriptedStream{
			"bytes":    {in: data, chunking: wstest.Byte},
			"pieces":   {in: data, chunking: wstest.Random(seed)},
			"timeouts": {in: data, chunking: wstest.Random(seed), timeout: true},
		} {
			require.Equal(t, want, readResult(t, s, config), name)
		}
	})
}

// TestEveryCut cuts a stream at every byte. The messages before the cut are received,
// and the cut is not taken for the end of a message.
func TestEveryCut(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		frames := [][]byte{
			p.text("first"), p.frame(false, opText, "fr"), p.frame(true, opPing, "ping"), p.frame(true, opContinuation, "ag€"),
			p.binary(longText[:130]), p.frame(true, opPong, ""), p.text(""), p.close(4000, "done"),
		}
		stream := bytes.Join(frames, nil)
		whole := readResult(t, &scriptedStream{in: stream, chunking: wstest.Whole}, connConfig{client: client})
		require.Len(t, whole.messages, 4)
		for cut := range stream {
			o := readResult(t, &scriptedStream{in: stream[:cut], chunking: wstest.Whole}, connConfig{client: client})
			require.Equal(t, fmt.Sprintf("%T %v", errEOF, errEOF), o.err, "cut at %d", cut)
			require.Equal(t, whole.messages[:len(o.messages)], append([]message{}, o.messages...), "cut at %d", cut)
			require.Len(t, o.messages, completeMessages(frames, cut), "cut at %d", cut)
		}
	}
}

// completeMessages returns how many messages of TestEveryCut end before the cut.
func completeMessages(frames [][]byte, cut int) (n int) {
	for i, f := range frames {
		if cut -= len(f); cut < 0 {
			break
		}
		if i == 0 || i == 3 || i == 4 || i == 6 {
			n++
		}
	}
	return n
}
