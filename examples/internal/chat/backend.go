package chat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// HistoryLimit is how many messages of a room are kept.
const HistoryLimit = 500

// A Message is what somebody has said in a room.
type Message struct {
	Seq  uint64    `json:"seq"`          // grows within a room
	ID   string    `json:"id,omitempty"` // as its sender has chosen it
	Name string    `json:"name"`
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// An Event is what happens in a room: one of its fields is set.
type Event struct {
	Message *Message // somebody has said something
	Typing  string   // who is typing
	Members []string // who is there now
}

// A Backend keeps the messages of the rooms and carries what happens in them from one
// process to the others, if there are any.
type Backend interface {
	// Open opens a room and returns its messages so far. After that it calls deliver,
	// which is safe for concurrent use, with what happens.
	Open(ctx context.Context, room string, deliver func(Event)) (Channel, []Message, error)
}

// A Channel is an open room. Its methods are safe for concurrent use.
type Channel interface {
	// Say returns the number of the message when it has been stored. A message with
	// the ID of one before, which its sender repeats for want of an answer, is not
	// stored again.
	Say(ctx context.Context, m Message) (seq uint64, err error)

	// Typing tells that somebody is typing. It may get lost.
	Typing(name string)

	// Announce tells who is in the room in this process.
	Announce(names []string)

	// Close ends the events.
	Close()
}

// errTooManyRooms is what [Memory] returns for a room too many.
var errTooManyRooms = errors.New("there are too many rooms")

// maxRooms is how many rooms Memory keeps.
const maxRooms = 1000

// Memory is a Backend for a single process.
type Memory struct {
	mu    sync.Mutex
	rooms map[string]*memoryRoom
}

// A memoryRoom keeps the last messages of a room, also while nobody is in it.
type memoryRoom struct {
	mu      sync.Mutex
	seq     uint64
	history []Message
	deliver func(Event)
}

// Open implements Backend.
func (b *Memory) Open(_ context.Context, name string, deliver func(Event)) (Channel, []Message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rooms[name]
	if r == nil {
		if len(b.rooms) == maxRooms {
			return nil, nil, errTooManyRooms
		}
		if b.rooms == nil {
			b.rooms = make(map[string]*memoryRoom)
		}
		// The numbers grow also when the process has been restarted: clients that come
		// back know the old ones.
		r = &memoryRoom{seq: uint64(time.Now().UnixMilli())}
		b.rooms[name] = r
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliver = deliver
	return r, append([]Message(nil), r.history...), nil
}

// Say implements Channel.
func (r *memoryRoom) Say(_ context.Context, m Message) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.history, func(old Message) bool { return m.ID != "" && old.ID == m.ID }); i >= 0 {
		return r.history[i].Seq, nil
	}
	r.seq++
	m.Seq = r.seq
	r.history = Trim(append(r.history, m))
	r.send(Event{Message: &m})
	return m.Seq, nil
}

// Typing implements Channel.
func (r *memoryRoom) Typing(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send(Event{Typing: name})
}

// Announce implements Channel.
func (r *memoryRoom) Announce(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send(Event{Members: names})
}

// Close implements Channel.
func (r *memoryRoom) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliver = nil
}

// send delivers an event, with mu held.
func (r *memoryRoom) send(e Event) {
	if r.deliver != nil {
		r.deliver(e)
	}
}

// Trim returns the last HistoryLimit messages.
func Trim(history []Message) []Message {
	return history[max(0, len(history)-HistoryLimit):]
}
