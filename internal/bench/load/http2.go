package load

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// An HTTP2 has the HTTP/2 connection whose streams are the connections of a generator,
// and more of them if a server does not allow as many streams.
type HTTP2 struct {
	mu        sync.Mutex
	transport *http.Transport
	client    http.RoundTripper // nil before the first connection
}

// A stream is an extended CONNECT request and its response.
type stream struct {
	io.Reader
	*io.PipeWriter
	body io.Closer
}

func (s stream) Close() error {
	s.PipeWriter.Close()
	return s.body.Close()
}

// open returns a new stream, after the handshake.
func (h *HTTP2) open(addr string) (io.ReadWriteCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client == nil {
		if err := h.connect(addr); err != nil {
			return nil, err
		}
	}
	s, err := h.request(addr)
	if _, full := err.(interface{ IsHTTP2NoCachedConnError() }); full {
		if err := h.connect(addr); err != nil {
			return nil, err
		}
		s, err = h.request(addr)
	}
	return s, err
}

// connect opens an HTTP/2 connection.
func (h *HTTP2) connect(addr string) error {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	if h.transport == nil {
		h.transport = &http.Transport{ForceAttemptHTTP2: true, DisableCompression: true}
		h.transport.CloseIdleConnections() // which sets TLSNextProto
	}
	h.client = h.transport.TLSNextProto["h2"](addr, conn)
	return nil
}

// request opens a stream.
func (h *HTTP2) request(addr string) (io.ReadWriteCloser, error) {
	r, w := io.Pipe()
	resp, err := h.client.RoundTrip(&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Scheme: "https", Host: addr, Path: "/ws"}, Body: r, ContentLength: -1,
		Header: http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}},
	})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the answer to the handshake is %s", resp.Status)
	}
	return stream{resp.Body, w, resp.Body}, nil
}
