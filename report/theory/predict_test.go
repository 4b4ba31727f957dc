package theory_test

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// recording is a result that was measured; it takes a while to open.
var recording = sync.OnceValues(func() (*result.Result, error) {
	return result.Open("../../testdata/results/duet/base")
})

// recorded returns the first rounds of the recording. What its windows point to is shared.
func recorded(t *testing.T, rounds int) *result.Result {
	t.Helper()
	whole, err := recording()
	if err != nil {
		t.Fatal(err)
	}
	r := *whole
	r.Windows = slices.DeleteFunc(slices.Clone(r.Windows), func(w result.Window) bool { return w.Round > rounds })
	return &r
}

// TestMeasured holds theory against what was measured of users in pairs. What is known but for the
// noise of a machine has to be within 2%.
func TestMeasured(t *testing.T) {
	for _, row := range theory.Rows(recorded(t, 10)) {
		within := func(what string, share, got, want float64) {
			t.Helper()
			if math.Abs(got/want-1) > share {
				t.Errorf("%s: %s %v, where theory says %v", row.Transport, what, got, want)
			}
		}
		if row.Theory == nil {
			t.Errorf("%s: nothing is predicted", row.Transport)
			continue
		}
		within("requests", .02, float64(row.Requests), row.Theory.Requests)
		within("reads of the store", .02, float64(row.Store.Reads), row.Theory.StoreReads)
		within("bytes", .02, row.BytesPerDelivery, *row.Theory.BytesPerDelivery)
		near := .4 // wake-ups, of which there are few in the calibration
		if strings.HasPrefix(row.Transport, "short-poll") {
			near = .02
			within("p99", near, row.Latency.P99, *row.Theory.P99)
		}
		within("mean", near, row.Latency.Mean, *row.Theory.Mean)
		within("p50", near, row.Latency.P50, *row.Theory.P50)
		if got := row.Theory.Quantile(.99); got != *row.Theory.P99 {
			t.Errorf("%s: p99 is both %v and %v", row.Transport, got, *row.Theory.P99)
		}
		if i := slices.IndexFunc(row.Doubts, isTheory); i >= 0 {
			t.Errorf("%s: %s", row.Transport, row.Doubts[i].Text)
		}
	}
}

func isTheory(d result.Doubt) bool { return d.Code == "theory" && !d.Fatal }

// TestDoubts changes what was measured, one thing at a time, and wants it told.
func TestDoubts(t *testing.T) {
	longer := func(by time.Duration) func(*result.Window) {
		return func(w *result.Window) {
			later := result.NewHistogram()
			for i := range w.Delivered {
				later.Record(w.Latency.Quantile((float64(i)+.5)/float64(w.Delivered)) + by)
			}
			w.Latency = later
		}
	}
	for _, c := range []struct {
		transport string
		change    func(*result.Window)
		says      []string // in the doubts; none: no doubt
	}{
		{"short-poll@50ms", func(*result.Window) {}, nil},
		{"short-poll@50ms", longer(8 * time.Millisecond), []string{"p50 is ", "p99 is "}},
		{"long-poll", longer(2 * time.Millisecond), []string{"p50 is "}},
		{"websocket", longer(2 * time.Millisecond), []string{"p50 is "}},
		{"short-poll@50ms", func(w *result.Window) { w.Wire.Requests += w.Wire.Requests / 20 }, []string{" requests, where theory says "}},
		{"long-poll", func(w *result.Window) { w.Wire.Requests -= w.Wire.Requests / 20 }, []string{" requests, where theory says "}},
		{"websocket", func(w *result.Window) { w.Store = &result.Store{Reads: 2 * w.Store.Reads} }, []string{" reads of the store, where theory says "}},
		{"long-poll", func(w *result.Window) { w.Wire.BytesIn += w.Wire.BytesIn / 5 }, []string{" bytes, where theory says "}},
	} {
		r := recorded(t, 1)
		r.Windows = slices.DeleteFunc(r.Windows, func(w result.Window) bool { return w.Transport != c.transport })
		for i := range r.Windows {
			c.change(&r.Windows[i])
		}
		var told []string
		for _, d := range theory.Rows(r)[0].Doubts {
			if isTheory(d) {
				told = append(told, d.Text)
			}
		}
		if !slices.EqualFunc(told, c.says, strings.Contains) {
			t.Errorf("%s: %q, want %q", c.transport, told, c.says)
		}
	}
}

// TestUntold has results that don't say what theory has to be told.
func TestUntold(t *testing.T) {
	for name, change := range map[string]func(*result.Result){
		"no windows":        func(r *result.Result) { r.Windows = nil },
		"another transport": func(r *result.Result) { r.Windows[0].Transport = "pigeon" },
		"no interval":       func(r *result.Result) { r.Windows[0].IntervalS = 0 },
		"no time":           func(r *result.Result) { r.Windows[0].DurationS = 0 },
		"nothing sent":      func(r *result.Result) { r.Windows[0].Planned = 0 },
		"nobody":            func(r *result.Result) { r.Windows[0].Users = 0 },
		"rooms of one":      func(r *result.Result) { r.Run.Scenario.RoomSize = 1 },
		"rooms of none":     func(r *result.Result) { r.Run.Scenario.RoomSize = -1 },
		"no processors":     func(r *result.Result) { r.Run.Environment.Cores = 0 },
		"a time not a time": func(r *result.Result) { r.Windows[0].DurationS = math.NaN() },
	} {
		r := recorded(t, 1)
		short := slices.IndexFunc(r.Windows, func(w result.Window) bool { return w.Transport == "short-poll@50ms" })
		r.Windows = r.Windows[short : short+1]
		change(r)
		for _, row := range theory.Rows(r) {
			if row.Theory != nil {
				t.Errorf("%s: %+v", name, row.Theory)
			}
		}
	}
}

