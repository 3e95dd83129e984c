package websocket

import (
	"io"
	"time"
)

// A BufferPool lends buffers for writing. [sync.Pool] is one.
type BufferPool interface {
	// Get returns a value that was Put, or nil.
	Get() any

	// Put takes a value back.
	Put(any)
}

// A connConfig is what the Upgrader and the Dialer say of a new connection.
type connConfig struct {
	client      bool
	zeroKey     bool // the masking key of all frames is zero
	subprotocol string
	url         string
	readLimit   int64 // as in Upgrader.ReadLimit

	sendQueueLimit   int64 // as in Upgrader.SendQueueLimit
	writeImmediately bool
	writeTimeout     time.Duration

	readBufferSize, writeBufferSize int
	writeBufferPool                 BufferPool
	agreement                       agreement // on compression

	early []byte    // what came before the stream was handed over
	head  io.Reader // the same, with the stream behind it: see Dialer.handOver
}
