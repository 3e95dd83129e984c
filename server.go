package websocket

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Upgrader turns an HTTP request into a WebSocket connection. Its zero
// value is ready to use. It is safe for use by several goroutines as long as
// its fields are not changed.
type Upgrader struct {
	// HandshakeTimeout is how long writing the answer may take. The default,
	// zero, is no limit.
	HandshakeTimeout time.Duration

	// ReadBufferSize and WriteBufferSize are the sizes in bytes of the buffers
	// for reading and writing: zero is 4096, and anything below 256 and above
	// 65536 is raised and lowered to that. They do not limit messages. Frames
	// up to the size of the write buffer are copied to go out in one piece,
	// and NextWriter sends fragments of about that size. Buffers are lent
	// while they are in use; a waiting connection on a socket has none.
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool lends the write buffers. The default, nil, is a pool
	// that all connections share.
	WriteBufferPool BufferPool

	// Subprotocols are the subprotocols that the server speaks, most wanted
	// first. The first that the client offers is chosen, none if there is no
	// such. If Subprotocols is nil the Sec-WebSocket-Protocol field of
	// Upgrade's responseHeader is used as it is.
	Subprotocols []string

	// Error answers a request that is refused with the given status for the
	// given reason, a [HandshakeError]. The default, nil, is http.Error with
	// the reason as text. Headers that belong to the status are set before.
	Error func(w http.ResponseWriter, r *http.Request, status int, reason error)

	// CheckOrigin says whether a request is welcome from where its Origin
	// header says it comes from. The default, nil, takes requests from pages
	// of the same host and from clients that are no pages and send none; all
	// else would let any page on the web use the connection with the cookies
	// of whoever visits it (RFC 6455, Section 10.2).
	CheckOrigin func(r *http.Request) bool

	// EnableCompression agrees to compress messages, each on its own. It stands
	// for a Compression without context takeover.
	EnableCompression bool

	// Compression says how to compress messages with clients that offer it.
	// The default, nil, is not to, unless EnableCompression is set.
	Compression *Compression

	// ReadLimit is the length in bytes of the longest message to be received.
	// Zero is [DefaultReadLimit], and a negative value none. See
	// [Conn.SetReadLimit].
	ReadLimit int64

	// SendQueueLimit is how many bytes of messages [Conn.Send] queues. Zero is
	// [DefaultSendQueueLimit], and a negative value no limit. A message without
	// a byte counts as one.
	SendQueueLimit int64

	// BatchWrites lets WriteMessage leave short messages in the queue of
	// [Conn.Send] and return nil while the peer's next message has arrived
	// already: answers to requests that came in one piece go out in one piece.
	// They are written at the latest before a read method waits, or after a
	// millisecond. A write that fails then is reported by the next. The
	// default is that WriteMessage returns when the message is written.
	BatchWrites bool

	// WriteTimeout is how long the transport may take for a frame, or for what
	// was queued, before the connection is ended: that is how a peer that does
	// not read is got rid of. It is in force beside the write deadline. The
	// default, zero, is no limit.
	WriteTimeout time.Duration

	// Group is what the connections join when the client has been answered,
	// before Upgrade returns. The default, nil, is none.
	Group *Group

	// KeepAlive ends connections whose peer has vanished. The default, zero,
	// is to wait for it.
	KeepAlive KeepAlive

	// Trace has hooks that see what happens to connections. The default, nil,
	// is none.
	Trace *Trace
}

// Upgrade answers an opening handshake (RFC 6455, Section 4.2) and returns the
// connection, which the caller has to close. The http.Server forgets about it:
// its timeouts, and Shutdown, do not reach it any more.
//
// responseHeader, which may be nil, is added to the answer, cookies for
// example. The fields of the handshake are not the caller's to set.
//
// A request that is no handshake, or is not welcome, is answered with an error
// status; Upgrade returns a [HandshakeError] that says why, and w can be left
// alone. Nothing is taken from the server before every check has passed.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	c, err := u.upgrade(w, r, responseHeader)
	u.Trace.handshakeDone(c, err)
	return c, err
}

