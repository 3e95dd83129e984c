// Command check reads the reports of the Autobahn suite and fails unless the result
// of every requested case is OK or INFORMATIONAL. wstest itself does not fail
// because of results.
//
// Each argument is a directory with the spec.json that wstest was given and
// the index.json that it wrote.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: check directory...")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks all reports, even if one of them fails.
func run(w io.Writer, dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, check(w, dir))
	}
	return errors.Join(errs...)
}

func check(w io.Writer, dir string) error {
	r, err := readReport(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %d of the suite's %d cases\n", dir, len(r.wanted), len(allCases()))
	r.writeCounts(w)

	failures := r.failures()
	r.writeFailures(w, failures)
	fmt.Fprintln(w)
	if len(failures) > 0 {
		return fmt.Errorf("%s: %d cases are not strictly OK", dir, len(failures))
	}
	return nil
}
