package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/httphead"
	"github.com/seed23105783/websocket/internal/poller"
	"github.com/seed23105783/websocket/internal/socket"
)

// An Upgrader upgrades HTTP requests to WebSocket connections. The zero value
// is ready to use. An Upgrader is safe for concurrent use as long as its fields
// are not changed.
type Upgrader struct {
	// HandshakeTimeout limits how long writing the response may take. Zero
	// means no limit.
	HandshakeTimeout time.Duration

	// ReadBufferSize and WriteBufferSize are the sizes of the I/O buffers in
	// bytes. Zero means 4096. Other values are raised to 256 or lowered to
	// 65536. Messages may be longer. A frame that fits into the write buffer is
	// written with one call, and NextWriter sends fragments of about that size.
	// Buffers come from a pool; an idle connection on a socket has none.
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool is a pool of write buffers. The default, nil, is a pool
	// that all connections share.
	WriteBufferPool BufferPool

	// Subprotocols lists the subprotocols that the server supports, in order
	// of preference. The first one that the client offers, too, is selected.
	// If there is none, the connection has no subprotocol. If Subprotocols is
	// nil, the Sec-WebSocket-Protocol field of responseHeader is selected as it
	// is.
	//
	// A subprotocol is visible ASCII without spaces, commas and quotes. With
	// any other in the list, Upgrade fails with status 500.
	Subprotocols []string

	// Error writes the response to a request that is refused. The reason is a
	// [HandshakeError]. Header fields that belong to the status are already
	// set. The default, nil, writes the reason with http.Error.
	Error func(w http.ResponseWriter, r *http.Request, status int, reason error)

	// CheckOrigin reports whether a request with this Origin header is
	// accepted. The default, nil, accepts an origin with the host and port of
	// the Host header, and requests without an origin, which do not come from
	// browsers.
	//
	// A browser lets any page connect, and sends the user's cookies. With a
	// CheckOrigin that accepts everything, any page can act as the user who
	// visits it (RFC 6455, Section 10.2).
	CheckOrigin func(r *http.Request) bool

	// EnableCompression accepts compression without context takeover in either
	// direction. It has no effect if Compression is set.
	EnableCompression bool

	// Compression accepts compression from clients that offer it. The default,
	// nil, is no compression, unless EnableCompression is set.
	Compression *Compression

	// ReadLimit is the maximum length of a received message in bytes, after
	// decompression. Zero means [DefaultReadLimit], and a negative value no
	// limit. See [Conn.SetReadLimit].
	ReadLimit int64

	// SendQueueLimit is the maximum number of bytes that [Conn.Send] queues.
	// Zero means [DefaultSendQueueLimit], and a negative value no limit. An
	// empty message counts as one byte.
	SendQueueLimit int64

	// WriteImmediately makes WriteMessage write every message by itself before
	// it returns. By default, a short message without a deadline or context is
	// queued if the next message from the peer has already arrived and no read
	// method is at work: responses to requests that arrive together are then
	// written together, when a read method waits, and after a millisecond at the
	// latest. If that fails, the next write returns the error. Order is kept,
	// and Close and Shutdown write what is queued.
	WriteImmediately bool

	// WriteTimeout limits how long the transport may take to accept a frame, or
	// a batch of queued frames. After that the connection is closed, and reads and
	// writes return [ErrSlowPeer]. It ends connections whose peer does not read,
	// and is independent of the write deadline. Zero means no limit.
	WriteTimeout time.Duration

	// Group is a group that each connection joins before Upgrade returns, which can
	// be a moment after the client has the response. The default, nil, is none.
	Group *Group

	// ConnContext returns the parent of [Conn.Context] for a request: a context
	// with values such as the user or a trace. It must not be the context of the
	// request, which net/http cancels when the handler returns; use
	// context.WithoutCancel(r.Context()) for its values. The default, nil, is
	// context.Background().
	ConnContext func(r *http.Request) context.Context

	// KeepAlive closes connections whose peer no longer responds. The zero
	// value does nothing.
	KeepAlive KeepAlive

	// Events are the functions that are called for each connection, as by
	// [Conn.Start], which Upgrade calls: the handler need not stay with the
	// connection. It must not be changed. The default, nil, is none.
	//
	// On Linux Upgrade takes the socket from package net for this: [Conn.NetConn] is
	// not a *net.TCPConn then.
	Events *Events

	// Trace has functions that are called when something happens to a
	// connection. The default, nil, is none.
	Trace *Trace
}

