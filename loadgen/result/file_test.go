package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// aRun and aWindow have every field set.
var aRun = Run{
	Schema: Schema, Started: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Command: "pushpull run chat",
	Scenario: Scenario{
		Name: "chat", About: "pairs", Users: 200, RoomSize: 2, Senders: 2, Rate: .25, Size: 100, Warmup: 1, Duration: 5,
		Drain: 10, Rounds: 2, Seed: math.MaxUint64, Transports: []string{"websocket", "long-poll"}, Target: "http://there",
	},
	Environment: Environment{
		CPU: "a processor", Cores: 2, MemoryBytes: 8 << 30, OS: "debian 12.5", Kernel: "6.1.0", Arch: "amd64", Go: "go1.26",
		Pushpull: "(devel)", Modules: map[string]string{"example.com/m": "v1.2.3"},
	},
}

func aWindow(transport string, round int) Window {
	h := func(d time.Duration) *Histogram { return histogramOf(d, 2*d) }
	return Window{
		Transport: transport, Way: FormerWay(transport, 0), Round: round, Started: time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC), Users: 200, Cores: 2,
		DurationS: 5.25, DrainedS: .5, Interrupted: true, OtherProgram: true, Planned: 9, Sent: 8, Expected: 7, Delivered: 6, Lost: 5,
		Duplicated: 4, Reordered: 3, Misdelivered: 2,
		Latency: h(time.Millisecond), SendDelay: h(time.Microsecond), Accept: h(time.Second), Late: h(time.Nanosecond),
		Slices: []Slice{{AtS: 1, WidthS: 2, Latency: h(time.Millisecond)}},
		Traffic: Traffic{
			Connections: 1, Requests: 2, Handshakes: 3, EmptyResponses: 4, Posts: 5, BytesIn: 6, BytesOut: 7, HandshakeBytes: 8,
		},
		Store: &Store{Appends: 1, Reads: 2, EmptyReads: 3}, Server: &Process{CPUS: .1, RSSBytes: 2, RSSIdleBytes: 1},
		Generator: Process{CPUS: .2, RSSBytes: 4, RSSIdleBytes: 3}, Errors: []Failure{{"refused", 2}},
	}
}

// asJSON returns v in JSON, in which equal histograms are equal, however they are held in memory.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriteAndRead(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows := []Window{aWindow("long-poll", 1), aWindow("websocket", 1), aWindow("websocket", 2)}
	if err := w.Write(Line{Run: &aRun}); err != nil {
		t.Fatal(err)
	}
	for i := range windows {
		if err := w.Write(Line{Window: &windows[i]}); err != nil {
			t.Fatal(err)
		}
		// Each window can be read as soon as it is written.
		if res, err := Open(dir); err != nil || len(res.Windows) != i+1 {
			t.Fatalf("after window %d: %v", i, err)
		}
	}
	if _, err := Create(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second result in the same directory: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, File)} {
		res, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := asJSON(t, res), asJSON(t, Result{aRun, windows}); got != want {
			t.Errorf("read    %s\nwritten %s", got, want)
		}
		// The rows are in the order of the scenario, not of the windows.
		if rows := res.Rows(); len(rows) != 2 || rows[0].Transport != "websocket" || rows[1].Transport != "long-poll" {
			t.Errorf("rows %+v", rows)
		}
	}
	if _, err := Create(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("creating a result in a missing directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a missing result: %v", err)
	}
}

// TestFailedWrite checks that complete lines remain after a failed write, and that more can follow.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(Line{Run: &aRun}); err != nil {
		t.Fatal(err)
	}
	nobody := aWindow("websocket", 1)
	nobody.Users = 0
	if err := w.Write(Line{Window: &nobody}); err == nil {
		t.Error("writing a window without users returns no error")
	}
	// A full disk may take a part of a line.
	if _, err := io.WriteString(w.file, `{"window":{"transp`); err != nil {
		t.Fatal(err)
	}
	if err := w.cut(); err != nil {
		t.Fatal(err)
	}
	good := aWindow("websocket", 1)
	if err := w.Write(Line{Window: &good}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	res, err := Open(dir)
	if err != nil || len(res.Windows) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}

	// If the file can't be written to, Write returns an error and the file doesn't change.
	path := filepath.Join(dir, File)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if w.file, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Write(Line{Window: &good}); err == nil || !strings.HasPrefix(err.Error(), "writing the result: ") {
		t.Errorf("writing to a file that is read-only: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%d bytes became %d, %v", len(before), len(after), err)
	}
}

