package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"pushpull/loadgen/result"
	"pushpull/report"
)

type reportOptions struct {
	out string
}

func newReportCommand() *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "Draw table, charts and report.html again, or several runs together",
		Long: `Draw table, charts and report.html from the result.jsonl in DIR. Several directories are laid
side by side, in a directory of their own.

A result whose last line is not whole, as a run that was killed leaves it, is read up to
there, with a warning.`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return runReport(cmd, opts, args) },
	}
	cmd.Flags().StringVar(&opts.out, "out", "", "`directory` to draw into (default: DIR itself; for several results/side-by-side-TIME)")
	return cmd
}

func runReport(cmd *cobra.Command, opts reportOptions, paths []string) error {
	var runs []report.Run
	for _, path := range paths {
		res, err := openResult(cmd.ErrOrStderr(), path)
		if err != nil {
			return err
		}
		runs = append(runs, report.Run{Name: filepath.Base(filepath.Clean(path)), Result: res})
	}
	dir := opts.out
	switch {
	case dir != "":
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
	if err := report.Table(cmd.OutOrStdout(), runs...); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	if err := report.Write(dir, runs...); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", filepath.Join(dir, report.Page))
	return nil
}

// openResult reads the result at path, or warns of what it had to leave out.
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
