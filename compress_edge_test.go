package websocket

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
)

// TestWriteAfterACloseThatTimedOut: a writer whose end could not be sent is
// open, and takes more.
func TestWriteAfterACloseThatTimedOut(t *testing.T) {
	all := agreements()
	all["none"] = agreement{}
	for name, a := range all {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 10, 6000} {
				left, right := socketPair(t)
				c, peer := newConn(left, connConfig{agreement: a}), newConn(right, connConfig{client: true, agreement: a})
				want := "the first part, the first part" + testPayload(n)
				w, err := c.NextWriter(TextMessage)
				require.NoError(t, err)
				_, err = io.WriteString(w, want[:30])
				require.NoError(t, err)
				c.SetWriteDeadline(time.Now().Add(-time.Second))
				require.ErrorIs(t, w.Close(), os.ErrDeadlineExceeded)
				c.SetWriteDeadline(time.Time{})
				_, err = io.WriteString(w, want[30:])
				require.NoError(t, err)
				require.NoError(t, w.Close())
				_, data, err := peer.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, want, string(data))
			}
		})
	}
}

// TestNothingInflatedIsWithheld: a peer that flushes inside a message may wait
// for an answer to it.
func TestNothingInflatedIsWithheld(t *testing.T) {
	z := deflated(strings.Repeat("x", 1000)) + "\x00\x00\xFF\xFF"
	for name, send := range map[string]func(p *peer){
		"fragment": func(p *peer) { p.send(p.compressedFrame(false, opText, z)) },
		"part of a frame": func(p *peer) {
			frame := p.compressedFrame(true, opText, z+"\x00")
			p.send(frame[:len(frame)-1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachAgreement(t, func(t *testing.T, m mode, a agreement) {
				c, p := m.connectDeflating(t, a)
				send(p)
				c.SetReadDeadline(time.Now().Add(time.Second))
				_, r, err := c.NextReader()
				require.NoError(t, err)
				var buf [100]byte
				for range 1000 / len(buf) {
					_, err := io.ReadFull(r, buf[:])
					require.NoError(t, err)
				}
				_, err = r.Read(buf[:])
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			})
		})
	}
}

// TestEmptyBlocksAreBounded: they are input without output, and count nothing
// against the read limit.
func TestEmptyBlocksAreBounded(t *testing.T) {
	blocks := strings.Repeat("\x00\x00\x00\xFF\xFF", 1000)
	eachReading(t, func(t *testing.T, m mode, r reading) {
		c, p := m.connectDeflating(t, agreements()["bits=15,alone=true"])
		p.send(p.compressedFrame(false, opText, blocks))
		for range maxIdleInput/len(blocks) + 1 {
			p.send(p.frame(false, opContinuation, blocks))
		}
		p.closesAfter(1008)
		_, _, err := r.read(c)
		require.Equal(t, error(errIdleInput), err)
	})
}

func TestCompressionLevels(t *testing.T) {
	for level, want := range map[int]deflate.Level{
		-2: deflate.HuffmanOnly, -1: deflate.Balance, 0: deflate.Speed, 1: deflate.Speed, 3: deflate.Speed,
		4: deflate.Balance, 6: deflate.Balance, 7: deflate.Ratio, 9: deflate.Ratio,
	} {
		got, err := compressionLevel(level)
		require.NoError(t, err)
		require.Equal(t, want, got, "level %d", level)
	}
}