// lines makes a result of them.
func lines(t *testing.T, lines ...any) string {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		if text, ok := line.(string); ok {
			b.WriteString(text + "\n")
			continue
		}
		b.WriteString(asJSON(t, line) + "\n")
	}
	return b.String()
}

func TestReadWhatIsNoResult(t *testing.T) {
	window := aWindow("websocket", 1)
	run, measured := Line{Run: &aRun}, Line{Window: &window}
	newer := aRun
	newer.Schema = Schema + 1
	for name, c := range map[string]struct{ text, want string }{
		"empty":               {"", "x: this is an empty file, not a pushpull result: pushpull run writes one: give "},
		"blank":               {"\n \n", "x: this is an empty file, not a pushpull result: pushpull run writes one: give "},
		"foreign text":        {"hello\n", "x: not a pushpull result: pushpull run writes one: give "},
		"foreign JSON":        {"{\"a\":1}\n", "x: this is a JSON file of another program, not a pushpull result: "},
		"foreign array":       {"[1]\n", "x: this is a JSON array, not a pushpull result: "},
		"first line cut":      {`{"run":{"schema":1`, "x:1:19: not a pushpull result: the line ends in the middle of a JSON object"},
		"run cut":             {"\n{\"run\":{\"schema\":1", "x:2:19: not a pushpull result: the line ends in the middle of a JSON object"},
		"newer schema":        {lines(t, Line{Run: &newer}, measured), "x:1: not a pushpull result: its schema is 2, this pushpull reads up to 1: use a newer one"},
		"no schema":           {"{\"run\":{}}\n", "x:1: not a pushpull result: its schema is 0"},
		"second run":          {lines(t, run, measured, run), "x:3: not a pushpull result: a second run begins here"},
		"window first":        {lines(t, measured, run), "x:1: not a pushpull result: a window comes before the run"},
		"run and window":      {lines(t, run, Line{Run: &aRun, Window: &window}), "x:2: not a pushpull result: both "},
		"garbage between":     {lines(t, run, measured, "\x00\xff", measured), "x:3:1: not a pushpull result: from here on the line is not JSON"},
		"cut between":         {lines(t, run, `{"window":{"transp`, measured), "x:2:19: not a pushpull result: from here on the line is not JSON"},
		"no transport":        {lines(t, run, `{"window":{"users":2}}`), "x:2: not a pushpull result: a window without transport or users"},
		"no users":            {lines(t, run, `{"window":{"transport":"sse"}}`), "x:2: not a pushpull result: a window without transport or users"},
		"text for a number":   {lines(t, run, `{"window":{"transport":"sse","users":"2"}}`), "x:2:41: not a pushpull result: window.users can't be the string that it is here"},
		"no histogram":        {lines(t, run, `{"window":{"transport":"sse","users":2,"latency":"AAAA"}}`), "x:2: not a pushpull result: decoding a histogram: "},
		"numbers of no type":  {lines(t, run, `{"window":{"transport":"sse","users":1e99}}`), "x:2:42: not a pushpull result: window.users can't be the number 1e99 that it is here"},
		"two objects in line": {lines(t, asJSON(t, run)+asJSON(t, measured)), "x:1:536: not a pushpull result: from here on the line is not JSON"},
	} {
		res, err := Read(strings.NewReader(c.text), "x")
		if res != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s gives %v, %v\nwant %s", name, res, err, c.want)
		}
	}
	broken := errors.New("broken disk")
	if _, err := Read(iotest.ErrReader(broken), "x"); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// TestReadTruncated cuts a result in many positions of its last line.
