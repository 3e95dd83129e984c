package websocket

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/seed23105783/websocket/internal/deflate"
)

// agreements returns parameters of compression that can be negotiated.
func agreements() map[string]agreement {
	all := make(map[string]agreement)
	for _, bits := range []int{8, 12, 15} {
		for _, noTakeover := range []bool{false, true} {
			side := deflate.Side{NoContextTakeover: noTakeover, WindowBits: bits}
			all[fmt.Sprintf("bits=%d,noTakeover=%v", bits, noTakeover)] = agreement{
				wish:   &Compression{Threshold: -1},
				params: deflate.Params{Server: side, Client: side},
			}
		}
	}
	return all
}

// eachAgreement runs a test with each of the agreements and in each mode.
func eachAgreement(t *testing.T, test func(t *testing.T, m mode, a agreement)) {
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) { test(t, m, a) })
		})
	}
}

// connectCompressed returns a connection with compression, and its peer.
func (m mode) connectCompressed(t *testing.T, a agreement) (*Conn, *peer) {
	c, p := m.connect(t)
	c.setCompression(a)
	return c, p
}

// deflated compresses a message with compress/flate.
func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(w, s)
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xFF\xFF")
}

// compressedFrame encodes a frame with RSV1 set.
func (p *peer) compressedFrame(fin bool, op opcode, payload string) []byte {
	b := p.frame(fin, op, payload)
	b[0] |= rsvCompressed
	return b
}

// compressibleTexts are messages that have much in common.
var compressibleTexts = []string{
	"hello", "hello", "", `{"id":1,"name":"one","tags":["a","b"]}`, `{"id":2,"name":"two","tags":["a","b"]}`,
	strings.Repeat("The quick brown fox jumps over the lazy dog. ", 300), longText, "x", "ünïcödé ünïcödé",
}
