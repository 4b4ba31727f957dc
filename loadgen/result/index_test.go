package result

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// anIndex has every field set.
func anIndex() Index {
	return Index{
		Schema: Schema, Kind: KindChoice, Started: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Command: "pushpull choose --users 20000",
		Note: "after lunch", Tags: map[string]string{"commit": "1a2b3c"}, Scenario: aRun.Scenario, WithinS: 2.5, Store: "sqlite:chat.db",
		Axes: []Axis{{"users", []string{"100", "200"}}}, Points: []Point{{"users=100", []string{"100"}, RoleSize}, {"a/b", []string{"200"}, RoleLargest}},
		Wanted: &Wanted{Users: 20_000, Rate: 1. / 30, WithinS: 1, Busy: .6, Processors: 4, CustomaryS: 5, Prices: map[string]float64{"cpu-hour": .04, "gb-out": 0}},
	}
}

func TestIndexIsReadAsWritten(t *testing.T) {
	for _, kind := range kinds() {
		dir := t.TempDir()
		index := anIndex()
		if index.Kind = kind; kind != KindChoice {
			index.Wanted = nil
		}
		if kind == KindCapacity {
			index.Capacity = &Capacity{P99S: .1, Precision: .1, Repeat: 2}
		}
		if kind == KindSweep {
			index.DeliveriesPerS, index.Agents, index.AgentsElsewhere = 15_000, "6", true
		}
		if kind == KindClaims {
			index.Claims = &Claims{
				Names: []string{"six-streams"}, Quick: true, Lacking: "no browser",
				Browsed: []Browsed{{Browser: "Chromium 130", By: ByEventSource, HTTP: "1.1", TLS: true, Asked: 9, Opened: 6, Received: 5, Blocked: true}},
			}
		}
		for range 2 { // the second one replaces the first
			if err := WriteIndex(dir, index); err != nil {
				t.Fatal(err)
			}
			got, err := ReadIndex(dir)
			if err != nil || asJSON(t, got) != asJSON(t, index) {
				t.Fatalf("read    %s, %v\nwritten %s", asJSON(t, got), err, asJSON(t, index))
			}
			index.Note = "written again"
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("left beside the index: %v, %v", entries, err)
		}
	}
	if _, err := ReadIndex(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory without an index: %v", err)
	}
	if err := WriteIndex(filepath.Join(t.TempDir(), "missing"), anIndex()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
}

// TestBadIndex has indexes that can't be used. Each is refused in one line, when it is written and when it is read.
func TestBadIndex(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Index)
		want string
	}{
		"schema 0":        {func(x *Index) { x.Schema = 0 }, "its schema is 0"},
		"newer schema":    {func(x *Index) { x.Schema = Schema + 1 }, "use a newer one"},
		"kind":            {func(x *Index) { x.Kind = "zoo" }, `its kind is "zoo", want one of sweep, choice, capacity, claims`},
		"claims":          {func(x *Index) { x.Kind, x.Wanted = KindClaims, nil }, "it lacks the claims"},
		"browsed":         {func(x *Index) { x.Kind, x.Claims = KindClaims, &Claims{Browsed: []Browsed{{Opened: 7, Asked: 6}}} }, "what a browser opened"},
		"other claims":    {func(x *Index) { x.Claims = &Claims{} }, `it has claims, and its kind is "choice"`},
		"delay":           {func(x *Index) { x.WithinS = -1 }, "its delay is -1 s"},
		"few deliveries":  {func(x *Index) { x.DeliveriesPerS = -1 }, "its deliveries are -1 per second, want 0 or more"},
		"rates":           {func(x *Index) { x.DeliveriesPerS, x.Axes[0].Key = 5, "rate" }, "it has deliveries per second, and varies the rate"},
		"agents":          {func(x *Index) { x.Agents = "many" }, `its agents are "many", want 1 to 1000, or auto`},
		"no agents":       {func(x *Index) { x.Agents = "0" }, `its agents are "0"`},
		"lost agents":     {func(x *Index) { x.Agents, x.AgentsElsewhere = AgentsAuto, true }, "it has agents elsewhere, and not how many"},
		"nothing wanted":  {func(x *Index) { x.Wanted = nil }, `it lacks "wanted"`},
		"no users":        {func(x *Index) { x.Wanted.Users = 0 }, "users of what is wanted is 0, want 2 to 1e+09"},
		"many users":      {func(x *Index) { x.Wanted.Users = 2e9 }, "users of what is wanted is 2e+09"},
		"negative rate":   {func(x *Index) { x.Wanted.Rate = -.5 }, "rate of what is wanted is -0.5"},
		"tiny rate":       {func(x *Index) { x.Wanted.Rate = 1e-300 }, "rate of what is wanted is 1e-300"},
		"no delay":        {func(x *Index) { x.Wanted.WithinS = 0 }, "within_s of what is wanted is 0"},
		"load":            {func(x *Index) { x.Wanted.Busy = 5 }, "load of what is wanted is 5, want 0.01 to 0.99"},
		"no cores":        {func(x *Index) { x.Wanted.Processors = 0 }, "server_cores of what is wanted is 0"},
		"negative price":  {func(x *Index) { x.Wanted.Prices["cpu-hour"] = -1 }, `the price of "cpu-hour" is -1`},
		"tiny price":      {func(x *Index) { x.Wanted.Prices["cpu-hour"] = 5e-324 }, `the price of "cpu-hour" is 5e-324`},
		"interval":        {func(x *Index) { x.Wanted.CustomaryS = -5 }, "its usual poll interval is -5 s"},
		"free":            {func(x *Index) { x.Wanted.Prices["cpu-hour"] = 0 }, "none of its 2 prices is more than 0"},
		"above":           {func(x *Index) { x.Points[1].Dir = "../elsewhere" }, `the point "../elsewhere" is not below it`},
		"absolute":        {func(x *Index) { x.Points[1].Dir = "/etc" }, `the point "/etc" is not below it`},
		"out and in":      {func(x *Index) { x.Points[1].Dir = "a/../../b" }, "is not below it"},
		"no directory":    {func(x *Index) { x.Points[1].Dir = "" }, `the point "" is not below it`},
		"itself":          {func(x *Index) { x.Points[1].Dir = "." }, `the point "." is not below it`},
		"twice":           {func(x *Index) { x.Points[1].Dir = x.Points[0].Dir }, `it has the point "users=100" twice`},
		"twice in effect": {func(x *Index) { x.Points[1].Dir = "./users=100/" }, "twice"},
		"values":          {func(x *Index) { x.Points[1].Values = nil }, `the point "a/b" has 0 values for 1 axes`},
		"note":            {func(x *Index) { x.Note = strings.Repeat("x", 1e6) }, "note"},
		"scenario":        {func(x *Index) { x.Scenario.Users = 2e9 }, "no scenario has that"},
	} {
		t.Run(name, func(t *testing.T) {
			index := anIndex()
			c.edit(&index)
			dir := t.TempDir()
			if err := WriteIndex(dir, index); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("writing it: %v, want %s", err, c.want)
			}
			write(t, dir, asJSON(t, index))
			_, err := ReadIndex(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), filepath.Join(dir, IndexFile)+": not an index of pushpull: ") {
				t.Errorf("reading it: %v, want %s", err, c.want)
			} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
				t.Errorf("it is more than a line: %v", err)
			}
		})
	}
	nan := anIndex()
	nan.Wanted.Rate = math.NaN()
	if err := WriteIndex(t.TempDir(), nan); err == nil {
		t.Error("a rate that is no number is written")
	}
}

