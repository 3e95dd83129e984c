package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// faultKinds are the ways in which a call can fail.
var faultKinds = map[string]wstest.Fault{
	"error":              {Err: errors.New("no connection")},
	"error once":         {Err: errors.New("no connection"), Once: true},
	"short, then error":  {Err: io.ErrShortWrite, Short: true},
	"reset":              {Err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
	"end":                {Err: io.EOF},
	"timeout":            {Err: os.ErrDeadlineExceeded},
	"timeout once":       {Err: os.ErrDeadlineExceeded, Once: true},
	"short, one timeout": {Err: os.ErrDeadlineExceeded, Short: true, Once: true},
}

// TestEveryCallFailsOnce runs a session once for each call of Read and Write in it, and
// has another one of them fail each time. The session has messages of all kinds in both
// directions and the closing handshake. Every error has to be a documented one, the
// peer has to receive the messages that were reported as sent and no others, and no
// resource may be left in use.
func TestEveryCallFailsOnce(t *testing.T) {
	for name, fault := range faultKinds {
		for _, fault.Write = range []bool{false, true} {
			for _, s := range []faultSession{{}, {client: true}, {socket: true}, {client: true, socket: true, peerCloses: true}, {peerCloses: true}} {
				t.Run(fmt.Sprintf("%s/write=%v/client=%v,socket=%v,asked=%v", name, fault.Write, s.client, s.socket, s.peerCloses), func(t *testing.T) {
					for s.fault = fault; ; s.fault.At++ {
						synctest.Test(t, func(t *testing.T) { s.run(t) })
						if t.Failed() || s.fault.At > 0 && !s.fired {
							break
						}
					}
					require.Greater(t, s.fault.At, int32(6), "there are calls that can fail")
				})
			}
		}
	}
}

// A faultSession is a session of a connection with one fault, or none if fault.At is
// zero.
type faultSession struct {
	client     bool // the role of the connection with the fault
	socket     bool // its transport counts as a socket: a write that timed out can be repeated
	peerCloses bool // the other side begins the closing handshake
	fault      wstest.Fault
	fired      bool

	t                 *testing.T
	c                 *Conn
	pool              *countingPool
	sent, received    []message
	writeErr, readErr error // the first errors that were an end
}

var faultTexts = []string{"hello", testPayload(3000), testPayload(9000), "bye"}

// run runs the session.
func (s *faultSession) run(t *testing.T) {
	if s.fault.At == 0 { // without a fault there may be no error
		s.fault.At, s.fired = 1<<30, true
		defer func() { s.fault.At = 0 }()
		defer func() { require.NoError(t, s.writeErr) }()
	}
	a, b := wstest.Pipe(0, wstest.Random(3))
	faulty := wstest.NewFaulty(a, s.fault)
	compression := agreements()["bits=15,noTakeover=false"]
	s.t, s.pool, s.sent, s.received, s.writeErr, s.readErr = t, &countingPool{}, nil, nil, nil, nil
	s.c = newConn(faulty, connConfig{client: s.client, agreement: compression, writeBufferPool: s.pool, readBufferSize: minBuffer, writeBufferSize: 1000})
	s.c.transport.socket = s.socket
	other := newConn(b, connConfig{client: !s.client, agreement: compression})

	for _, text := range faultTexts {
		require.NoError(t, other.WriteControl(PingMessage, []byte("ping"), time.Time{}))
		require.NoError(t, other.WriteMessage(TextMessage, []byte(text)))
	}
	arrived := make(chan []message)
	go func() { arrived <- s.receiveAll(other) }()
	s.writeMessages()
	if s.peerCloses {
		other.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, ""))
	} else {
		s.writeClose()
	}
	s.readAll()
	s.checkEnd()
	assert.Equal(t, s.sent, <-arrived, "%+v: what was reported as sent has arrived, and no more", s.fault)
	if s.fired = faulty.Fired(); !s.fired {
		assert.Equal(t, &CloseError{Code: CloseGoingAway}, s.readErr)
		assert.Len(t, s.received, len(faultTexts))
		assert.Len(t, s.sent, 2*len(faultTexts))
	}
}

// receiveAll reads the messages of the other connection. A stream that ends early is
// no violation of the protocol.
func (s *faultSession) receiveAll(other *Conn) (all []message) {
	for {
		kind, data, err := other.ReadMessage()
		if err == nil {
			all = append(all, message{kind, string(data)})
			continue
		}
		_, violated := errors.AsType[*ProtocolError](err)
		assert.False(s.t, violated, "%+v: %v", s.fault, err)
		other.Close()
		return all
	}
}

