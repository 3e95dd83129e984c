package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// An abnormalEnd ends a connection while a read is under way.
type abnormalEnd struct {
	name    string
	options options
	end     func(c *websocket.Conn, p *rawPeer)
	want    error // what reads return matches it
	lost    bool  // and IsCloseError(err, 1006) holds
}

var abnormalEnds = []abnormalEnd{
	{"Close", options{}, func(c *websocket.Conn, _ *rawPeer) { c.Close() }, net.ErrClosed, false},
	{"Shutdown whose context ends", options{}, func(c *websocket.Conn, _ *rawPeer) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		c.Shutdown(ctx, websocket.CloseNormalClosure, "")
	}, net.ErrClosed, false},
	{"KeepAlive", options{keepAlive: websocket.KeepAlive{Interval: time.Millisecond, Timeout: time.Millisecond}},
		func(*websocket.Conn, *rawPeer) {}, websocket.ErrKeepAlive, true},
	{"WriteTimeout", options{buffer: 32 << 10, timeout: time.Millisecond}, func(c *websocket.Conn, _ *rawPeer) {
		for c.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20)) == nil {
		}
	}, websocket.ErrSlowPeer, true},
	{"EOF", options{}, func(_ *websocket.Conn, p *rawPeer) { p.socket.Close() }, io.ErrUnexpectedEOF, true},
}

// TestEndsAgree checks that after a read has returned the error that ended the
// connection, everything that tells of the end says the same, whoever ended it.
func TestEndsAgree(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for _, end := range abnormalEnds {
		t.Run(end.name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				for range rounds {
					c, p := r.connect(t, end.options)
					read := async(func() error {
						_, _, err := c.ReadMessage()
						return errors.Join(err, agreement(c, err, end))
					})
					ended := async(func() error { end.end(c, p); return nil })
					err := wait(t, read, "the read")
					require.ErrorIs(t, err, end.want)
					require.NotErrorIs(t, err, errDisagreement)
					wait(t, ended, "the end")
					c.Close()
					p.socket.Close()
				}
			}, tcpRoutes, tlsRoutes, http2Routes)
		})
	}
}

var errDisagreement = errors.New("the end is told in different ways")

// agreement compares an error of a read with what else tells of the end.
func agreement(c *websocket.Conn, err error, end abnormalEnd) error {
	done := false
	select {
	case <-c.Done():
		done = true
	default:
	}
	info := c.CloseInfo()
	_, _, again := c.ReadMessage()
	switch {
	case !done, c.State() != websocket.StateClosed, c.Context().Err() == nil,
		info != (websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}),
		websocket.IsCloseError(err, websocket.CloseAbnormalClosure) != end.lost && !isCut(err, end),
		!errors.Is(err, net.ErrClosed), !errors.Is(again, err), context.Cause(c.Context()) != err:
		return fmt.Errorf("%w: done %v, %v, %+v, %v, then %v, cause %v", errDisagreement,
			done, c.State(), info, err, again, context.Cause(c.Context()))
	}
	return nil
}

// isCut reports whether the context of Shutdown has ended while it wrote the close frame:
// what is no plain socket does not tell how much of it was written.
func isCut(err error, end abnormalEnd) bool {
	return end.name == "Shutdown whose context ends" && strings.Contains(err.Error(), "in the middle of a frame")
}

// TestCloseEventAgrees checks that the Close event has the CloseInfo of the
// connection when another goroutine has ended it.
func TestCloseEventAgrees(t *testing.T) {
	for _, end := range abnormalEnds {
		t.Run(end.name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				for range 5 {
					c, p := r.connect(t, end.options)
					var told []websocket.CloseInfo
					served := async(func() error {
						return c.Serve(websocket.Events{Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
							told = append(told, info)
						}})
					})
					ended := async(func() error { end.end(c, p); return nil })
					require.ErrorIs(t, wait(t, served, "Serve"), end.want)
					require.Equal(t, []websocket.CloseInfo{{Code: websocket.CloseAbnormalClosure}}, told)
					wait(t, ended, "the end")
				}
			}, tcpRoutes, tlsRoutes, http2Routes)
		})
	}
}

// TestOwnCloseFrameAfterTheHandler checks that the transport is closed when the
// application answers a close frame later than in its close handler.
func TestOwnCloseFrameAfterTheHandler(t *testing.T) {
	eachRoute(t, func(t *testing.T, r route) {
		c, p := r.connect(t, options{})
		c.SetCloseHandler(func(int, string) error { return nil })
		p.send(p.closeFrame(1001))
		_, _, err := c.ReadMessage()
		require.Equal(t, &websocket.CloseError{Code: 1001}, err)
		require.Equal(t, websocket.StateClosing, c.State(), "the application has not sent its close frame")
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("a last message")))
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "")))
		<-c.Done()
		require.Equal(t, websocket.CloseInfo{Code: 1001, WasClean: true}, c.CloseInfo())
		got := p.receive(0)
		require.Equal(t, []string{digest("a last message")}, got.messages)
		require.Equal(t, 4000, got.code)
		p.expectEOF()
	})
}

// TestErrUnexpectedEOF checks that every end without a close frame matches
// io.ErrUnexpectedEOF and is a CloseError with code 1006.
func TestErrUnexpectedEOF(t *testing.T) {
	for name, frame := range map[string]func(p *rawPeer) []byte{
		"between frames":   func(p *rawPeer) []byte { return p.frame(finText, "whole") },
		"in a header":      func(p *rawPeer) []byte { return p.frame(finText, "cut")[:1] },
		"in a length":      func(p *rawPeer) []byte { return p.frame(finText, longMessage("", 1000))[:3] },
		"in a payload":     func(p *rawPeer) []byte { b := p.frame(finText, "cut"); return b[:len(b)-1] },
		"in a ping":        func(p *rawPeer) []byte { b := p.frame(finPing, "cut"); return b[:len(b)-1] },
		"between messages": func(p *rawPeer) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				c, p := r.connect(t, options{})
				if b := frame(p); len(b) > 0 {
					p.send(b)
				}
				p.socket.(interface{ CloseWrite() error }).CloseWrite() // under TLS without an alert
				var err error
				for err == nil {
					_, _, err = c.ReadMessage()
				}
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure))
				require.ErrorIs(t, err, net.ErrClosed)
			})
		})
	}
}
