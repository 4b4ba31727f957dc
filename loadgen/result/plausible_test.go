package result

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestSettle takes values out of windows that nothing can have measured.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		spoil   func(*Window)
		doubt   string // the start of the only one
		fatal   bool
		dropped func(Window) bool
	}{
		{
			func(w *Window) { w.Calibration.Bytes.Answer = -196 },
			"answer -196 B can't have been measured in round 3: the bytes of the calibration are left out", false,
			func(w Window) bool { return w.Calibration.Bytes == nil && w.Calibration.RoundTrip.Count() > 0 },
		},
		{
			func(w *Window) { w.Server.CPUS = -3 },
			"server CPU -3 s can't have been measured in round 3: CPU and memory of the server are left out", false,
			func(w Window) bool { return w.Server == nil && w.Store != nil },
		},
		{
			func(w *Window) { w.Generator.CPUS = math.NaN() },
			"generator CPU NaN s can't have been measured in round 3: CPU and memory of the generator are left out", false,
			func(w Window) bool { return w.Generator == Process{} },
		},
		{
			func(w *Window) { w.Store.Reads = -7 },
			"reads -7 can't have been measured in round 3: the use of the store is left out", false,
			func(w Window) bool { return w.Store == nil && w.Server != nil },
		},
		{
			func(w *Window) { w.Slices[0].AtS = math.Inf(1) },
			"start of a slice +Inf s can't have been measured in round 3: the latency over time is left out", false,
			func(w Window) bool { return w.Slices == nil },
		},
		{
			func(w *Window) { w.Slices = make([]Slice, 65) },
			"65 slices are more than a run has in round 3: the latency over time is left out", false,
			func(w Window) bool { return w.Slices == nil },
		},
		{
			func(w *Window) { w.Started = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC) },
			"year of the start 20000 can't have been measured in round 3: the time of the start is left out", false,
			func(w Window) bool { return w.Started.IsZero() },
		},
		{
			func(w *Window) { w.Transport, w.Way = "short-poll@1ns", Way{} }, // the way is drawn from the name
			"poll interval 1e-09 s can't have been measured in round 3: the prediction of theory is left out", false,
			func(w Window) bool { return !w.Way.Known() },
		},
		{
			func(w *Window) { w.Way, w.IntervalS = Way{}, 1e-300 },
			"interval 1e-300 s can't have been measured in round 3: the prediction of theory is left out", false,
			func(w Window) bool { return w.IntervalS == 0 },
		},
		{
			func(w *Window) { w.Joining[2].InUseBytes = -5 },
			"server memory in use -5 B can't have been measured in round 3: the server's memory for one more user is left out", false,
			func(w Window) bool { return w.Server != nil && w.Joining == nil },
		},
		{
			func(w *Window) { w.Joining = make([]MemorySample, 65) },
			"65 samples of the server's memory are more than a run has in round 3: the server's memory for one more user is left out", false,
			func(w Window) bool { return w.Server != nil && w.Joining == nil },
		},
		{
			func(w *Window) { w.JoinSteps[1].LengthS = 4 },
			"length of a step of joining 4 s can't have been measured in round 3: when users joined, which theory takes into account, is left out", false,
			func(w Window) bool { return w.JoinSteps == nil },
		},
		{
			func(w *Window) { w.JoinSteps = make([]JoinStep, 5001) },
			"5001 steps of joining are more than a run has in round 3: when users joined, which theory takes into account, is left out", false,
			func(w Window) bool { return w.JoinSteps == nil },
		},
		{
			func(w *Window) { w.Misdelivered = -5 },
			"misdelivered -5 can't have been measured in round 3: it counts as 0", true,
			func(w Window) bool { return w.Misdelivered == 0 },
		},
		{
			func(w *Window) { w.DurationS = 1e300 },
			"duration 1e+300 s can't have been measured in round 3: it counts as 0", true,
			func(w Window) bool { return w.DurationS == 0 },
		},
	} {
		w := sound()
		w.Server, w.Store = &Process{CPUS: 1, RSSBytes: 3, RSSIdleBytes: 2}, &Store{Reads: 1}
		w.Joining = joining(7, 5)
		w.JoinSteps = []JoinStep{{Users: 1, LengthS: 1, BeforeS: 9}, {Users: 1, LengthS: 1, BeforeS: 3}}
		w.Slices = []Slice{{AtS: 1, WidthS: 1}}
		w.Calibration = &Calibration{RoundTrip: histogramOf(1), Bytes: &Bytes{Send: 1}}
		c.spoil(&w)
		shared := w
		if err := w.Settle(); err != nil {
			t.Errorf("%s: %v", c.doubt, err)
			continue
		}
		if !c.dropped(w) {
			t.Errorf("%s: it is still there: %s", c.doubt, asJSON(t, w))
		}
		rows := Rows([]Window{w})
		if d := rows[0].Doubts; len(d) != 1 || d[0].Code != "implausible" || d[0].Text != c.doubt || Fatal(rows) != c.fatal {
			t.Errorf("doubts %+v, want %q, fatal: %t", d, c.doubt, c.fatal)
		}
		// What it shares with a copy stays as it was, and a second time changes nothing.
		if again := shared; again.Settle() != nil || asJSON(t, again) != asJSON(t, w) {
			t.Errorf("%s: another copy becomes %s", c.doubt, asJSON(t, again))
		}
		before := asJSON(t, w)
		if err := w.Settle(); err != nil || asJSON(t, w) != before {
			t.Errorf("settled twice it is %s, %v, was %s", asJSON(t, w), err, before)
		}
	}
}

