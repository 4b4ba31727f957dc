package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// A record is what a run has measured: a result of each store.
type record struct {
	dir     string // of all of it
	results []*recorder
	names   []string // of the stores; that of one alone is not told
}

// newRecord begins a result of each name, in directories of their own if there are several.
func newRecord(dir string, made bool, names []string, run func(i int) result.Run) (*record, error) {
	all := &record{dir: dir, names: names}
	for i, name := range names {
		within := dir
		if len(names) > 1 {
			within = filepath.Join(dir, name)
			if err := os.Mkdir(within, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
				all.discard()
				return nil, fmt.Errorf("creating the results directory: %w: use --results with one that can be written", err)
			}
		}
		r, err := newRecorder(within, made || within != dir, run(i))
		if err != nil {
			all.discard()
			return nil, err
		}
		all.results = append(all.results, r)
	}
	return all, nil
}

func (r *record) close() {
	for _, one := range r.results {
		one.close()
	}
}

// discard removes the results in which nothing was measured, and the directory with the last of them.
func (r *record) discard() {
	made := false
	for _, one := range r.results {
		if len(one.result.Windows) == 0 {
			one.discard()
			made = made || one.made
		}
	}
	if made {
		os.Remove(r.dir) // it stays if there is something in it
	}
}

// windows returns how many were measured.
func (r *record) windows() (n int) {
	for _, one := range r.results {
		n += len(one.result.Windows)
	}
	return n
}

// runs returns the results that hold something, as the report lays them.
func (r *record) runs() (runs []report.Run) {
	for i, one := range r.results {
		switch {
		case len(r.results) == 1:
			runs = append(runs, report.Run{Result: &one.result})
		case len(one.result.Windows) > 0:
			runs = append(runs, report.Run{Name: r.names[i], Result: &one.result})
		}
	}
	return runs
}

// place returns where the report goes; a result alone may have had to go elsewhere.
func (r *record) place() string {
	if len(r.results) == 1 {
		return r.results[0].dir
	}
	return r.dir
}

// full says whether no disk took a window.
func (r *record) full() bool {
	return slices.ContainsFunc(r.results, func(one *recorder) bool { return one.full })
}

// report prints the rows and draws the report. A row that is not to be believed is an error.
func (r *record) report(out io.Writer, printJSON bool) error {
	runs := r.runs()
	print := func() error { return report.Table(out, runs...) }
	switch {
	case printJSON:
		print = func() error { return writeSummary(out, runs) }
	case r.full():
		print = func() error { return r.writeLines(out) }
	}
	if err := print(); err != nil {
		return fmt.Errorf("printing the result: %w: it is in %s", err, r.place())
	}
	if r.full() {
		return nil // nor would it take charts
	}
	if err := report.Write(r.place(), runs...); err != nil {
		return fmt.Errorf("%w: the result is in %s, draw it with pushpull report", err, r.place())
	}
	if !printJSON {
		fmt.Fprintf(out, "\n%s\n", filepath.Join(r.place(), report.Page))
	}
	for _, run := range runs {
		if rows := run.Rows(); result.Fatal(rows) {
			name := ""
			if run.Name != "" {
				name = run.Name + ", "
			}
			return exitWith(exitDoubtful, "measured, but not to be believed: %s%s", name, firstDoubt(rows))
		}
	}
	return nil
}

// outcome is the result for those who write it down once more.
func (r *record) outcome() ci.Outcome {
	runs := r.runs()
	o := ci.Outcome{Words: report.Answer(runs[0])}
	for _, run := range runs {
		o.Sides = append(o.Sides, ci.Side{Name: run.Name, Result: run.Result, Rows: theory.Rows(run.Result)})
	}
	return o
}

// writeLines prints the results that no disk took as the lines of a result.jsonl each.
func (r *record) writeLines(out io.Writer) error {
	for _, one := range r.results {
		if one.full {
			if err := one.writeLines(out); err != nil {
				return err
			}
		}
	}
	return nil
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

// A summary is a result as the object of --json.
type summary struct {
	Schema      int                `json:"schema"`
	Scenario    result.Scenario    `json:"scenario"`
	Environment result.Environment `json:"environment"`
	Windows     []result.Window    `json:"windows"`
	Transports  []result.Row       `json:"transports"`
}

// writeSummary prints results as the one object of --json: that of a store alone, or a list of them.
func writeSummary(w io.Writer, runs []report.Run) error {
	var all []summary
	for _, run := range runs {
		r := run.Result
		all = append(all, summary{r.Run.Schema, r.Run.Scenario, r.Run.Environment, r.Windows, theory.Rows(r)})
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if len(all) == 1 {
		return out.Encode(all[0])
	}
	return out.Encode(struct {
		Schema int       `json:"schema"`
		Stores []summary `json:"stores"`
	}{result.Schema, all})
}
