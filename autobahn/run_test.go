// Package autobahn tests run.sh with programs in the place of Docker and Go, since the
// suite itself is not there in every test run.
package autobahn

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain runs the program that a link to the test binary is named for.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "go":
		linkPrograms(os.Args[3], "server", "client", "tunnel", "check")
	case "uname":
		fmt.Println(os.Getenv("FAKE_SYSTEM"))
	case "docker":
		docker(os.Args[1:])
	case "server":
		fmt.Println("ws://127.0.0.1:4711")
		time.Sleep(time.Minute)
	case "client", "tunnel", "check":
	default:
		os.Exit(m.Run())
	}
}

// docker is the engine: it logs its arguments, and listens on a published port.
func docker(args []string) {
	log, err := os.OpenFile(os.Getenv("FAKE_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(log, strings.Join(args, " "))
	log.Close()
	if args[0] == "info" {
		switch engine := os.Getenv("FAKE_ENGINE"); engine {
		case "stuck":
			time.Sleep(time.Minute)
		case "down":
			os.Exit(1)
		default:
			fmt.Println(engine)
		}
	}
	if args[0] == "run" && slices.Contains(args, "fuzzingserver") {
		spec, err := os.ReadFile("reports/client/spec.json")
		if err != nil {
			panic(err)
		}
		port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindSubmatch(spec)[1]
		listener, err := net.Listen("tcp", "127.0.0.1:"+string(port))
		if err != nil {
			panic(err)
		}
		time.AfterFunc(time.Minute, func() { os.Exit(1) })
		http.Serve(listener, http.NotFoundHandler())
	}
}

// linkPrograms makes links to the test binary.
func linkPrograms(directory string, names ...string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(directory, name)); err != nil {
			panic(err)
		}
	}
}

// A suite is a copy of run.sh that finds the links in the place of programs.
type suite struct{ directory, system, engine string }

func newSuite(t *testing.T, system, engine string) suite {
	t.Helper()
	for _, program := range []string{"bash", "mkfifo"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("run.sh needs a program that is not here: " + program)
		}
	}
	s := suite{t.TempDir(), system, engine}
	require.NoError(t, os.MkdirAll(filepath.Join(s.directory, "autobahn"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(s.directory, "bin"), 0o700))
	for _, name := range []string{"run.sh", "fuzzingclient.json", "fuzzingserver.json"} {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(s.directory, "autobahn", name), content, 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.directory, "autobahn/wstest.sh"), []byte("#!/bin/sh\nexit 1\n"), 0o700))
	linkPrograms(filepath.Join(s.directory, "bin"), "go", "docker", "uname")
	if err := exec.Command(filepath.Join(s.directory, "bin/uname")).Run(); err != nil {
		t.Skip("this machine cannot run the test binary: ", err) // which an emulator runs
	}
	return s
}

// run returns the output of run.sh.
func (s suite) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"autobahn/run.sh"}, args...)...)
	cmd.Dir = s.directory
	cmd.Env = append(os.Environ(), "WSTEST=", "FAKE_SYSTEM="+s.system, "FAKE_ENGINE="+s.engine,
		"FAKE_LOG="+filepath.Join(s.directory, "log"), "PATH="+filepath.Join(s.directory, "bin")+":/usr/bin:/bin")
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func (s suite) file(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.directory, name))
	require.NoError(t, err)
	return string(content)
}

// TestNetwork: where the engine runs in a virtual machine, the container reaches this
// machine by the name that Docker gives it, and its port is published.
func TestNetwork(t *testing.T) {
	for _, test := range []struct {
		system, engine string
		shared         bool
	}{
		{"Linux", "Debian GNU/Linux 12 (bookworm)", true},
		{"Linux", "Docker Desktop", false},
		{"Darwin", "Docker Desktop", false},
		{"Darwin", "Ubuntu 24.04 LTS", false},
	} {
		t.Run(test.system+" "+test.engine, func(t *testing.T) {
			s := newSuite(t, test.system, test.engine)
			output, err := s.run(t, "all")
			require.NoError(t, err, output)
			log := s.file(t, "log")
			require.Equal(t, 2, strings.Count(log, "run --rm"), log)
			port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(s.file(t, "autobahn/reports/client/spec.json"))
			require.NotNil(t, port)
			published := "--publish 127.0.0.1:" + port[1] + ":" + port[1] + " "
			server := s.file(t, "autobahn/reports/server/spec.json")
			if test.shared {
				require.Equal(t, 2, strings.Count(log, "--network host "), log)
				require.NotContains(t, log, "--publish")
				require.Contains(t, server, `"ws://127.0.0.1:4711"`)
				return
			}
			require.NotContains(t, log, "--network host")
			require.Equal(t, 1, strings.Count(log, published), log)
			require.Contains(t, server, `"ws://host.docker.internal:4711"`)
		})
	}
}

// TestEngineUnreachable: run.sh says so within seconds, also if docker info hangs.
func TestEngineUnreachable(t *testing.T) {
	for _, engine := range []string{"down", "stuck"} {
		t.Run(engine, func(t *testing.T) {
			s := newSuite(t, "Darwin", engine)
			begin := time.Now()
			output, err := s.run(t, "server")
			require.Error(t, err)
			require.Contains(t, output, "Docker is installed, but its engine cannot be reached; start it, or set WSTEST to a wstest")
			require.Less(t, time.Since(begin), 40*time.Second)
		})
	}
}

func TestHelp(t *testing.T) {
	output, err := newSuite(t, "Linux", "").run(t, "-h")
	require.NoError(t, err, output)
	require.Contains(t, output, "AUTOBAHN_CASES  narrows the run")
	require.NotContains(t, output, "#")

	output, err = newSuite(t, "Linux", "").run(t, "nothing")
	require.Error(t, err)
	require.Contains(t, output, "run.sh -h explains them")
}
