package websocket

import (
	"strings"
)

// oracleSteps add the frames of most streams. Some of them may end a stream, since a
// message may be too long or no text.
var oracleSteps = []oracleStep{
	{"text", 30, func(o *oracle) { o.message(0x81, o.text()) }},
	{"binary", 15, func(o *oracle) { o.message(0x82, o.bytes(o.length())) }},
	{"fragments", 25, func(o *oracle) { o.fragments(byte(1+o.IntN(2)), o.text()) }},
	{"ping", 10, func(o *oracle) { o.validFrame(0x89, o.bytes(o.IntN(126))) }},
	{"pong", 5, func(o *oracle) { o.validFrame(0x8A, o.bytes(o.IntN(126))) }},
	{"broken text", 2, func(o *oracle) { o.message(0x81, o.text()+o.brokenRune()+o.text()) }},
	{"broken fragments", 2, func(o *oracle) { o.fragments(1, o.text()+o.brokenRune()+o.text()) }},
	{"limit", 4, func(o *oracle) { o.fragments(2, o.bytes(max(o.limit, 0))) }},
	{"limit and one", 2, func(o *oracle) { o.message(0x82, o.bytes(max(o.limit, 0)+1)) }},
	{"limit and one in fragments", 2, func(o *oracle) { o.fragments(1, strings.Repeat("x", max(o.limit, 0)+1)) }},
	{"long", 2, func(o *oracle) { o.message(0x81, strings.Repeat("long text ", 8000)[:65530+o.IntN(12)]) }},
	{"empty fragments", 2, func(o *oracle) { o.emptyFragments(modelMaxEmptyFragments - 1 + o.IntN(3)) }},
	{"blocks of all kinds", 3, func(o *oracle) { o.blocks() }},
}

// oracleEndings end a stream, or are likely to.
var oracleEndings = []oracleStep{
	{"close", 10, func(o *oracle) { o.validFrame(0x88, oracleCode(1000)) }},
	{"close with a reason", 6, func(o *oracle) { o.validFrame(0x88, oracleCode(o.code())+"because €") }},
	{"close without a code", 6, func(o *oracle) { o.validFrame(0x88, "") }},
	{"half a code", 2, func(o *oracle) { o.validFrame(0x88, "\x03") }},
	{"any code", 6, func(o *oracle) { o.validFrame(0x88, oracleCode(o.IntN(1<<16))) }},
	{"code next to those in use", 6, func(o *oracle) { o.validFrame(0x88, oracleCode(995+o.IntN(30))) }},
	{"broken reason", 3, func(o *oracle) { o.validFrame(0x88, oracleCode(o.code())+o.brokenRune()) }},
	{"reserved bits", 6, func(o *oracle) { o.validFrame(0x80|byte(1+o.IntN(7))<<4|byte(o.IntN(16)), o.bytes(o.IntN(20))) }},
	{"any first byte", 6, func(o *oracle) { o.validFrame(byte(o.IntN(256)), o.bytes(o.IntN(20))) }},
	{"wrong masking", 5, func(o *oracle) { o.frame(0x81, o.client, 0, []byte("masked?")) }},
	{"fragmented control frame", 2, func(o *oracle) { o.validFrame(byte(8+o.IntN(3)), "x") }},
	{"long control frame", 2, func(o *oracle) { o.validFrame(byte(0x88+o.IntN(3)), oracleCode(1000)+o.bytes(124+o.IntN(300))) }},
	{"end of nothing", 3, func(o *oracle) { o.validFrame(0x80, "x") }},
	{"message in a message", 3, func(o *oracle) { o.validFrame(0x01, "x"); o.validFrame(0x02, "y") }},
	{"RSV1 on a continuation", 3, func(o *oracle) { o.validFrame(0x01, "x"); o.validFrame(0xC0, "y") }},
	{"16 bits for a length", 4, func(o *oracle) { o.frame(0x82, !o.client, 16, []byte(o.bytes([]int{0, 60, 125, 126}[o.IntN(4)]))) }},
	{"64 bits for a length", 4, func(o *oracle) { o.frame(0x82, !o.client, 64, make([]byte, []int{0, 125, 65535, 65536}[o.IntN(4)])) }},
	{"too long to be sent", 3, func(o *oracle) { o.unfinishedFrame() }},
	{"noise", 3, func(o *oracle) { o.stream = append(o.stream, o.bytes(o.IntN(200))...) }},
	{"compressed noise", 4, func(o *oracle) { o.validFrame(0xC1+byte(o.IntN(2)), o.invalidDeflate()) }},
}

