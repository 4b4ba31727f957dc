package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

type reportOptions struct {
	out                 string
	printJSON, printCSV bool
	look                look
	trend               bool
}

func newReportCommand() *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "Draw a result again, or several side by side",
		Long: `Draw the table, the charts and report.html from the result.jsonl in DIR. Several results are
shown side by side, in a new directory.

Each of several results is called by the end of its path, by as much of it as tells it from the
others: report a/chat b/chat compares a/chat with b/chat. The same result can't be named twice. A
character that can't be shown is spelled, like [U+65E5].

--json prints the same object as pushpull run --json, or for several results
{"schema":1,"runs":[...]}, each with its name. --csv prints a header, and a line for each
transport of each result. The names of its columns include the unit, like
server_cpu_us_per_message. A message counts once for each member that receives it. Unknown
values are empty. With --json or --csv nothing is drawn unless there is an --out.

--trend draws p50, p99 and server CPU from run to run into trend.html and trend-*.svg and .png,
and prints them as a table. DIR may then be a directory of results, like results/: those at most 4
levels below it are used, as on the page /results. Results of another load, or with other servers
or another store, become a trend of their own. Where a run was measured on another machine, the
line breaks. A run is named by its tag commit, or by its other tags, or by the version of pushpull.
--json and --csv print the same as without --trend, the oldest run first.

DIR may be that of pushpull sweep: then its table, map and charts are drawn, and --json prints the
same object as the sweep does. Likewise those of pushpull capacity, choose, claims and faults, which
have no --csv.

If the last line of a result is incomplete, as after a run that was killed, the lines before it
are used, with a warning.`,
		Example: `  pushpull report results/chat
  pushpull report results/a results/b --out both
  pushpull report results/chat --csv > chat.csv
  pushpull report results --trend`,
		Args:              operands,
		ValidArgsFunction: completeResults(math.MaxInt),
		RunE:              func(cmd *cobra.Command, args []string) error { return runReport(cmd, opts, args) },
	}
	grouped(cmd.Flags(), groupOutput, func(f *pflag.FlagSet) {
		f.StringVar(&opts.out, "out", "", "`DIR` where to draw (default that of the result; for several results/side-by-side-TIME)")
		f.BoolVar(&opts.trend, "trend", false, "show how the figures change from run to run; DIR may hold many results")
		f.BoolVar(&opts.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&opts.printCSV, "csv", false, "print comma-separated values instead of the table")
		opts.look.addFlags(f)
	})
	return cmd
}

func runReport(cmd *cobra.Command, opts reportOptions, paths []string) error {
	if opts.printJSON && opts.printCSV {
		return usageError(errors.New("--json and --csv are two formats: choose one"))
	}
	if opts.trend {
		return runTrend(cmd, opts, paths)
	}
	if len(paths) == 1 && isIndexed(paths[0]) {
		return runReportIndex(cmd, opts, paths[0])
	}
	if first, again, same := sameResult(paths); same {
		return usageError(fmt.Errorf("%s and %s are the same result: name it once", text.Name(first), text.Name(again)))
	}
	runs, err := openRuns(cmd.ErrOrStderr(), paths)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(runs, report.HasFaults) {
		return reportFaults(cmd, opts, paths, runs)
	}
	out := cmd.OutOrStdout()
	print := func(io.Writer) error { return opts.look.print(out, runs...) }
	data := opts.printJSON || opts.printCSV
	switch {
	case opts.printJSON:
		print = func(io.Writer) error { return report.JSON(out, runs...) }
	case opts.printCSV:
		print = func(io.Writer) error { return report.CSV(out, runs...) }
	}
	dir := opts.out
	switch {
	case dir != "":
	case data:
		return delivery{what: "report", print: print, data: true}.deliver(out)
	case len(paths) > 1:
		dir = filepath.Join("results", "side-by-side-"+time.Now().UTC().Format("20060102-150405"))
	default:
		dir = paths[0]
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			dir = filepath.Dir(dir)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
	}
	return delivery{dir: dir, runs: runs, what: "report", print: print, data: data}.deliver(out)
}

// reportFaults is runReport for results of pushpull faults.
func reportFaults(cmd *cobra.Command, opts reportOptions, paths []string, runs []report.Run) error {
	for i, run := range runs {
		if !report.HasFaults(run) {
			return usageError(fmt.Errorf("%s is no result of pushpull faults: name it alone", text.Name(paths[i])))
		}
	}
	if opts.printCSV {
		return usageError(errors.New("a matrix of faults has no --csv: use --json"))
	}
	to := delivery{dir: opts.out, data: opts.printJSON}
	if to.dir == "" && !opts.printJSON {
		to.dir = paths[0]
		if len(paths) > 1 {
			to.dir = filepath.Join("results", "side-by-side-"+time.Now().UTC().Format("20060102-150405"))
		} else if info, err := os.Stat(to.dir); err == nil && !info.IsDir() {
			to.dir = filepath.Dir(to.dir)
		}
	}
	if to.dir != "" {
		if err := os.MkdirAll(to.dir, 0o755); err != nil {
			return fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
		}
	}
	return deliverFaults(cmd.OutOrStdout(), runs, opts.look.colour, to)
}

