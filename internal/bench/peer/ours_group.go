package peer

import (
	"fmt"

	"github.com/seed23105783/websocket"
)

// ourGroupServer broadcasts through a Group, which its connections join when
// they are opened.
func ourGroupServer() *Server {
	group := new(websocket.Group)
	s := ourServer("websocket-group", echoMessage, func(u *websocket.Upgrader) { u.Group = group })
	s.broadcast = groupBroadcast(group)
	return s
}

func groupBroadcast(group *websocket.Group) func(conns []any, payload []byte) error {
	return func(conns []any, payload []byte) error {
		result := group.BroadcastText(string(payload))
		if result.Sent != len(conns) || result.Missed != 0 {
			return fmt.Errorf("broadcast to %d: %+v", len(conns), result)
		}
		return nil
	}
}
