package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/seed23105783/websocket"
)

// closeTimeout is how long the server has to answer our close frame.
const closeTimeout = 2 * time.Second

// A backOff says how long to wait before another try: a random time of up to
// first, then of up to twice that, and so on to limit. Without chance all
// clients of a server that was restarted would come back at the same moment,
// again and again.
type backOff struct {
	first, limit time.Duration

	longest time.Duration // the bound of the last pause, zero for none
}

// next returns the next pause.
func (b *backOff) next() time.Duration {
	b.longest = max(b.first, min(2*b.longest, b.limit))
	return 1 + rand.N(b.longest)
}

// reset makes the next pause a first one again.
func (b *backOff) reset() { b.longest = 0 }

// A client keeps a connection to a server.
type client struct {
	url     string
	dialer  websocket.Dialer
	backOff backOff

	// stable is how long a connection has to live to count as a success. A
	// server that takes connections and drops them at once is not to be
	// bothered more often than one that takes none.
	stable time.Duration

	receive func(websocket.Message)
	logger  *log.Logger
	pause   func(ctx context.Context, d time.Duration) // until d is over or ctx ends
}

func newClient(url string, b backOff) *client {
	return &client{
		url: url,
		dialer: websocket.Dialer{
			Proxy:            http.ProxyFromEnvironment,
			HandshakeTimeout: 10 * time.Second,
			// Without this a server that vanishes is not noticed.
			KeepAlive: websocket.KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second},
		},
		backOff: b,
		stable:  b.limit,
		receive: func(websocket.Message) {},
		logger:  log.New(io.Discard, "", 0),
		pause:   pause,
	}
}

// pause waits until d is over or ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errFinished is the end of a connection that the server wanted to be the last.
var errFinished = errors.New("the server is done")

// run receives messages until ctx ends, the server closes the connection with
// code 1000, which says that there is nothing more to come, or it refuses the
// handshake for good.
func (c *client) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := c.connection(ctx)
		var refused *refusedError
		switch {
		case ctx.Err() != nil || err == errFinished:
			return nil
		case errors.As(err, &refused):
			return err
		}
		d := c.backOff.next()
		c.logger.Printf("%v; again in %v", err, d.Round(time.Millisecond))
		c.pause(ctx, d)
	}
	return nil
}

// connection dials and receives messages until the connection ends, and
// returns why it did.
func (c *client) connection(ctx context.Context) error {
	conn, response, err := c.dialer.DialContext(ctx, c.url, nil)
	if err != nil {
		if response != nil && isFinal(response.StatusCode) {
			return &refusedError{response.Status}
		}
		return err
	}
	defer conn.Close()
	c.logger.Printf("connected to %s", conn.URL())
	opened := time.Now()
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				leave(conn)
			}
			c.judge(time.Since(opened))
			return err
		}
		c.receive(message)
	}
	c.judge(time.Since(opened))
	info := conn.CloseInfo()
	if info.Code == websocket.CloseNormalClosure {
		return errFinished
	}
	return fmt.Errorf("the server closed the connection with code %d %q", info.Code, info.Reason)
}

// judge takes note of how long a connection lived.
func (c *client) judge(lived time.Duration) {
	if lived >= c.stable {
		c.backOff.reset()
	}
}

// leave ends a connection with a close frame each way.
func leave(conn *websocket.Conn) {
	deadline := time.Now().Add(closeTimeout)
	goodbye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
	if conn.WriteControl(websocket.CloseMessage, goodbye, deadline) != nil {
		return
	}
	conn.SetReadDeadline(deadline)
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

// A refusedError is an answer to the handshake that another try will not change.
type refusedError struct{ status string }

func (e *refusedError) Error() string { return "the server refuses the handshake: " + e.status }

// isFinal reports whether a status says that the request is wrong, and not that
// the server is busy.
func isFinal(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status < 500
}
