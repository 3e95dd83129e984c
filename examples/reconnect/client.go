package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

const (
	// closeTimeout is how long the server has to answer our close frame.
	closeTimeout = 2 * time.Second

	// writeTimeout ends a connection whose server does not read.
	writeTimeout = 10 * time.Second
)

// A backOff computes the pauses between attempts. The first pause is a random time
// up to first. The bound doubles with each pause, up to limit. Pauses are random so
// that the clients of a server that has restarted do not all connect at once.
type backOff struct {
	first, limit time.Duration

	bound time.Duration // of the last pause, zero if there was none
}

// next returns the next pause.
func (b *backOff) next() time.Duration {
	b.bound = max(b.first, min(2*b.bound, b.limit))
	return 1 + rand.N(b.bound)
}

// reset makes the next pause the first one again.
func (b *backOff) reset() { b.bound = 0 }

// A client receives messages from a server over one connection after another.
type client struct {
	url     string
	dialer  websocket.Dialer
	backOff backOff

	// stable is how long a connection has to last before the pauses start from
	// first again.
	stable time.Duration

	// interval is the time between the messages that are sent. Zero means none.
	interval time.Duration
	sent     int // messages so far

	receive func(websocket.Message)
	logger  *log.Logger
	pause   func(ctx context.Context, d time.Duration) // replaced in tests
}

func newClient(url string, b backOff) *client {
	return &client{
		url: url,
		dialer: websocket.Dialer{
			Proxy:            http.ProxyFromEnvironment,
			HandshakeTimeout: 10 * time.Second,
			WriteTimeout:     writeTimeout,
			// Without this, the client does not notice when the network fails.
			KeepAlive: websocket.KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second},
		},
		backOff: b,
		stable:  b.limit,
		receive: func(websocket.Message) {},
		logger:  log.New(io.Discard, "", 0),
		pause:   pause,
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errFinished is the end of a connection that the server closed with code 1000.
var errFinished = errors.New("the server closed the connection normally")

// run receives messages until ctx ends or the server closes the connection with code
// 1000. It returns an error if the server refuses the handshake with a status for
// which it makes no sense to try again, and at once if the URL is malformed.
func (c *client) run(ctx context.Context) error {
	if err := checkURL(c.url); err != nil {
		return err
	}
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
		c.logger.Printf("%v; next attempt in %v", err, d.Round(time.Millisecond))
		c.pause(ctx, d)
	}
	return nil
}

// connection dials and receives messages until the connection ends, and returns why
// it ended.
func (c *client) connection(ctx context.Context) error {
	conn, response, err := c.dialer.DialContext(ctx, c.url, nil)
	if err != nil {
		if response != nil && isFinal(response.StatusCode) {
			return &refusedError{response.Status}
		}
		return err
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	defer conn.Close()
	c.logger.Printf("connected to %s", conn.URL())
	opened := time.Now()
	if c.interval > 0 {
		sending.Go(func() { c.sendNumbers(conn) })
	}
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
				conn.Shutdown(closing, websocket.CloseGoingAway, "")
				cancel()
			}
			c.connectionEnded(time.Since(opened))
			return err
		}
		c.receive(message)
	}
	c.connectionEnded(time.Since(opened))
	info := conn.CloseInfo()
	if info.Code == websocket.CloseNormalClosure {
		return errFinished
	}
	return fmt.Errorf("the server closed the connection with code %d %q", info.Code, info.Reason)
}

// connectionEnded resets the pauses if the connection has lasted long enough.
func (c *client) connectionEnded(duration time.Duration) {
	if duration >= c.stable {
		c.backOff.reset()
	}
}

// sendNumbers sends the next number after each interval, until the connection ends.
// What is sent when the connection is lost may not arrive: a program that must not
// lose messages keeps them until the server has acknowledged them.
func (c *client) sendNumbers(conn *websocket.Conn) {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.sent++
			conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "message %d", c.sent))
		case <-conn.Done():
			return
		}
	}
}

// checkURL reports what is wrong with a URL that cannot be dialed.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return err
	case !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme):
		return fmt.Errorf("URL %q does not start with ws:// or wss://", raw)
	case u.Hostname() == "":
		return fmt.Errorf("URL %q names no host", raw)
	}
	return nil
}

// A refusedError is the status of a refused handshake that should not be repeated.
type refusedError struct{ status string }

func (e *refusedError) Error() string { return "the server refused the handshake: " + e.status }

// isFinal reports whether a request with this status should not be repeated.
func isFinal(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status < 500
}
