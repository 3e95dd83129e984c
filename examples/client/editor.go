package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
)

// longestOutput is how many bytes of a line of output wait for its end.
const longestOutput = 64 << 10

// An editor keeps the line that is being typed at the bottom of a terminal, below all that
// is written in the meantime. Sent lines stay, with the mark "> ".
type editor struct {
	in      *os.File
	out     io.Writer
	restore func() // gives the terminal its mode back

	mu     sync.Mutex
	line   []rune
	output []byte // the beginning of a line of output
	closed bool
}

// newEditor returns nil if the input and the output are not a terminal, or if there is
// no editor for this system.
func newEditor(stdin io.Reader, stdout io.Writer) *editor {
	in, ok := stdin.(*os.File)
	if !ok || !isTerminal(in) || !isTerminal(stdout) {
		return nil
	}
	restore, err := readKeys(in)
	if err != nil {
		return nil
	}
	e := &editor{in: in, out: stdout, restore: restore}
	e.draw()
	return e
}

// close removes the line and gives the terminal its mode back.
func (e *editor) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.erase()
	e.out.Write(e.output)
	e.closed = true
	e.restore()
}

// Write writes lines above the line that is being typed.
func (e *editor) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return e.out.Write(p)
	}
	e.output = append(e.output, p...)
	end := bytes.LastIndexByte(e.output, '\n') + 1
	if end == 0 && len(e.output) > longestOutput {
		e.output = append(e.output, '\n')
		end = len(e.output)
	}
	if end == 0 {
		return len(p), nil
	}
	e.erase()
	_, err := e.out.Write(e.output[:end])
	e.output = e.output[end:]
	e.draw()
	return len(p), err
}

func (e *editor) erase() { io.WriteString(e.out, "\r\x1b[K") }

// draw shows the line, of a long one its end.
func (e *editor) draw() {
	shown := e.line
	if room := max(width(e.in)-3, 1); len(shown) > room {
		shown = shown[len(shown)-room:]
	}
	io.WriteString(e.out, "\r\x1b[K> "+string(shown))
}

// errInputEnds is the error of Ctrl-D.
var errInputEnds = errors.New("the input ends")

// readLines calls send for each line until that returns false or the input ends.
func (e *editor) readLines(send func(line string) bool) error {
	keys := bufio.NewReader(e.in)
	for {
		key, _, err := keys.ReadRune()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if key == '\x1b' {
			skipEscape(keys)
			continue
		}
		line, done, err := e.press(key)
		if err != nil || done && !send(line) {
			return nil
		}
	}
}

// press obeys a key, and reports whether it ends the line.
func (e *editor) press(key rune) (line string, done bool, err error) {
	const controlD, controlU, controlW, backspace, del = 4, 21, 23, 8, 127
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case key == '\r' || key == '\n':
		line, done = string(e.line), true
		e.line = nil
		e.erase()
		io.WriteString(e.out, "> "+line+"\n")
	case key == controlD && len(e.line) == 0:
		return "", false, errInputEnds
	case key == controlU:
		e.line = nil
	case key == controlW:
		text := strings.TrimRightFunc(string(e.line), unicode.IsSpace)
		e.line = []rune(text[:strings.LastIndexFunc(text, unicode.IsSpace)+1])
	case key == backspace || key == del:
		e.line = e.line[:max(len(e.line)-1, 0)]
	case key == '\t' || unicode.IsPrint(key):
		e.line = append(e.line, key)
	}
	e.draw()
	return line, done, nil
}

// skipEscape reads what follows the escape character of a key such as an arrow.
func skipEscape(keys *bufio.Reader) {
	if keys.Buffered() == 0 { // the escape key
		return
	}
	next, err := keys.ReadByte()
	if err != nil || next != '[' && next != 'O' {
		return
	}
	for {
		b, err := keys.ReadByte()
		if err != nil || b >= 0x40 && b <= 0x7e {
			return
		}
	}
}