// TestDroppedOften says once what was dropped in many windows.
func TestDroppedOften(t *testing.T) {
	var windows []Window
	for i := range 4 {
		w := sound()
		w.Round, w.Calibration = i+1, &Calibration{Bytes: &Bytes{Answer: int64(-i)}}
		if err := w.Settle(); err != nil {
			t.Fatal(err)
		}
		windows = append(windows, w)
	}
	want := "answer -1 B can't have been measured in round 2, and 2 more like it: the bytes of the calibration are left out"
	if d := Rows(windows)[0].Doubts; len(d) != 1 || d[0].Text != want || d[0].Fatal {
		t.Errorf("doubts %+v, want %q", d, want)
	}
}

// TestSettleShortens bounds what a server may say.
func TestSettleShortens(t *testing.T) {
	w := sound()
	for i := range 300 {
		w.Errors = append(w.Errors, Failure{fmt.Sprint(i, strings.Repeat("é", 9000)), 2})
	}
	if err := w.Settle(); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, f := range w.Errors {
		total += f.Count
		if len(f.Text) > mostText || !utf8.ValidString(f.Text) {
			t.Errorf("an error of %d bytes: %q", len(f.Text), f.Text)
		}
	}
	if len(w.Errors) != mostErrors || total != 600 || w.Errors[mostErrors-1].Text != OtherErrors || !strings.HasSuffix(w.Errors[0].Text, "é…") {
		t.Errorf("%d errors, %d times, the last one is %+v", len(w.Errors), total, w.Errors[len(w.Errors)-1])
	}
	if text := "a usual error"; Shorten(text) != text {
		t.Error("a short text was changed")
	}
}

// fields calls with for every number in v, with its path.
func fields(path string, v reflect.Value, with func(path string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() && field.Type != reflect.TypeFor[*Histogram]() {
				fields(path+"."+field.Name, value, with)
			}
		}
	case reflect.Pointer:
		fields(path, v.Elem(), with)
	case reflect.Slice:
		for i := range v.Len() {
			fields(fmt.Sprintf("%s[%d]", path, i), v.Index(i), with)
		}
	case reflect.Int, reflect.Int64, reflect.Float64:
		with(path, v)
	}
}

// TestSettleKnowsEveryNumber fails when quantities forgets a number of a window.
func TestSettleKnowsEveryNumber(t *testing.T) {
	sane := part(t, 0)
	sane.Dropped = nil
	tried := 0
	fields("Window", reflect.ValueOf(&sane), func(path string, v reflect.Value) {
		before := reflect.ValueOf(v.Interface())
		for _, x := range []float64{-1, 2e15} {
			tried++
			v.Set(reflect.ValueOf(x).Convert(v.Type()))
			w := sane
			if err := w.Settle(); err == nil && len(w.Dropped) == 0 {
				t.Errorf("%s of %v is plausible", path, x)
			}
		}
		v.Set(before)
	})
	if tried < 80 {
		t.Errorf("%d numbers were tried", tried)
	}
	w := sane
	if err := w.Settle(); err != nil || len(w.Dropped) != 0 {
		t.Errorf("a sound window: %v, %+v", err, w.Dropped)
	}
}