// Upgrade upgrades the request to a WebSocket connection (RFC 6455, Section
// 4.2). The caller must close it. It no longer belongs to the http.Server, whose
// timeouts and Shutdown do not affect it.
//
// Over HTTP/2 the request is an extended CONNECT (RFC 8441), which net/http accepts in
// programs that import the package http2 of this module. The handler must not return
// before the connection has ended, which it does with an error otherwise. [Upgrader.Handler]
// sees to that, and with Events Upgrade itself returns only then.
//
// The fields of responseHeader, which may be nil, are added to the response.
// They may not be those of the handshake, except for Sec-WebSocket-Protocol.
//
// If the request is not an opening handshake or is refused, Upgrade writes an
// error response and returns a [HandshakeError]; the caller must not write to w.
// The connection is not hijacked before all checks have passed.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	c, err := u.upgrade(w, r, responseHeader)
	u.Trace.handshakeDone(c, r, err)
	if err == nil && u.Events != nil {
		err = c.start(u.Events)
		c.handlerReturns()
	}
	return c, err
}

// Handler returns a handler that upgrades each request and calls serve with the
// connection. When serve returns, the handler ends the connection with close code
// 1000, as [Conn.Shutdown] does with its default timeout. This has no effect if
// serve has ended the connection. If serve panics the close code is 1011, and
// after that the panic continues to net/http, which logs it. A request that is
// refused is answered as [Upgrader.Upgrade] does, and serve is not called.
//
// With Events serve may be nil: the handler leaves the connection to them and returns.
//
// If Group is set, [Group.Shutdown] waits, within its context, until the calls of
// serve have returned.
//
// The context of the request is canceled when serve returns, and over HTTP/1.1 not
// when the client leaves; use [Conn.Context].
func (u *Upgrader) Handler(serve func(c *Conn, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if serve == nil {
			u.upgradeToEvents(w, r)
			return
		}
		u.Group.addPending(1)
		defer u.Group.addPending(-1)
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		code := CloseInternalServerErr
		defer func() {
			c.Shutdown(context.Background(), code, "")
			c.handlerReturns()
		}()
		serve(c, r)
		code = CloseNormalClosure
	})
}

// upgradeToEvents upgrades a request for which there is nothing but Events.
func (u *Upgrader) upgradeToEvents(w http.ResponseWriter, r *http.Request) {
	if u.Events == nil {
		u.refuse(w, r, refusal(http.StatusInternalServerError, "Upgrader.Handler needs a function, or Upgrader.Events"))
		return
	}
	u.Upgrade(w, r, nil)
}

// upgrade goes through the steps of RFC 6455, Section 4.2.2.
func (u *Upgrader) upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	var hs serverHandshake
	if err := u.check(r, responseHeader, &hs); err != nil {
		return nil, u.refuse(w, r, err)
	}
	if !u.Group.beginUpgrade() { // Shutdown was called after the check
		return nil, u.refuse(w, r, refusal(http.StatusServiceUnavailable, "the server is shutting down"))
	}
	defer u.Group.endUpgrade()
	if u.ConnContext != nil {
		hs.context = u.ConnContext(r)
	}
	if hs.connect {
		s, err := u.acceptConnect(w, r, &hs, responseHeader)
		if err != nil {
			return nil, err
		}
		return u.open(s, nil, r, &hs), nil
	}
	netConn, early, err := hijack(w)
	if err != nil {
		return nil, u.refuse(w, r, err)
	}
	if err := u.answer(netConn, &hs, responseHeader); err != nil {
		netConn.Close()
		return nil, err
	}
	return u.open(netConn, early, r, &hs), nil
}

