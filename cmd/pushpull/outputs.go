package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"pushpull/report/ci"
)

// outputs are the files that CI systems read; an empty path is none.
type outputs struct {
	junit, markdown, benchfmt, benchmarkAction string
}

func (o *outputs) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.junit, "junit", "", "write JUnit XML to `file`")
	f.StringVar(&o.markdown, "markdown", "", "write a summary in Markdown to `file`")
	f.StringVar(&o.benchfmt, "benchfmt", "", "write Go benchmark text, which benchstat reads, to `file`")
	f.StringVar(&o.benchmarkAction, "benchmark-action", "", "write JSON for github-action-benchmark (customSmallerIsBetter) to `file`")
}

// write writes every file that is asked for, and the summary of a GitHub workflow's step where
// there is one. One that can't be written keeps none of the others from being written.
func (o outputs) write(outcome ci.Outcome) error {
	var failed []error
	for _, out := range []struct {
		flag, path string
		format     func(io.Writer, ci.Outcome) error
	}{
		{"junit", o.junit, ci.JUnit},
		{"markdown", o.markdown, ci.Markdown},
		{"benchfmt", o.benchfmt, ci.Benchfmt},
		{"benchmark-action", o.benchmarkAction, ci.BenchmarkAction},
	} {
		if out.path == "" {
			continue
		}
		err := replaceFile(out.path, func(w io.Writer) error { return out.format(w, outcome) })
		if err != nil {
			failed = append(failed, fmt.Errorf("writing --%s %s: %w: name a file that can be written", out.flag, out.path, err))
		}
	}
	if path := os.Getenv("GITHUB_STEP_SUMMARY"); path != "" {
		err := writeTo(path, os.O_APPEND, func(w io.Writer) error {
			_, err := io.WriteString(w, "\n") // the step may have left a line open
			return errors.Join(err, ci.Markdown(w, outcome))
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("writing the summary to GITHUB_STEP_SUMMARY: %w: set it to a file that can be written, or unset it", err))
		}
	}
	return errors.Join(failed...)
}

// replaceFile writes beside the file first, so that whoever reads it finds the old or the new one.
// What is no file itself, like a link or a device, stays what it is.
func replaceFile(path string, write func(io.Writer) error) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return writeTo(path, os.O_TRUNC, write)
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	err = write(file)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// writeTo writes to the file itself, and makes it where there is none.
func writeTo(path string, flag int, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
