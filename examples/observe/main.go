// Command observe shows what a server's connections do: log/slog writes a line for each
// event, and expvar publishes counters at /debug/vars, both by the hooks of a Trace.
//
//	go run ./examples/observe
package main

import (
	"context"
	"expvar"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/seed23105783/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	counters := newMetrics()
	expvar.Publish("websocket", counters.vars)
	// http.DefaultServeMux, which serves expvar's /debug/vars, is for the machine's
	// own network only.
	http.Handle("/ws", newHandler(slog.New(slog.NewJSONHandler(os.Stderr, nil)), counters))
	server := &http.Server{Addr: *addr, ReadHeaderTimeout: 5 * time.Second}
	fmt.Printf("observe: ws://%s/ws and http://%s/debug/vars\n", *addr, *addr)
	log.Fatal(server.ListenAndServe())
}

// newHandler returns an echo server that logs and counts.
func newHandler(logger *slog.Logger, m *metrics) http.Handler {
	upgrader := &websocket.Upgrader{
		// The pings of KeepAlive measure the round trip.
		KeepAlive:    websocket.KeepAlive{Interval: 30 * time.Second},
		WriteTimeout: 10 * time.Second,
		Group:        &m.group,
		Trace:        joinTraces(logTrace(logger), m.trace()),
	}
	return upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		for message, err := range conn.Messages(context.Background()) {
			if err != nil || conn.WriteMessage(message.Type, message.Data) != nil {
				return
			}
		}
	})
}

// logTrace logs the beginning and the end of connections, with the error that ended
// them, and the peers that do not read.
func logTrace(logger *slog.Logger) *websocket.Trace {
	return &websocket.Trace{
		HandshakeDone: func(_ *websocket.Conn, r *http.Request, err error) {
			if err != nil {
				logger.Warn("refused", "remote", r.RemoteAddr, "origin", r.Header.Get("Origin"), "error", err)
				return
			}
			logger.Info("connected", "remote", r.RemoteAddr, "path", r.URL.Path)
		},
		SlowPeer: func(c *websocket.Conn) { logger.Warn("the peer does not read", "remote", c.RemoteAddr()) },
		Closed: func(c *websocket.Conn, info websocket.CloseInfo) {
			logger.Info("closed", "remote", c.RemoteAddr(), "code", info.Code, "reason", info.Reason,
				"clean", info.WasClean, "cause", context.Cause(c.Context()))
		},
	}
}

// metrics are the counters of a server.
type metrics struct {
	group websocket.Group // for the gauges
	vars  *expvar.Map

	refused, framesRead, bytesRead, framesWritten, bytesWritten, slow expvar.Int

	roundTrip expvar.String // the last one
	closed    expvar.Map    // by code
}

func newMetrics() *metrics {
	m := &metrics{vars: new(expvar.Map)}
	m.vars.Set("open", expvar.Func(func() any { return m.group.Len() }))
	m.vars.Set("queued_bytes", expvar.Func(m.queued))
	m.vars.Set("refused", &m.refused)
	m.vars.Set("frames_read", &m.framesRead)
	m.vars.Set("bytes_read", &m.bytesRead)
	m.vars.Set("frames_written", &m.framesWritten)
	m.vars.Set("bytes_written", &m.bytesWritten)
	m.vars.Set("slow", &m.slow)
	m.vars.Set("round_trip", &m.roundTrip)
	m.vars.Set("closed", &m.closed)
	return m
}

// queued returns how many bytes of messages wait for peers that read too slowly.
func (m *metrics) queued() any {
	n := int64(0)
	for conn := range m.group.All() {
		n += conn.BufferedAmount()
	}
	return n
}

// trace counts. The hooks are called concurrently; an expvar.Int is safe for that.
func (m *metrics) trace() *websocket.Trace {
	return &websocket.Trace{
		HandshakeDone: func(_ *websocket.Conn, _ *http.Request, err error) {
			if err != nil {
				m.refused.Add(1)
			}
		},
		FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) {
			m.framesRead.Add(1)
			m.bytesRead.Add(f.Length)
		},
		FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
			m.framesWritten.Add(1)
			m.bytesWritten.Add(f.Length)
		},
		PongRead: func(_ *websocket.Conn, rtt time.Duration) { m.roundTrip.Set(rtt.String()) },
		SlowPeer: func(*websocket.Conn) { m.slow.Add(1) },
		Closed: func(_ *websocket.Conn, info websocket.CloseInfo) {
			m.closed.Add(strconv.Itoa(info.Code), 1)
		},
	}
}

// joinTraces returns hooks that call those of a, which has no frames and pongs, and
// those of b.
func joinTraces(a, b *websocket.Trace) *websocket.Trace {
	joined := *b
	joined.HandshakeDone = func(c *websocket.Conn, r *http.Request, err error) {
		a.HandshakeDone(c, r, err)
		b.HandshakeDone(c, r, err)
	}
	joined.SlowPeer = func(c *websocket.Conn) {
		a.SlowPeer(c)
		b.SlowPeer(c)
	}
	joined.Closed = func(c *websocket.Conn, info websocket.CloseInfo) {
		a.Closed(c, info)
		b.Closed(c, info)
	}
	return &joined
}
