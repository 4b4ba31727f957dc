package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// What is looked for and shown; a directory can be any.
const (
	deepest  = 4    // directories below Dir
	mostRuns = 1000 // in the list
)

// Results are the runs in a directory: wherever it or one below it, at most 4 levels down and not
// hidden, holds a result.jsonl. Runs may come, grow and go. Links to directories are not followed,
// and none leads out of the directory.
//
// It is safe for concurrent use, and must not be copied.
type Results struct {
	Dir string // need not exist yet

	reading sync.Mutex     // held while results are read for the list
	known   map[string]run // those listed last that could be read, by their path

	drawing sync.Mutex // held by whoever draws
	keeping sync.Mutex // guards drawn
	drawn   []drawn    // the last ones used, the very last at the end
}

// A run is a result on the disk.
type run struct {
	name     string // its directory within Dir, or that of Dir itself
	path     string // of its result within Dir
	size     int64
	modified time.Time

	summary *report.Summary
	cut     string // why its end is missing; empty: it isn't
	err     error  // why there is no summary
}

// when is the time by which the run stands in the list.
func (r run) when() time.Time {
	if r.summary == nil || r.summary.Started.IsZero() {
		return r.modified
	}
	return r.summary.Started
}

// A listing is what Dir holds.
type listing struct {
	runs     []run    // newest first
	left     int      // runs beyond mostRuns, the oldest files
	troubles []string // why a directory was not looked into
}

// list reads what it has not read before. What it has read when ctx ends is not read again.
func (r *Results) list(ctx context.Context) (listing, error) {
	root, err := os.OpenRoot(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return listing{}, nil
	} else if err != nil {
		return listing{}, fmt.Errorf("reading the results: %w", err)
	}
	defer root.Close()
	l, err := r.find(ctx, root)
	if err != nil {
		return listing{}, err
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	r.read(ctx, root, l.runs)
	if err := ctx.Err(); err != nil {
		return listing{}, err
	}
	slices.SortStableFunc(l.runs, func(a, b run) int { return b.when().Compare(a.when()) })
	return l, nil
}

// find returns the runs in root, unread, the newest files first.
func (r *Results) find(ctx context.Context, root *os.Root) (listing, error) {
	var l listing
	err := fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			l.troubles = append(l.troubles, text.Clean(err.Error()))
			return nil
		case d.IsDir() && at != "." && !listed(at):
			return fs.SkipDir
		case d.IsDir() || d.Name() != result.File:
			return nil
		}
		found := run{name: path.Dir(at), path: at}
		if found.name == "." {
			found.name = r.own(root)
		}
		if text.Clean(found.name) != found.name {
			found.err = errors.New("its directory's name has characters that can't be shown: rename it")
		} else {
			found.stat(root)
		}
		l.runs = append(l.runs, found)
		return nil
	})
	slices.SortStableFunc(l.runs, func(a, b run) int {
		return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(a.name, b.name))
	})
	l.left = max(0, len(l.runs)-mostRuns)
	l.runs = l.runs[:len(l.runs)-l.left]
	return l, err
}

// listed says whether a directory within Dir is looked into.
func listed(dir string) bool {
	segments := strings.Split(dir, "/")
	hidden := slices.ContainsFunc(segments, func(s string) bool { return strings.HasPrefix(s, ".") })
	return !hidden && len(segments) <= deepest
}

// own returns the name of the run in Dir itself, which no run below it has.
func (r *Results) own(root *os.Root) string {
	name := "results"
	if dir, err := filepath.Abs(r.Dir); err == nil && filepath.Dir(dir) != dir {
		name = filepath.Base(dir)
	}
	for isRun(root, name) {
		name += " itself"
	}
	return name
}

func isRun(root *os.Root, dir string) bool {
	info, err := root.Lstat(path.Join(dir, result.File))
	return err == nil && !info.IsDir()
}

// locate returns the run of that name, unread.
func (r *Results) locate(root *os.Root, name string) (found run, ok bool) {
	switch {
	case text.Clean(name) != name:
		return found, false
	case fs.ValidPath(name) && listed(name) && isRun(root, name):
		found = run{name: name, path: path.Join(name, result.File)}
	case isRun(root, ".") && name == r.own(root):
		found = run{name: name, path: result.File}
	default:
		return found, false
	}
	found.stat(root)
	return found, true
}

