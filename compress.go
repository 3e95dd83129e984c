package websocket

import (
	"compress/flate"
	"errors"
)

// permessage-deflate (RFC 7692) is not negotiated yet: what is set here has no
// effect on what is sent.

var errCompressionLevel = errors.New("websocket: invalid compression level")

// EnableWriteCompression says whether the messages to come are compressed,
// which they are only on a connection that negotiated compression.
func (c *Conn) EnableWriteCompression(enable bool) {}

// SetCompressionLevel sets the compression level of the messages to come: one
// of those of compress/flate, from HuffmanOnly to BestCompression. Any other
// is an error.
func (c *Conn) SetCompressionLevel(level int) error {
	if level < flate.HuffmanOnly || level > flate.BestCompression {
		return errCompressionLevel
	}
	return nil
}
