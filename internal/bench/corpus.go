package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// An order is what the messages are about.
type order struct {
	ID       int     `json:"id"`
	Event    string  `json:"event"`
	User     string  `json:"user"`
	Price    float64 `json:"price"`
	Quantity int     `json:"quantity"`
	Open     bool    `json:"open"`
	Time     string  `json:"time"`
	Note     string  `json:"note,omitempty"`
	Tags     []string
}

var words = strings.Fields(`the of and to in a is that for it as was with be by on not he his but at are this have
	from or had an they which one you were all her she there would their we him been has when who will no more if out so
	said what up its about than into them can only other time new some could these two may first then do now such like
	our over man me even most made after also did many off before must well back through years much where your way down
	should because each just those people mr how too little state good very make world still see own work long men day`)

var events = []string{"order.created", "order.updated", "order.filled", "order.cancelled", "trade", "quote", "heartbeat"}

func randomOrder(r *rand.Rand) order {
	o := order{
		ID:       r.IntN(1 << 30),
		Event:    events[r.IntN(len(events))],
		User:     fmt.Sprintf("%s.%s@example.com", words[r.IntN(len(words))], words[r.IntN(len(words))]),
		Price:    float64(r.IntN(1<<20)) / 100,
		Quantity: r.IntN(1000),
		Open:     r.IntN(2) == 0,
		Time:     fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02d.%03dZ", 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000)),
	}
	var note []string
	for range r.IntN(20) {
		note = append(note, words[r.IntN(len(words))])
	}
	o.Note = strings.Join(note, " ")
	for range r.IntN(4) {
		o.Tags = append(o.Tags, words[r.IntN(len(words))])
	}
	return o
}

// Messages returns count JSON messages of size bytes each, the same at every
// call. They are cut where they are long enough.
func Messages(size, count int) [][]byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	messages := make([][]byte, count)
	for i := range messages {
		var m []byte
		for len(m) < size {
			o, err := json.Marshal(randomOrder(r))
			if err != nil {
				panic(err)
			}
			m = append(append(m, o...), ',')
		}
		messages[i] = m[:size]
	}
	return messages
}
