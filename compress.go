package websocket

import (
	"errors"

	"github.com/seed23105783/websocket/internal/deflate"
)

// Compression configures the compression of messages with permessage-deflate
// (RFC 7692). The zero value is context takeover and windows of 32 KiB.
//
// With context takeover a message can refer to earlier ones. Similar messages
// become several times smaller, and each connection keeps memory: for receiving
// the size of the window; for sending up to twice that, and from level 4 on up
// to five times that. Small windows take relatively more.
type Compression struct {
	// Level is the compression level, as in compress/flate. 1 to 3 are the
	// fastest, 7 to 9 compress best, -1 means 6, and -2 is Huffman coding only.
	// Zero means 1. To send without compression, use
	// [Conn.EnableWriteCompression].
	Level int

	// Threshold is the minimum length in bytes of a message that is compressed.
	// Zero means 128 with context takeover and 512 without. With a negative
	// value all messages are compressed. Without context takeover, WriteMessage
	// does not send a message compressed that does not become shorter.
	// NextWriter compresses messages that do not fit into the write buffer
	// whatever their length is.
	Threshold int

	// Server and Client are the parameters to negotiate for the messages of each
	// side. A Dialer can ask the server for anything. An Upgrader can always
	// require that the client does without context takeover. It can limit the
	// client's window only if the client offers that.
	Server, Client CompressionSide

	// Required makes the handshake fail if the peer does not agree to Server
	// and Client. By default the connection is opened with what the peer agrees
	// to: larger windows, context takeover, or no compression at all. See
	// [Conn.Extensions].
	Required bool

	// FallBack makes a Dialer send a second request, without an offer of compression,
	// where the server may have refused the offer: with status 400, 500 or 501, or by
	// an answer that does not keep to it. It has no effect with Required, and none on
	// an Upgrader.
	FallBack bool
}

// A CompressionSide has the parameters for the messages of one side.
type CompressionSide struct {
	// NoContextTakeover compresses each message on its own.
	NoContextTakeover bool

	// WindowBits is the base-two logarithm of the window size in bytes, from 8
	// to 15. Zero means 15. The window is how far back a message can refer.
	// Peers that use zlib cannot compress with 8.
	WindowBits int
}

var (
	errCompressionLevel  = errors.New("websocket: invalid compression level")
	errCompressionWindow = errors.New("websocket: Compression.WindowBits is not from 8 to 15")
)

// noTakeover is the Compression that EnableCompression stands for.
var noTakeover = Compression{
	Server: CompressionSide{NoContextTakeover: true},
	Client: CompressionSide{NoContextTakeover: true},
}

// compressionWish returns the compression that an Upgrader or a Dialer is to
// negotiate, or nil for none.
func compressionWish(c *Compression, enabled bool) (*Compression, error) {
	if c == nil {
		if enabled {
			return &noTakeover, nil
		}
		return nil, nil
	}
	if _, err := compressionLevel(c.Level); err != nil {
		return nil, err
	}
	for _, side := range []CompressionSide{c.Server, c.Client} {
		if side.WindowBits != 0 && (side.WindowBits < deflate.MinWindowBits || side.WindowBits > deflate.MaxWindowBits) {
			return nil, errCompressionWindow
		}
	}
	return c, nil
}

// fallsBack reports whether there is another try without the compression. c may be nil.
func (c *Compression) fallsBack() bool { return c != nil && c.FallBack && !c.Required }

// params returns the parameters to negotiate.
func (c *Compression) params() deflate.Params {
	return deflate.Params{Server: deflate.Side(c.Server), Client: deflate.Side(c.Client)}
}

// compressionLevel returns the codec's level for one of compress/flate's.
func compressionLevel(level int) (deflate.Level, error) {
	switch {
	case level < -2 || level > 9:
		return 0, errCompressionLevel
	case level == -2:
		return deflate.HuffmanOnly, nil
	case level >= 7:
		return deflate.Ratio, nil
	case level >= 4 || level == -1: // which is 6
		return deflate.Balance, nil
	}
	return deflate.Speed, nil
}

// threshold returns the length from which on messages are compressed by one
// side.
func (c *Compression) threshold(side deflate.Side) int {
	switch {
	case c.Threshold < 0:
		return 0
	case c.Threshold > 0:
		return c.Threshold
	case side.NoContextTakeover:
		return 512
	}
	return 128
}

// An agreement is what permessage-deflate was negotiated to.
type agreement struct {
	wish       *Compression // nil if there is no compression
	params     deflate.Params
	extensions string // as the server's answer has it
}
