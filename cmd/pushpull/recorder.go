package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/ci"
	"pushpull/report/theory"
)

// A place is where what is measured gets a directory of its own.
type place struct{ results, out string }

func (p *place) addFlags(f *pflag.FlagSet) {
	f.StringVar(&p.results, "results", "results", "`directory` in which the run gets one of its own")
	f.StringVar(&p.out, "out", "", "`directory` of this run itself, which must not hold a result yet")
}

// make makes the directory that is asked for, or one with a name of its own: a second run may
// begin in the same second. made says that it wasn't there.
func (p place) make(name string, begun time.Time) (dir string, made bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("creating the results directory: %w: use --results with one that can be written", err)
		}
	}()
	if p.out != "" {
		_, err := os.Stat(p.out)
		return p.out, errors.Is(err, os.ErrNotExist), os.MkdirAll(p.out, 0o755)
	}
	if err := os.MkdirAll(p.results, 0o755); err != nil {
		return "", false, err
	}
	name = filepath.Join(p.results, name+"-"+begun.Format("20060102-150405"))
	dir = name
	err = os.Mkdir(dir, 0o755)
	for n := 2; errors.Is(err, os.ErrExist); n++ {
		dir = fmt.Sprintf("%s-%d", name, n)
		err = os.Mkdir(dir, 0o755)
	}
	return dir, true, err
}

// A recorder keeps what a run measures, on the disk and in memory.
type recorder struct {
	result result.Result
	dir    string
	made   bool // the directory is ours to remove
	full   bool // no disk took the last window
	file   *result.Writer
}

// newRecorder begins a result in dir; made says that the directory is the recorder's to remove.
func newRecorder(dir string, made bool, run result.Run) (*recorder, error) {
	r := &recorder{result: result.Result{Run: run}, dir: dir, made: made}
	var err error
	if r.file, err = result.Create(dir); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("%s holds a result already: use --out with another directory", dir)
		}
		return nil, fmt.Errorf("%w: use --results with a directory that can be written", err)
	}
	if err := r.write(result.Line{Run: &run}); err != nil {
		r.discard()
		return nil, fmt.Errorf("%w: free some space, or use --results with another disk", err)
	}
	return r, nil
}

// add keeps a window. When the disk doesn't take it, everything measured so far goes elsewhere.
func (r *recorder) add(w *result.Window) error {
	r.result.Windows = append(r.result.Windows, *w)
	err := r.write(result.Line{Window: w})
	if err == nil {
		return nil
	}
	dir, copyErr := os.MkdirTemp("", "pushpull-")
	if copyErr == nil {
		copyErr = r.copy(dir)
	}
	if copyErr != nil {
		r.full = true
		_ = os.RemoveAll(dir)
		return fmt.Errorf("%w: free some space; what was measured is on standard output, as the lines of a result.jsonl", err)
	}
	r.dir = dir
	return fmt.Errorf("%w: free some space; what was measured is in %s", err, dir)
}

func (r *recorder) write(line result.Line) error { return r.file.Write(line) }

// copy writes the whole result into dir, and goes on there.
func (r *recorder) copy(dir string) error {
	file, err := result.Create(dir)
	if err != nil {
		return err
	}
	r.file.Close()
	r.file = file
	if err := r.write(result.Line{Run: &r.result.Run}); err != nil {
		return err
	}
	for i := range r.result.Windows {
		if err := r.write(result.Line{Window: &r.result.Windows[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) close() {
	if r.file != nil {
		r.file.Close() // each line is on the disk already
	}
}

// discard removes a result in which nothing was measured.
func (r *recorder) discard() {
	r.close()
	os.Remove(filepath.Join(r.dir, result.File))
	if r.made {
		os.Remove(r.dir)
	}
}

// report prints the rows and draws the report. A row that is not to be believed is an error.
func (r *recorder) report(out io.Writer, printJSON bool) error {
	laid := report.Run{Result: &r.result}
	print := func() error { return report.Table(out, laid) }
	switch {
	case printJSON:
		print = func() error { return writeSummary(out, r.result) }
	case r.full:
		print = func() error { return r.writeLines(out) }
	}
	if err := print(); err != nil {
		return fmt.Errorf("printing the result: %w: it is in %s", err, filepath.Join(r.dir, result.File))
	}
	if r.full {
		return nil // nor would it take charts
	}
	if err := report.Write(r.dir, laid); err != nil {
		return fmt.Errorf("%w: the result is in %s, draw it with pushpull report", err, r.dir)
	}
	if !printJSON {
		fmt.Fprintf(out, "\n%s\n", filepath.Join(r.dir, report.Page))
	}
	if rows := r.result.Rows(); result.Fatal(rows) {
		return exitWith(exitDoubtful, "measured, but not to be believed: %s", firstDoubt(rows))
	}
	return nil
}

// outcome is the result for those who write it down once more.
func (r *recorder) outcome() ci.Outcome {
	return ci.Outcome{
		Words: report.Answer(report.Run{Result: &r.result}),
		Sides: []ci.Side{{Result: &r.result, Rows: theory.Rows(&r.result)}},
	}
}

// writeLines prints a result as the lines of a result.jsonl.
func (r *recorder) writeLines(out io.Writer) error {
	lines := json.NewEncoder(out)
	err := lines.Encode(result.Line{Run: &r.result.Run})
	for i := range r.result.Windows {
		if err == nil {
			err = lines.Encode(result.Line{Window: &r.result.Windows[i]})
		}
	}
	return err
}

func firstDoubt(rows []result.Row) string {
	for _, row := range rows {
		for _, d := range row.Doubts {
			if d.Fatal {
				return row.Transport + ": " + d.Text
			}
		}
	}
	return ""
}

// writeSummary prints a result as the one object of --json.
func writeSummary(w io.Writer, r result.Result) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		Schema      int                `json:"schema"`
		Scenario    result.Scenario    `json:"scenario"`
		Environment result.Environment `json:"environment"`
		Windows     []result.Window    `json:"windows"`
		Transports  []result.Row       `json:"transports"`
	}{r.Run.Schema, r.Run.Scenario, r.Run.Environment, r.Windows, theory.Rows(&r)})
}