// stat notes which version of the file there is. It refuses what may never end, like a pipe.
func (r *run) stat(root *os.Root) {
	info, err := root.Stat(r.path)
	switch {
	case err != nil:
		r.err = err
	case !info.Mode().IsRegular():
		r.err = fmt.Errorf("reading %s: it is no file", r.path)
	default:
		r.size, r.modified = info.Size(), info.ModTime()
	}
}

// file opens the result.
func (r *run) file(root *os.Root) (*os.File, error) {
	if r.err != nil {
		return nil, r.err
	}
	return root.Open(r.path)
}

// read fills in what runs hold, from what is known where the file is the same. Half of the
// processors are left to others, who may be measuring.
func (r *Results) read(ctx context.Context, root *os.Root, runs []run) {
	todo := make(chan *run)
	var readers sync.WaitGroup
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		readers.Go(func() {
			for run := range todo {
				run.read(root)
			}
		})
	}
	for i := range runs {
		run := &runs[i]
		if old, ok := r.known[run.path]; ok && run.err == nil && old.size == run.size && old.modified.Equal(run.modified) {
			run.summary, run.cut = old.summary, old.cut
		} else if run.err == nil && ctx.Err() == nil {
			todo <- run
		}
	}
	close(todo)
	readers.Wait()
	r.known = map[string]run{}
	for _, run := range runs {
		if run.summary != nil {
			r.known[run.path] = run
		}
	}
}

func (r *run) read(root *os.Root) {
	r.err = guard(func() error {
		res, err := r.open(root)
		if err != nil {
			return err
		}
		summary := report.Summarize(report.Run{Result: res})
		r.summary = &summary
		return nil
	})
}

// open returns the result itself, and notes whether its end is missing.
func (r *run) open(root *os.Root) (*result.Result, error) {
	file, err := r.file(root)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	res, err := result.Read(file, path.Join(r.name, result.File))
	if cut, ok := errors.AsType[*result.TruncatedError](err); ok {
		r.cut = cut.Error()
		return res, nil
	}
	return res, err
}

// guard returns a panic of f as its error: a file that anybody may have put there keeps no other
// one from being seen.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("making sense of the numbers: %v", v)
		}
	}()
	return f()
}

// mostDrawn is how many answers are kept: each takes a tenth of a second and some 100 KB, and one
// of many runs ten times as much.
const mostDrawn = 32

// A drawn is an answer that was drawn.
type drawn struct {
	key  string // its kind, and of each run name, size and time
	data []byte
}

// draw returns what render draws of runs, or what it drew before. It draws one at a time.
func (r *Results) draw(ctx context.Context, root *os.Root, kind string, runs []run, render func(io.Writer, ...report.Run) error) ([]byte, error) {
	versions := []string{kind}
	for _, run := range runs {
		versions = append(versions, fmt.Sprintf("%s\n%d %d", run.name, run.size, run.modified.UnixNano()))
	}
	key := strings.Join(versions, "\n") // no name has a line break
	if data := r.kept(key); data != nil {
		return data, nil
	}
	r.drawing.Lock()
	defer r.drawing.Unlock()
	if data := r.kept(key); data != nil { // who drew before us drew the same
		return data, nil
	}
	if err := ctx.Err(); err != nil { // nobody waits for it any more
		return nil, err
	}
	var out bytes.Buffer
	err := guard(func() error {
		var open []report.Run
		for _, run := range runs {
			res, err := run.open(root)
			if err != nil {
				return err
			}
			open = append(open, report.Run{Name: run.name, Result: res})
		}
		return render(&out, open...)
	})
	if err != nil {
		return nil, err
	}
	r.keep(drawn{key, out.Bytes()})
	return out.Bytes(), nil
}

func (r *Results) kept(key string) []byte {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	i := slices.IndexFunc(r.drawn, func(d drawn) bool { return d.key == key })
	if i < 0 {
		return nil
	}
	found := r.drawn[i]
	r.drawn = append(slices.Delete(r.drawn, i, i+1), found)
	return found.data
}

func (r *Results) keep(d drawn) {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	r.drawn = append(r.drawn, d)
	if len(r.drawn) > mostDrawn {
		r.drawn = slices.Delete(r.drawn, 0, 1)
	}
}
