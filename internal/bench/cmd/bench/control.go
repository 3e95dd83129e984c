package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket/internal/bench/peer"
)

// A role is what a process that is measured is to be.
type role struct {
	Server, Client, Codec, Beyond string // the name of one of these

	Options peer.Options // of a server
	Addr    string       // what a client connects to
	Opcode  byte         // of its message
	Message []byte       // of a client or a codec
	Write   bool         // measure the codec's writing, not its reading

	Profile string // where a CPU profile is written to, "" for none
}

// A request is what the measuring process asks for on the standard input of
// the one that is measured.
type request struct {
	Op      string
	Payload []byte        // of a broadcast
	Conns   int           // that a broadcast has to reach
	For     time.Duration // of a run
}

// The operations.
const (
	opBegin     = "begin"     // collect garbage, begin the profile, tell the usage
	opUsage     = "usage"     // tell the usage
	opMemory    = "memory"    // free what can be freed, and tell the resident memory
	opBroadcast = "broadcast" // send a message to all connections
	opRun       = "run"       // do round trips, or read or write messages
)

// A reply comes on the standard output.
type reply struct {
	Addr     string        // where a server listens: the first reply
	CPU      time.Duration // user and system time so far
	Mallocs  uint64        // so far
	Resident int           // bytes
	Count    int           // of what was run
	Elapsed  time.Duration // while it was run
	Err      string
}

// A subject is the process that is measured, from the inside.
type subject struct {
	hub    *peer.Hub
	beyond *exec.Cmd // a server in another language, which is what is measured then
	run    func(stop func() bool) (int, error)
}

// beMeasured plays the role that comes first on the standard input, until that
// ends.
func beMeasured() error {
	requests, replies := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var r role
	if err := requests.Decode(&r); err != nil {
		return err
	}
	s := new(subject)
	defer s.stop()
	first, err := s.play(r)
	if err != nil {
		first.Err = err.Error()
	}
	defer pprof.StopCPUProfile()
	if err := replies.Encode(first); err != nil {
		return err
	}
	for {
		var q request
		if err := requests.Decode(&q); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		if q.Op == opBegin && r.Profile != "" {
			if err := profile(r.Profile); err != nil {
				return err
			}
			r.Profile = ""
		}
		if err := replies.Encode(s.answer(q)); err != nil {
			return err
		}
	}
}

// play becomes what the role says.
func (s *subject) play(r role) (reply, error) {
	raiseFileLimit()
	switch {
	case r.Server != "":
		for _, server := range peer.Servers() {
			if server.Name == r.Server {
				return s.serve(server, r.Options)
			}
		}
	case r.Client != "":
		for _, client := range peer.Clients() {
			if client.Name == r.Client {
				trips, err := client.Dial(r.Addr, r.Opcode, r.Message)
				s.run = trips
				return reply{}, err
			}
		}
	case r.Beyond != "":
		if server := beyondNamed(r.Beyond); server != nil {
			command, addr, err := server.run(r.Options.Compression)
			s.beyond = command
			return reply{Addr: addr}, err
		}
	case r.Codec != "":
		for _, codec := range peer.Codecs() {
			if codec.Name == r.Codec {
				var err error
				s.run, err = inMemory(codec, r)
				return reply{}, err
			}
		}
	}
	return reply{}, fmt.Errorf("there is nothing of the name %q", r.Server+r.Client+r.Codec+r.Beyond)
}

func (s *subject) serve(server *peer.Server, o peer.Options) (reply, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return reply{}, err
	}
	s.hub = server.Start(l, o, func(err error) {
		fmt.Fprintln(os.Stderr, server.Name, err)
		os.Exit(1)
	})
	return reply{Addr: l.Addr().String()}, nil
}

// stop ends a server in another language.
func (s *subject) stop() {
	if s.beyond != nil {
		s.beyond.Process.Kill()
		s.beyond.Wait()
	}
}

// usage returns what the subject has used so far.
func (s *subject) usage() (cpu time.Duration, mallocs uint64, err error) {
	if s.beyond != nil {
		cpu, err = usageOf(s.beyond.Process.Pid)
		return cpu, 0, err
	}
	cpu, mallocs = usage()
	return cpu, mallocs, nil
}

// resident returns the resident memory of the subject.
func (s *subject) resident() (int, error) {
	if s.beyond != nil {
		return residentOf(strconv.Itoa(s.beyond.Process.Pid))
	}
	// What pools held is free after the second garbage collection.
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	return residentOf("self")
}

// answer does what is asked for.
func (s *subject) answer(q request) reply {
	var r reply
	var err error
	switch q.Op {
	case opBegin:
		runtime.GC()
		r.CPU, r.Mallocs, err = s.usage()
	case opUsage:
		r.CPU, r.Mallocs, err = s.usage()
	case opMemory:
		r.Resident, err = s.resident()
	case opBroadcast:
		err = s.hub.Broadcast(q.Payload, q.Conns)
	case opRun:
		var stop atomic.Bool
		timer := time.AfterFunc(q.For, func() { stop.Store(true) })
		defer timer.Stop()
		began := time.Now()
		r.Count, err = s.run(stop.Load)
		r.Elapsed = time.Since(began)
	default:
		err = fmt.Errorf("no operation %q", q.Op)
	}
	if err != nil {
		r.Err = err.Error()
	}
	return r
}

// residentOf returns the resident memory of a process.
func residentOf(pid string) (int, error) {
	statm, err := os.ReadFile("/proc/" + pid + "/statm")
	var size, pages int
	if err == nil {
		_, err = fmt.Sscan(string(statm), &size, &pages)
	}
	return pages * os.Getpagesize(), err
}

func profile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}
