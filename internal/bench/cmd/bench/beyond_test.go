package main

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// TestBeyond builds the servers in other languages, as far as there is what that needs,
// and has them echo. Building takes a minute.
func TestBeyond(t *testing.T) {
	if os.Getenv("BENCH_BEYOND") == "" {
		t.Skip("BENCH_BEYOND is not set")
	}
	run := options{warm: time.Millisecond, time: 50 * time.Millisecond}
	for _, s := range beyondServers {
		t.Run(s.name, func(t *testing.T) {
			for _, size := range []int{1, 1 << 10, 1 << 20} {
				cost, count, err := busyBeyond(run, s, "", load.Target{}, 2, 2, load.NewEcho(load.Text, size, 1, false))
				if errors.Is(err, errSkipped) {
					t.Skip(err)
				}
				if err != nil || count.Messages == 0 || cost.cpu <= 0 {
					t.Error(size, cost, count, err)
				}
			}
			if s.compresses {
				header, agreed := offer(peer.Options{Compression: peer.Alone})
				traffic := load.NewDeflated(1<<10, false, false)
				_, count, err := busyBeyond(run, s, peer.Alone, load.Target{Offer: header, Agreed: agreed}, 2, 2, traffic)
				if err := errors.Join(err, traffic.Verify()); err != nil || count.Messages == 0 {
					t.Error(count, err)
				}
			}
		})
	}
}

// TestUnknownToolchain: what cannot be built is skipped, and no failure.
func TestUnknownToolchain(t *testing.T) {
	s := &beyondServer{name: "x", dir: "node", build: []string{"no-such-program"}}
	if err := s.prepare(); !errors.Is(err, errSkipped) {
		t.Error(err)
	}
}