// isIndexed reports whether dir holds an index, and no result of its own.
func isIndexed(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, result.File)); err == nil {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, result.IndexFile))
	return err == nil
}

// runReportIndex is runReport for the directory of several results that belong together.
func runReportIndex(cmd *cobra.Command, opts reportOptions, dir string) error {
	index, err := result.ReadIndex(dir)
	if err != nil {
		return err
	}
	switch index.Kind {
	case result.KindSweep:
		return reportSweep(cmd, opts, dir, index)
	case result.KindCapacity:
		return reportCapacity(cmd, opts, dir, index)
	case result.KindChoice:
		return reportChoice(cmd, opts, dir, index)
	case result.KindClaims:
		return reportClaims(cmd, opts, dir, index)
	default:
		return usageError(fmt.Errorf("%s holds a %s: pushpull choose --from %s answers from it", dir, index.Kind, dir))
	}
}

// openRuns reads the results at paths, and names them.
func openRuns(warnings io.Writer, paths []string) ([]report.Run, error) {
	names, err := runNames(paths)
	if err != nil {
		return nil, err
	}
	var runs []report.Run
	for i, path := range paths {
		res, err := openResult(warnings, path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, report.NewRun(names[i], res))
	}
	return runs, nil
}

// runNames returns a name for each result: the end of its absolute path, as many elements as no other
// path ends with. The paths must name different files.
func runNames(paths []string) ([]string, error) {
	elements := make([][]string, len(paths))
	for i, path := range paths {
		whole, err := filepath.Abs(path) // "." has no name
		if err != nil {
			return nil, fmt.Errorf("naming %s: %w", path, err)
		}
		if info, err := os.Stat(whole); err == nil && !info.IsDir() && filepath.Base(whole) == result.File {
			whole = filepath.Dir(whole)
		}
		elements[i] = strings.Split(filepath.ToSlash(whole), "/")
	}
	names := make([]string, len(paths))
	for i, own := range elements {
		most := 1 // elements
		for k, other := range elements {
			if k != i {
				most = max(most, 1+sharedEnd(own, other))
			}
		}
		names[i] = strings.Join(own[max(0, len(own)-most):], "/")
		if names[i] == "" {
			names[i] = "/"
		}
	}
	return names, nil
}

// sharedEnd returns the number of elements at the end of a that b ends with too.
func sharedEnd(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// sameResult returns the first two paths of one file. Results that can't be read are not looked at:
// opening them reports why.
func sameResult(paths []string) (first, again string, same bool) {
	infos := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			info, err = os.Stat(filepath.Join(path, result.File))
		}
		if err != nil {
			continue
		}
		infos[i] = info
		for k, other := range infos[:i] {
			if other != nil && os.SameFile(other, info) {
				return paths[k], path, true
			}
		}
	}
	return "", "", false
}

// openResult reads the result at path. It writes a warning if the last line is incomplete.
func openResult(warnings io.Writer, path string) (*result.Result, error) {
	res, err := result.Open(path)
	if cut, ok := errors.AsType[*result.TruncatedError](err); ok {
		fmt.Fprintf(warnings, "pushpull: warning: %v\n", cut)
	} else if err != nil {
		return nil, err
	}
	if len(res.Windows) == 0 {
		return nil, fmt.Errorf("%s: no window was measured: run it again", path)
	}
	return res, nil
}

// again reads the results of an index, which are to be drawn again, and returns where to. csv says that there is none.
func (o reportOptions) again(cmd *cobra.Command, dir string, index result.Index, csv string) ([]*result.Result, delivery, error) {
	to := delivery{dir: cmp.Or(o.out, dir), data: o.printJSON}
	if o.printCSV {
		return nil, to, usageError(fmt.Errorf("%s: use --json, or name the result of one load", csv))
	}
	results, err := openPoints(cmd.ErrOrStderr(), dir, index)
	if err != nil {
		return nil, to, err
	}
	if o.printJSON && o.out == "" {
		to.dir = ""
	}
	if to.dir != "" {
		if err := os.MkdirAll(to.dir, 0o755); err != nil {
			return nil, to, fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
		}
	}
	return results, to, nil
}
