package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A process is what is measured, from the outside.
type process struct {
	addr     string
	command  *exec.Cmd
	stdin    io.WriteCloser
	requests *json.Encoder
	replies  *json.Decoder
}

// start has this very program play a role in a process of its own.
func start(r role) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(self, "-serve")}
	p.command.Stderr = os.Stderr
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.requests, p.replies = json.NewEncoder(p.stdin), json.NewDecoder(stdout)
	err = p.requests.Encode(r)
	var first reply
	if err == nil {
		first, err = p.reply()
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	p.addr = first.Addr
	return p, nil
}

// ask sends a request and waits for the reply.
func (p *process) ask(q request) (reply, error) {
	if err := p.requests.Encode(q); err != nil {
		return reply{}, err
	}
	return p.reply()
}

func (p *process) reply() (reply, error) {
	// One that hangs is ended, which ends its output.
	timer := time.AfterFunc(3*time.Minute, func() { p.command.Process.Kill() })
	defer timer.Stop()
	var r reply
	if err := p.replies.Decode(&r); err != nil {
		return r, fmt.Errorf("the process that is measured: %w", err)
	}
	if r.Err != "" {
		return r, errors.New(r.Err)
	}
	return r, nil
}

// stop ends the process: it goes when its input ends.
func (p *process) stop() {
	p.stdin.Close()
	timer := time.AfterFunc(10*time.Second, func() { p.command.Process.Kill() })
	defer timer.Stop()
	p.command.Wait()
}

// A spent is what something cost.
type spent struct {
	cpu     time.Duration
	elapsed time.Duration // on the clock, where that is of interest
	mallocs uint64
}

// during returns what the process spends while work is done.
func (p *process) during(work func() error) (spent, error) {
	before, err := p.ask(request{Op: opBegin})
	if err != nil {
		return spent{}, err
	}
	if err := work(); err != nil {
		return spent{}, err
	}
	after, err := p.ask(request{Op: opUsage})
	return spent{cpu: after.CPU - before.CPU, mallocs: after.Mallocs - before.Mallocs}, err
}
