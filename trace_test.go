package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func withTrace(c *Conn, hooks *Trace) *Conn {
	c.startTrace(hooks)
	return c
}

// A traceLog records the calls of the hooks of its Trace.
type traceLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *traceLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last call.
func (l *traceLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

func (l *traceLog) trace() *Trace {
	return &Trace{
		HandshakeDone: func(c *Conn, _ *http.Request, err error) { l.add("handshake %v %v", c != nil, err) },
		FrameRead:     func(_ *Conn, f FrameInfo) { l.add("read %v", f) },
		FrameWritten:  func(_ *Conn, f FrameInfo) { l.add("wrote %v", f) },
		PongRead:      func(_ *Conn, rtt time.Duration) { l.add("pong %v", rtt) },
		Closed:        func(_ *Conn, info CloseInfo) { l.add("closed %v", info) },
	}
}

func TestTraceOfFrames(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		var l traceLog
		a, b := wstest.Pipe(0, m.chunking())
		c := withTrace(newConn(a, connConfig{client: m.client, readBufferSize: m.buffer, writeBufferSize: m.buffer}), l.trace())
		defer b.Close()
		p := &peer{t: t, conn: b, masked: !m.client}

		p.send(p.text("hello"), p.frame(false, opBinary, ""), p.frame(true, opPing, "x"), p.frame(true, opContinuation, longText))
		for range 2 {
			_, _, err := c.ReadMessage()
			require.NoError(t, err)
		}
		require.Equal(t, []string{"read {1 5 true false}", "read {2 0 false false}", "read {9 1 true false}", "wrote {10 1 true false}", "read {0 80000 true false}"}, l.take())

		c.WriteMessage(TextMessage, []byte("hello"))
		c.WriteMessage(BinaryMessage, []byte(longText))
		pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
		require.NoError(t, err)
		c.WritePreparedMessage(pm)
		w, err := c.NextWriter(BinaryMessage)
		require.NoError(t, err)
		room := len(c.write.fragments.room())
		w.Write([]byte(longText[:room]))
		w.Write([]byte("rest"))
		w.Close()
		require.Equal(t, []string{"wrote {1 5 true false}", "wrote {2 80000 true false}", "wrote {1 8 true false}",
			fmt.Sprintf("wrote {2 %d false false}", room), "wrote {0 4 true false}"}, l.take())

		p.expect(true, opPong, "x")
		p.expect(true, opText, "hello")
		p.expect(true, opBinary, longText)
		p.expect(true, opText, "prepared")
		p.expect(false, opBinary, longText[:room])
		p.expect(true, opContinuation, "rest")
		ended := readUntilError(c)
		go func() {
			payload := p.expectPing()
			time.Sleep(time.Second)
			p.send(p.pong(payload), p.pong(payload))
			p.expectCloseThenClose(1000)
			p.send(p.close(1000, "bye"))
		}()
		_, err = c.Ping(t.Context())
		require.NoError(t, err)
		<-ended
		require.Equal(t, []string{"wrote {9 16 true false}", "read {10 16 true false}", "pong 1s", "read {10 16 true false}",
			"read {8 5 true false}", "wrote {8 2 true false}", "closed {1000 bye true}"}, l.take())
		synctest.Wait()
		c.Close()
		require.Error(t, c.WriteMessage(TextMessage, nil))
		require.Empty(t, l.take(), "Closed is called once, and nothing is written after it")
	})
}

// TestTraceOfQueuedFrames checks the calls for frames that are written together.
func TestTraceOfQueuedFrames(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		var l traceLog
		a, b := wstest.Pipe(0, m.chunking())
		c := withTrace(newConn(a, connConfig{client: m.client}), l.trace())
		defer b.Close()
		defer c.Close()
		p := &peer{t: t, conn: b, masked: !m.client}
		for _, s := range []string{"a", "bc", ""} {
			require.NoError(t, c.Send(TextMessage, []byte(s)))
		}
		p.expect(true, opText, "a")
		p.expect(true, opText, "bc")
		p.expect(true, opText, "")
		synctest.Wait()
		require.Equal(t, []string{"wrote {1 1 true false}", "wrote {1 2 true false}", "wrote {1 0 true false}"}, l.take())
	})
}

// TestTraceOfHandshakes checks the calls for handshakes and for compressed frames, with
// an Upgrader and a Dialer.
func TestTraceOfHandshakes(t *testing.T) {
	var servers, clients traceLog
	upgrader := Upgrader{Trace: servers.trace(), Compression: &Compression{Threshold: 1}}
	done := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { done <- struct{}{} }()
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		for message, err := range conn.Messages(context.Background()) {
			if err == nil {
				conn.WriteMessage(message.Type, message.Data)
			}
		}
	}))
	defer server.Close()
	dialer := Dialer{Trace: clients.trace(), Compression: &Compression{Threshold: 1}}
	c, _, err := dialer.Dial(server.URL, nil)
	require.NoError(t, err)
	data := bytes.Repeat([]byte("x"), 1000)
	require.NoError(t, c.WriteMessage(TextMessage, data))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(CloseMessage, nil))
	c.ReadMessage()
	<-done
	lines := servers.take()
	require.Len(t, lines, 6)
	require.Equal(t, "handshake true <nil>", lines[0])
	var length int
	fmt.Sscanf(lines[1], "read {1 %d", &length)
	require.Less(t, length, 100)
	require.Equal(t, []string{fmt.Sprintf("read {1 %d true true}", length), fmt.Sprintf("wrote {1 %d true true}", length),
		"read {8 0 true false}", "wrote {8 0 true false}", "closed {1005  true}"}, lines[1:])
	require.Len(t, clients.take(), 6)

	_, _, err = dialer.Dial(server.URL, http.Header{"Origin": {"http://elsewhere.example"}})
	require.Error(t, err)
	<-done
	lines = servers.take()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], "handshake false websocket: the origin ")
	require.Equal(t, []string{"handshake false " + err.Error()}, clients.take())

	dialer.Proxy = func(*http.Request) (*url.URL, error) { panic("panic in a callback") }
	require.Panics(t, func() { dialer.Dial(server.URL, nil) })
	require.Empty(t, clients.take())
}

func TestTraceWithoutHooks(t *testing.T) {
	a, b := wstest.Pipe(0, wstest.Whole)
	defer b.Close()
	c := withTrace(newConn(a, connConfig{}), new(Trace))
	p := &peer{t: t, conn: b, masked: true}
	p.send(p.text("hello"), p.frame(true, opPing, "x"))
	readUntilError(c)
	p.expect(true, opPong, "x")
	go func() { p.send(p.pong(p.expectPing())) }()
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	c.Close()
	new(Trace).handshakeDone(nil, nil, errors.New("x"))
}

// BenchmarkTrace reads and writes short messages on a stream in memory.
func BenchmarkTrace(b *testing.B) {
	frames := 0
	for name, trace := range map[string]*Trace{
		"none":  nil,
		"hooks": {FrameRead: func(*Conn, FrameInfo) { frames++ }, FrameWritten: func(*Conn, FrameInfo) { frames++ }},
	} {
		p := &peer{masked: true}
		data := []byte("a short message")
		c := newConn(&endlessStream{frame: p.text(string(data))}, connConfig{})
		c.startTrace(trace)
		dst := make([]byte, 0, 100)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.AppendMessage(dst)
				c.WriteMessage(TextMessage, data)
			}
		})
	}
}
