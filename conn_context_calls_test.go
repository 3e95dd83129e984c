package websocket_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestReadsWithTheContextOfTheConnection return the error that ended it, and not
// that of the context, which ends at the same time.
func TestReadsWithTheContextOfTheConnection(t *testing.T) {
	for _, test := range endings {
		if test.want == errOfHandler || test.want == websocket.ErrSlowPeer {
			continue // one does not end the connection, the other takes a second
		}
		t.Run(test.name, func(t *testing.T) {
			eachContextRead(t, func(t *testing.T, v variant, read func(*websocket.Conn, context.Context) (string, error)) {
				t.Parallel()
				c, peer := v.connect(t, websocket.ConnOptions{})
				ended := make(chan error, 1)
				go func() {
					for {
						if _, err := read(c, c.Context()); err != nil {
							ended <- err
							return
						}
					}
				}()
				test.end(t, c, peer)
				require.Equal(t, test.want, withTestTimeout(t, "the end", ended))
				withTestTimeout(t, "the end of the context", c.Context().Done())
				_, err := read(c, c.Context())
				require.Equal(t, test.want, err)
			})
		})
	}
}

// TestWritesWithTheContextOfTheConnection match net.ErrClosed when it has ended:
// those that are stuck, those that wait and later ones.
func TestWritesWithTheContextOfTheConnection(t *testing.T) {
	eachContextWrite(t, func(t *testing.T, name string, write contextWrite) {
		writers := 10
		if name == "NextWriterContext" {
			writers = 1 // at a time
		}
		for _, client := range []bool{false, true} {
			for range 20 {
				synctest.Test(t, func(t *testing.T) {
					a, b := wstest.Pipe(1000, wstest.Whole)
					c, _ := variant{client: client}.connectOver(t, a, b, websocket.ConnOptions{})
					errs := make(chan error, writers)
					for range cap(errs) {
						go func() { errs <- write(c, c.Context(), `"`+longText+`"`) }()
					}
					synctest.Wait()
					c.Close()
					for range cap(errs) {
						require.ErrorIs(t, <-errs, net.ErrClosed)
					}
					require.ErrorIs(t, write(c, c.Context(), `""`), net.ErrClosed)
				})
			}
		}
		for range 20 { // over a socket
			v := variant{over: "TCP"}
			c, _ := v.connect(t, websocket.ConnOptions{})
			errs := make(chan error, 1)
			go func() {
				for {
					if err := write(c, c.Context(), `"`+longText+`"`); err != nil {
						errs <- err
						return
					}
				}
			}()
			c.Close()
			require.ErrorIs(t, withTestTimeout(t, "the write", errs), net.ErrClosed)
		}
	})
}

// TestPingWithTheContextOfTheConnection returns the error that ended it, too.
func TestPingWithTheContextOfTheConnection(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			server, client := websocket.Pipe()
			errs := make(chan error, 1)
			go func() { _, err := server.Ping(server.Context()); errs <- err }()
			synctest.Wait()
			server.Close()
			require.Equal(t, net.ErrClosed, <-errs)
			_, err := server.Ping(server.Context())
			require.ErrorIs(t, err, net.ErrClosed)
			client.Close()
		})
	}
}