// length returns the length of a message. Most are short.
func (o *oracle) length() int {
	return []int{0, 1, o.IntN(10), o.IntN(130), o.IntN(600)}[o.IntN(5)]
}

// bytes returns n random bytes.
func (o *oracle) bytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(o.Uint32())
	}
	return string(b)
}

// text returns a text that compresses well and has runes of every length.
func (o *oracle) text() string {
	words := []string{"hello, ", "world ", "grüße ", "€ ", "\U0001F600", "x", `{"id":`, "1234567890", "\n"}
	var s strings.Builder
	for n := o.length(); s.Len() < n; {
		s.WriteString(words[o.IntN(len(words))])
	}
	return s.String()
}

// brokenRune returns bytes that are not UTF-8, some of them because of what follows.
func (o *oracle) brokenRune() string {
	all := []string{"\xFF", "\xC0\x80", "\xE2\x82", "\xE2(", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98", "\x80"}
	return all[o.IntN(len(all))]
}

// oracleCode encodes a close code.
func oracleCode(code int) string { return string([]byte{byte(code >> 8), byte(code)}) }

// code returns a close code that may be sent.
func (o *oracle) code() int { return []int{1000, 1001, 1011, 3000, 4999}[o.IntN(5)] }

// compress compresses some of the messages if compression was negotiated.
func (o *oracle) compress(s string) (payload string, compressed bool) {
	if o.compressor == nil || o.IntN(3) == 0 {
		return s, false
	}
	o.output.Reset()
	if !o.takeover {
		o.compressor.Reset(&o.output)
	}
	for half := o.IntN(len(s) + 1); s != ""; half = len(s) {
		o.compressor.Write([]byte(s[:half]))
		o.compressor.Flush() // a block in the middle, and perhaps an empty one
		s = s[half:]
	}
	o.compressor.Flush()
	return strings.TrimSuffix(o.output.String(), "\x00\x00\xFF\xFF"), true
}

// message adds a message in one frame.
func (o *oracle) message(first byte, s string) {
	payload, compressed := o.compress(s)
	if compressed {
		first |= 0x40
	}
	o.validFrame(first, payload)
}

// fragments adds a message in several, with control frames in between.
func (o *oracle) fragments(op byte, s string) {
	payload, compressed := o.compress(s)
	first := op
	if compressed {
		first |= 0x40
	}
	for range 1 + o.IntN(4) {
		n := o.IntN(len(payload) + 1)
		o.validFrame(first, payload[:n])
		first, payload = 0, payload[n:]
		if o.IntN(3) == 0 {
			o.validFrame(0x89, o.bytes(o.IntN(10)))
		}
	}
	o.validFrame(0x80, payload)
}

// emptyFragments adds a message with n of them.
func (o *oracle) emptyFragments(n int) {
	o.validFrame(0x01, "x")
	for range n {
		o.validFrame(0x00, "")
	}
	o.validFrame(0x80, "y")
}

// blocks adds a compressed message with BFINAL set in the middle of it: RFC
// 7692, Section 7.2.3.4.
func (o *oracle) blocks() {
	hello := []string{
		"\xF3\x48\xCD\xC9\xC9\x07\x00",                     // final, ends with its octet
		"\x01\x05\x00\xFA\xFFHello",                        // final and stored
		"\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07", // two blocks, the second open
	}
	s := ""
	for range o.IntN(4) {
		s += hello[o.IntN(2)]
	}
	s += []string{hello[2], "", "\x00", "\x01", "\x00\x05\x00\xFA\xFFHello"}[o.IntN(5)]
	if o.compressor != nil && o.takeover {
		// The compressor does not have these bytes in its window.
		o.compressor.Reset(&o.output)
	}
	o.validFrame(0xC1, s+strings.Repeat("\x00", o.IntN(2)))
}

// unfinishedFrame adds the beginning of a frame that declares a very great length.
func (o *oracle) unfinishedFrame() {
	second := map[bool]byte{true: 127, false: 255}[o.client]
	o.stream = append(o.stream, 0x82, second)
	o.stream = append(o.stream, [][]byte{
		{0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, {0x80, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
	}[o.IntN(3)]...)
	o.stream = append(o.stream, o.bytes(o.IntN(300))...)
}

// invalidDeflate returns the payload of a compressed message with a part missing or a
// bit changed.
func (o *oracle) invalidDeflate() string {
	payload, _ := o.compress(o.text() + "some text")
	if o.IntN(2) == 0 {
		return payload[:o.IntN(len(payload))]
	}
	b := []byte(payload)
	b[o.IntN(len(b))] ^= 1 << o.IntN(8)
	return string(b)
}
