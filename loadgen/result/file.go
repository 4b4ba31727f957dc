package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A Writer writes a result line by line, each as soon as it is known. It is not safe for
// concurrent use.
type Writer struct {
	file  *os.File
	whole int64 // bytes up to the end of the last whole line
}

// Create starts a result in dir, which must exist.
func Create(dir string) (*Writer, error) {
	file, err := os.OpenFile(filepath.Join(dir, File), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the result: %w", err)
	}
	return &Writer{file: file}, nil
}

// Write adds one line and has it on the disk when it returns. After an error the file still ends
// with the last whole line.
func (w *Writer) Write(line Line) error {
	data, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	data = append(data, '\n')
	_, err = w.file.Write(data)
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the result: %w", err), w.cut())
	}
	w.whole += int64(len(data))
	return nil
}

// cut drops what was written of a line that did not fit.
func (w *Writer) cut() error {
	if err := w.file.Truncate(w.whole); err != nil {
		return err
	}
	_, err := w.file.Seek(w.whole, io.SeekStart)
	return err
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

// A Result is a run as it was read back.
type Result struct {
	Run     Run
	Windows []Window
}

// Rows merges the windows, in the order of the scenario's transports.
func (r *Result) Rows() []Row { return Order(Rows(r.Windows), r.Run.Scenario.Transports) }

// A TruncatedError says that the last line of a result is not whole. What came before it is good.
type TruncatedError struct {
	Path string
	Line int
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s:%d: the last line is not whole: the lines before it are used", e.Path, e.Line)
}

// Open reads the result at path, a result.jsonl or the directory that holds one. A last line that
// is not whole is a *TruncatedError beside the Result; with any other error there is none.
func Open(path string) (*Result, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, File)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}
	defer file.Close()
	return Read(file, path)
}

// Read reads a result; name stands in its errors.
func Read(r io.Reader, name string) (*Result, error) {
	in := bufio.NewReader(r)
	var res Result
	for number := 1; ; number++ {
		data, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		whole := err == nil
		if len(bytes.TrimSpace(data)) > 0 {
			if err := res.add(data); err != nil {
				if !whole && res.Run.Schema != 0 {
					return &res, &TruncatedError{name, number}
				}
				return nil, fmt.Errorf("%s:%d: not a pushpull result: %w", name, number, err)
			}
		}
		if !whole {
			break
		}
	}
	if res.Run.Schema == 0 {
		return nil, fmt.Errorf("%s: not a pushpull result: it is empty", name)
	}
	return &res, nil
}

func (r *Result) add(data []byte) error {
	var line Line
	if err := json.Unmarshal(data, &line); err != nil {
		return err
	}
	switch first := r.Run.Schema == 0; {
	case line.Run != nil && line.Window != nil:
		return errors.New(`both "run" and "window" in one line`)
	case line.Run != nil && first:
		if line.Run.Schema < 1 || line.Run.Schema > Schema {
			return fmt.Errorf("its schema is %d, this pushpull reads up to %d: use a newer one", line.Run.Schema, Schema)
		}
		if err := line.Run.Scenario.plausible(); err != nil {
			return err
		}
		r.Run = *line.Run
	case line.Run != nil:
		return errors.New("a second run begins here: one run a file")
	case line.Window == nil:
		return errors.New(`neither "run" nor "window"`)
	case first:
		return errors.New("a window comes before the run")
	default:
		return r.addWindow(*line.Window)
	}
	return nil
}

func (r *Result) addWindow(w Window) error {
	if w.Transport == "" || w.Users <= 0 {
		return errors.New("a window without transport or users")
	}
	if err := w.plausible(); err != nil {
		return err
	}
	histograms := []**Histogram{&w.Latency, &w.SendDelay, &w.Accept, &w.Late}
	if c := w.Calibration; c != nil {
		histograms = append(histograms, &c.RoundTrip, &c.Delivery)
	}
	for _, h := range histograms {
		if *h == nil {
			*h = NewHistogram()
		}
	}
	for i := range w.Slices {
		if w.Slices[i].Latency == nil {
			w.Slices[i].Latency = NewHistogram()
		}
	}
	r.Windows = append(r.Windows, w)
	return nil
}
