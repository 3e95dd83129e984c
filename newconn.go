package websocket

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/seed23105783/websocket/internal/deadlines"
	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/httphead"
	"github.com/seed23105783/websocket/internal/mempipe"
)

// ConnOptions describe a connection to [NewConn]. The zero value is a server
// without a subprotocol and without compression.
type ConnOptions struct {
	// Client is set for the client's end, whose frames are masked.
	Client bool

	// Subprotocol is the subprotocol that was negotiated, "" for none. It is
	// what [Conn.Subprotocol] returns.
	Subprotocol string

	// Extensions is the value of Sec-WebSocket-Extensions in the server's
	// response, "" for none. The only extension that is known is
	// permessage-deflate (RFC 7692).
	Extensions string

	// Compression has the level and the threshold of compression if Extensions
	// has permessage-deflate. The default, nil, is the zero Compression.
	Compression *Compression

	// URL is what [Conn.URL] returns.
	URL string

	// Early has bytes of the stream that were read behind the handshake.
	Early []byte

	// Context is the parent of [Conn.Context]. The default, nil, is
	// context.Background().
	Context context.Context

	// ReadBufferSize and WriteBufferSize are the sizes of the I/O buffers in bytes, and
	// WriteBufferPool is a pool of write buffers, as in [Upgrader].
	ReadBufferSize, WriteBufferSize int
	WriteBufferPool                 BufferPool

	// ReadLimit is the maximum length of a received message in bytes, and
	// SendQueueLimit that of what [Conn.Send] queues, as in [Upgrader].
	ReadLimit, SendQueueLimit int64

	// WriteImmediately has WriteMessage write every message by itself, and
	// WriteTimeout limits how long the stream may take to accept one, as in
	// [Upgrader].
	WriteImmediately bool
	WriteTimeout     time.Duration

	// Group is a group that the connection joins. The default, nil, is none.
	Group *Group

	// KeepAlive closes the connection if its peer no longer responds. The zero value
	// does nothing.
	KeepAlive KeepAlive

	// Trace has functions that are called when something happens to the connection.
	// The default, nil, is none.
	Trace *Trace
}

var errOptionsExtensions = errors.New("websocket: ConnOptions.Extensions is not a valid permessage-deflate response")

// NewConn returns a connection over a stream on which the opening handshake was
// done by other means: another HTTP server, an SSH channel, a QUIC stream. The
// connection closes the stream.
//
// Deadlines, contexts and timeouts need the SetReadDeadline and SetWriteDeadline
// methods of a net.Conn. For a stream without them every read that has to wait
// costs a goroutine, and a write whose deadline passes ends the connection.
//
// If options are invalid NewConn returns an error and does not close the stream.
func NewConn(stream io.ReadWriteCloser, options ConnOptions) (*Conn, error) {
	agreed, err := options.agreement()
	if err != nil {
		return nil, err
	}
	c := newConn(withDeadlines(stream), connConfig{
		client:           options.Client,
		subprotocol:      options.Subprotocol,
		url:              options.URL,
		readLimit:        options.ReadLimit,
		sendQueueLimit:   options.SendQueueLimit,
		writeImmediately: options.WriteImmediately,
		writeTimeout:     options.WriteTimeout,
		readBufferSize:   options.ReadBufferSize,
		writeBufferSize:  options.WriteBufferSize,
		writeBufferPool:  options.WriteBufferPool,
		agreement:        agreed,
		early:            options.Early,
	})
	c.setContext(options.Context)
	c.startTrace(options.Trace)
	c.startKeepAlive(options.KeepAlive)
	if options.Group != nil {
		options.Group.Add(c)
	}
	return c, nil
}

// agreement returns what was agreed on compression.
func (o *ConnOptions) agreement() (agreement, error) {
	extensions, err := httphead.Extensions([]string{o.Extensions}, maxExtensions)
	if err != nil || len(extensions) > 1 {
		return agreement{}, errOptionsExtensions
	}
	if len(extensions) == 0 {
		return agreement{}, nil
	}
	params, ok := deflate.Agreed(extensions[0])
	if !ok {
		return agreement{}, errOptionsExtensions
	}
	wish := o.Compression
	if wish == nil {
		wish = &Compression{}
	}
	if wish, err = compressionWish(wish, false); err != nil {
		return agreement{}, err
	}
	return agreement{wish, params, o.Extensions}, nil
}

// withDeadlines returns the stream, with deadlines if it has none.
func withDeadlines(s io.ReadWriteCloser) stream {
	if s, ok := s.(stream); ok {
		return s
	}
	return deadlines.New(s)
}

// pipeBuffer is the number of bytes that each direction of a Pipe holds.
const pipeBuffer = 64 << 10

// Pipe returns two connections that are connected to each other in memory: a
// server's and a client's. Each direction holds up to 64 KiB that were not read.
// It is for tests, and works under testing/synctest.
func Pipe() (server, client *Conn) {
	a, b := mempipe.New(pipeBuffer, mempipe.Whole)
	return newConn(a, connConfig{url: "ws://pipe/"}), newConn(b, connConfig{client: true, url: "ws://pipe/"})
}