// TestCPUThatCannotBe has results that tell of less processor time than none, or of more than there is.
func TestCPUThatCannotBe(t *testing.T) {
	for _, cpu := range []float64{-5, 1e300} {
		r := recorded(t, 1)
		r.Run.Scenario.RoomSize = 4
		for i := range r.Windows {
			r.Windows[i].Server = &result.Process{CPUS: cpu}
		}
		for _, row := range theory.Rows(r) { // must not panic
			if row.Theory != nil && row.Theory.P99 != nil && (*row.Theory.P99 < 0 || math.IsInf(*row.Theory.P99, 0)) {
				t.Errorf("%v s of CPU: p99 of %s is %v ms", cpu, row.Transport, *row.Theory.P99)
			}
		}
	}
}

// TestUncalibrated has no warm-up, as with --warmup 0s: what theory need not be told is predicted all
// the same.
func TestUncalibrated(t *testing.T) {
	r := recorded(t, 1)
	for i := range r.Windows {
		r.Windows[i].Calibration = nil
	}
	for _, row := range theory.Rows(r) {
		polls := strings.HasPrefix(row.Transport, "short-poll")
		if row.Theory == nil || (row.Theory.P50 != nil) != polls || row.Theory.BytesPerDelivery != nil || row.Theory.Requests == 0 {
			t.Errorf("%s: %+v", row.Transport, row.Theory)
		}
	}
}

// TestScanned makes windows of a long poll that is scanned of those of a short poll of the same
// interval, whose messages wait as long, with the requests and reads of the formula.
func TestScanned(t *testing.T) {
	r := recorded(t, 10)
	r.Windows = slices.DeleteFunc(r.Windows, func(w result.Window) bool { return w.Transport != "short-poll@50ms" })
	r.Windows = slices.Clone(r.Windows)
	for i := range r.Windows {
		w := &r.Windows[i]
		rate := float64(w.Planned) * 2 / float64(w.Users) / w.DurationS // in pairs
		l := theory.LongPollScan{Gap: 200e-6, Rate: rate, Hold: 30, Scan: .05}
		seconds := float64(w.Users) * w.DurationS
		w.Transport = "long-poll-scan@50ms"
		w.Wire.Requests = int64(seconds * l.RequestsPerSecond())
		w.Store = &result.Store{Reads: int64(seconds * l.ReadsPerSecond())}
		full := int64(w.Sent) * (w.Calibration.Bytes.Send + 2*w.Calibration.Bytes.Message)
		w.Wire.BytesIn, w.Wire.BytesOut = full, w.Wire.Requests*w.Calibration.Bytes.Answer
	}
	row := theory.Rows(r)[0]
	for what, share := range map[string]float64{
		"mean":     row.Latency.Mean / *row.Theory.Mean,
		"p50":      row.Latency.P50 / *row.Theory.P50,
		"p99":      row.Latency.P99 / *row.Theory.P99,
		"requests": float64(row.Requests) / row.Theory.Requests,
		"reads":    float64(row.Store.Reads) / row.Theory.StoreReads,
		"bytes":    row.BytesPerDelivery / *row.Theory.BytesPerDelivery,
	} {
		if math.Abs(share-1) > .02 {
			t.Errorf("%s is off by %+.1f%%", what, 100*(share-1))
		}
	}
	if i := slices.IndexFunc(row.Doubts, isTheory); i >= 0 {
		t.Error(row.Doubts[i].Text)
	}
	for i := range r.Windows {
		w := &r.Windows[i]
		w.Store = &result.Store{Reads: int64(float64(w.Users) * w.DurationS / w.IntervalS)} // by the naive formula
		w.Wire.Requests += w.Wire.Requests / 10
	}
	var told []string
	for _, d := range theory.Rows(r)[0].Doubts {
		if isTheory(d) {
			told = append(told, d.Text)
		}
	}
	if want := []string{" requests, where", " reads of the store, where"}; !slices.EqualFunc(told, want, strings.Contains) {
		t.Errorf("%q, want %q", told, want)
	}
}

// TestServers has the users of pairs sit on several servers: each server that a member sits on reads
// for those who are woken there, and only those.
func TestServers(t *testing.T) {
	reads := func(servers int) map[string]float64 {
		r := recorded(t, 1)
		r.Windows = slices.Clone(r.Windows)
		for i := range r.Windows {
			r.Windows[i].Servers = servers
		}
		by := map[string]float64{}
		for _, row := range theory.Rows(r) {
			by[row.Transport] = row.Theory.StoreReads / float64(row.Sent)
		}
		return by
	}
	for servers, each := range map[int]float64{0: 1, 1: 1, 2: 2, 3: 2} {
		by := reads(servers)
		for _, transport := range []string{"long-poll", "websocket"} {
			if got := by[transport]; math.Abs(got/each-1) > .01 {
				t.Errorf("%s on %d servers: %v reads a message, want %v", transport, servers, got, each)
			}
		}
		if got, want := by["short-poll@50ms"], reads(1)["short-poll@50ms"]; got != want {
			t.Errorf("short-poll on %d servers: %v reads a message, want %v", servers, got, want)
		}
	}
}