func TestReadTruncated(t *testing.T) {
	window := aWindow("websocket", 1)
	kept := lines(t, Line{Run: &aRun}, Line{Window: &window})
	last := asJSON(t, Line{Window: &window})
	for n := 1; n < len(last); n += 3 {
		res, err := Read(strings.NewReader(kept+last[:n]), "x")
		var cut *TruncatedError
		if !errors.As(err, &cut) || cut.Line != 3 || cut.Path != "x" || res == nil || len(res.Windows) != 1 {
			t.Fatalf("cut after %d bytes of the last line: %+v, %v", n, res, err)
		}
	}
	for what, text := range map[string]string{"without its end": kept + last, "with blank lines": kept + "\n" + last + "\n\n"} {
		if res, err := Read(strings.NewReader(text), "x"); err != nil || len(res.Windows) != 2 {
			t.Errorf("the last line %s: %+v, %v", what, res, err)
		}
	}
}

// TestReadMissingHistograms checks that a window without histograms can be merged into rows.
func TestReadMissingHistograms(t *testing.T) {
	res, err := Read(strings.NewReader(lines(t, Line{Run: &aRun},
		`{"window":{"transport":"sse","users":2,"latency":null,"slices":[{"at_s":0,"width_s":1}],"calibration":{},"unknown":1}}`)), "x")
	if err != nil {
		t.Fatal(err)
	}
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch h, is := reflect.TypeAssert[*Histogram](v); {
		case is:
			if h == nil || h.Count() != 0 {
				t.Errorf("%s, a missing histogram, is %v", path, h)
			}
		case v.Type() == reflect.TypeFor[time.Time]():
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				look(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.Kind() == reflect.Pointer && !v.IsNil():
			look(path, v.Elem())
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				look(path, v.Index(i))
			}
		}
	}
	look("Window", reflect.ValueOf(res.Windows[0]))
	if rows := res.Rows(); len(rows) != 1 || rows[0].Delivered != 0 {
		t.Errorf("rows %+v", rows)
	}
}

func FuzzRead(f *testing.F) {
	window := aWindow("websocket", 1)
	var seed strings.Builder
	for _, line := range []Line{{Run: &aRun}, {Window: &window}} {
		data, err := json.Marshal(line)
		if err != nil {
			f.Fatal(err)
		}
		seed.Write(append(data, '\n'))
	}
	f.Add([]byte(seed.String()))
	f.Add([]byte(seed.String()[:seed.Len()-10]))
	const run = `{"run":{"schema":1}}` + "\n"
	f.Add([]byte(run + `{"window":{"transport":"sse","users":2}}`))
	for _, hostile := range []string{
		encoded(math.MaxInt64, 5, []byte{2}), encoded(-1, 3, []byte{2}), encoded(int64(time.Hour), -1, []byte{2}),
		encoded(int64(time.Hour), 3, []byte{2, 2}), encoded(1, 0, nil),
	} {
		f.Add([]byte(run + `{"window":{"transport":"sse","users":2,"latency":"` + hostile + `"}}` + "\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := Read(bytes.NewReader(data), "x")
		var cut *TruncatedError
		if err != nil && !errors.As(err, &cut) {
			if !strings.HasPrefix(err.Error(), "x:") {
				t.Fatalf("%q doesn't begin with the name", err)
			}
			return
		}
		// Every result that can be read can be merged, written and read again.
		if _, err := json.Marshal(res.Rows()); err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		for _, line := range append([]Line{{Run: &res.Run}}, windowLines(res)...) {
			text, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			again.Write(append(text, '\n'))
		}
		if copied, err := Read(&again, "y"); err != nil || len(copied.Windows) != len(res.Windows) {
			t.Fatalf("read, but can't be read again: %v", err)
		}
	})
}

func windowLines(res *Result) (lines []Line) {
	for i := range res.Windows {
		lines = append(lines, Line{Window: &res.Windows[i]})
	}
	return lines
}
