package websocket

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// aroundLength is that of the message before, so that another like it is expected.
const aroundLength = aroundMin + 3

// afterLong are streams that may follow a message of aroundLength bytes.
func afterLong(p *peer) map[string][]byte {
	long := func(n int) string { return strings.Repeat("äbc", n/4+1)[:n-n%4] }
	return map[string][]byte{
		"as long":           p.text(long(aroundLength)),
		"as long, twice":    append(p.binary(string(make([]byte, aroundLength))), p.binary(long(aroundLength))...),
		"shorter":           append(p.text(long(aroundLength-100)), p.text("next")...),
		"short":             append(append(p.text("a"), p.binary("b")...), p.text(long(aroundLength))...),
		"empty":             append(p.text(""), p.text(long(aroundLength))...),
		"longer":            append(p.binary(long(aroundLength+50)), p.text("next")...),
		"with other header": append(p.binary(long(70_000)), p.text("next")...),
		"ping first":        append(p.frame(true, opPing, "hello"), p.text(long(aroundLength))...),
		"fragments":         append(append(p.frame(false, opText, long(aroundLength)), p.frame(true, opPing, "x")...), p.frame(true, opContinuation, "end")...),
		"close":             p.close(CloseNormalClosure, "bye"),
		"unexpected":        p.frame(true, opContinuation, long(aroundLength)),
		"bad text":          p.text("\xFF" + long(aroundLength-4)),
	}
}

// readAll appends all messages of a connection to one memory, as those who call
// AppendMessage do, and returns them and the error.
func readAll(c *Conn, memory []byte) string {
	var got strings.Builder
	for {
		kind, p, err := c.AppendMessage(memory[:0])
		if err != nil {
			fmt.Fprint(&got, err)
			return got.String()
		}
		fmt.Fprintf(&got, "%d %q\n", kind, p)
	}
}

// TestLand reads what follows a long message, whatever part of it has come with the
// first read, and compares that with how it is read otherwise.
func TestLand(t *testing.T) {
	for _, client := range []bool{false, true} {
		for name, stream := range afterLong(&peer{masked: !client}) {
			t.Run(fmt.Sprintf("%s/client=%t", name, client), func(t *testing.T) {
				want := readAll(newConn(&scriptedStream{in: stream, chunking: wstest.Whole}, connConfig{client: client}), nil)
				head := headerSize(aroundLength, !client)
				for n := 1; n <= min(len(stream), aroundLength+defaultBuffer); n++ {
					if n > 300 && n < aroundLength-300 && n%97 != 0 {
						continue
					}
					memory := make([]byte, 0, aroundLength+n%2*1000)
					c := newConn(&scriptedStream{in: stream[n:], chunking: wstest.Whole}, connConfig{client: client})
					landAsRead(&c.read.frames, stream[:n], head, memory[:aroundLength])
					require.Equal(t, want, readAll(c, memory), n)
				}
			})
		}
	}
}

// landAsRead calls land after what ReadAround does when b has come.
func landAsRead(r *frameReader, b []byte, head int, spare []byte) {
	buf := bufpool.Get(defaultBuffer)
	n := len(b)
	b = b[copy(buf.B[:head], b):]
	b = b[copy(spare, b):]
	copy(buf.B[head:], b)
	r.land(buf, n, head, spare)
}

// TestReadAround reads over sockets what follows a long message, in the memory of that.
func TestReadAround(t *testing.T) {
	needsRawSockets(t)
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		for name, stream := range afterLong(p) {
			for chunking, size := range map[string]int{"whole": 1 << 20, "pieces": 1000, "first byte": 1} {
				t.Run(fmt.Sprintf("%s/client=%t/%s", name, client, chunking), func(t *testing.T) {
					first := p.binary(strings.Repeat("x", aroundLength))
					want := readAll(newConn(&scriptedStream{in: append(first, stream...), chunking: wstest.Whole}, connConfig{client: client}), nil)
					a, b := socketPair(t)
					c := newConn(a, connConfig{client: client})
					go func() {
						b.Write(first)
						for rest := stream; len(rest) > 0; {
							n := min(size, len(rest))
							b.Write(rest[:n])
							if rest = rest[n:]; size == 1 {
								b.Write(rest)
								break
							}
						}
						b.CloseWrite()
					}()
					require.Equal(t, want, readAll(c, make([]byte, 0, 2*aroundLength)))
				})
			}
		}
	}
}

// TestPayloadGoesPastTheBuffer checks that the payload of a message that is as long as
// the one before does not go through a buffer.
func TestPayloadGoesPastTheBuffer(t *testing.T) {
	needsRawSockets(t)
	if !socket.CanScatter {
		t.Skip("this system has no readv in package syscall")
	}
	a, b := socketPair(t)
	c, p := newConn(a, connConfig{}), &peer{masked: true}
	message := p.binary(string(bytes.Repeat([]byte("payload "), aroundLength/8)))
	memory := make([]byte, 0, aroundLength)
	for i := range 3 {
		b.Write(message)
		if i > 0 {
			require.NoError(t, c.awaitMessage(memory))
			require.LessOrEqual(t, c.read.frames.end, maxHeaderSize)
			require.NotNil(t, c.read.frames.landed.p)
		}
		_, got, err := c.AppendMessage(memory)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("payload ", aroundLength/8), string(got))
	}
}
