// Command node runs a test binary of GOOS=js in Node.js, with a server of package
// jstest beside it. It is for the flag -exec of go test:
//
//	go build -o node ./internal/jstest/node
//	GOOS=js GOARCH=wasm go test -exec "$PWD/node" ./...
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/seed23105783/websocket/internal/jstest"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		code = 1
	}
	os.Exit(code)
}

// run runs Node.js with the arguments, and returns its exit code.
func run(arguments []string) (int, error) {
	root, err := goRoot()
	if err != nil {
		return 0, err
	}
	server := jstest.Start()
	defer server.Close()
	certificate, err := writeTemp(server.CertificatePEM())
	if err != nil {
		return 0, err
	}
	defer os.Remove(certificate)

	// The stack size is that of Go's own go_js_wasm_exec.
	script := filepath.Join(root, "lib", "wasm", "wasm_exec_node.js")
	cmd := exec.Command("node", append([]string{"--experimental-websocket", "--stack-size=8192", script}, arguments...)...)
	// The Go program gets all variables, and has little room for them.
	cmd.Env = []string{"NODE_EXTRA_CA_CERTS=" + certificate, "NODE_NO_WARNINGS=1"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PWD"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for name, value := range server.Environment("Node.js") {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// goRoot returns the directory of the Go installation.
func goRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
}

// writeTemp writes a file for the time of the tests, and returns its name.
func writeTemp(content []byte) (string, error) {
	f, err := os.CreateTemp("", "jstest-*.pem")
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = f.Write(content)
	return f.Name(), err
}