// TestLimits tries the limits themselves, which are allowed, and what lies just beyond.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		what string
		w    Window
		ok   bool
	}{
		{"the most users", Window{Users: 1e9}, true},
		{"one more", Window{Users: 1e9 + 1}, false},
		{"the longest", Window{DurationS: 1e6}, true},
		{"a second longer", Window{DurationS: 1e6 + 1}, false},
		{"the shortest", Window{DurationS: 1e-9}, true},
		{"a shorter one", Window{DurationS: 1e-10}, false},
		{"the most bytes", Window{Traffic: Traffic{BytesIn: 1e15}}, true},
		{"a byte more", Window{Traffic: Traffic{BytesIn: 1e15 + 1}}, false},
		{"all messages to everyone", Window{Expected: 20_000_000 * 1_000_000}, true},
		{"the shortest interval", Window{IntervalS: .001}, true},
		{"a shorter interval", Window{IntervalS: .000999}, false},
		{"no interval", Window{}, true},
	} {
		w := c.w
		if w.Transport = "websocket"; w.Users == 0 {
			w.Users = 2
		}
		if err := w.Settle(); (err == nil && len(w.Dropped) == 0) != c.ok {
			t.Errorf("%s: %v, %v", c.what, err, w.Dropped)
		}
	}
}

// TestLargestScenario checks that Read accepts whatever a run accepts.
func TestLargestScenario(t *testing.T) {
	var s Scenario
	for _, k := range Knobs() {
		switch v := k.Field(&s).(type) {
		case *int:
			*v = int(k.Max)
		case *float64:
			*v = k.Max
		case *Seconds:
			*v = Seconds(k.Max)
		}
	}
	s.RoomSize, s.Senders = s.Users, s.Users
	if err := s.plausible(); err != nil {
		t.Error(err)
	}
}

// odd fills v with values of which many are odd.
func odd(random *rand.Rand, v reflect.Value) {
	switch at := v.Addr().Interface().(type) {
	case **Histogram:
		if random.IntN(4) > 0 {
			*at = NewHistogram()
			for range random.IntN(20) {
				(*at).Record(time.Duration(pick(random)))
			}
		}
		return
	case *time.Time:
		*at = time.Unix(int64(max(-1e13, min(pick(random), 1e13))), 0)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			odd(random, field)
		}
	case reflect.Pointer:
		if random.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			odd(random, v.Elem())
		}
	case reflect.Slice:
		n := []int{0, 1, 1, 2, 3, 2, 1, 70}[random.IntN(8)]
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			odd(random, v.Index(i))
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(pick(random)))
	case reflect.Float64:
		v.SetFloat(pick(random))
	case reflect.String:
		v.SetString(strings.Repeat([]string{"x", "é\xff", "\n\x00<&"}[random.IntN(3)], []int{0, 1, 5000}[random.IntN(3)]))
	case reflect.Bool:
		v.SetBool(random.IntN(2) > 0)
	default:
		panic("add a case for " + v.Type().String())
	}
}

// pick returns a number, mostly a usual one.
func pick(random *rand.Rand) float64 {
	all := []float64{
		math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, -1e-9, -1, -196, 1e9, 1e14, 1e15, 9e18, -9e18, 3.7e12,
	}
	if i := random.IntN(10 * len(all)); i < len(all) {
		return all[i]
	}
	return []float64{0, 1, 2, .5, 40, 1000}[random.IntN(6)]
}

// oddWindow returns a generated window, of a transport and users as a run has them.
func oddWindow(random *rand.Rand) Window {
	var w Window
	odd(random, reflect.ValueOf(&w).Elem())
	w.Dropped = nil // the generator doesn't fill it
	if random.IntN(4) > 0 {
		w.Failed = "" // else most windows would have no figures
	}
	w.Transport, w.Users = []string{"websocket", "short-poll@1ns", "long-poll", "else"}[random.IntN(4)], 2+random.IntN(1000)
	return w
}

