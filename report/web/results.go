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

// mostRuns is how many runs are listed: the directory may be any, even a whole disk.
const mostRuns = 1000

// Results are the runs in a directory, as result.Find finds them. Runs may appear, grow and disappear. No
// link leads out of the directory.
//
// Results are safe for concurrent use, and must not be copied.
type Results struct {
	Dir string // need not exist yet

	reading sync.Mutex     // held while results are read for the list
	known   map[string]run // runs of the last list that need not be read again, by path

	drawing sync.Mutex // held while a report or chart is drawn
	keeping sync.Mutex // guards drawn
	drawn   []drawn    // the most recently used ones, the latest at the end
}

// A run is a result on the disk.
type run struct {
	name     string // its directory within Dir; for a run in Dir itself, Dir's own name
	path     string // of its result within Dir
	size     int64
	modified time.Time

	summary *report.Summary // nil if unread or unreadable
	cut     string          // why the end of the result is missing; empty if it is complete
	err     error           // why there is no summary
	lasting bool            // summary, cut and err stay the same until the file changes
}

// when returns the time that the list is sorted by.
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
	troubles []string // why a directory was not searched
}

// list returns the runs with their summaries. It reads only results that are new or have changed. That
// holds for those that can't be read too, as a bad one may be large. If ctx ends, those read so far are
// not read again by the next call.
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
	paths, troubles, err := result.Find(ctx, root.FS())
	var l listing
	for _, trouble := range troubles {
		l.troubles = append(l.troubles, text.Clean(trouble.Error()))
	}
	for _, at := range paths {
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
	}
	slices.SortStableFunc(l.runs, func(a, b run) int {
		return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(a.name, b.name))
	})
	l.left = max(0, len(l.runs)-mostRuns)
	l.runs = l.runs[:len(l.runs)-l.left]
	return l, err
}

// own returns the name of the run in Dir itself, which differs from those of all runs below it.
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

// locate returns the run with that name, unread.
func (r *Results) locate(root *os.Root, name string) (found run, ok bool) {
	switch {
	case text.Clean(name) != name:
		return found, false
	case fs.ValidPath(name) && result.Searched(name) && isRun(root, name):
		found = run{name: name, path: path.Join(name, result.File)}
	case isRun(root, ".") && name == r.own(root):
		found = run{name: name, path: result.File}
	default:
		return found, false
	}
	found.stat(root)
	return found, true
}

// stat sets size and modified, which identify a version of the file. It refuses everything but
// regular files: reading a pipe may never end.
func (r *run) stat(root *os.Root) {
	info, err := root.Stat(r.path)
	switch {
	case err != nil:
		r.err = err
	case !info.Mode().IsRegular():
		r.err = fmt.Errorf("reading %s: not a regular file", r.path)
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

// read sets the summaries of runs, from known if the file is still the same. It leaves half of the
// processors free, as a measurement may be running.
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
			run.summary, run.cut, run.err, run.lasting = old.summary, old.cut, old.err, true
		} else if run.err == nil && ctx.Err() == nil {
			todo <- run
		}
	}
	close(todo)
	readers.Wait()
	r.known = map[string]run{}
	for _, run := range runs {
		if run.lasting {
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
		summary := report.Summarize(report.NewRun("", res))
		r.summary = &summary
		return nil
	})
	r.lasting = lasting(r.err)
}

// lasting reports whether reading the same version of a file again would end with the same error. A
// file that could not be opened may be allowed, or the disk be back, the next time.
func lasting(err error) bool {
	_, failed := errors.AsType[*fs.PathError](err)
	return !failed
}

// open returns the result, and sets cut if its end is missing.
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

// guard calls f and returns a panic of f as an error, so that one odd file does not hide all others.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("evaluating the result: %v", v)
		}
	}()
	return f()
}

// mostDrawn is how many reports and charts are kept. Drawing one takes a tenth of a second and
// keeping it some 100 KB, ten times that for many runs.
const mostDrawn = 32

// A drawn is a report or chart that was drawn, or the reason why it can't be.
type drawn struct {
	key  string // its file name, and the name, size and time of each run
	data []byte
	err  error
}

// render returns what write writes for runs, or has written for the same versions of them.
func (r *Results) render(ctx context.Context, root *os.Root, kind string, runs []run, write func(io.Writer, ...report.Run) error) ([]byte, error) {
	return r.draw(ctx, kind, runs, func(w io.Writer) error {
		var open []report.Run
		for _, run := range runs {
			res, err := run.open(root)
			if err != nil {
				return err
			}
			open = append(open, report.NewRun(run.name, res))
		}
		return write(w, open...)
	})
}

// draw returns what write writes, or has written when it was called for the same kind of file and the same
// versions of runs. Only one call of write runs at a time.
func (r *Results) draw(ctx context.Context, kind string, runs []run, write func(io.Writer) error) ([]byte, error) {
	versions := []string{kind}
	for _, run := range runs {
		versions = append(versions, fmt.Sprintf("%s\n%d %d", run.name, run.size, run.modified.UnixNano()))
	}
	key := strings.Join(versions, "\n") // no name has a line break
	if d, ok := r.kept(key); ok {
		return d.data, d.err
	}
	r.drawing.Lock()
	defer r.drawing.Unlock()
	if d, ok := r.kept(key); ok { // another request has drawn it meanwhile
		return d.data, d.err
	}
	if err := ctx.Err(); err != nil { // the client is gone
		return nil, err
	}
	var out bytes.Buffer
	err := guard(func() error { return write(&out) })
	d := drawn{key: key, err: err}
	if err == nil {
		d.data = out.Bytes()
	}
	if lasting(err) {
		r.keep(d)
	}
	return d.data, d.err
}

func (r *Results) kept(key string) (_ drawn, ok bool) {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	i := slices.IndexFunc(r.drawn, func(d drawn) bool { return d.key == key })
	if i < 0 {
		return drawn{}, false
	}
	found := r.drawn[i]
	r.drawn = append(slices.Delete(r.drawn, i, i+1), found)
	return found, true
}

func (r *Results) keep(d drawn) {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	r.drawn = append(r.drawn, d)
	if len(r.drawn) > mostDrawn {
		r.drawn = slices.Delete(r.drawn, 0, 1)
	}
}