// A serverHandshake is what was agreed on with a client.
type serverHandshake struct {
	key         string
	connect     bool // it is an extended CONNECT
	subprotocol string
	agreement   agreement
	context     context.Context // the parent of the Conn's, or nil
}

// check checks the request and sets what it is answered with.
func (u *Upgrader) check(r *http.Request, responseHeader http.Header, hs *serverHandshake) error {
	var key string
	var offered []string
	var err error
	if hs.connect = isExtendedConnect(r); hs.connect {
		offered, err = checkConnect(r)
	} else {
		key, offered, err = checkRequest(r)
	}
	if err == nil && u.Group.isEnding() {
		err = refusal(http.StatusServiceUnavailable, "the server is shutting down")
	}
	if err == nil {
		err = u.checkOrigin(r)
	}
	if err == nil {
		err = checkResponseHeader(responseHeader)
	}
	if err == nil {
		hs.agreement, err = u.acceptExtensions(r)
	}
	if err == nil {
		hs.subprotocol, err = u.chooseSubprotocol(offered, responseHeader)
	}
	hs.key = key
	return err
}

// chooseSubprotocol returns the subprotocol of the answer, "" for none.
func (u *Upgrader) chooseSubprotocol(offered []string, responseHeader http.Header) (string, error) {
	if u.Subprotocols != nil {
		for _, protocol := range u.Subprotocols {
			if protocol != "" && !httphead.IsSubprotocol(protocol) {
				return "", refusal(http.StatusInternalServerError, malformedSubprotocol("Upgrader.Subprotocols", protocol))
			}
		}
		return selectSubprotocol(u.Subprotocols, offered), nil
	}
	values := fieldValues(responseHeader, headerProtocol)
	if len(values) == 0 || values[0] == "" {
		return "", nil
	}
	if !httphead.IsSubprotocol(values[0]) {
		return "", refusal(http.StatusInternalServerError, malformedSubprotocol("the application's response header", values[0]))
	}
	return values[0], nil
}

// open returns the Conn. It is a function of its own to keep its frame off the
// stack while the response is written.
//
//go:noinline
func (u *Upgrader) open(s stream, early []byte, r *http.Request, hs *serverHandshake) *Conn {
	if conn, ok := s.(net.Conn); ok && u.Events != nil && poller.Supported() {
		s = socket.Detach(conn)
	}
	c := newConn(s, connConfig{
		subprotocol:      hs.subprotocol,
		url:              requestedURL(r),
		readLimit:        u.ReadLimit,
		sendQueueLimit:   u.SendQueueLimit,
		writeImmediately: u.WriteImmediately,
		writeTimeout:     u.WriteTimeout,
		readBufferSize:   u.ReadBufferSize,
		writeBufferSize:  u.WriteBufferSize,
		writeBufferPool:  u.WriteBufferPool,
		agreement:        hs.agreement,
		early:            early,
	})
	c.setContext(hs.context)
	c.startTrace(u.Trace)
	c.startKeepAlive(u.KeepAlive)
	if u.Group != nil {
		u.Group.Add(c)
	}
	return c
}

// checkOrigin checks where the request comes from: RFC 6455, Section 4.2.2,
// step 4.
func (u *Upgrader) checkOrigin(r *http.Request) error {
	check := u.CheckOrigin
	if check == nil {
		check = checkSameOrigin
	}
	if check(r) {
		return nil
	}
	origin, host := quote(strings.Join(r.Header["Origin"], ", ")), quote(r.Host)
	if u.CheckOrigin != nil {
		return refusal(http.StatusForbidden, "Upgrader.CheckOrigin refuses the origin "+origin+" at the host "+host)
	}
	return refusal(http.StatusForbidden, "the origin "+origin+" is not of the host "+host+": set Upgrader.CheckOrigin to allow it")
}

func (u *Upgrader) acceptExtensions(r *http.Request) (agreement, error) {
	wish, err := compressionWish(u.Compression, u.EnableCompression)
	if err != nil {
		return agreement{}, HandshakeError{err.Error(), http.StatusInternalServerError, err}
	}
	return acceptExtensions(r.Header, wish)
}

