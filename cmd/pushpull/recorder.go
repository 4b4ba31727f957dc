package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/ci"
)

// A destination is where a run puts its directory: a new one below results, or out itself if it is set.
type destination struct{ results, out string }

func (d *destination) addFlags(f *pflag.FlagSet) {
	f.StringVar(&d.results, "results", "results", "`DIR` where the run creates its directory")
	f.StringVar(&d.out, "out", "", "`DIR` directory of this run, instead of one in --results; it must not hold a result yet")
}

// make creates the directory of a run. A new one gets a unique name, as two runs may begin in the same
// second. made reports whether make has created the directory.
func (d destination) make(name string, begun time.Time) (dir string, made bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("creating the results directory: %w: use --results with one that can be written", err)
		}
	}()
	if d.out != "" {
		_, err := os.Stat(d.out)
		return d.out, errors.Is(err, os.ErrNotExist), os.MkdirAll(d.out, 0o755)
	}
	if err := os.MkdirAll(d.results, 0o755); err != nil {
		return "", false, err
	}
	name = filepath.Join(d.results, name+"-"+begun.Format("20060102-150405"))
	dir = name
	err = os.Mkdir(dir, 0o755)
	for n := 2; errors.Is(err, os.ErrExist); n++ {
		dir = fmt.Sprintf("%s-%d", name, n)
		err = os.Mkdir(dir, 0o755)
	}
	return dir, true, err
}

// vacant returns an error if a subdirectory of out, in which results begin later, can't be written or
// holds a result already.
func (d destination) vacant(within ...string) error {
	if d.out == "" {
		return nil // the run's directory is a new one
	}
	for _, dir := range within {
		dir = filepath.Join(d.out, dir)
		file := filepath.Join(dir, result.File)
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("%s holds a result already: use --out with another directory", dir)
		}
		if err := tryFile(file, true); err != nil {
			return fmt.Errorf("creating the results directory: %s: %w: use --out with one that can be written", dir, err)
		}
	}
	return nil
}

// own returns the directories and files that a run reads and writes itself, of which none may be an
// output. args are the arguments of the command, and within are the subdirectories of the results, or "".
func (d destination) own(args []string, within ...string) (paths []string) {
	for _, arg := range args {
		if arg != "-" && !slices.Contains(loadgen.Builtins(), arg) {
			paths = append(paths, arg)
		}
	}
	if d.out == "" {
		return append(paths, d.results) // the run's directory gets a new name
	}
	paths = append(paths, d.out, filepath.Join(d.out, report.Page))
	for _, chart := range report.Charts() {
		paths = append(paths, filepath.Join(d.out, chart.Name+".svg"), filepath.Join(d.out, chart.Name+".png"))
	}
	for _, dir := range within {
		paths = append(paths, filepath.Join(d.out, dir), filepath.Join(d.out, dir, result.File))
	}
	return paths
}

// A recorder keeps the windows of a run, on the disk and in memory.
type recorder struct {
	result result.Result
	dir    string
	made   bool // the run has created the directory, so discard may remove it
	full   bool // the last window could not be written to any disk
	file   *result.Writer
}

// newRecorder begins a result in dir. made allows discard to remove the directory.
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
		if _, large := errors.AsType[*result.SizeError](err); large {
			return nil, fmt.Errorf("%w: shorten the scenario", err)
		}
		return nil, fmt.Errorf("%w: free some space, or use --results with another disk", err)
	}
	return r, nil
}

