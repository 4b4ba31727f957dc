package result

import (
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func isSize(err error) bool {
	_, ok := errors.AsType[*SizeError](err)
	return ok
}

// TestHugeFile refuses a file of a gigabyte without reading it.
func TestHugeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, File)
	if err := os.WriteFile(path, []byte(lines(t, Line{Run: &aRun})), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	var err error
	if n := allocated(func() { _, err = Open(dir) }); n > 1<<20 {
		t.Errorf("refusing it takes %d bytes", n)
	}
	if !isSize(err) || !strings.HasPrefix(err.Error(), path+": not a pushpull result: it is larger than 256 MB") {
		t.Errorf("got %v", err)
	}
}

// zeros is an endless line.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestEndlessLine reads what has no size that can be asked for, like /dev/zero.
func TestEndlessLine(t *testing.T) {
	var err error
	if n := allocated(func() { _, err = Read(zeros{}, "x") }); n > 8*mostLine {
		t.Errorf("refusing it takes %d bytes", n)
	}
	if !isSize(err) || !strings.HasPrefix(err.Error(), "x:1: not a pushpull result: a line is longer than 32 MB") {
		t.Errorf("got %v", err)
	}
}

// TestLimitsOfReading tries files and lines that are just small enough, and one byte larger.
func TestLimitsOfReading(t *testing.T) {
	window := aWindow("websocket", 1)
	run, measured := lines(t, Line{Run: &aRun}), lines(t, Line{Window: &window})
	text := run + measured + measured
	longest := max(len(run), len(measured))
	for _, c := range []struct {
		line, file int
		want       string // empty: it is read
	}{
		{longest, len(text), ""},
		{longest - 1, len(text), "a line is longer"},
		{longest, len(text) - 1, "it is larger"},
	} {
		res, err := read(strings.NewReader(text), "x", c.line, c.file)
		if c.want == "" && (err != nil || len(res.Windows) != 2) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("lines of %d in a file of %d bytes: %v, want %q", c.line, c.file, err, c.want)
		}
	}
	// The file may grow while it is read.
	endless := io.MultiReader(strings.NewReader(run), &repeated{text: measured})
	if _, err := read(endless, "x", mostLine, 50_000); err == nil || !strings.Contains(err.Error(), "it is larger than") {
		t.Errorf("an endless file: %v", err)
	}
}

// repeated is a text again and again.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// crowded returns a histogram in which every bucket has a large and random count:
// nothing takes more bytes.
func crowded(t *testing.T, random *rand.Rand) *Histogram {
	t.Helper()
	h := NewHistogram()
	hdr := h.change()
	for v := int64(0); v <= int64(Longest); v += max(1, int64(1)<<bits.Len64(uint64(v))>>11) { // 2048 steps until it doubles
		if err := hdr.RecordValues(v, random.Int64N(1<<33)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// TestLargestWindow writes a window that is larger than any scenario can have, but for the number of its
// slices, and reads it.
func TestLargestWindow(t *testing.T) {
	w := part(t, 0)
	random := rand.New(rand.NewPCG(1, 1))
	h := crowded(t, random)
	if n := h.Count(); n > mostRecorded {
		t.Fatalf("%d durations are more than can be read", n)
	}
	encoded, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	h = &Histogram{encoded: encoded} // else each use of it would be encoded
	w.Latency, w.SendDelay, w.Accept, w.Late, w.Calibration.RoundTrip, w.Calibration.Direct, w.Calibration.Delivery = h, h, h, h, h, h, h
	w.Slices = nil
	const slices = 4 // each takes a while
	for i := range slices {
		w.Slices = append(w.Slices, Slice{AtS: float64(i), WidthS: 1, Latency: h})
	}
	w.Errors = nil
	for i := range 2 * mostErrors {
		w.Errors = append(w.Errors, Failure{strings.Repeat("\x00", 10*mostText), i})
	}
	dir := t.TempDir()
	file, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Write(Line{Run: &aRun}); err != nil {
		t.Fatal(err)
	}
	before := file.whole
	if err := file.Write(Line{Window: &w}); err != nil {
		t.Fatal(err)
	}
	largest := file.whole - before + (mostSlices-slices)*int64(len(asJSON(t, w.Slices[0])))
	if t.Logf("the largest line has %d bytes", largest); largest > mostLine*3/4 {
		t.Errorf("the largest line has %d bytes of %d: there is no room for anything new", largest, mostLine)
	}
	res, err := Open(dir)
	if err != nil || len(res.Windows) != 1 || len(res.Windows[0].Slices) != slices {
		t.Errorf("%v", err)
	}
}

// TestWriterStopsInTime checks that a Writer writes no file, and no line, that is too large to be read.
func TestWriterStopsInTime(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	long := aRun
	long.Scenario.About = strings.Repeat("x", mostLine)
	err = w.Write(Line{Run: &long})
	if !isSize(err) || !strings.HasPrefix(err.Error(), "writing the result: a line is longer than 32 MB") {
		t.Errorf("a long line: %v", err)
	}
	if err := w.Write(Line{Run: &aRun}); err != nil {
		t.Fatal(err)
	}
	window := aWindow("websocket", 1)
	text, err := json.Marshal(Line{Window: &window})
	if err != nil {
		t.Fatal(err)
	}
	before := w.whole
	w.whole = mostFile - int64(len(text)) // without the end of the line
	err = w.Write(Line{Window: &window})
	if !isSize(err) || !strings.HasPrefix(err.Error(), "writing the result: it is larger than 256 MB") {
		t.Errorf("a large file: %v", err)
	}
	w.whole, w.windows = before, mostWindows
	err = w.Write(Line{Window: &window})
	if want := "writing the result: it has more than 200000 windows"; !isSize(err) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("many windows: %v", err)
	}
	w.windows = mostWindows - 1
	if err := w.Write(Line{Window: &window}); err != nil {
		t.Error(err)
	}
	if res, err := Open(dir); err != nil || len(res.Windows) != 1 {
		t.Errorf("what was written before: %v", err)
	}
}

// TestManyWindows reads windows that are short in a file, and not in memory.
func TestManyWindows(t *testing.T) {
	res := Result{Run: aRun, Windows: make([]Window, mostWindows-1)}
	line := []byte(`{"window":{"transport":"sse","users":2}}`)
	if err := res.add(line); err != nil {
		t.Error(err)
	}
	if err := res.add(line); !isSize(err) || len(res.Windows) != mostWindows {
		t.Errorf("one more: %v", err)
	}
}