func write(t *testing.T, dir, index string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, IndexFile), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNoIndex has files that are no JSON of an index.
func TestNoIndex(t *testing.T) {
	for _, text := range []string{"", "{", "null", "[]", "{}", `{"schema":"1"}`, `{"schema":1e9}`, "{}{}", "\x00", strings.Repeat(" ", mostIndex+1)} {
		dir := t.TempDir()
		write(t, dir, text)
		if _, err := ReadIndex(dir); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, IndexFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIndex(dir); err == nil {
		t.Error("a directory is read as an index")
	}
	if err := WriteIndex(dir, anIndex()); err == nil {
		t.Error("an index replaces a directory")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left beside it: %v, %v", entries, err)
	}
}

// FuzzIndex checks that what is read can be written, and is the same then.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"schema":1,"kind":"choice","scenario":{},"points":[{"dir":"a"}],"wanted":{"users":2,"rate":1,"within_s":1,"load":0.5,"server_cores":1,"prices":{"cpu-hour":1}}}`))
	f.Add([]byte(`{"schema":1,"kind":"sweep","within_s":1,"axes":[{"key":"users","values":["1"]}],"points":[{"dir":"a/b","values":["1"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		write(t, dir, string(data))
		index, err := ReadIndex(dir)
		if err != nil {
			return
		}
		if index.Kind == KindChoice && index.Wanted == nil {
			t.Error("a choice of nothing")
		}
		for _, p := range index.Points {
			if !filepath.IsLocal(filepath.FromSlash(p.Dir)) || len(p.Values) != len(index.Axes) {
				t.Errorf("the point %+v", p)
			}
		}
		if err := WriteIndex(dir, index); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		again, err := ReadIndex(dir)
		if err != nil || asJSON(t, again) != asJSON(t, index) {
			t.Errorf("%v\nread    %s\nwritten %s", err, asJSON(t, again), asJSON(t, index))
		}
	})
}

// resumable writes a result with four windows, two of them to be measured again, and returns its directory.
func resumable(t *testing.T) (dir string, kept []Window) {
	t.Helper()
	dir = t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	windows := []Window{aWindow("websocket", 1), aWindow("long-poll", 1), aWindow("long-poll", 2), aWindow("websocket", 2)}
	for i := range windows {
		windows[i].Interrupted = i == 1
	}
	windows[3].Failed = "the server ended"
	if err := w.Write(Line{Run: &aRun}); err != nil {
		t.Fatal(err)
	}
	for i := range windows {
		if err := w.Write(Line{Window: &windows[i]}); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []Window{windows[0], windows[2]}
}

func whole(w Window) bool { return w.Failed == "" && !w.Interrupted }

func content(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestResume checks that a result goes on without the windows that are measured again, and without half a line.
func TestResume(t *testing.T) {
	for name, tail := range map[string]string{"whole": "", "cut off": `{"window":{"transport":"webso`, "no last line feed": "\n\n"} {
		t.Run(name, func(t *testing.T) {
			dir, kept := resumable(t)
			if err := os.WriteFile(filepath.Join(dir, File), []byte(content(t, dir)+tail), 0o600); err != nil {
				t.Fatal(err)
			}
			w, res, err := Resume(dir, whole)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := asJSON(t, res), asJSON(t, Result{aRun, kept}); got != want {
				t.Errorf("it goes on with %s\nwant %s", got, want)
			}
			// It can be read before anything is added, and afterwards.
			if read, err := Open(dir); err != nil || asJSON(t, read) != asJSON(t, res) {
				t.Errorf("read before: %v", err)
			}
			next := aWindow("websocket", 2)
			if err := w.Write(Line{Window: &next}); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			read, err := Open(dir)
			if err != nil || asJSON(t, read) != asJSON(t, Result{aRun, append(kept, next)}) {
				t.Errorf("read afterwards: %v", err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("left beside the result: %v, %v", entries, err)
			}
		})
	}
}

// TestResumeFails checks that a result that can't be gone on with stays as it is.
func TestResumeFails(t *testing.T) {
	if _, _, err := Resume(t.TempDir(), whole); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory without a result: %v", err)
	}
	for _, text := range []string{"", "{}\n", "no result\n", `{"run":{"schema":99}}` + "\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, File), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Resume(dir, whole); err == nil || content(t, dir) != text {
			t.Errorf("%q: %v, and the file is %q now", text, err, content(t, dir))
		}
	}
}

// TestResumeOnAFullDisk lets no file grow beyond a size at which the result doesn't fit, in a process of its own.
func TestResumeOnAFullDisk(t *testing.T) {
	const variable = "PUSHPULL_TEST_RESUME"
	if dir := os.Getenv(variable); dir != "" {
		if _, _, err := Resume(dir, whole); err == nil || !strings.Contains(err.Error(), "file too large") {
			t.Errorf("going on is no error: %v", err)
		}
		return
	}
	if runtime.GOOS == "windows" {
		t.Skip("no limit of the size of files")
	}
	dir, _ := resumable(t)
	before := content(t, dir)
	if len(before) < 1024 {
		t.Fatalf("the result has %d bytes", len(before))
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -f 1 && exec "$0" -test.run '^TestResumeOnAFullDisk$'`, program)
	cmd.Env = append(os.Environ(), variable+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if content(t, dir) != before {
		t.Error("the result is another one now")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left beside it: %v, %v", entries, err)
	}
}
