package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// A beyondServer is an echo server in another language, in internal/bench/beyond. It
// prints its address when it listens. Its argument is the kind of compression.
type beyondServer struct {
	name       string
	compresses bool // each message on its own
	dir        string
	build      []string
	command    string // in dir; the first file that the pattern matches
	arguments  []string

	built func() error
}

// beyondServers are all there are. Those in Rust have a thread for each processor, the
// others one.
var beyondServers = []*beyondServer{
	{name: "fastwebsockets (Rust)", dir: "rust", build: cargo, command: "target/release/fastwebsockets"},
	{name: "tokio-tungstenite (Rust)", dir: "rust", build: cargo, command: "target/release/tungstenite"},
	{name: "ws (Node)", compresses: true, dir: "node", build: npm, command: "node", arguments: []string{"ws.js"}},
	{name: "uWebSockets (Bun)", compresses: true, dir: "node", build: npm, command: "node_modules/@oven/bun-*/bin/bun", arguments: []string{"bun.js"}},
}

var (
	cargo = []string{"cargo", "build", "--release", "--locked"}
	npm   = []string{"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"}
)

func init() {
	for _, s := range beyondServers {
		s.built = sync.OnceValue(s.prepare)
	}
}

// errSkipped is the cause for not measuring what cannot be built here.
var errSkipped = errors.New("skipped")

