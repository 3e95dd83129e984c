package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

// openTimeout is how long opening a room may take.
const openTimeout = 5 * time.Second

// A room is a room with members in this process.
type room struct {
	name  string
	users int // clients that have it, guarded by Server.mu
	open  func() error

	channel Channel // of the backend

	mu      sync.Mutex
	group   websocket.Group // the members
	names   map[*websocket.Conn]string
	history []Message
	members []string // in all processes
}

// open returns a room, which the caller releases.
func (s *Server) open(name string) (*room, error) {
	s.mu.Lock()
	r := s.rooms[name]
	if r == nil {
		r = &room{name: name, names: make(map[*websocket.Conn]string)}
		r.group.Slow = websocket.SlowClose
		r.open = sync.OnceValue(func() error { return r.openChannel(s.backend) })
		s.rooms[name] = r
	}
	r.users++
	s.mu.Unlock()
	if err := r.open(); err != nil {
		s.release(r)
		return nil, err
	}
	return r, nil
}

// release gives a room back, which is closed with its last user.
func (s *Server) release(r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(s.rooms, r.name)
		if r.channel != nil {
			r.channel.Close()
		}
	}
}

func (r *room) openChannel(b Backend) error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	r.mu.Lock() // events wait for the history
	defer r.mu.Unlock()
	var err error
	r.channel, r.history, err = b.Open(ctx, r.name, r.deliver)
	return err
}

// add makes a client a member, and sends it the messages after since.
func (r *room) add(c *client, since uint64) {
	r.mu.Lock()
	i, _ := slices.BinarySearchFunc(r.history, since+1, func(m Message, seq uint64) int { return cmp.Compare(m.Seq, seq) })
	c.send(&reply{Type: "joined", Room: r.name, Name: c.name, Members: r.members, History: r.history[i:]})
	r.names[c.conn] = c.name
	r.group.Add(c.conn)
	names := r.localNames()
	r.mu.Unlock()
	r.channel.Announce(names)
}

// remove ends the membership of a client.
func (r *room) remove(c *client) {
	r.mu.Lock()
	delete(r.names, c.conn)
	r.group.Remove(c.conn)
	names := r.localNames()
	r.mu.Unlock()
	r.channel.Announce(names)
}

// localNames returns who is there in this process, with mu held.
func (r *room) localNames() []string {
	names := []string{}
	for _, name := range r.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// deliver sends an event to all members.
func (r *room) deliver(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Message != nil:
		r.history = Trim(append(r.history, *e.Message))
		r.broadcast(&reply{Type: "message", Message: e.Message})
	case e.Typing != "":
		r.broadcast(&reply{Type: "typing", Name: e.Typing})
	case !slices.Equal(r.members, e.Members):
		r.members = e.Members
		r.broadcast(&reply{Type: "members", Members: r.members})
	}
}

func (r *room) broadcast(m *reply) {
	if text, err := encode(m); err == nil {
		r.group.BroadcastText(string(text))
	}
}

func encode(r *reply) ([]byte, error) { return json.Marshal(r) }