// writeMessages sends messages in all ways.
func (s *faultSession) writeMessages() {
	for i, text := range faultTexts {
		if s.checkWriteError(s.c.WriteMessage(BinaryMessage, []byte(text))) {
			s.sent = append(s.sent, message{BinaryMessage, text})
		}
		s.checkWriteError(s.c.WriteControl(PingMessage, []byte("ping"), time.Time{}))
		s.c.EnableWriteCompression(i%2 == 0)
		w, err := s.c.NextWriter(TextMessage)
		if !s.checkWriteError(err) {
			continue
		}
		if s.stream(w, text) {
			s.sent = append(s.sent, message{TextMessage, text})
		}
	}
}

// writeClose begins the closing handshake, and tries again after a timeout.
func (s *faultSession) writeClose() {
	for range 3 {
		if s.checkWriteError(s.c.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, ""))) {
			return
		}
	}
}

// stream writes text to w in pieces, and tries again after a timeout.
func (s *faultSession) stream(w io.WriteCloser, text string) bool {
	ok := true
	for tries := 0; text != "" && tries < 3; tries++ {
		n, err := io.WriteString(w, text[:min(700, len(text))])
		if text = text[n:]; err == nil {
			tries = 0
		} else if !s.checkWriteError(err) && s.writeErr != nil {
			ok = false
		}
	}
	for range 3 {
		if err := w.Close(); s.checkWriteError(err) {
			return ok && text == ""
		}
	}
	s.c.Close() // a message that cannot be ended ends the connection
	return false
}

// checkWriteError checks the error of a write.
func (s *faultSession) checkWriteError(err error) (ok bool) {
	switch {
	case err == nil:
		assert.NoError(s.t, s.writeErr, "%+v: nothing is written after the end", s.fault)
		return true
	case err == errWriterClosed:
	case !errors.Is(err, net.ErrClosed):
		assert.True(s.t, isTimeout(err) && s.socket, "%+v: %v", s.fault, err)
		assert.Equal(s.t, StateOpen, s.c.State(), "%+v: no byte was written", s.fault)
	case s.writeErr == nil:
		assert.True(s.t, !isTimeout(err) || s.c.State() == StateClosed, "%+v: a part of a frame ends the connection", s.fault)
		s.writeErr = err
		_, ok := err.(net.Error)
		assert.True(s.t, ok || err == ErrCloseSent, "%+v: %T", s.fault, err)
	default:
		assert.True(s.t, err == s.writeErr || s.c.State() == StateClosed, "%+v: the error stays: %v, %v", s.fault, s.writeErr, err)
	}
	return false
}

// readAll receives messages until the end, or until several timeouts.
func (s *faultSession) readAll() {
	for timeouts := 0; timeouts < 5; {
		s.c.SetReadDeadline(time.Now().Add(settleTime)) // the close frame may not have been sent
		kind, data, err := s.c.ReadMessage()
		switch {
		case err == nil:
			s.received = append(s.received, message{kind, string(data)})
			continue
		case !errors.Is(err, net.ErrClosed):
			assert.True(s.t, isTimeout(err), "%+v: %v", s.fault, err)
			timeouts++
			continue
		}
		s.readErr = err
		_, closed := errors.AsType[*CloseError](err)
		_, network := err.(net.Error)
		assert.True(s.t, closed || network, "%+v: %T", s.fault, err)
		_, _, again := s.c.ReadMessage()
		assert.Equal(s.t, err, again, "the error stays")
		break
	}
	for i, m := range s.received {
		assert.Equal(s.t, message{TextMessage, faultTexts[i]}, m, "%+v", s.fault)
	}
	if s.fault.Once && isTimeout(s.fault.Err) && !s.fault.Write {
		assert.Len(s.t, s.received, len(faultTexts), "%+v: a timeout loses nothing", s.fault)
	}
}

// checkEnd closes the connection and checks that no resource is in use.
func (s *faultSession) checkEnd() {
	if lost, ok := errors.AsType[*lostError](s.readErr); ok {
		assert.Equal(s.t, StateClosed, s.c.State(), "%+v: %v", s.fault, lost)
	}
	s.c.Close()
	assert.Equal(s.t, StateClosed, s.c.State())
	assert.ErrorIs(s.t, s.c.WriteMessage(TextMessage, nil), net.ErrClosed)
	s.c.NextWriter(TextMessage) // closes the one before
	assert.Zero(s.t, s.pool.inUse.Load(), "%+v: all buffers were put back", s.fault)
}
