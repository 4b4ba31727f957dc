package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pushpull/loadgen/result"
	"pushpull/loadgen/sweep"
	"pushpull/report"
)

// announce prints what --dry-run does.
func (o *sweepOptions) announce(out io.Writer, g *grid, turns []sweep.Turn) error {
	var err error
	if o.printJSON {
		err = json.NewEncoder(out).Encode(struct {
			Schema  int          `json:"schema"`
			Index   result.Index `json:"index"`
			Windows int          `json:"windows"`
			Seconds float64      `json:"seconds"` // estimate for what was not measured yet
		}{result.Schema, g.index, g.windows() * g.index.Scenario.Rounds, g.left(turns).Seconds()})
	} else {
		_, err = io.WriteString(out, g.ahead(turns))
	}
	return errors.Join(err, flush(out))
}

// deliver draws and prints what the survey has measured. measuring is what ended it early; nil: nothing.
func (o *sweepOptions) deliver(ctx context.Context, out io.Writer, s *survey, made bool, measuring error) error {
	results := s.results()
	windows := 0
	for _, res := range results {
		if res != nil {
			windows += len(result.Measured(res.Windows))
		}
	}
	if windows == 0 {
		s.close()
		if o.goOn == "" { // a directory without a result must be fit for the next sweep
			os.Remove(filepath.Join(s.dir, result.IndexFile))
		}
		if made {
			os.Remove(s.dir)
		}
		if ctx.Err() != nil {
			return errors.New("interrupted before anything was measured")
		}
		return measuring
	}
	if ctx.Err() != nil {
		measuring = fmt.Errorf("interrupted: %d windows were measured: go on with pushpull sweep --continue %s", windows, s.dir)
	}
	set := report.NewSet(s.index, results)
	kept := "the results are in " + s.dir + ", pushpull report prints and draws them"
	d := deliverySet(set, s.dir, o.printJSON, kept, o.colour)
	d.show, d.failed, d.kept = s.show, errors.Join(measuring, d.failed), kept
	if o.markdown != "" {
		if err := replaceFile(o.markdown, func(w io.Writer) error { return report.SetMarkdown(w, set) }); err != nil {
			d.failed = errors.Join(d.failed, fmt.Errorf("writing --markdown %s: %w: name a file that can be written", o.markdown, err))
		}
	}
	if doubt := set.Doubtful(); doubt != "" {
		d.verdict = exitWith(exitDoubtful, "measured, but not to be believed: %s", doubt)
	}
	if o.printJSON && d.failed == nil {
		defer s.show.kept(s.dir)
	}
	return d.deliver(out)
}

// deliverySet draws a set into dir, and returns how it is printed. kept ends the error if it can't be drawn.
func deliverySet(set report.Set, dir string, data bool, kept string, colour colouring) delivery {
	d := delivery{what: "sweep", data: true}
	if err := report.WriteSet(dir, set); err != nil {
		d.failed = err
		if kept != "" {
			d.failed = fmt.Errorf("%w: %s", err, kept)
		}
	}
	d.print = func(out io.Writer) error {
		if data {
			return report.SetJSON(out, set)
		}
		err := report.SetTable(out, colour.screen(out), set)
		if err == nil && d.failed == nil {
			_, err = fmt.Fprintf(out, "\n%s\n", filepath.Join(dir, report.Page))
		}
		return err
	}
	return d
}

// reportSweep is runReport for a sweep.
func reportSweep(cmd *cobra.Command, opts reportOptions, dir string, index result.Index) error {
	var results []*result.Result
	var runs []report.Run
	for _, p := range index.Points {
		path := filepath.Join(dir, filepath.FromSlash(p.Dir))
		if _, err := os.Stat(filepath.Join(path, result.File)); errors.Is(err, fs.ErrNotExist) {
			results = append(results, nil) // it was not measured yet
			continue
		}
		res, err := openResult(cmd.ErrOrStderr(), path)
		if err != nil {
			return err
		}
		results, runs = append(results, res), append(runs, report.NewRun(p.Dir, res))
	}
	if len(runs) == 0 {
		return fmt.Errorf("%s: nothing was measured: go on with pushpull sweep --continue %s", dir, dir)
	}
	out := cmd.OutOrStdout()
	if opts.printCSV && opts.out == "" {
		return delivery{what: "report", data: true, print: func(io.Writer) error { return report.CSV(out, runs...) }}.deliver(out)
	}
	set := report.NewSet(index, results)
	if opts.printJSON && opts.out == "" {
		return delivery{what: "report", data: true, print: func(io.Writer) error { return report.SetJSON(out, set) }}.deliver(out)
	}
	into := cmp.Or(opts.out, dir)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
	}
	d := deliverySet(set, into, opts.printJSON, "", opts.look.colour)
	if opts.printCSV {
		d.print = func(io.Writer) error { return report.CSV(out, runs...) }
	}
	return d.deliver(out)
}