// beyondDir returns the directory of the sources of a server.
func beyondDir(name string) (string, error) {
	for _, root := range []string{"beyond", "../../beyond"} { // where the command and its tests run
		if dir, err := filepath.Abs(filepath.Join(root, name)); err == nil {
			if _, err := os.Stat(dir); err == nil {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("%w: run this in internal/bench", errSkipped)
}

// prepare builds the server.
func (s *beyondServer) prepare() error {
	dir, err := beyondDir(s.dir)
	if err != nil {
		return err
	}
	build := exec.Command(s.build[0], s.build[1:]...)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: %s: %v %s", errSkipped, strings.Join(s.build, " "), err, lines[len(lines)-1])
	}
	return nil
}

// run starts the server and returns its address.
func (s *beyondServer) run(compression string) (*exec.Cmd, string, error) {
	dir, err := beyondDir(s.dir)
	if err != nil {
		return nil, "", err
	}
	name := s.command
	if strings.Contains(name, "/") {
		found, _ := filepath.Glob(filepath.Join(dir, name))
		if len(found) == 0 {
			return nil, "", fmt.Errorf("%w: there is no %s", errSkipped, name)
		}
		name = found[0]
	}
	arguments := s.arguments
	if compression != "" {
		arguments = append(arguments[:len(arguments):len(arguments)], compression)
	}
	command := exec.Command(name, arguments...)
	command.Dir, command.Stderr = dir, os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := command.Start(); err != nil {
		return nil, "", fmt.Errorf("%w: %v", errSkipped, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, _, bad := net.SplitHostPort(strings.TrimSpace(line)); err != nil || bad != nil {
		command.Process.Kill()
		command.Wait()
		return nil, "", fmt.Errorf("%s printed %q: %w", s.name, line, errors.Join(err, bad))
	}
	return command, strings.TrimSpace(line), nil
}

// beyondNamed returns the server of a name, nil if there is none.
func beyondNamed(name string) *beyondServer {
	for _, s := range beyondServers {
		if s.name == name {
			return s
		}
	}
	return nil
}

// usageOf returns the time that the threads of a process have run. Unlike what wait4
// tells it is known while the process runs, and unlike /proc/PID/stat to the nanosecond.
func usageOf(pid int) (cpu time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(threads) == 0 {
		err = errors.New("the server has ended")
	}
	for _, thread := range threads {
		text, readErr := os.ReadFile(thread)
		if readErr != nil {
			continue // it has ended since
		}
		var ran time.Duration
		if _, scanErr := fmt.Sscan(string(text), &ran); scanErr != nil {
			err = scanErr
		}
		cpu += ran
	}
	return cpu, err
}

// beyondScenarios compare with servers in other languages. They have tables of their own,
// so that these are whole also where there is nothing to build them with.
func beyondScenarios() []*scenario {
	var all []*scenario
	for _, size := range []int{128, 16 << 10, 1 << 20} {
		s := &scenario{name: "beyond/text/100x" + inName(size), limit: "rawtcp"}
		s.metrics = []metric{{table: "Echo, text, and other languages", row: "100 × " + bytesName(size), unit: microseconds}}
		s.columns = echoColumns([]string{"rawtcp", "websocket-append", "websocket-events", "gorilla", "gobwas"}, load.Text, 100, size, 1, false)
		traffic := sync.OnceValue(func() *load.Echo { return load.NewEcho(load.Text, size, 1, false) })
		for _, b := range beyondServers {
			s.columns = append(s.columns, column{b.name, false, false, func(run options) ([]float64, error) {
				cost, count, err := busyBeyond(run, b, "", load.Target{}, 100, window(100, size), traffic())
				return []float64{each(cost.cpu, count.Messages)}, err
			}})
		}
		all = append(all, s)
	}
	return append(all, beyondCompressed(), beyondIdle())
}

// beyondCompressed is an echo of messages that are compressed each on its own.
func beyondCompressed() *scenario {
	const size = 1 << 10
	o := peer.Options{Compression: peer.Alone}
	s := &scenario{name: "beyond/compressed", metrics: []metric{
		{"Compressed echo of JSON, CPU, and other languages", bytesName(size) + ", without takeover", microseconds, ""},
		{"Compressed echo of JSON, answers on the wire, and other languages", bytesName(size) + ", without takeover", "% of the message", ""},
	}}
	newTraffic := func() *load.Deflated { return load.NewDeflated(size, false, false) }
	for _, c := range windowColumns(o, "", newTraffic, size) {
		if c.name == "websocket" || c.name == "gorilla" || c.name == "gws" {
			s.columns = append(s.columns, c)
		}
	}
	header, agreed := offer(o)
	for _, b := range beyondServers {
		if !b.compresses {
			continue
		}
		s.columns = append(s.columns, column{b.name, false, false, func(run options) ([]float64, error) {
			traffic := newTraffic()
			target := load.Target{Offer: header, Agreed: agreed}
			cost, count, err := busyBeyond(run, b, peer.Alone, target, compressedConns, compressedConns, traffic)
			if err == nil {
				err = traffic.Verify()
			}
			if err != nil {
				return nil, err
			}
			return []float64{each(cost.cpu, count.Messages), 100 * float64(count.Bytes) / float64(count.Messages*size)}, nil
		}})
	}
	return s
}

// beyondIdle is the memory of connections that wait. Those with a garbage collector of
// their own cannot be told to run it.
func beyondIdle() *scenario {
	const conns = 10000
	s := &scenario{name: "beyond/idle", metrics: []metric{{"Memory of a waiting connection, and other languages",
		"10,000, plain, after 1 message", "KiB resident/connection", ""}}}
	o := peer.Options{Frame: load.FrameSize(plainSize), Depth: 1}
	for _, server := range serversNamed([]string{"websocket", "websocket-events", "gorilla"}, o) {
		s.columns = append(s.columns, idleColumn(server.Name, server, conns, false, o))
	}
	for _, b := range beyondServers {
		s.columns = append(s.columns, column{b.name, false, false, func(options) ([]float64, error) {
			p, err := startBeyond(b, "")
			if err != nil {
				return nil, err
			}
			defer p.stop()
			return idleMemory(p, load.Target{Addr: p.addr}, conns, load.NewEcho(load.Text, plainSize, 1, false), false)
		}})
	}
	return s
}

// startBeyond starts a server in another language, which it builds when it is needed.
func startBeyond(b *beyondServer, compression string) (*process, error) {
	if err := b.built(); err != nil {
		return nil, err
	}
	return start(role{Beyond: b.name, Options: peer.Options{Compression: compression}})
}

// busyBeyond is busy with a server in another language.
func busyBeyond(run options, b *beyondServer, compression string, target load.Target, conns, window int, traffic load.Traffic) (
	cost spent, count load.Count, err error) {
	p, err := startBeyond(b, compression)
	if err != nil {
		return cost, count, err
	}
	defer p.stop()
	return p.busy(run, target, conns, window, traffic)
}
