// Package deflate implements permessage-deflate (RFC 7692) below the
// connection: the negotiation of its parameters, and DEFLATE (RFC 1951) made
// for messages. It takes bytes and values and returns bytes and values.
package deflate
