package websocket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/stretchr/testify/assert"
)

// stressActions are what goroutines do with a connection at random, any number
// of them at the same time. n counts those of a goroutine.
var stressActions = []struct {
	name string
	do   func(s *stressConn, r *rand.Rand, n int) error
}{
	{"WriteMessage", func(s *stressConn, r *rand.Rand, n int) error {
		return s.sent.add("m", r, n, s.c.WriteMessage(TextMessage, stressMessage(r, "m", n)))
	}},
	{"WriteMessageContext", func(s *stressConn, r *rand.Rand, n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), s.writeLimit(r))
		defer cancel()
		return s.sent.add("c", r, n, s.c.WriteMessageContext(ctx, BinaryMessage, stressMessage(r, "c", n)))
	}},
	{"WritePreparedMessage", func(s *stressConn, r *rand.Rand, n int) error { return s.c.WritePreparedMessage(s.prepared) }},
	{"WriteControl", func(s *stressConn, r *rand.Rand, n int) error {
		return s.c.WriteControl(PingMessage+r.IntN(2), []byte("control"), time.Now().Add(s.writeLimit(r)))
	}},
	{"Send", func(s *stressConn, r *rand.Rand, n int) error {
		if err := s.c.Send(TextMessage, stressMessage(r, "q", n)); err != ErrSendQueueFull {
			return err
		}
		return nil
	}},
	{"Ping", func(s *stressConn, r *rand.Rand, n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), s.writeLimit(r))
		defer cancel()
		_, err := s.c.Ping(ctx)
		return err
	}},
	{"Broadcast", func(s *stressConn, r *rand.Rand, n int) error { s.group.Broadcast(s.prepared); return nil }},
	{"WriteJSON", func(s *stressConn, r *rand.Rand, n int) error { return s.c.WriteJSON(n) }},
	{"SetReadDeadline", func(s *stressConn, r *rand.Rand, n int) error {
		if s.started { // it would be the end
			return s.c.SetReadDeadline(time.Now().Add(time.Hour))
		}
		return s.c.SetReadDeadline(time.Now().Add(stressPause(r) - time.Millisecond))
	}},
	{"no deadline", func(s *stressConn, r *rand.Rand, n int) error {
		return errors.Join(s.c.SetReadDeadline(time.Time{}), s.c.SetWriteDeadline(time.Time{}))
	}},
	{"SetWriteDeadline", func(s *stressConn, r *rand.Rand, n int) error {
		return s.c.SetWriteDeadline(time.Now().Add(s.writeLimit(r) + s.duration/10))
	}},
	{"settings", func(s *stressConn, r *rand.Rand, n int) error {
		s.c.EnableWriteCompression(n%2 == 0)
		s.c.SetReadLimit(DefaultReadLimit + int64(n))
		return s.c.SetCompressionLevel(n%12 - 2)
	}},
	{"handlers", func(s *stressConn, r *rand.Rand, n int) error {
		s.c.SetPingHandler(s.c.PingHandler())
		s.c.SetPongHandler(nil)
		s.c.SetCloseHandler(nil)
		return nil
	}},
	{"accessors", func(s *stressConn, r *rand.Rand, n int) error {
		_ = fmt.Sprint(s.c.State(), s.c.URL(), s.c.Subprotocol(), s.c.Extensions(), s.c.RemoteAddr())
		return nil
	}},
	{"read", func(s *stressConn, r *rand.Rand, n int) error {
		if s.started {
			_, _, err := s.c.ReadMessage()
			assert.Error(s.t, err)
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), stressPause(r))
		defer cancel()
		_, data, err := s.c.ReadMessageContext(ctx)
		return s.theirsRead.addMessage(s.t, data, err)
	}},
}

// A stressEnd is a way in which a connection ends.
type stressEnd struct {
	name string
	end  func(s *stressConn)

	// clean is set for a closing handshake. All messages that were written
	// before it have to arrive.
	clean bool

	// theirs is set if the other connection begins it, so that all of its
	// messages have to arrive too.
	theirs bool
}

var stressEnds = []stressEnd{
	{name: "Close", end: func(s *stressConn) { s.c.Close() }},
	{name: "Close twice", end: func(s *stressConn) { go s.c.Close(); s.c.Close() }},
	{name: "Shutdown", clean: true, end: func(s *stressConn) {
		ctx, cancel := context.WithTimeout(context.Background(), stressTimeout)
		defer cancel()
		go s.c.Shutdown(ctx, CloseGoingAway, "")
		s.group.Shutdown(ctx, CloseGoingAway, "")
	}},
	{name: "peer's Close", end: func(s *stressConn) { s.other.Close() }},
	{name: "close frame", clean: true, end: func(s *stressConn) { s.writeClose(s.c) }},
	{name: "peer's close frame", clean: true, theirs: true, end: func(s *stressConn) { s.writeClose(s.other) }},
	{name: "both close frames", clean: true, end: func(s *stressConn) { go s.writeClose(s.other); s.writeClose(s.c) }},
	{name: "a violation", end: func(s *stressConn) { s.transport.Write([]byte("no frame, or hardly one")) }},
}

// stream writes a message in fragments.
func (s *stressConn) stream(r *rand.Rand, n int) error {
	w, err := s.c.NextWriter(TextMessage)
	if err != nil {
		return err
	}
	for rest := stressMessage(r, "s", n); len(rest) > 0; {
		written, err := w.Write(rest[:min(len(rest), 300)])
		if rest = rest[written:]; errors.Is(err, net.ErrClosed) {
			return err
		}
		time.Sleep(stressPause(r) / 10)
	}
	for {
		if err := w.Close(); err == nil || errors.Is(err, net.ErrClosed) {
			return s.sent.add("s", r, n, err)
		}
		time.Sleep(stressPause(r))
	}
}

// writeClose begins a closing handshake, and tries again after a timeout.
func (s *stressConn) writeClose(c *Conn) {
	for {
		err := c.WriteMessage(CloseMessage, FormatCloseMessage(CloseGoingAway, ""))
		if err == nil || errors.Is(err, net.ErrClosed) {
			return
		}
		assert.True(s.t, isTimeout(err), "%T %v", err, err)
	}
}