// FuzzWriteAndRead writes generated windows, most of which are odd, and reads them. The rows drawn from
// the file must be those of the settled windows in memory.
func FuzzWriteAndRead(f *testing.F) {
	for seed := range uint64(15) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		w, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := w.Write(Line{Run: &aRun}); err != nil {
			t.Fatal(err)
		}
		var kept []Window
		for range 1 + random.IntN(3) {
			window := oddWindow(random)
			if err := w.Write(Line{Window: &window}); err != nil {
				t.Fatalf("it can't be written: %v", err)
			}
			if err := window.Settle(); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, window)
		}
		res, err := Open(dir)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		rows := res.Rows()
		if got, want := asJSON(t, rows), asJSON(t, (&Result{aRun, kept}).Rows()); got != want {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Errorf("the rows of the file differ from those in memory after %s: %.200s, and %.200s", got[max(0, i-60):i], got[i:], want[i:])
		}
		for _, row := range rows {
			for _, m := range Metrics() {
				if x, ok := m.Value(row); ok && !(x >= 0 && x <= math.MaxFloat64) {
					t.Errorf("%s is %v", m.Key, x)
				}
			}
		}
		if _, err := Join(res.Windows[0], res.Windows[0]); err != nil && !strings.Contains(err.Error(), "joining") {
			t.Error(err)
		}
	})
}

// TestWriterRefuses checks that a Writer writes nothing that a reader would refuse.
func TestWriterRefuses(t *testing.T) {
	window, run := aWindow("websocket", 1), aRun
	nobody, nameless, newer, senseless := window, window, run, run
	nobody.Users, nameless.Transport, newer.Schema, senseless.Scenario.RoomSize = 0, "", 2, -1
	for _, c := range []struct {
		lines []Line
		want  string
	}{
		{[]Line{{Window: &window}}, "a window comes before the run"},
		{[]Line{{Run: &run}, {Run: &run}}, "a second run begins here"},
		{[]Line{{}}, "neither"},
		{[]Line{{Run: &run, Window: &window}}, "both"},
		{[]Line{{Run: &run}, {Window: &nobody}}, "a window without transport or users"},
		{[]Line{{Run: &run}, {Window: &nameless}}, "a window without transport or users"},
		{[]Line{{Run: &newer}}, "its schema is 2"},
		{[]Line{{Run: &senseless}}, "room_size is -1: no scenario has that"},
	} {
		dir := t.TempDir()
		w, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range c.lines {
			err := w.Write(line)
			if last := i == len(c.lines)-1; last != (err != nil) || last && !strings.HasPrefix(err.Error(), "writing the result: "+c.want) {
				t.Errorf("line %d: %v, want %s", i+1, err, c.want)
			}
		}
		w.Close()
		if data, err := os.ReadFile(filepath.Join(dir, File)); err != nil || len(slices.Collect(strings.Lines(string(data)))) != len(c.lines)-1 {
			t.Errorf("%s: %d bytes are written, %v", c.want, len(data), err)
		}
	}
}

// TestUnreadable reads a run over TLS, whose probe had a negative number of bytes.
func TestUnreadable(t *testing.T) {
	res, err := Open(filepath.Join("testdata", "unreadable"))
	if err != nil {
		t.Fatal(err)
	}
	rows := res.Rows()
	if len(rows) != 1 || rows[0].Delivered != 13 || res.Windows[0].Calibration.Bytes != nil || res.Windows[0].Calibration.RoundTrip.Count() == 0 {
		t.Fatalf("%+v", rows)
	}
	if d := rows[0].Doubts; len(d) == 0 || d[0].Code != "implausible" || !strings.HasPrefix(d[0].Text, "answer -132 B ") || Fatal(rows) {
		t.Errorf("doubts %+v", d)
	}
	if data, err := json.Marshal(res.Windows[0]); err != nil || !strings.Contains(string(data), `"dropped":[{"what":"answer -132 B`) {
		t.Errorf("%s, %v", data, err)
	}
}