// refuse writes the response to a request that is refused and returns err.
func (u *Upgrader) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	status := http.StatusInternalServerError
	if e, ok := err.(HandshakeError); ok {
		status = e.status
	}
	h := w.Header()
	h.Set("Sec-WebSocket-Version", handshakeVersion)
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodGet)
	}
	if r.ProtoMajor < 2 { // RFC 9113, Section 8.2.2: in HTTP/2 these fields must not be
		h.Set(headerConnection, "close")
		if status == http.StatusUpgradeRequired {
			// RFC 9110, Section 15.5.22: 426 comes with the protocol to upgrade
			// to. http.Server wants "close" to be the whole first line.
			h.Add(headerConnection, "Upgrade")
			h.Set(headerUpgrade, "websocket")
		}
	}
	if u.Error != nil {
		u.Error(w, r, status, err)
		return err
	}
	http.Error(w, http.StatusText(status)+": "+err.Error(), status)
	return err
}

// hijack takes the connection from the server, together with the bytes that the
// client sent right after its request. The connection has no deadlines.
func hijack(w http.ResponseWriter) (conn net.Conn, early []byte, err error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, hijackError(w, err)
	}
	if n := buffered.Reader.Buffered(); n > 0 {
		early, _ = buffered.Reader.Peek(n)
		buffered.Reader.Discard(n) // which leaves early as it is
	}
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn, *tls.Conn:
		// The reader is ours and nobody reads through it; its buffer would live
		// as long as the handler runs.
		*buffered.Reader = bufio.Reader{}
	}
	conn.SetDeadline(time.Time{})
	return conn, early, nil
}

// hijackError returns an error that names the type which is in the way.
func hijackError(w http.ResponseWriter, err error) error {
	message := "cannot hijack the connection: "
	for {
		switch t := w.(type) {
		case http.Hijacker:
			message += fmt.Sprintf("%T.Hijack: %v", w, err)
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
			continue
		default:
			message += fmt.Sprintf("%T has neither a Hijack nor an Unwrap method: %v", w, err)
		}
		return HandshakeError{message, http.StatusInternalServerError, err}
	}
}

// answer writes the response of the handshake.
func (u *Upgrader) answer(conn net.Conn, hs *serverHandshake, header http.Header) error {
	buf := bufpool.Get(minBuffer)
	defer bufpool.Put(buf)
	if u.HandshakeTimeout > 0 {
		conn.SetWriteDeadline(time.Now().Add(u.HandshakeTimeout))
		defer conn.SetWriteDeadline(time.Time{})
	}
	head := appendResponse(buf.B[:0], hs.key, hs.subprotocol, hs.agreement.extensions, header)
	if _, err := conn.Write(head); err != nil {
		return fmt.Errorf("websocket: writing the answer to the handshake: %w", err)
	}
	return nil
}

// requestedURL returns the URL that the client asked for, as far as the
// request tells: behind a proxy that ends TLS the scheme is ws.
func requestedURL(r *http.Request) string {
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	if strings.HasPrefix(r.RequestURI, "/") && !strings.Contains(r.RequestURI, "#") && isPlainHost(r.Host) {
		return scheme + "://" + r.Host + r.RequestURI
	}
	u := url.URL{Scheme: scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}
	u.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "#", "%23") // a request has no fragment
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// Upgrade upgrades the request without checking its origin. The subprotocol is
// that of responseHeader. Unlike [Upgrader.Upgrade], it writes no error response.
//
// Deprecated: Use [Upgrader.Upgrade], which checks the origin.
func Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header, readBufSize, writeBufSize int) (*Conn, error) {
	u := Upgrader{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		CheckOrigin:     func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, _ *http.Request, _ int, _ error) {
			// The response is the caller's, who may serve a page instead.
			for _, name := range []string{headerConnection, headerUpgrade, headerVersion, "Allow"} {
				w.Header().Del(name)
			}
		},
	}
	return u.Upgrade(w, r, responseHeader)
}
