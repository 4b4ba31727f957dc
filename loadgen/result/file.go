package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"pushpull/loadgen/input"
)

// A Writer writes a result line by line, as a run goes on. It is not safe for concurrent use.
type Writer struct {
	file  *os.File
	whole int64 // bytes up to the end of the last complete line

	windows int // written
}

// Create starts a result in dir, which must exist.
func Create(dir string) (*Writer, error) {
	file, err := os.OpenFile(filepath.Join(dir, File), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the result: %w", err)
	}
	return &Writer{file: file}, nil
}

// Resume goes on with the result in dir. It returns what the result holds, without the windows that keep
// refuses, and removes those from the file.
func Resume(dir string, keep func(Window) bool) (w *Writer, res *Result, err error) {
	res, err = Open(dir)
	if _, cut := errors.AsType[*TruncatedError](err); err != nil && !cut {
		return nil, nil, err
	}
	res.Windows = slices.DeleteFunc(res.Windows, func(w Window) bool { return !keep(w) })
	defer func() {
		if err != nil {
			err = fmt.Errorf("going on with the result in %s: %w", dir, err)
		}
	}()
	again, err := os.MkdirTemp(dir, ".resumed-") // on the same disk
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(again) }() // it is empty, or holds a copy
	if w, err = Create(again); err != nil {
		return nil, nil, err
	}
	err = w.Write(Line{Run: &res.Run})
	for i := range res.Windows {
		if err == nil {
			err = w.Write(Line{Window: &res.Windows[i]})
		}
	}
	if err == nil {
		err = os.Rename(filepath.Join(again, File), filepath.Join(dir, File))
	}
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return w, res, nil
}

// Write appends one line, which is on the disk when it returns. A window is settled first: the caller's
// own stays as it is. After an error the file still ends with the last complete line. A line that would
// make the file too large for its readers is a *SizeError.
func (w *Writer) Write(line Line) error {
	data, err := w.encode(line)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	_, err = w.file.Write(data)
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the result: %w", err), w.cut())
	}
	w.whole += int64(len(data))
	if line.Window != nil {
		w.windows++
	}
	return nil
}

// encode returns the text of a line that Read accepts after those written so far.
func (w *Writer) encode(line Line) ([]byte, error) {
	if line.Window != nil {
		settled := *line.Window
		line.Window = &settled
	}
	if err := line.settle(w.whole > 0); err != nil {
		return nil, err
	}
	data, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	data = append(data, '\n')
	switch {
	case len(data) > mostLine:
		return nil, tooLong(mostLine)
	case w.whole+int64(len(data)) > mostFile:
		return nil, tooLarge(mostFile)
	case line.Window != nil && w.windows >= mostWindows:
		return nil, tooMany(mostWindows)
	}
	return data, nil
}

// Limits of a file. A window has at most 15 MB, if its histograms hold all latencies that they tell
// apart; those of the built-in scenarios have 10 KB. A reader needs up to three times the size of a
// file, and a server may read several at a time.
const (
	mostLine    = 32 << 20
	mostFile    = 256 << 20
	mostWindows = 200_000 // a window may be short, and takes a kilobyte in memory
)

// A SizeError reports that a result, or one line of it, is larger than results may be.
type SizeError struct{ text string }

func (e *SizeError) Error() string { return e.text }

func tooLong(most int) error {
	return &SizeError{fmt.Sprintf("a line is longer than %d MB, and pushpull writes and reads none that long", most>>20)}
}

func tooLarge(most int) error {
	return &SizeError{fmt.Sprintf("it is larger than %d MB, and pushpull writes and reads none that large: measure fewer rounds or transports", most>>20)}
}

func tooMany(most int) error {
	return &SizeError{fmt.Sprintf("it has more than %d windows, and pushpull writes and reads none with more: measure fewer rounds or transports", most)}
}

