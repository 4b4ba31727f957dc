package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/report/ci"
)

// A format is one of the files for CI systems.
type format struct {
	flag, usage string
	write       func(io.Writer, ci.Outcome) error
}

// formats returns all formats.
func formats() []format {
	return []format{
		{"junit", "`FILE` write JUnit XML", ci.JUnit},
		{"markdown", "`FILE` write a summary in Markdown", ci.Markdown},
		{"benchfmt", "`FILE` write Go benchmark text, which benchstat reads", ci.Benchfmt},
		{"benchmark-action", "`FILE` write JSON for github-action-benchmark (customSmallerIsBetter)", ci.BenchmarkAction},
	}
}

// outputs are the paths of files for CI systems, in the order of formats; an empty path means no file. A
// command that writes none has nil outputs.
type outputs []string

func (o *outputs) addFlags(f *pflag.FlagSet) {
	all := formats()
	*o = make(outputs, len(all))
	for i, format := range all {
		f.StringVar(&(*o)[i], format.flag, "", format.usage)
	}
}

// An output is a file to write.
type output struct {
	name, path string
	advice     string // ends the error if it can't be written
	write      func(ci.Outcome) error
}

// files returns the files that have a path, and in a GitHub workflow the summary of the step.
func (o outputs) files() (files []output) {
	if o == nil {
		return nil
	}
	for i, format := range formats() {
		if o[i] == "" {
			continue
		}
		files = append(files, output{
			"--" + format.flag, o[i], "name a file that can be written",
			func(outcome ci.Outcome) error {
				return replaceFile(o[i], func(w io.Writer) error { return format.write(w, outcome) })
			},
		})
	}
	if path := os.Getenv("GITHUB_STEP_SUMMARY"); path != "" {
		files = append(files, output{
			"GITHUB_STEP_SUMMARY", path, "set it to a file that can be written, or unset it",
			func(outcome ci.Outcome) error {
				return writeTo(path, os.O_APPEND, func(w io.Writer) error {
					_, err := io.WriteString(w, "\n") // the step may have left a line open
					return errors.Join(err, ci.Markdown(w, outcome))
				})
			},
		})
	}
	return files
}

// write writes all files, those on the disk first: a pipe may have a slow reader, or one that is gone,
// which is no error. If one can't be written, the others still are.
func (o outputs) write(outcome ci.Outcome) error {
	files := o.files()
	slices.SortStableFunc(files, func(a, b output) int { return cmp.Compare(rank(a.path), rank(b.path)) })
	var failed []error
	for _, file := range files {
		if err := file.write(outcome); !readerGone(err) {
			failed = append(failed, file.explain(err))
		}
	}
	return errors.Join(failed...)
}

// rank is 0 for a file on the disk, and 1 for a device or a pipe.
func rank(path string) int {
	if identity(path) == "" {
		return 1
	}
	return 0
}

func (o output) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing %s %s: %w: %s", o.name, o.path, err, o.advice)
}

// try returns an error if a file can't be written, or the error of distinct. It changes nothing. A command
// that measures calls it first, as an error after minutes is an error too late.
func (o outputs) try(own ...string) error {
	if err := o.distinct(own...); err != nil {
		return err
	}
	var failed []error
	for _, file := range o.files() {
		failed = append(failed, file.explain(tryFile(file.path, file.name != "GITHUB_STEP_SUMMARY")))
	}
	return errors.Join(failed...)
}

// distinct returns a usage error if two files are the same, or one is among own: the files and directories
// that the command itself reads and writes.
func (o outputs) distinct(own ...string) error {
	files := o.files()
	for i, file := range files {
		path := identity(file.path)
		if path == "" {
			continue // a device or a pipe takes several files
		}
		if standard := standardStream(file.path); standard != "" {
			return exitWith(exitUsage, "%s %s would replace %s: name another file", file.name, file.path, standard)
		}
		for _, other := range files[:i] {
			if at := identity(other.path); clash(path, at) || clash(at, path) {
				return exitWith(exitUsage, "%s %s and %s %s can't both be written: give each a file of its own", other.name, other.path, file.name, file.path)
			}
		}
		for _, one := range own {
			if clash(path, identity(one)) {
				return exitWith(exitUsage, "%s %s would replace %s: name another file", file.name, file.path, one)
			}
		}
	}
	return nil
}

// clash reports whether a file at path would replace other, or stand where other needs a directory.
func clash(path, other string) bool {
	return path != "" && other != "" && (path == other || strings.HasPrefix(other, path+string(filepath.Separator)))
}

// standardStream returns the name of the stream that the shell has redirected to the file at path, or "".
func standardStream(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	for i, file := range []*os.File{os.Stdout, os.Stderr} {
		if other, err := file.Stat(); err == nil && info.Mode().IsRegular() && os.SameFile(info, other) {
			return []string{"standard output", "standard error"}[i]
		}
	}
	return ""
}

// identity returns the same path for all names of a file, which need not exist yet. It is empty for a
// device or a pipe.
func identity(path string) string {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return ""
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	rest := ""
	for dir, links := path, 0; dir != filepath.Dir(dir); {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if to, err := os.Readlink(dir); err == nil && links < 40 { // a link to a file that is missing
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(dir), to)
			}
			dir, links = to, links+1
			continue
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
	return path
}

// tryFile returns an error if a file can't be written to path, which is replaced by replaceFile or written
// to by writeTo. It leaves nothing behind, and an existing file as it is.
func tryFile(path string, replaced bool) error {
	err := func() error {
		if path != "" && os.IsPathSeparator(path[len(path)-1]) {
			return errors.New("it is a directory")
		}
		entry, err := os.Lstat(path)
		if missing := errors.Is(err, fs.ErrNotExist); replaced && (missing || err == nil && entry.Mode().IsRegular()) {
			return tryDir(filepath.Dir(path), filepath.Base(path))
		} else if err != nil && !missing {
			return err
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // a new file, maybe behind a symbolic link
			if err := writeTo(path, 0, func(io.Writer) error { return nil }); err != nil {
				return err
			}
			if path, err = filepath.EvalSymlinks(path); err != nil {
				return err
			}
			return os.Remove(path)
		case err != nil:
			return err
		case info.IsDir():
			return errors.New("it is a directory")
		case info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0:
			return nil // its reader would take the end of the trial for the end of the file
		}
		return writeTo(path, 0, func(io.Writer) error { return nil })
	}()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err // else the error names a temporary file
	}
	return err
}

// tryDir returns an error if a file can't be created in dir, which need not exist yet.
func tryDir(dir, name string) (err error) {
	existing, missing := dir, ""
	for {
		_, err := os.Stat(existing)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || existing == filepath.Dir(existing) {
			return err
		}
		existing, missing = filepath.Dir(existing), filepath.Join(filepath.Base(existing), missing)
	}
	// The missing directories are made in one of their own, as another process may need the same ones.
	trial, err := os.MkdirTemp(existing, ".pushpull-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(trial)) }()
	return replaceFile(filepath.Join(trial, missing, name), func(io.Writer) error { return nil })
}

// replaceFile writes a temporary file and renames it, so that readers find either the old or the new
// file. If path is not a regular file but a link or a device, it is written to instead.
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

// writeTo opens the file, creating it if it is missing, and writes to it.
func writeTo(path string, flag int, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
