package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// runTrend is runReport with --trend.
func runTrend(cmd *cobra.Command, opts reportOptions, given []string) error {
	paths, err := resultsIn(cmd.Context(), cmd.ErrOrStderr(), given)
	if err != nil {
		return err
	}
	if first, again, same := sameResult(paths); same {
		return usageError(fmt.Errorf("%s and %s are the same result: name it once", text.Name(first), text.Name(again)))
	}
	if len(paths) < 2 {
		return usageError(fmt.Errorf("a trend needs at least two results, and there is %d: name more of them, or a directory that holds them", len(paths)))
	}
	runs, err := openRuns(cmd.ErrOrStderr(), paths)
	if err != nil {
		return err
	}
	slices.SortStableFunc(runs, func(a, b report.Run) int { return a.Run.Started.Compare(b.Run.Started) })
	var points []report.Point
	for _, run := range runs {
		points = append(points, report.NewPoint(run))
	}
	history := report.NewHistory(points...)
	if len(history.Trends) == 0 {
		return usageError(fmt.Errorf("no two of these %d results measured the same load: name results of the same scenario", len(paths)))
	}
	out := cmd.OutOrStdout()
	d := delivery{what: "trend", data: true}
	switch {
	case opts.printJSON:
		d.print = func(io.Writer) error { return report.JSON(out, runs...) }
	case opts.printCSV:
		d.print = func(io.Writer) error { return report.CSV(out, runs...) }
	default:
		d.print = func(io.Writer) error { return history.Table(out, opts.look.colour.screen(out)) }
	}
	data, dir := opts.printJSON || opts.printCSV, opts.out
	switch {
	case dir != "":
	case data:
		return d.deliver(out)
	default:
		dir = trendDirectory(given)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
	}
	if d.failed = history.Write(dir); d.failed == nil && !data {
		table := d.print
		d.print = func(w io.Writer) error {
			if err := table(w); err != nil {
				return err
			}
			_, err := fmt.Fprintf(out, "\n%s\n", filepath.Join(dir, report.TrendPage))
			return err
		}
	}
	return d.deliver(out)
}

// trendDirectory returns the directory to draw a trend into: the only one that was given, or else a new
// one.
func trendDirectory(given []string) string {
	if len(given) == 1 {
		return given[0]
	}
	return filepath.Join("results", "trend-"+time.Now().UTC().Format("20060102-150405"))
}

// resultsIn returns the paths of results: all that are in the directories that are given, and the files.
func resultsIn(ctx context.Context, warnings io.Writer, given []string) ([]string, error) {
	var all []string
	for _, path := range given {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			all = append(all, path) // opening it reports what is wrong
			continue
		}
		found, troubles, err := result.Find(ctx, os.DirFS(path))
		if err != nil {
			return nil, fmt.Errorf("searching %s for results: %w", path, err)
		}
		for _, trouble := range troubles {
			fmt.Fprintf(warnings, "pushpull: warning: not searched: %v\n", trouble)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: there is no result in it: pushpull run makes one", path)
		}
		for _, name := range found {
			all = append(all, filepath.Join(path, filepath.Dir(filepath.FromSlash(name))))
		}
	}
	return all, nil
}
