package websocket

import (
	"bytes"
	"sync"
)

// A startedReader receives the messages of a connection by Conn.Start. The Message
// function waits until read is called, so that nothing is received before that.
type startedReader struct {
	wanted   chan struct{}
	messages chan Message
	ended    chan struct{} // closed by the Close function
}

// startedReaders has those of the connections whose end has not come.
var startedReaders sync.Map

// readStarted reads a message of a connection that it starts if need be.
func readStarted(c *Conn) (int, []byte, error) {
	r := startedReaderOf(c)
	if r == nil {
		return -1, nil, c.closing.cause()
	}
	select {
	case r.wanted <- struct{}{}:
	case <-r.ended:
		return -1, nil, c.closing.cause()
	}
	select {
	case m := <-r.messages:
		return m.Type, m.Data, nil
	case <-r.ended:
		return -1, nil, c.closing.cause()
	}
}

// startedReaderOf returns the reader of a connection, nil if that has ended.
func startedReaderOf(c *Conn) *startedReader {
	if r, ok := startedReaders.Load(c); ok {
		return r.(*startedReader)
	}
	if c.closing.readError() != nil {
		return nil
	}
	r := &startedReader{make(chan struct{}), make(chan Message), make(chan struct{})}
	startedReaders.Store(c, r)
	await := func() {
		select {
		case <-r.wanted:
		case <-c.Done():
		}
	}
	err := c.Start(Events{
		ReuseData: true,
		Open:      func(*Conn) { await() },
		Message: func(_ *Conn, m Message) {
			m.Data = bytes.Clone(m.Data)
			if m.Data == nil {
				m.Data = []byte{}
			}
			select {
			case r.messages <- m:
				await()
			case <-c.Done():
			}
		},
		Close: func(*Conn, CloseInfo) {
			startedReaders.Delete(c)
			close(r.ended)
		},
	})
	if err != nil {
		panic(err)
	}
	return r
}
