package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"pushpull/report"
	"pushpull/report/ci"
	"pushpull/report/text"
)

// A delivery hands over what a command has found: first to the disk, then to standard output, whose
// reader may be slow or gone.
type delivery struct {
	dir     string             // where the report is drawn; empty: nowhere
	draw    func(string) error // draws it in a directory; nil: it is that of runs
	runs    []report.Run
	files   outputs // for CI systems, with outcome
	outcome ci.Outcome
	what    string // is printed, like "check"
	print   func(io.Writer) error
	data    bool      // print prints data for a program, so the report's path must not follow
	kept    string    // ends an error with the place of the result; may be empty
	show    *progress // says where the report is if data is printed; may be nil
	failed  error     // an earlier failure
	verdict error     // on the result: a regression or a doubt
}

// deliver takes every step even if others fail, and returns what failed and the verdict as one error.
func (d delivery) deliver(out io.Writer) error {
	step := func(err error) error {
		if err != nil && d.kept != "" {
			err = fmt.Errorf("%w: %s", err, d.kept)
		}
		return err
	}
	var drawn error
	if d.draw == nil {
		d.draw = func(dir string) error { return report.Write(dir, d.runs...) }
	}
	if d.dir != "" {
		drawn = step(d.draw(d.dir))
	}
	written := d.files.write(d.outcome)

	err := errors.Join(d.print(out), flush(out))
	if err == nil && d.dir != "" && drawn == nil {
		switch {
		case !d.data:
			fmt.Fprintf(out, "\n%s\n", filepath.Join(d.dir, report.Page))
			err = flush(out)
		case d.failed == nil && d.show != nil:
			d.show.kept(d.dir)
		}
	}
	if err != nil {
		err = step(fmt.Errorf("printing the %s: %w", d.what, err))
	}
	return settle(d.verdict, errors.Join(d.failed, drawn, written, err))
}

// A finding is what a command has found, other than runs.
type finding interface {
	Table(w io.Writer, on text.Screen) error
	JSON(w io.Writer) error
	Write(dir string) error // draws it
}

// of returns d for a finding, which is printed in colours as its reader wants them.
func (d delivery) of(what string, found finding, out io.Writer, colour colouring) delivery {
	d.what, d.draw, d.print = what, found.Write, found.JSON
	if !d.data {
		d.print = func(w io.Writer) error { return found.Table(w, colour.screen(out)) }
	}
	return d
}

// settle joins the verdict on a result with what failed. A regression takes precedence over a failure,
// which takes precedence over doubts and what was not judged: these stand below the table and in the files.
func settle(verdict, failed error) error {
	if failed != nil && exitCode(verdict) == exitDoubtful {
		return failed
	}
	return errors.Join(verdict, failed)
}

// printed adds to err, of a command, the error of its standard output, unless err holds it already.
func printed(err, out error) error {
	if out == nil || errors.Is(err, out) {
		return err
	}
	return settle(err, fmt.Errorf("printing: %w: free some space, or print to another place", out))
}