// cut removes an incomplete line.
func (w *Writer) cut() error {
	if err := w.file.Truncate(w.whole); err != nil {
		return err
	}
	_, err := w.file.Seek(w.whole, io.SeekStart)
	return err
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

// A Result is a run with its windows.
type Result struct {
	Run     Run
	Windows []Window
}

// Rows merges the windows into rows, in the order of the scenario's transports. A transport that its server lacks
// has an empty row.
func (r *Result) Rows() []Row {
	s := r.Run.Scenario
	rows := Order(append(Rows(r.Windows), s.lackingRows()...), s.Transports)
	return rows
}

// A TruncatedError reports that the last line of a result is incomplete. The lines before it are valid.
type TruncatedError struct {
	Path string
	Line int
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s:%d: the last line is not whole: the lines before it are used", e.Path, e.Line)
}

// Open reads the result at path, a result.jsonl or the directory that holds one. If the last line is
// incomplete, it returns the Result with a *TruncatedError; with any other error it returns no Result.
func Open(path string) (*Result, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if path, err = within(path); err != nil {
			return nil, err
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}
	defer file.Close()
	return Read(file, path)
}

// Read reads a result as Open does; its errors begin with name. It refuses a file that is too large
// before it reads it.
func Read(r io.Reader, name string) (*Result, error) {
	if file, ok := r.(fs.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > mostFile {
			return nil, fmt.Errorf("%s: not a pushpull result: %w", name, tooLarge(mostFile))
		}
	}
	return read(r, name, mostLine, mostFile)
}

// read is Read with other limits.
func read(r io.Reader, name string, mostLine, mostFile int) (*Result, error) {
	decoded := input.NewReader(r)
	in := bufio.NewReader(decoded)
	var res Result
	all := 0 // bytes
	for number := 1; ; number++ {
		data, err := readLine(in, mostLine)
		whole := err == nil
		if all += len(data); all > mostFile {
			err = tooLarge(mostFile)
		}
		if _, long := errors.AsType[*SizeError](err); long {
			return nil, fmt.Errorf("%s:%d: not a pushpull result: %w", name, number, err)
		} else if err != nil && err != io.EOF {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if len(bytes.TrimSpace(data)) > 0 {
			if err := res.add(data); err != nil {
				if !whole && res.Run.Schema != 0 {
					return &res, &TruncatedError{name, number}
				}
				return nil, wrongLine(name, number, data, res.Run.Schema != 0, decoded.Head(), err)
			}
		}
		if !whole {
			break
		}
	}
	if res.Run.Schema == 0 {
		return nil, wrongLine(name, 1, nil, false, decoded.Head(), nil)
	}
	return &res, nil
}

// readLine reads a line with its end, which the last one may lack: then the error is io.EOF. If the
// line is longer than most, the error is a *SizeError.
func readLine(in *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > most {
			return nil, tooLong(most)
		}
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

func (r *Result) add(data []byte) error {
	var line Line
	if err := json.Unmarshal(data, &line); err != nil {
		return err
	}
	if err := line.settle(r.Run.Schema != 0); err != nil {
		return err
	}
	switch {
	case line.Run != nil:
		r.Run = *line.Run
	case len(r.Windows) >= mostWindows:
		return tooMany(mostWindows)
	default:
		r.Windows = append(r.Windows, *line.Window)
	}
	return nil
}

// settle makes l a line that can be written and read, and returns an error if that can't be done. begun
// is set if there are lines before it.
func (l *Line) settle(begun bool) error {
	switch {
	case l.Run != nil && l.Window != nil:
		return errors.New(`both "run" and "window" in one line`)
	case l.Run != nil && begun:
		return errors.New("a second run begins here: use one file per run")
	case l.Run != nil:
		if l.Run.Schema < 1 || l.Run.Schema > Schema {
			return fmt.Errorf("its schema is %d, this pushpull reads up to %d: use a newer one", l.Run.Schema, Schema)
		}
		if err := CheckRemarks(l.Run.Note, l.Run.Tags); err != nil {
			return err
		}
		return l.Run.Scenario.plausible()
	case l.Window == nil:
		return errors.New(`neither "run" nor "window"`)
	case !begun:
		return errors.New("a window comes before the run")
	}
	return l.Window.Settle()
}