// add keeps a window. If writing it fails, the whole result is copied to a temporary directory.
func (r *recorder) add(w *result.Window) error {
	r.result.Windows = append(r.result.Windows, *w)
	err := r.write(result.Line{Window: w})
	if err == nil {
		return nil
	}
	if _, large := errors.AsType[*result.SizeError](err); large { // on any disk
		r.result.Windows = r.result.Windows[:len(r.result.Windows)-1]
		return err
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

// copy writes the whole result into dir, where the result continues.
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

// discard removes a result without measured windows.
func (r *recorder) discard() {
	r.close()
	os.Remove(filepath.Join(r.dir, result.File))
	if r.made {
		os.Remove(r.dir)
	}
}

// A record keeps the results of a run, one for each variant.
type record struct {
	dir     string // of the run
	results []*recorder
	names   []string  // of the variants; a single one has the name ""
	against *foreigns // part of the first result
}

// newRecord begins a result for each name, in subdirectories of dir if there are several.
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

// discard removes the results without windows, all of them if no window could be measured, and the directory
// if none is left.
func (r *record) discard() {
	made, measured := false, r.windows() > 0
	for _, one := range r.results {
		if len(one.result.Windows) == 0 || !measured {
			one.discard()
			made = made || one.made
		}
	}
	if made {
		os.Remove(r.dir) // fails if it is not empty
	}
}

// windows returns the number of measured windows.
func (r *record) windows() (n int) {
	for _, one := range r.results {
		n += one.measured()
	}
	return n
}

// planned returns the number of windows of the whole run.
func (r *record) planned() (n int) {
	for i, one := range r.results {
		s := one.result.Run.Scenario
		transports := loadgen.Scenario(s).Measured()
		if i > 0 { // foreign servers are part of the first result alone
			transports = slices.DeleteFunc(transports, isForeign)
		}
		n += s.Rounds * len(transports)
	}
	return n
}

// measured returns the number of measured windows.
func (r *recorder) measured() int { return len(result.Measured(r.result.Windows)) }

// runs returns the results that have windows, with their rows. Call it once, after the last window:
// tables, charts and files all use these rows.
func (r *record) runs() (runs []report.Run) {
	for i, one := range r.results {
		switch {
		case len(r.results) == 1:
			runs = append(runs, report.NewRun("", &one.result))
		case len(one.result.Windows) > 0:
			runs = append(runs, report.NewRun(r.names[i], &one.result))
		}
	}
	return runs
}

// underWay returns all results so far, without what only the end needs: theory and intervals.
func (r *record) underWay() (runs []report.Run) {
	for i, one := range r.results {
		runs = append(runs, report.Run{Name: r.names[i], Result: &one.result, Rows: one.result.Rows()})
	}
	return runs
}

// location returns the directory of the report. A single result may have moved to a temporary one.
func (r *record) location() string {
	if len(r.results) == 1 {
		return r.results[0].dir
	}
	return r.dir
}

// full reports whether a window could not be written to any disk.
func (r *record) full() bool {
	return slices.ContainsFunc(r.results, func(one *recorder) bool { return one.full })
}

// delivery completes d for the result, with the error for a row that has a fatal doubt as the verdict.
func (r *record) delivery(d delivery, as look) delivery {
	d.runs = r.runs()
	d.outcome = outcome(d.runs)
	d.what, d.dir = "result", r.location()
	d.kept = "the result is in " + d.dir + ", pushpull report prints and draws it"
	d.print = func(out io.Writer) error { return as.print(out, d.runs...) }
	if d.data {
		d.print = func(out io.Writer) error { return report.JSONOfSides(out, d.runs...) }
	}
	if r.full() { // the disk has no room for charts, nor for the result
		d.dir, d.kept = "", ""
		if !d.data {
			d.print = r.writeLines
		}
	}
	for _, run := range d.runs {
		if d.verdict == nil && result.Fatal(run.Rows) {
			d.verdict = exitWith(exitDoubtful, "%s", verdictOn(run))
		}
	}
	return d
}

// verdictOn returns the first fatal doubt about a run, in words: that about a transport that was not measured at
// all, if there is one.
func verdictOn(run report.Run) string {
	name := ""
	if run.Name != "" {
		name = run.Name + ", "
	}
	said := ""
	for _, row := range run.Rows {
		for _, d := range row.Doubts {
			switch {
			case d.Fatal && !row.Measured():
				return name + row.Transport + ": " + d.Text
			case d.Fatal && said == "":
				said = "measured, but not to be believed: " + name + row.Transport + ": " + d.Text
			}
		}
	}
	return said
}

// outcome returns runs for the files of package ci.
func outcome(runs []report.Run) ci.Outcome {
	return ci.Outcome{Words: strings.Split(report.Answer(runs...), "\n"), Sides: sidesOf(runs)}
}

// sidesOf returns runs as the sides of an outcome.
func sidesOf(runs []report.Run) (sides []ci.Side) {
	for _, run := range runs {
		sides = append(sides, ci.Side{Name: run.Name, Result: run.Result, Rows: run.Rows})
	}
	return sides
}

// writeLines prints the results that could not be written to any disk, each as lines of a result.jsonl.
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
