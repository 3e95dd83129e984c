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

// faults are the ways in which a call can fail.
var faults = map[string]wstest.Fault{
	"error":              {Err: errors.New("cable cut")},
	"error once":         {Err: errors.New("cable cut"), Once: true},
	"short, then error":  {Err: io.ErrShortWrite, Short: true},
	"reset":              {Err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
	"end":                {Err: io.EOF},
	"timeout":            {Err: os.ErrDeadlineExceeded},
	"timeout once":       {Err: os.ErrDeadlineExceeded, Once: true},
	"short, one timeout": {Err: os.ErrDeadlineExceeded, Short: true, Once: true},
}

// TestEveryCallFailsOnce goes through a session with messages of all kinds
// both ways and the closing handshake as often as there are calls of Read and
// Write in it, and has another one of them fail each time. Every error that
// comes of it is one of those that are documented, what was reported as sent
// has arrived and no more, and nothing is left.
func TestEveryCallFailsOnce(t *testing.T) {
	for name, fault := range faults {
		for _, fault.Write = range []bool{false, true} {
			for _, s := range []faultSession{{}, {client: true}, {socket: true}, {client: true, socket: true, asked: true}, {asked: true}} {
				t.Run(fmt.Sprintf("%s/write=%v/client=%v,socket=%v,asked=%v", name, fault.Write, s.client, s.socket, s.asked), func(t *testing.T) {
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

// A faultSession is a conversation with one fault in it, none if fault.At is
// zero.
type faultSession struct {
	client bool // the role of the connection with the fault
	socket bool // its transport is taken for a socket: a timed-out write can be repeated
	asked  bool // the other side begins the closing handshake
	fault  wstest.Fault
	fired  bool

	t          *testing.T
	c          *Conn
	pool       *countingPool
	sent, got  []message
	wErr, rErr error // the first errors that were an end
}

var faultTexts = []string{"hello", testPayload(3000), testPayload(9000), "bye"}

// run goes through the session.
func (s *faultSession) run(t *testing.T) {
	if s.fault.At == 0 { // and it has to go well
		s.fault.At, s.fired = 1<<30, true
		defer func() { s.fault.At = 0 }()
		defer func() { require.NoError(t, s.wErr) }()
	}
	a, b := wstest.Pipe(0, wstest.Random(3))
	faulty := wstest.NewFaulty(a, s.fault)
	compression := agreements()["bits=15,noTakeover=false"]
	s.t, s.pool, s.sent, s.got, s.wErr, s.rErr = t, &countingPool{}, nil, nil, nil, nil
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
	if s.asked {
		other.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, ""))
	} else {
		s.writeClose()
	}
	s.readAll()
	s.checkEnd()
	assert.Equal(t, s.sent, <-arrived, "%+v: what was reported as sent has arrived, and no more", s.fault)
	if s.fired = faulty.Fired(); !s.fired {
		assert.Equal(t, &CloseError{Code: CloseGoingAway}, s.rErr)
		assert.Len(t, s.got, len(faultTexts))
		assert.Len(t, s.sent, 2*len(faultTexts))
	}
}

// receiveAll is the other side's reader. What breaks off is no violation.
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

// talk sends messages in all ways.
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

// sayGoodbye begins the closing handshake, again where that timed out.
func (s *faultSession) writeClose() {
	for range 3 {
		if s.checkWriteError(s.c.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, ""))) {
			return
		}
	}
}

// stream writes text to w in pieces, again where a call timed out.
func (s *faultSession) stream(w io.WriteCloser, text string) bool {
	ok := true
	for tries := 0; text != "" && tries < 3; tries++ {
		n, err := io.WriteString(w, text[:min(700, len(text))])
		if text = text[n:]; err == nil {
			tries = 0
		} else if !s.checkWriteError(err) && s.wErr != nil {
			ok = false
		}
	}
	for range 3 {
		if err := w.Close(); s.checkWriteError(err) {
			return ok && text == ""
		}
	}
	s.c.Close() // who cannot end a message has to end the connection
	return false
}

// writeErr looks at what a write returned.
func (s *faultSession) checkWriteError(err error) (ok bool) {
	switch {
	case err == nil:
		assert.NoError(s.t, s.wErr, "%+v: nothing is written after the end", s.fault)
		return true
	case err == errWriterClosed:
	case !errors.Is(err, net.ErrClosed):
		assert.True(s.t, isTimeout(err) && s.socket, "%+v: %v", s.fault, err)
		assert.Equal(s.t, StateOpen, s.c.State(), "%+v: nothing was begun", s.fault)
	case s.wErr == nil:
		assert.True(s.t, !isTimeout(err) || s.c.State() == StateClosed, "%+v: half a frame is the end", s.fault)
		s.wErr = err
		_, ok := err.(net.Error)
		assert.True(s.t, ok || err == ErrCloseSent, "%+v: %T", s.fault, err)
	default:
		assert.True(s.t, err == s.wErr || s.c.State() == StateClosed, "%+v: the error stays: %v, %v", s.fault, s.wErr, err)
	}
	return false
}

// readAll receives messages until the end, or until a timeout seems to be one.
func (s *faultSession) readAll() {
	for timeouts := 0; timeouts < 5; {
		s.c.SetReadDeadline(time.Now().Add(settleTime)) // a close frame that did not get out is not answered
		kind, data, err := s.c.ReadMessage()
		switch {
		case err == nil:
			s.got = append(s.got, message{kind, string(data)})
			continue
		case !errors.Is(err, net.ErrClosed):
			assert.True(s.t, isTimeout(err), "%+v: %v", s.fault, err)
			timeouts++
			continue
		}
		s.rErr = err
		_, closed := errors.AsType[*CloseError](err)
		_, network := err.(net.Error)
		assert.True(s.t, closed || network, "%+v: %T", s.fault, err)
		_, _, again := s.c.ReadMessage()
		assert.Equal(s.t, err, again, "the error stays")
		break
	}
	for i, m := range s.got {
		assert.Equal(s.t, message{TextMessage, faultTexts[i]}, m, "%+v", s.fault)
	}
	if s.fault.Once && isTimeout(s.fault.Err) && !s.fault.Write {
		assert.Len(s.t, s.got, len(faultTexts), "%+v: a timeout loses nothing", s.fault)
	}
}

// end closes the connection and looks for what is left of it.
func (s *faultSession) checkEnd() {
	if lost, ok := errors.AsType[*lostError](s.rErr); ok {
		assert.Equal(s.t, StateClosed, s.c.State(), "%+v: %v", s.fault, lost)
	}
	s.c.Close()
	assert.Equal(s.t, StateClosed, s.c.State())
	assert.ErrorIs(s.t, s.c.WriteMessage(TextMessage, nil), net.ErrClosed)
	s.c.NextWriter(TextMessage) // closes the one before
	assert.Zero(s.t, s.pool.inUse.Load(), "%+v: buffers are given back", s.fault)
}
