package main

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed23105783/websocket/examples/internal/chat"
)

const (
	// announceInterval is how often a node repeats who is in its rooms, and
	// forgetAfter when the others forget a node that has ended without a word.
	announceInterval = 5 * time.Second
	forgetAfter      = 3 * announceInterval
)

// A backend keeps the messages in a stream of NATS JetStream. Presence and typing go by
// subjects that nothing keeps.
type backend struct {
	node string // a name of its own
	conn *nats.Conn
	js   jetstream.JetStream
}

// newBackend returns the backend of a node, and makes the stream if there is none.
func newBackend(ctx context.Context, conn *nats.Conn, node string, replicas int) (*backend, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              "CHAT",
		Subjects:          []string{"chat.messages.*"},
		MaxMsgsPerSubject: chat.HistoryLimit,
		Replicas:          replicas,
		Duplicates:        2 * time.Minute, // in which a client can repeat what was not acknowledged
	})
	return &backend{node, conn, js}, err
}

// A channel is a room of a node.
type channel struct {
	b       *backend
	room    string
	deliver func(chat.Event)
	closed  chan struct{}
	end     func() // of the messages, and of the subscriptions

	mu    sync.Mutex
	own   []string            // who is here
	nodes map[string]presence // who is there, by node
}

// A presence is what a node tells of a room.
type presence struct {
	Node  string    `json:"node"`
	Names []string  `json:"names"`
	Ask   bool      `json:"ask,omitempty"` // it has just opened the room
	heard time.Time // when
}

// Open implements chat.Backend.
func (b *backend) Open(ctx context.Context, room string, deliver func(chat.Event)) (chat.Channel, []chat.Message, error) {
	c := &channel{b: b, room: room, deliver: deliver, closed: make(chan struct{}), nodes: make(map[string]presence)}
	messages, history, err := c.openMessages(ctx)
	if err != nil {
		return nil, nil, err
	}
	typing, err := b.conn.Subscribe("chat.typing."+room, func(m *nats.Msg) { deliver(chat.Event{Typing: string(m.Data)}) })
	if err != nil {
		messages.Stop()
		return nil, nil, err
	}
	there, err := b.conn.Subscribe("chat.presence."+room, c.hear)
	if err != nil {
		messages.Stop()
		typing.Unsubscribe()
		return nil, nil, err
	}
	c.end = func() {
		messages.Stop()
		typing.Unsubscribe()
		there.Unsubscribe()
	}
	go c.receive(messages)
	go c.repeat()
	c.publish("presence", presence{Node: b.node, Ask: true})
	return c, history, nil
}

// openMessages returns the messages of the room from now on, and those before.
func (c *channel) openMessages(ctx context.Context) (jetstream.MessagesContext, []chat.Message, error) {
	consumer, err := c.b.js.OrderedConsumer(ctx, "CHAT", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"chat.messages." + c.room},
	})
	if err != nil {
		return nil, nil, err
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return nil, nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, nil, err
	}
	var history []chat.Message
	for range info.NumPending {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			messages.Stop()
			return nil, nil, err
		}
		history = append(history, decode(m))
	}
	return messages, history, nil
}

// decode returns a message with its number in the stream.
func decode(stored jetstream.Msg) (m chat.Message) {
	json.Unmarshal(stored.Data(), &m) // what is no message is an empty one
	if about, err := stored.Metadata(); err == nil {
		m.Seq = about.Sequence.Stream
	}
	return m
}

// receive delivers messages until Close.
func (c *channel) receive(messages jetstream.MessagesContext) {
	for {
		stored, err := messages.Next()
		if err != nil {
			return
		}
		m := decode(stored)
		c.deliver(chat.Event{Message: &m})
	}
}

// Say implements chat.Channel.
func (c *channel) Say(ctx context.Context, m chat.Message) (uint64, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	var options []jetstream.PublishOpt
	if m.ID != "" {
		options = append(options, jetstream.WithMsgID(c.room+" "+m.ID))
	}
	stored, err := c.b.js.Publish(ctx, "chat.messages."+c.room, text, options...)
	if err != nil {
		return 0, err
	}
	return stored.Sequence, nil
}

// Typing implements chat.Channel.
func (c *channel) Typing(name string) { c.b.conn.Publish("chat.typing."+c.room, []byte(name)) }

// Announce implements chat.Channel.
func (c *channel) Announce(names []string) {
	c.mu.Lock()
	c.own = names
	c.mu.Unlock()
	c.publish("presence", presence{Node: c.b.node, Names: names})
}

func (c *channel) publish(kind string, v any) {
	if text, err := json.Marshal(v); err == nil {
		c.b.conn.Publish("chat."+kind+"."+c.room, text)
	}
}

// hear takes note of what a node tells, this one included.
func (c *channel) hear(m *nats.Msg) {
	var p presence
	if json.Unmarshal(m.Data, &p) != nil {
		return
	}
	c.mu.Lock()
	own := c.own
	if !p.Ask {
		p.heard = time.Now()
		c.nodes[p.Node] = p
	}
	members := c.members()
	c.mu.Unlock()
	if p.Ask {
		c.publish("presence", presence{Node: c.b.node, Names: own})
		return
	}
	c.deliver(chat.Event{Members: members})
}

// members returns who is in the room on all nodes, with mu held.
func (c *channel) members() []string {
	names := []string{}
	for node, p := range c.nodes {
		if time.Since(p.heard) > forgetAfter {
			delete(c.nodes, node)
			continue
		}
		names = append(names, p.Names...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// repeat announces again who is here, and forgets nodes that do not, until Close.
func (c *channel) repeat() {
	ticker := time.NewTicker(announceInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.mu.Lock()
			own := c.own
			c.mu.Unlock()
			c.publish("presence", presence{Node: c.b.node, Names: own})
		case <-c.closed:
			return
		}
	}
}

// Close implements chat.Channel.
func (c *channel) Close() {
	close(c.closed)
	c.end()
}
