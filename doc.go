// Package websocket implements the WebSocket protocol (RFC 6455) for servers and clients,
// with compression (RFC 7692), over HTTP/1.1 and HTTP/2 (RFC 8441) and inside the browser
// (GOOS=js), on the standard library alone. Its API is a superset of
// github.com/gorilla/websocket v1.5.3.
//
// # Which type for what
//
//   - An [Upgrader] makes a [Conn] of an HTTP request: for servers.
//   - A [Dialer] dials one: for clients.
//   - A [Conn] sends and receives messages, of text or of bytes.
//   - A [Group] is a set of connections, for broadcasts and for an orderly end.
//   - [Events] are functions that are called for a connection, like the event handlers
//     of a browser's WebSocket. [Conn.Start] needs no goroutine for each connection.
//   - [KeepAlive] ends connections whose peer is gone; [Compression] says how messages
//     are compressed; a [Trace] sees what happens, for logs and metrics; [HTTP2] has a
//     Dialer connect over HTTP/2, and importing package http2 lets servers accept that.
//   - A [CloseError], [ProtocolError] or [HandshakeError] says why a connection ended, or
//     did not come about.
//   - [NewConn] is for streams whose handshake was done elsewhere, [NewStream] makes a
//     net.Conn of a connection, and [Pipe] is for tests.
//
// # Servers
//
// Every message goes back:
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
// # Clients
//
//	conn, _, err := websocket.DefaultDialer.Dial("wss://example.com/ws", nil)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	err = conn.WriteMessage(websocket.TextMessage, []byte("hello"))
//
// # Reading and writing
//
// [Conn.ReadMessage] and [Conn.WriteMessage] are always right. [Conn.NextReader] and
// [Conn.NextWriter] do the same piece by piece, [Conn.AppendMessage] reads without
// allocating, [Conn.ReadJSON] and [Conn.WriteJSON] are for values, and [Conn.Messages] is
// for a range loop, which ends without an error when the peer closes normally:
//
//	func printAll(conn *websocket.Conn) error {
//		for message, err := range conn.Messages(context.Background()) {
//			if err != nil {
//				return err
//			}
//			fmt.Printf("%s\n", message.Data)
//		}
//		return nil
//	}
//
// [Conn.Send] queues a message and does not wait. [Conn.Serve] reads and calls functions:
//
//	func serve(conn *websocket.Conn) error {
//		return conn.Serve(websocket.Events{
//			Message: func(c *websocket.Conn, m websocket.Message) { c.Send(m.Type, m.Data) },
//			Close:   func(c *websocket.Conn, info websocket.CloseInfo) { log.Print(info.Code) },
//		})
//	}
//
// A Group sends a message to all of its members, and can end them:
//
//	var room websocket.Group
//	upgrader := websocket.Upgrader{Group: &room}
//	http.Handle("/ws", upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
//		for message, err := range conn.Messages(context.Background()) {
//			if err != nil {
//				return
//			}
//			room.BroadcastText(string(message.Data))
//		}
//	}))
//	// later
//	room.Shutdown(context.Background(), websocket.CloseGoingAway, "")
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
// and [Conn.Context] tell of the end too; context.Cause of the latter is the error.
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
