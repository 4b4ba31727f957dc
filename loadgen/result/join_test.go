package result

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// part returns a part of a window in which every number, histogram and list is set, with numbers above n.
func part(t *testing.T, n int) Window {
	t.Helper()
	var w Window
	set(t, "Window", reflect.ValueOf(&w).Elem(), &n)
	w.Transport, w.Round, w.Servers, w.Way, w.IntervalS = "long-poll", 3, 2, Way{Title: "long polling", HoldS: 30}, 30
	w.Started = time.Unix(int64(n), 0)
	w.Interrupted, w.OtherProgram, w.Failed = false, false, "" // a window that failed has no figures
	w.Slices[0].AtS, w.Slices[0].WidthS = 1, 2
	w.Errors[0].Text = "refused"
	return w
}

// set sets v and everything in it to values that are not zero. Each number is larger than the one
// before it.
func set(t *testing.T, path string, v reflect.Value, n *int) {
	switch h := v.Addr().Interface().(type) {
	case **Histogram:
		*n++
		*h = NewHistogram()
		for range *n {
			(*h).Record(time.Millisecond)
		}
		return
	case *time.Time:
		*h = time.Unix(int64(*n), 0)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			set(t, path+"."+v.Type().Field(i).Name, v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(t, path, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(t, path+"[0]", v.Index(0), n)
	case reflect.Int, reflect.Int64:
		*n++
		v.SetInt(int64(*n))
	case reflect.Float64:
		*n++
		v.SetFloat(float64(*n))
	case reflect.String:
		v.SetString(path)
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("%s is a %s: add a case that sets it", path, v.Kind())
	}
}

// numbers collects all numbers in v by their paths. The number of a histogram is its count, that of a
// text its length, and that of a flag 1 if it is set.
func numbers(path string, v reflect.Value, into map[string]float64) {
	if h, ok := reflect.TypeAssert[*Histogram](v); ok {
		into[path] = float64(h.Count())
		return
	}
	if at, ok := reflect.TypeAssert[time.Time](v); ok {
		into[path] = float64(at.Unix())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			numbers(path+"."+v.Type().Field(i).Name, v.Field(i), into)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			numbers(path, v.Elem(), into)
		}
	case reflect.Slice:
		into["len "+path] = float64(v.Len())
		for i := range v.Len() {
			numbers(fmt.Sprintf("%s[%d]", path, i), v.Index(i), into)
		}
	case reflect.Int, reflect.Int64:
		into[path] = float64(v.Int())
	case reflect.Float64:
		into[path] = v.Float()
	case reflect.String:
		into["len "+path] = float64(v.Len())
	case reflect.Bool:
		into[path] = 0
		if v.Bool() {
			into[path] = 1
		}
	}
}

func numbersOf(w Window) map[string]float64 {
	into := map[string]float64{}
	numbers("Window", reflect.ValueOf(w), into)
	return into
}

// notAdded are the numbers that Join doesn't add, with what it does instead. All other numbers of a
// Window must be added: a field that Join forgets stays 0.
var notAdded = map[string]func(a, b float64) float64{
	"Window.Round":               same,
	"Window.Servers":             same,
	"Window.Interrupted":         later,
	"Window.OtherProgram":        later,
	"len Window.Transport":       same,
	"len Window.Way.Title":       same,
	"len Window.Way.Engine":      same,
	"Window.Way.Stream":          same,
	"Window.Way.Duplex":          same,
	"len Window.Errors[0].Text":  same,
	"Window.Way.EveryS":          same,
	"Window.Way.HoldS":           same,
	"Window.Way.ScanS":           same,
	"Window.Way.HeartbeatS":      same,
	"len Window.Way.Server":      same,
	"Window.Way.Lacks.Replay":    same,
	"Window.Way.Lacks.Resume":    same,
	"Window.Way.Lacks.Gaps":      same,
	"Window.Way.Lacks.Acks":      same,
	"Window.Way.Lacks.Order":     same,
	"Window.Way.Lacks.Echo":      same,
	"Window.Way.Batch":           same,
	"Window.IntervalS":           same,
	"Window.Started":             earlier,
	"Window.DurationS":           later,
	"Window.DrainedS":            later,
	"Window.Spoiled":             later,
	"len Window.Slices":          same,
	"Window.Slices[0].AtS":       same,
	"Window.Slices[0].WidthS":    same,
	"len Window.Errors":          same,
	"Window.Store.Appends":       later,
	"Window.Store.Reads":         later,
	"Window.Store.EmptyReads":    later,
	"Window.Server.CPUS":         later,
	"Window.Server.RSSBytes":     later,
	"Window.Server.RSSIdleBytes": earlier,

	"len Window.Agents[0].Name":             same, // they are listed one after the other
	"len Window.Agents[0].Machine":          same,
	"Window.Agents[0].PID":                  same,
	"Window.Agents[0].Users":                same,
	"Window.Agents[0].Cores":                same,
	"Window.Agents[0].LateP99S":             same,
	"Window.Agents[0].RoundTripS":           same,
	"Window.Agents[0].Process.CPUS":         same,
	"Window.Agents[0].Process.RSSBytes":     same,
	"Window.Agents[0].Process.RSSIdleBytes": same,

	"Window.JoinSteps[0].Users":   later, // they are listed one after the other, that with larger numbers first
	"Window.JoinSteps[0].LengthS": later,
	"Window.JoinSteps[0].BeforeS": later,

	"len Window.Joining":           none, // users of several parts joined at the same time
	"Window.Joining[0].Users":      none,
	"Window.Joining[0].InUseBytes": none,
	"Window.Joining[0].RSSBytes":   none,

	"len Window.Profiles[0]": same,
	"len Window.Unprofiled":  same, // the first reason

	"len Window.Outages":         same, // equal ones count once
	"len Window.Outages[0].Of":   same,
	"len Window.Outages[0].Did":  same,
	"len Window.Outages[0].How":  same,
	"len Window.Outages[0].Last": same,

	"len Window.Dropped":         same, // equal ones count once
	"len Window.Dropped[0].What": same,
	"len Window.Dropped[0].Cost": same,
	"Window.Dropped[0].Fatal":    same,

	"len Window.Aftermath.Fault": same,
	"Window.Aftermath.BeganS":    earlier,
	"Window.Aftermath.EndedS":    later,
	"Window.Aftermath.RecoverS":  later,

	"Window.IdleEnds.Count":  later,
	"Window.IdleEnds.AfterS": later,

	"Window.Aftermath.Recovery.HalfS":                later,
	"Window.Aftermath.Recovery.AllS":                 later,
	"Window.Aftermath.Recovery.CPUS":                 later,
	"len Window.Aftermath.Recovery.Steps":            none, // of different times
	"Window.Aftermath.Recovery.Steps[0].AtS":         none,
	"Window.Aftermath.Recovery.Steps[0].WidthS":      none,
	"Window.Aftermath.Recovery.Steps[0].Reached":     none,
	"Window.Aftermath.Recovery.Steps[0].Connections": none,
	"Window.Aftermath.Recovery.Steps[0].Requests":    none,
	"Window.Aftermath.Recovery.Steps[0].CPUS":        none,

	"Window.Calibration.Connects":      later,
	"Window.Calibration.NetworkS":      later,
	"Window.Calibration.Bytes.Send":    later,
	"Window.Calibration.Bytes.Empty":   later,
	"Window.Calibration.Bytes.Fresh":   later,
	"Window.Calibration.Bytes.Answer":  later,
	"Window.Calibration.Bytes.Message": later,

	"Window.Calibration.Bytes.Literals.Send":   later,
	"Window.Calibration.Bytes.Literals.Poll":   later,
	"Window.Calibration.Bytes.Literals.Answer": later,
	"Window.Calibration.Bytes.Literals.Date":   later,
}

func none(_, _ float64) float64    { return 0 }
func same(a, _ float64) float64    { return a }
func earlier(a, b float64) float64 { return min(a, b) }
func later(a, b float64) float64   { return max(a, b) }

// TestJoinTakesEveryNumber joins two parts in which every number is set, in both orders.
func TestJoinTakesEveryNumber(t *testing.T) {
	a, b := part(t, 0), part(t, 1000)
	a.Interrupted, a.Way.Stream, a.Way.Duplex = true, true, true // they need not make sense
	b.Way = a.Way
	ofA, ofB := numbersOf(a), numbersOf(b)
	for name, parts := range map[string][]Window{"in order": {a, b}, "the other way round": {b, a}} {
		w, err := Join(parts...)
		if err != nil {
			t.Fatal(err)
		}
		got := numbersOf(w)
		for path := range ofA {
			want := ofA[path] + ofB[path]
			if rule := notAdded[path]; rule != nil {
				want = rule(ofA[path], ofB[path])
			}
			if got[path] != want {
				t.Errorf("%s: %s is %v, joined from %v and %v, want %v", name, path, got[path], ofA[path], ofB[path], want)
			}
		}
		if w.Transport != "long-poll" || w.Way != a.Way || w.Errors[0].Text != "refused" {
			t.Errorf("%s: %+v", name, w)
		}
	}
	for path := range notAdded {
		if _, ok := ofA[path]; !ok {
			t.Errorf("%s is in notAdded, but not a number of a window", path)
		}
	}
}

// TestRowTakesEveryNumber makes a row of windows in which every number is set: one that merging
// forgets comes out as 0.
func TestRowTakesEveryNumber(t *testing.T) {
	windows := []Window{part(t, samplesP999), part(t, 2*samplesP999), part(t, 0)}
	windows[2].Failed = "refused"
	for i := range windows {
		windows[i].Traffic.Requests += windows[i].Traffic.Handshakes // which are among them
	}
	row := Rows(windows)[0]
	into := map[string]float64{}
	row.Theory, row.Doubts = nil, nil // of others, and words
	numbers("Row", reflect.ValueOf(row), into)
	for path, value := range into {
		if value == 0 && !strings.HasPrefix(path, "len ") && !strings.HasPrefix(path, "Row.Way.") && path != "Row.Server.Resident" {
			t.Errorf("%s is 0 in a row of windows that have everything", path)
		}
	}
	if into["Row.Lost"] != float64(windows[0].Lost+windows[1].Lost) {
		t.Errorf("the numbers of a row are %v", into)
	}
}

// TestJoinLeavesPartsAlone joins the same parts twice: the parts don't change, and the windows are equal.
func TestJoinLeavesPartsAlone(t *testing.T) {
	parts := []Window{part(t, 0), part(t, 500), part(t, 1000)}
	before := asJSON(t, parts)
	first, err := Join(parts...)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Join(parts...)
	if err != nil {
		t.Fatal(err)
	}
	if asJSON(t, parts) != before || asJSON(t, first) != asJSON(t, again) {
		t.Error("joining changed the parts")
	}
	alone, err := Join(parts[1])
	if err != nil || asJSON(t, alone) != asJSON(t, parts[1]) {
		t.Errorf("a single part changed in the join: %v", err)
	}
}

// TestJoinWhatOnePartKnows joins parts of which only one has some of the fields.
func TestJoinWhatOnePartKnows(t *testing.T) {
	a, b := part(t, 0), part(t, 1000)
	a.Interrupted, a.OtherProgram = true, true
	a.Store, a.Server, a.Calibration, a.Latency = nil, nil, nil, nil
	b.Slices = append([]Slice{{AtS: 3, WidthS: 1, Latency: histogramOf(time.Second)}}, b.Slices...)
	b.Errors = append(b.Errors, Failure{Text: "timed out", Count: 1})
	w, err := Join(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if !w.Interrupted || !w.OtherProgram || *w.Store != *b.Store || *w.Server != *b.Server || w.Latency.Count() != b.Latency.Count() {
		t.Errorf("%+v", w)
	}
	if asJSON(t, w.Calibration) != asJSON(t, b.Calibration) {
		t.Errorf("calibration %s, want %s", asJSON(t, w.Calibration), asJSON(t, b.Calibration))
	}
	if len(w.Slices) != 2 || w.Slices[0].AtS != 1 || w.Slices[1].AtS != 3 {
		t.Errorf("slices %+v", w.Slices)
	}
	if w, err = Join(b, a); err != nil || len(w.Slices) != 2 || w.Slices[0].AtS != 1 || w.Slices[1].AtS != 3 {
		t.Errorf("the other way round: slices %+v, %v", w.Slices, err)
	}
	if w, err = Join(a, b); err != nil {
		t.Fatal(err)
	}
	if len(w.Errors) != 2 || w.Errors[0].Count != a.Errors[0].Count+b.Errors[0].Count || w.Errors[1] != b.Errors[1] {
		t.Errorf("errors %v", w.Errors)
	}
}

func TestJoinRefuses(t *testing.T) {
	for text, change := range map[string]func(w *Window){
		"one is of long-poll and one of websocket":          func(w *Window) { w.Transport = "websocket" },
		"one is of round 3 and one of round 4":              func(w *Window) { w.Round++ },
		"one is on 2 servers and one on 1":                  func(w *Window) { w.Servers = 0 },
		"they disagree on what long-poll is":                func(w *Window) { w.Way.HoldS = 20 },
		"the latency from 1 s on is of 2 s in one part and": func(w *Window) { w.Slices[0].WidthS = 1 },
	} {
		other := part(t, 1000)
		change(&other)
		if _, err := Join(part(t, 0), other); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	alone := part(t, 1000)
	alone.Servers = 0
	if _, err := Join(alone, part(t, 0)); err == nil || !strings.HasSuffix(err.Error(), "one is on 1 servers and one on 2") {
		t.Errorf("got %v of one server and two", err)
	}
	if _, err := Join(); err == nil {
		t.Error("joining no parts returns no error")
	}
}

// TestRowOfSlices merges the windows of a duet, which has several in each round. Memory is averaged over
// windows, not over rounds.
func TestRowOfSlices(t *testing.T) {
	windows := rounds()
	whole := Rows(windows)[0]
	windows = append(windows, windows...)
	row := Rows(windows)[0]
	if row.Rounds != 2 || row.Delivered != 2*whole.Delivered || row.DurationS != 2*whole.DurationS {
		t.Errorf("%d rounds, %d deliveries in %v s", row.Rounds, row.Delivered, row.DurationS)
	}
	if row.Server.RSSBytes != whole.Server.RSSBytes || *row.Generator.RSSBytesPerUser != *whole.Generator.RSSBytesPerUser {
		t.Errorf("memory of %d bytes, %v per user of the generator; want %d and %v", row.Server.RSSBytes,
			*row.Generator.RSSBytesPerUser, whole.Server.RSSBytes, *whole.Generator.RSSBytesPerUser)
	}
}

// TestJoinHeartbeats joins parts on servers with different heartbeats, as those of --server-at may have.
func TestJoinHeartbeats(t *testing.T) {
	a, b := sound(), sound()
	a.Way.HeartbeatS, b.Way.HeartbeatS = 60, 15
	for _, parts := range [][]Window{{a, b}, {b, a}} {
		if w, err := Join(parts...); err != nil || w.Way.HeartbeatS != 15 {
			t.Errorf("heartbeats every %v s, %v", w.Way.HeartbeatS, err)
		}
	}
}
