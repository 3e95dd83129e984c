// Package websocket implements the WebSocket protocol (RFC 6455), with
// compression (RFC 7692), for servers and clients, on the standard library
// alone.
//
// An [Upgrader] makes a [Conn] of an HTTP request, and a [Dialer] dials one. A Conn
// sends and receives messages, of text or of bytes:
//
//	var upgrader websocket.Upgrader
//
//	http.Handle("/ws", upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
//		for {
//			kind, message, err := conn.ReadMessage()
//			if err != nil {
//				return
//			}
//			if err := conn.WriteMessage(kind, message); err != nil {
//				return
//			}
//		}
//	}))
//
// [Conn.NextReader] and [Conn.NextWriter] do the same piece by piece,
// [Conn.AppendMessage] without allocating, [Conn.Messages] in a range loop, and
// [Conn.Serve] with callbacks like those of a browser. [Conn.Send] queues a message
// and does not wait. A [Group] broadcasts. [NewConn] is for streams whose handshake
// was done elsewhere, and [Pipe] for tests.
//
// # Concurrency
//
// All methods are safe for concurrent use. Any number of goroutines may write; one
// reads at a time. Keep one goroutine reading until the connection ends, even if no
// messages are expected: pings are answered, and the end is noticed, by the read
// methods. [KeepAlive] notices peers that are gone.
//
// # Closing
//
// [Conn.Close] ends a connection at once; call it in any case. [Conn.Shutdown] ends
// it with the closing handshake, a close frame each way, and [Group.Shutdown] does
// that for all connections of a server. If the peer begins the handshake, the read
// methods answer.
//
// A read then returns a [*CloseError] with the peer's code and reason, or with
// [CloseAbnormalClosure] if there was no close frame. If the peer breaks the
// protocol, it is sent a close frame and the read returns a [*ProtocolError]. All
// errors that end a connection match net.ErrClosed. [Conn.Done], [Conn.CloseInfo]
// and [Conn.Context] tell of the end too.
//
// # Limits
//
// A message has at most 32 MiB unless ReadLimit says otherwise; memory follows
// what arrives and not what a header declares. Text that is received is UTF-8.
// More than 1,024 fragments without payload in a message, 64 KiB of compressed
// bytes from which nothing comes, or 1,000 control frames within a second
// without data in between end a connection with code 1008.
//
// A page of another host cannot connect unless [Upgrader.CheckOrigin] lets it.
package websocket
