// Command client is a WebSocket client for the terminal. It sends the lines it reads as
// text messages and prints the messages it receives.
//
//	go run ./examples/client ws://127.0.0.1:8080/ws
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed23105783/websocket"
)

// The exit codes, which usage explains.
const (
	exitClean = iota
	exitUsage
	exitNotConnected
	exitClosed
	exitLost
)

const usage = `usage: client [flags] ws://host[:port]/path

Each line of the standard input is sent as a text message. Received messages go
to the standard output: text as a line, binary as a hex dump. Everything else,
such as pongs and how the connection ended, goes to the standard error.

On a terminal, received text has the mark "< ", and control characters in it are
written as escapes. Sent lines have the mark "> ". The line that is being typed
stays below what is received.

The end of the input closes the connection with code 1000, and an interrupt
(Ctrl-C) with 1001. Both wait for the peer to close its side too.

Exit codes:
  0  closed cleanly: by either side, and the peer's code was 1000, 1001 or none
  1  wrong usage
  2  could not connect, or the server refused the handshake
  3  closed by the peer with another code
  4  the connection was lost, or failed, before the peer closed it

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process even if the peer does not answer the close.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs the program and returns the exit code. The end of ctx is the interrupt.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	options, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitClean
	}
	if err != nil {
		fmt.Fprintln(stderr, "client:", err)
		fmt.Fprintln(stderr, "client: -h explains the usage")
		return exitUsage
	}
	conn, response, err := options.dialer.DialContext(ctx, options.url, options.header)
	if err != nil {
		fmt.Fprintln(stderr, "client: cannot connect:", err)
		printRefusal(&visible{w: stderr}, response)
		return exitNotConnected
	}
	defer conn.Close()
	options.terminal = isTerminal(stdout)
	return newConversation(conn, options, stdout, stderr).run(ctx, stdin)
}

// options are the command line's arguments.
type options struct {
	url      string
	header   http.Header
	dialer   websocket.Dialer
	origin   string
	insecure bool
	ping     time.Duration
	wait     time.Duration
	compress bool
	ca       string
	cert     string
	key      string
	messages []string // of -x
	binary   bool
	slash    bool
	terminal bool // the standard output is one
}

// isTerminal reports whether w is a terminal, or another device of characters.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// tlsConfig returns the configuration that the flags ask for.
func (o *options) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: o.insecure}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-ca: there is no certificate in PEM in %s", o.ca)
		}
	}
	if o.cert != "" || o.key != "" {
		certificate, err := tls.LoadX509KeyPair(o.cert, cmp.Or(o.key, o.cert))
		if err != nil {
			return nil, fmt.Errorf("-cert, -key: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// parseArgs parses the command line. It returns flag.ErrHelp after it has written
// the usage to help, if that was asked for.
func parseArgs(args []string, help io.Writer) (*options, error) {
	o := &options{
		header: make(http.Header),
		dialer: websocket.Dialer{
			Proxy:            http.ProxyFromEnvironment,
			HandshakeTimeout: 30 * time.Second,
			// Messages are printed as they arrive and not kept in memory.
			ReadLimit: -1,
		},
	}
	flags := o.flagSet()
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(help, usage)
		flags.SetOutput(help)
		flags.PrintDefaults()
	}
	if err != nil {
		return nil, err
	}
	if o.origin != "" {
		o.header.Set("Origin", o.origin)
	}
	if o.dialer.TLSClientConfig, err = o.tlsConfig(); err != nil {
		return nil, err
	}
	if o.compress {
		o.dialer.Compression = &websocket.Compression{}
	}
	if o.ping < 0 || o.wait < 0 {
		return nil, fmt.Errorf("-ping %v, -wait %v: the time is negative", o.ping, o.wait)
	}
	if flags.NArg() != 1 {
		return nil, fmt.Errorf("got %d arguments after the flags, want the URL alone", flags.NArg())
	}
	o.url = flags.Arg(0)
	return o, checkURL(o.url)
}

func (o *options) flagSet() *flag.FlagSet {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	// Parse would print errors, which run prints.
	flags.SetOutput(io.Discard)
	flags.Func("header", "send the `\"Name: value\"` field with the handshake (repeatable)", o.addHeader)
	flags.Func("subprotocol", "offer the subprotocol `name`, by preference (repeatable)", func(name string) error {
		o.dialer.Subprotocols = append(o.dialer.Subprotocols, name)
		return nil
	})
	flags.StringVar(&o.origin, "origin", "", "send `URL` as the Origin, as a browser would")
	flags.BoolVar(&o.insecure, "insecure", false, "accept any TLS certificate")
	flags.DurationVar(&o.ping, "ping", 0, "send a ping every `interval`, such as 10s, and print the round-trip times")
	flags.DurationVar(&o.wait, "wait", 0, "receive for the `time`, such as 2s, after the end of the input")
	flags.BoolVar(&o.compress, "compress", false, "offer compression (permessage-deflate)")
	flags.StringVar(&o.ca, "ca", "", "trust the certificates in the PEM `file`, and not those of the system")
	flags.StringVar(&o.cert, "cert", "", "identify with the certificate in the PEM `file`")
	flags.StringVar(&o.key, "key", "", "the PEM `file` with the key of -cert, if it is not in that file too")
	flags.Func("x", "send the `message` and not the standard input (repeatable)", func(message string) error {
		o.messages = append(o.messages, message)
		return nil
	})
	flags.BoolVar(&o.binary, "binary", false, "send all of the standard input, or each -x, as a binary message")
	flags.BoolVar(&o.slash, "slash", false, "take the lines /ping [text] and /close [code [reason]] for commands")
	return flags
}

func (o *options) addHeader(field string) error {
	name, value, found := strings.Cut(field, ":")
	if name = strings.TrimSpace(name); !found || name == "" {
		return errors.New(`want "Name: value"`)
	}
	o.header.Add(name, strings.TrimSpace(value))
	return nil
}

// checkURL checks that raw is a WebSocket URL.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	if u.Scheme != "ws" && u.Scheme != "wss" {
		return fmt.Errorf("URL %q does not start with ws:// or wss://", raw)
	}
	if u.Host == "" {
		return fmt.Errorf("URL %q names no host", raw)
	}
	return nil
}

// printRefusal prints the HTTP response of a server that refused the handshake. It
// has the beginning of the body.
func printRefusal(stderr io.Writer, response *http.Response) {
	if response == nil {
		return
	}
	fmt.Fprintln(stderr, response.Status)
	body, err := io.ReadAll(response.Body)
	if err != nil {
		fmt.Fprintln(stderr, "client: cannot read the response:", err)
	}
	if text := strings.TrimSpace(string(body)); text != "" {
		fmt.Fprintln(stderr, text)
	}
}