// upgrade goes through the steps of RFC 6455, Section 4.2.2.
func (u *Upgrader) upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	var granted grant
	if err := u.check(r, responseHeader, &granted); err != nil {
		return nil, u.refuse(w, r, err)
	}
	if !u.Group.beginUpgrade() { // Shutdown was called after the check
		return nil, u.refuse(w, r, refusal(http.StatusServiceUnavailable, "the server is shutting down"))
	}
	defer u.Group.endUpgrade()
	netConn, early, err := hijack(w)
	if err != nil {
		return nil, u.refuse(w, r, err)
	}
	if err := u.answer(netConn, &granted, responseHeader); err != nil {
		netConn.Close()
		return nil, err
	}
	return u.open(netConn, early, r, &granted), nil
}

// A grant is what a request that is welcome gets.
type grant struct {
	key         string
	subprotocol string
	agreement   agreement
}

// check decides whether a request becomes a connection, and of what kind.
func (u *Upgrader) check(r *http.Request, responseHeader http.Header, granted *grant) error {
	key, offered, err := checkRequest(r)
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
		granted.agreement, err = u.acceptExtensions(r)
	}
	granted.key = key
	if u.Subprotocols != nil {
		granted.subprotocol = selectSubprotocol(u.Subprotocols, offered)
	} else if values := fieldValues(responseHeader, headerProtocol); len(values) > 0 {
		granted.subprotocol = values[0]
	}
	return err
}

// open makes a Conn of what was granted. It is a function of its own for the
// sake of the stack: its frame is not there while the answer is written.
//
//go:noinline
func (u *Upgrader) open(netConn net.Conn, early []byte, r *http.Request, granted *grant) *Conn {
	c := newConn(netConn, connConfig{
		subprotocol:     granted.subprotocol,
		url:             requestedURL(r),
		readLimit:       u.ReadLimit,
		sendQueueLimit:  u.SendQueueLimit,
		batchWrites:     u.BatchWrites,
		writeTimeout:    u.WriteTimeout,
		keepAlive:       u.KeepAlive,
		trace:           u.Trace,
		readBufferSize:  u.ReadBufferSize,
		writeBufferSize: u.WriteBufferSize,
		writeBufferPool: u.WriteBufferPool,
		agreement:       granted.agreement,
		early:           early,
	})
	if u.Group != nil {
		u.Group.Add(c)
	}
	return c
}

func (u *Upgrader) checkOrigin(r *http.Request) error {
	check := u.CheckOrigin
	if check == nil {
		check = checkSameOrigin
	}
	if !check(r) {
		return refusal(http.StatusForbidden, "the origin is not allowed")
	}
	return nil
}

func (u *Upgrader) acceptExtensions(r *http.Request) (agreement, error) {
	wish, err := compressionWish(u.Compression, u.EnableCompression)
	if err != nil {
		return agreement{}, HandshakeError{err.Error(), http.StatusInternalServerError, err}
	}
	return acceptExtensions(r.Header, wish)
}

// refuse answers a request that does not become a connection and returns err,
// which is a HandshakeError.
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

// hijack takes the connection from the server, with the bytes that the client
// has sent right after its request, and without the server's deadlines.
func hijack(w http.ResponseWriter) (conn net.Conn, early []byte, err error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, HandshakeError{"cannot hijack the connection: " + err.Error(), http.StatusInternalServerError, err}
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

// answer sends the server's half of the handshake.
func (u *Upgrader) answer(conn net.Conn, granted *grant, header http.Header) error {
	buf := getBuffer(minBuffer)
	defer putBuffer(buf)
	if u.HandshakeTimeout > 0 {
		conn.SetWriteDeadline(time.Now().Add(u.HandshakeTimeout))
		defer conn.SetWriteDeadline(time.Time{})
	}
	head := appendResponse(buf.b[:0], granted.key, granted.subprotocol, granted.agreement.extensions, header)
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
	u := url.URL{Scheme: scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	return u.String()
}

// Upgrade upgrades the request without checking its origin, which is left to
// the caller, and chooses the subprotocol that responseHeader names.
//
// Deprecated: Use [Upgrader.Upgrade], which checks the origin.
func Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header, readBufSize, writeBufSize int) (*Conn, error) {
	u := Upgrader{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		CheckOrigin:     func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, _ *http.Request, _ int, _ error) {
			// The answer is the caller's, who may serve a page instead.
			for _, name := range []string{headerConnection, headerUpgrade, headerVersion, "Allow"} {
				w.Header().Del(name)
			}
		},
	}
	return u.Upgrade(w, r, responseHeader)
}
