// Package deflate implements permessage-deflate (RFC 7692): the negotiation of
// its parameters, and a DEFLATE (RFC 1951) compressor and decompressor for
// messages. It does no I/O.
package deflate
