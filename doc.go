// Package websocket implements the WebSocket protocol (RFC 6455), with
// compression (RFC 7692), for servers and clients, on the standard library
// alone.
//
// An [Upgrader] turns an HTTP request into a [Conn], and a [Dialer] dials one.
// A Conn sends and receives messages, of text or of bytes:
//
//	var upgrader websocket.Upgrader
//
//	func echo(w http.ResponseWriter, r *http.Request) {
//		conn, err := upgrader.Upgrade(w, r, nil)
//		if err != nil {
//			return // the client has been told
//		}
//		defer conn.Close()
//		for {
//			kind, message, err := conn.ReadMessage()
//			if err != nil {
//				return
//			}
//			if err := conn.WriteMessage(kind, message); err != nil {
//				return
//			}
//		}
//	}
//
// [Conn.NextReader] and [Conn.NextWriter] do the same piece by piece,
// [Conn.AppendMessage] without allocating, [Conn.Messages] in a range loop and
// [Conn.Serve] in the browser's style. [Conn.Send] queues a message and does
// not wait. A [Group] broadcasts.
//
// # Concurrency
//
// All methods may be called from any goroutine at any time. Any number of
// goroutines may write; one reads at a time. Keep one goroutine reading for as
// long as the connection lives, also where no messages are expected: it is the
// reader that answers pings and notices the end. [KeepAlive] notices peers
// that vanish.
//
// # Closing
//
// [Conn.Close] ends a connection at once; call it in any case. [Conn.Shutdown]
// ends it in an orderly way, which takes two close frames, one each way, and
// [Group.Shutdown] does that for all connections of a server. The end that the
// peer asks for is answered by the reader.
//
// Reads return a [*CloseError] with the code and reason of the peer's close
// frame, or with [CloseAbnormalClosure] when there was none. A peer that
// breaks the protocol is a [*ProtocolError], after it has been told so in a
// close frame. All errors that end a connection match net.ErrClosed.
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
