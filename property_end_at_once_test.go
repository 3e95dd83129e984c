package websocket_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// Ends by a close frame where the peer leaves its TCP connection open.

// readers read until there is an error, in one of the ways there are.
var readers = []struct {
	name string
	read func(c *websocket.Conn) error
}{
	{"ReadMessage", func(c *websocket.Conn) error {
		_, _, err := c.ReadMessage()
		return err
	}},
	{"AppendMessage", func(c *websocket.Conn) error {
		_, _, err := c.AppendMessage(make([]byte, 0, 100))
		return err
	}},
	{"ReadMessageContext", func(c *websocket.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _, err := c.ReadMessageContext(ctx)
		return err
	}},
	{"NextReader", func(c *websocket.Conn) error {
		_, _, err := c.NextReader()
		return err
	}},
	{"NextReader, Read", func(c *websocket.Conn) error {
		for {
			_, r, err := c.NextReader()
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err != nil {
				return err
			}
		}
	}},
	{"Serve", func(c *websocket.Conn) error {
		// Serve has no error to return after a normal end.
		if err := c.Serve(websocket.Events{}); err != nil {
			return err
		}
		_, _, err := c.ReadMessage()
		return err
	}},
	{"Start", startUntilEnd},
	{"Messages", func(c *websocket.Conn) error {
		for _, err := range c.Messages(context.Background()) {
			if err != nil {
				return err
			}
		}
		_, _, err := c.ReadMessage()
		return err
	}},
}

// closings are what a peer sends that ends a connection, what has been done
// before, and what reads return.
var closings = []struct {
	name   string
	before func(c *websocket.Conn) error
	send   func(p *rawPeer) []byte
	want   func(err error) bool
	code   int // of the close frame that the peer gets
}{
	{"close frame of the peer", nil, func(p *rawPeer) []byte { return p.closeFrame(1001) }, isCloseError(1001), 1001},
	{"answer of the peer", func(c *websocket.Conn) error {
		return c.WriteMessage(websocket.CloseMessage, normalClose)
	}, func(p *rawPeer) []byte { return p.closeFrame(1000) }, isCloseError(1000), 1000},
	{"violation", nil, func(p *rawPeer) []byte { return p.frame(0x83, "") }, isProtocolError, 1002},
	{"read limit", func(c *websocket.Conn) error {
		c.SetReadLimit(10)
		return nil
	}, func(p *rawPeer) []byte { return p.frame(finText, "more than 10") }, func(err error) bool {
		return err == websocket.ErrReadLimit
	}, 1009},
}

func isCloseError(code int) func(err error) bool {
	return func(err error) bool {
		e, ok := err.(*websocket.CloseError)
		return ok && e.Code == code
	}
}

func isProtocolError(err error) bool {
	_, ok := err.(*websocket.ProtocolError)
	return ok
}

// TestEndIsReturnedAtOnce: a read returns the end as soon as the close frame has
// been answered, and does not wait for the end of TCP.
func TestEndIsReturnedAtOnce(t *testing.T) {
	for _, end := range closings {
		for _, reader := range readers {
			t.Run(end.name+"/"+reader.name, func(t *testing.T) {
				together(t, overRoutes(func(t *testing.T, r route) {
					s := r.source(t, options{})
					fastest := time.Hour
					for range 3 { // the machine may be slow for a while
						c, p := s.connect()
						if end.before != nil {
							require.NoError(t, end.before(c))
						}
						p.send(end.send(p))
						start := time.Now()
						err := reader.read(c)
						fastest = min(fastest, time.Since(start))
						require.True(t, end.want(err), "%v", err)
						require.Equal(t, websocket.StateClosed, c.State())
						require.Equal(t, end.code, p.receive(0).code)
					}
					require.Less(t, fastest, 500*time.Millisecond)
				}))
			})
		}
	}
}

// TestNothingIsLeftAfterTheEnd: a few seconds after the end there is neither a
// goroutine nor a descriptor of the connection, although the peer keeps its own
// open, and although the application has called Close early.
func TestNothingIsLeftAfterTheEnd(t *testing.T) {
	websocket.NeedsSockets(t)
	for _, end := range closings {
		for _, closes := range []string{"", ", then Close"} {
			t.Run(end.name+closes, func(t *testing.T) {
				var conns []*websocket.Conn
				var peers []*rawPeer
				for _, routes := range [][]route{tcpRoutes, tlsRoutes, unixRoutes} {
					for _, r := range routes {
						s := r.source(t, options{})
						for range 3 {
							c, p := s.connect()
							conns, peers = append(conns, c), append(peers, p)
						}
					}
				}
				goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
				for i, c := range conns {
					if end.before != nil {
						require.NoError(t, end.before(c))
					}
					peers[i].send(end.send(peers[i]))
					_, _, err := c.ReadMessage()
					require.True(t, end.want(err), "%v", err)
					if closes != "" {
						require.NoError(t, c.Close())
					}
				}
				within(t, 30*time.Second, "the end of all", func() {
					wstest.Settle(t, "sockets", func() bool {
						for _, c := range conns {
							if !isClosed(socketOf(c)) {
								return false
							}
						}
						return true
					})
					wstest.Settle(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
					wstest.Settle(t, "descriptors", func() bool { return countDescriptors(t) <= max(0, descriptors-len(conns)) })
				})
			})
		}
	}
}

// isClosed reports whether a socket has been closed on this side. For an HTTP/2 stream,
// which has none, it returns true.
func isClosed(conn net.Conn) bool {
	if conn == nil {
		return true
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	return err != nil || raw.Control(func(uintptr) {}) != nil
}

// countDescriptors returns how many descriptors the process has, or 0 where the
// system does not say.
func countDescriptors(t *testing.T) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// TestLastFrameWithUnreadData: a peer that goes on sending, and reads late, gets
// to read the close frame. It would not if the socket were closed with unread
// data in it, which resets the connection.
func TestLastFrameWithUnreadData(t *testing.T) {
	var tests []subtest
	for _, end := range closings {
		for _, closes := range []string{"", ", then Close"} {
			for _, test := range overRoutes(func(t *testing.T, r route) {
				c, p := r.connect(t, options{})
				if end.before != nil {
					require.NoError(t, end.before(c))
				}
				junk := bytes.Repeat(p.frame(finBinary, longMessage("junk", 10_000)), 10)
				p.send(end.send(p), junk)
				_, _, err := c.ReadMessage()
				ended := time.Now()
				require.True(t, end.want(err), "%v", err)
				if closes != "" {
					require.NoError(t, c.Close())
				}
				for range 5 {
					time.Sleep(20 * time.Millisecond)
					p.SetWriteDeadline(time.Now().Add(20 * time.Second))
					_, err := p.Write(junk)
					tooLate := time.Since(ended) > 500*time.Millisecond // of the second that the peer gets
					// The stream of HTTP/2 may have ended: that resets nothing else.
					require.True(t, err == nil || r.http2 || tooLate, "%v", err)
				}
				got := p.receive(0)
				if got.code != end.code && time.Since(ended) > 500*time.Millisecond {
					return // a busy machine: the socket may have been closed before it was read
				}
				require.Equal(t, end.code, got.code, "%v", got.err)
			}) {
				tests = append(tests, subtest{end.name + closes + "/" + test.name, test.run})
			}
		}
	}
	together(t, tests)
}
