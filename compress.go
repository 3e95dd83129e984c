package websocket

import (
	"errors"

	"github.com/seed23105783/websocket/internal/deflate"
)

// Compression says how messages are compressed where the peer agrees to it:
// permessage-deflate, RFC 7692. The zero value is ready to use.
//
// With context takeover a message may refer to those before it, which makes
// streams of similar messages several times smaller. It costs memory for the
// life of the connection: for what is sent up to twice the size of the window,
// five times from level 4 on, and for what is received the window. Below 4 KiB
// the share is larger, and the memory some 2 KiB at most.
type Compression struct {
	// Level is how much time is spent on a better ratio, as in compress/flate:
	// 1 to 3 are for speed, 4 to 6 in between, 7 to 9 for ratio, -1 is 6, and -2
	// does without matches. Zero, the default, is 1 and not NoCompression: for
	// that there is [Conn.EnableWriteCompression].
	Level int

	// Threshold is the length in bytes from which on messages are compressed.
	// Zero is the default: 128 with context takeover and 512 without. A
	// negative value compresses them all. Without context takeover, WriteMessage
	// sends what would not become shorter as it is. For NextWriter a message
	// that does not fit into its buffer is long enough.
	Threshold int

	// Server and Client are the wishes for what each of the two sends. A
	// client may ask the server for anything; a server can always have a client
	// do without takeover, and limit its window if the client offers it.
	Server, Client CompressionSide
}

// A CompressionSide is how one side of a connection compresses.
type CompressionSide struct {
	// NoContextTakeover compresses each message on its own.
	NoContextTakeover bool

	// WindowBits is the size of the window, how far back a message may refer:
	// 2 to the power of 8 to 15 bytes. Zero is 15. Peers that use zlib cannot
	// compress with 8, and some refuse the handshake when they are asked to.
	WindowBits int
}

var (
	errCompressionLevel  = errors.New("websocket: invalid compression level")
	errCompressionWindow = errors.New("websocket: Compression.WindowBits is not from 8 to 15")
)

// noTakeover is what EnableCompression stands for.
var noTakeover = Compression{
	Server: CompressionSide{NoContextTakeover: true},
	Client: CompressionSide{NoContextTakeover: true},
}

// compressionWish returns what an Upgrader or Dialer wishes for, nil if it
// does not want compression.
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

// params returns the wishes as the negotiation wants them.
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
