package websocket

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// pings are the pings of ours that wait for their pongs. Its zero value has
// none; to ask a nil one whether it has is all right.
type pings struct {
	onAnswer func(rtt time.Duration) // told of every first answer; or nil. It does not change

	mu   sync.Mutex
	mark [pingSize / 2]byte // what our payloads begin with; zero before the first ping

	// The numbers of the ping that was sent last and of the one that was
	// answered last. waiting is what lies between, without those that nobody
	// waits for any more: in order.
	sent, answered uint64
	waiting        []*ping
}

// pingSize is the length of the payload of a ping of ours: the mark, by which
// its pong is told from those that the application has to do with, and the
// number of the ping.
const pingSize = 16

// A ping is one that waits.
type ping struct {
	number  uint64
	payload [pingSize]byte
	start   time.Time
	pong    chan time.Duration // gets the round-trip time; nil if nobody waits for it
}

// begin returns a new ping, which is to be sent at once.
func (s *pings) begin(pong chan time.Duration) *ping {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == 0 {
		rand.Read(s.mark[:])
	}
	s.sent++
	p := &ping{number: s.sent, start: time.Now(), pong: pong}
	binary.BigEndian.PutUint64(p.payload[copy(p.payload[:], s.mark[:]):], p.number)
	s.waiting = append(s.waiting, p)
	return p
}

// forget makes p one that is not waited for.
func (s *pings) forget(p *ping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := s.find(p.number); found {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// find returns the index in waiting of the first ping with the number or a
// higher one, and whether it has the number.
func (s *pings) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(s.waiting, number, func(p *ping, number uint64) int { return cmp.Compare(p.number, number) })
}

// number returns the number of the ping of ours that had this payload.
func (s *pings) number(payload []byte) (n uint64, ours bool) {
	if len(payload) != pingSize || s.sent == 0 || [len(s.mark)]byte(payload) != s.mark {
		return 0, false
	}
	n = binary.BigEndian.Uint64(payload[len(s.mark):])
	return n, 0 < n && n <= s.sent
}

// answer takes the payload of a pong and reports whether it is the answer to
// a ping of ours, and the first one. It answers the pings before it too
// (RFC 6455, Section 5.5.3): "If an endpoint receives a Ping frame and has not
// yet sent Pong frame(s) in response to previous Ping frame(s), the endpoint
// MAY elect to send a Pong frame for only the most recently processed Ping
// frame."
func (s *pings) answer(payload []byte) (rtt time.Duration, first bool) {
	if s == nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ours := s.number(payload)
	if !ours || n <= s.answered {
		return 0, false
	}
	s.answered = n
	end, found := s.find(n)
	if found {
		end++
	}
	now := time.Now()
	for _, p := range s.waiting[:end] {
		rtt = now.Sub(p.start)
		if p.pong != nil {
			p.pong <- rtt
		}
	}
	s.waiting = slices.Delete(s.waiting, 0, end)
	return rtt, true
}

// has reports whether a pong with this payload is for a ping of ours, be it
// late or not the first.
func (s *pings) has(payload []byte) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ours := s.number(payload)
	return ours
}
