package theory_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// recording is a measured result, opened only once as that takes a while.
var recording = sync.OnceValues(func() (*result.Result, error) {
	return result.Open("../../testdata/results/duet/base")
})

// recorded returns the first rounds of the recording. The pointers in its windows are shared.
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

// TestMeasured compares theory with a measurement of users in pairs. Everything except the wake-ups
// of processes must be within 2%.
func TestMeasured(t *testing.T) {
	for _, row := range theory.Rows(recorded(t, 10)) {
		within := func(what string, share, got, want float64) {
			t.Helper()
			if math.Abs(got/want-1) > share {
				t.Errorf("%s: %s %v, where theory says %v", row.Transport, what, got, want)
			}
		}
		if row.Theory == nil {
			t.Errorf("%s: no prediction", row.Transport)
			continue
		}
		within("requests", .02, float64(row.Requests), row.Theory.Requests)
		within("reads of the store", .02, float64(row.Store.Reads), row.Theory.StoreReads)
		within("bytes", .02, row.BytesPerDelivery, *row.Theory.BytesPerDelivery)
		near := .4 // the calibration has few wake-ups
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

// TestDoubts changes one measured number at a time, which must cause doubts about that number.
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
		says      []string // what the doubts contain, in order; none if empty
	}{
		{"short-poll@50ms", func(*result.Window) {}, nil},
		{"short-poll@50ms", longer(8 * time.Millisecond), []string{"p50 is ", "p99 is "}},
		{"short-poll@50ms", longer(2 * time.Hour), nil}, // how long is unknown, and doubted elsewhere
		{"long-poll", longer(2 * time.Millisecond), []string{"p50 is "}},
		{"websocket", longer(2 * time.Millisecond), []string{"p50 is "}},
		{"short-poll@50ms", func(w *result.Window) { w.Traffic.Requests += w.Traffic.Requests / 20 }, []string{" requests, where theory says "}},
		{"long-poll", func(w *result.Window) { w.Traffic.Requests -= w.Traffic.Requests / 20 }, []string{" requests, where theory says "}},
		{"websocket", func(w *result.Window) { w.Store = &result.Store{Reads: 2 * w.Store.Reads} }, []string{" reads of the store, where theory says "}},
		{"long-poll", func(w *result.Window) { w.Traffic.BytesIn += w.Traffic.BytesIn / 5 }, []string{" bytes, where theory says "}},
	} {
		r := recorded(t, 1)
		r.Windows = slices.DeleteFunc(r.Windows, func(w result.Window) bool { return w.Transport != c.transport })
		for i := range r.Windows {
			c.change(&r.Windows[i])
		}
		var doubts []string
		for _, d := range theory.Rows(r)[0].Doubts {
			if isTheory(d) {
				doubts = append(doubts, d.Text)
			}
		}
		if !slices.EqualFunc(doubts, c.says, strings.Contains) {
			t.Errorf("%s: %q, want %q", c.transport, doubts, c.says)
		}
	}
}

// TestUnknownParameters has results that lack one of the parameters, or hold an impossible one.
func TestUnknownParameters(t *testing.T) {
	for name, change := range map[string]func(*result.Result){
		"no windows":        func(r *result.Result) { r.Windows = nil },
		"another transport": func(r *result.Result) { r.Windows[0].Way = result.Way{} },
		"no duration":       func(r *result.Result) { r.Windows[0].DurationS = 0 },
		"nothing delivered": func(r *result.Result) { r.Windows[0].Delivered = 0 },
		"no warm-up known":  func(r *result.Result) { r.Run.Scenario.Warmup = -1 },
		"nothing sent":      func(r *result.Result) { r.Windows[0].Planned = 0 },
		"no users":          func(r *result.Result) { r.Windows[0].Users = 0 },
		"rooms of one":      func(r *result.Result) { r.Run.Scenario.RoomSize = 1 },
		"rooms of none":     func(r *result.Result) { r.Run.Scenario.RoomSize = -1 },
		"no processors":     func(r *result.Result) { r.Run.Environment.Cores = 0 },
		"NaN as duration":   func(r *result.Result) { r.Windows[0].DurationS = math.NaN() },
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

// TestFewestParameters has results with as little of everything as can be measured.
func TestFewestParameters(t *testing.T) {
	for name, change := range map[string]func(*result.Result){
		"no warm-up":    func(r *result.Result) { r.Run.Scenario.Warmup = 0 },
		"one processor": func(r *result.Result) { r.Run.Environment.Cores = 1 },
		"pairs":         func(r *result.Result) { r.Run.Scenario.RoomSize = 2 },
		"half a second": func(r *result.Result) { r.Windows = r.Windows[:1]; r.Windows[0].DurationS = .5 },
		"one message":   func(r *result.Result) { r.Windows = r.Windows[:1]; r.Windows[0].Planned = 1 },
		"one delivery":  func(r *result.Result) { r.Windows = r.Windows[:1]; r.Windows[0].Delivered = 1 },
	} {
		r := made(stream)
		change(r)
		if row := theory.Rows(r)[0]; row.Theory == nil || row.Theory.Mean == nil {
			t.Errorf("%s: %+v", name, row.Theory)
		}
	}
}

// TestImpossibleCPU has results with negative processor time, or with more than the machine has.
func TestImpossibleCPU(t *testing.T) {
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

// TestUncalibrated has no calibration, as with --warmup 0s: predictions that don't need it must be
// made all the same.
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

// TestScanned turns windows of a short poll into those of a long poll with a scan of the same
// interval, as messages wait equally long in both. Requests and reads are set by the formula.
func TestScanned(t *testing.T) {
	r := recorded(t, 10)
	r.Windows = slices.DeleteFunc(r.Windows, func(w result.Window) bool { return w.Transport != "short-poll@50ms" })
	r.Windows = slices.Clone(r.Windows)
	for i := range r.Windows {
		w := &r.Windows[i]
		rate := float64(w.Planned) * 2 / float64(w.Users) / w.DurationS // in pairs
		l := theory.LongPollScan{Gap: 200e-6, Rate: rate, Hold: 30, Scan: .05}
		seconds := float64(w.Users) * w.DurationS
		w.Transport, w.Way = "long-poll-scan@50ms", result.Way{Title: "long polling with a scan", HoldS: 30, ScanS: .05}
		w.Traffic.Requests = int64(seconds * l.RequestsPerSecond())
		w.Store = &result.Store{Reads: int64(seconds * l.ReadsPerSecond())}
		full := int64(w.Sent) * (w.Calibration.Bytes.Send + 2*w.Calibration.Bytes.Message)
		w.Traffic.BytesIn, w.Traffic.BytesOut = full, w.Traffic.Requests*w.Calibration.Bytes.Answer
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
		w.Store = &result.Store{Reads: int64(float64(w.Users) * w.DurationS / max(w.Way.EveryS, w.Way.ScanS))} // by the naive formula
		w.Traffic.Requests += w.Traffic.Requests / 10
	}
	var doubts []string
	for _, d := range theory.Rows(r)[0].Doubts {
		if isTheory(d) {
			doubts = append(doubts, d.Text)
		}
	}
	if want := []string{" requests, where", " reads of the store, where"}; !slices.EqualFunc(doubts, want, strings.Contains) {
		t.Errorf("%q, want %q", doubts, want)
	}
}

// TestServers spreads pairs over several servers: for transports whose readers are woken, each server
// with a member reads the messages of its room.
func TestServers(t *testing.T) {
	spread := ""
	reads := func(servers int) map[string]float64 {
		r := recorded(t, 1)
		r.Windows = slices.Clone(r.Windows)
		r.Run.Scenario.Spread = spread
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
	spread = result.SpreadRooms // each room is on one of them
	if got, want := reads(3), reads(1); !maps.Equal(got, want) {
		t.Errorf("with each room on one of 3 servers: %v, want %v", got, want)
	}
}

// of returns a histogram of n equal times.
func of(n int, d time.Duration) *result.Histogram {
	h := result.NewHistogram()
	for range n {
		h.Record(d)
	}
	return h
}

// made returns two windows of 40 users in rooms of 4, each 20 s long after a warm-up of 10 s, in
// which a user gets two messages per second, its own included. A message is sent after 1 ms,
// acknowledged 2 ms later and delivered 3 ms later; a copy takes 200 us of processor time.
func made(way result.Way) *result.Result {
	r := &result.Result{Run: result.Run{
		Scenario:    result.Scenario{RoomSize: 4, Warmup: 10, Transports: []string{"made"}},
		Environment: result.Environment{Cores: 2},
	}}
	for round := 1; round <= 2; round++ {
		r.Windows = append(r.Windows, result.Window{
			Transport: "made", Way: way, Round: round, Users: 40, Cores: 2, DurationS: 20,
			Planned: 400, Sent: 400, Expected: 1200, Delivered: 1200,
			Latency: of(1200, 4*time.Millisecond), SendDelay: of(400, time.Millisecond), Accept: of(400, 2*time.Millisecond),
			Late:   of(400, 0),
			Server: &result.Process{CPUS: .24}, Generator: result.Process{CPUS: .08},
			Store: &result.Store{},
			Calibration: &result.Calibration{
				Members: 2, RoundTrip: of(9, time.Millisecond), Delivery: of(9, 3*time.Millisecond),
				Bytes: &result.Bytes{Send: 300, Empty: 100, Answer: 150, Message: 80},
			},
		})
	}
	return r
}

var (
	onTimer = result.Way{Title: "on a timer", EveryS: 5}
	held    = result.Way{Title: "held", HoldS: 2}
	scanned = result.Way{Title: "scanned", HoldS: 2, ScanS: .5}
	stream  = result.Way{Title: "a stream", Stream: true}
	beating = result.Way{Title: "a stream with heartbeats", Stream: true, HeartbeatS: .5}
	both    = result.Way{Title: "a stream both ways", Stream: true, Duplex: true, HeartbeatS: .5}
)

// busyGenerator makes the generator of made need three times the processor time of the server.
func busyGenerator(r *result.Result) {
	for i := range r.Windows {
		r.Windows[i].Generator.CPUS = .72
	}
}

// TestPredictions has parameters from which every prediction can be worked out by hand, or with a
// formula that has a simulation of its own.
func TestPredictions(t *testing.T) {
	const (
		rate    = 2. // messages per second for a user
		trip    = .001
		seconds = 40 * 40. // of all users
		windows = 40 * 2.  // likewise
		sent    = 800.
	)
	longPoll := theory.LongPoll{Gap: trip, Rate: rate, Hold: 2, Wake: .001}
	scan := theory.LongPollScan{Gap: trip, Rate: rate, Hold: 2, Scan: .5}
	far := longPoll
	far.Gap = .1
	endless, endlessScan, endlessFar := longPoll, scan, far
	endlessFar.Hold = math.Inf(1)
	endless.Hold, endlessScan.Hold = math.Inf(1), math.Inf(1)
	// bytes returns those of polls of which full ones bring messages, a share of them in time.
	bytes := func(polls, full, share float64) float64 {
		return (polls-full)*100 + full*150 + sent*(300+share*4*80)
	}
	timed := seconds / 5
	empty := math.Exp(-5 * rate)
	pushed := 1 + 3 + .15 // ms: 0 to 2 further copies come first, with 150 us of the server each
	polls, scans := windows*longPoll.Requests(10, 30), windows*scan.Requests(10, 30)
	for _, c := range []struct {
		name                         string
		way                          result.Way
		change                       func(*result.Result)
		requests, reads, bytes, mean float64 // mean in ms
	}{
		{"timer", onTimer, nil, timed, timed, bytes(timed, timed*(1-empty), 1), 1 + 2 + 2500},
		{
			// Of the messages of 20 s, those of the last 2.5 s are fetched later on average, and those
			// of a warm-up of 2 s make up for only 2 - 2*2/(2*5) s of it.
			"timer with a short warm-up", onTimer, func(r *result.Result) { r.Run.Scenario.Warmup = 2 },
			timed, timed, bytes(timed, timed*(1-empty), (20-2.5+2-.4)/20), 1 + 2 + 2500,
		},
		{"held", held, nil, polls, 10 * 40 / (1/rate + .0005), bytes(polls, seconds*endless.RequestsPerSecond(), 1), pushed + 1e3*longPoll.MeanWait()},
		{"scanned", scanned, nil, scans, windows * scan.Reads(10, 30), bytes(scans, seconds*endlessScan.RequestsPerSecond(), 1), 1 + 2 + 1e3*scan.MeanWait()},
		{"stream", stream, nil, windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), pushed},
		{
			"stream with heartbeats", beating, nil,
			windows, 10 * 40 / (1/rate + .0005), sent*(300+4*80) + seconds/.5*8, pushed,
		},
		{
			// The head of a frame has 9 bytes, where that of a chunk and its end have 5. Users send once in 2 s.
			"stream with heartbeats over HTTP/2", beating, compressed(&result.Literals{Send: 60, Date: 23}),
			windows, 10 * 40 / (1/rate + .0005),
			sent*(300+4*80) + seconds/.5*12 + windows*60*(math.Exp(-10./2)-math.Exp(-30./2)) + seconds*23*(1-math.Exp(-1./2)), pushed,
		},
		{
			// Each timeout is 2 s after an answer, so between two answers there is at most that.
			"held over HTTP/2", held, compressed(&result.Literals{Send: 60, Answer: 18, Date: 23}),
			polls, 10 * 40 / (1/rate + .0005),
			bytes(polls, seconds*endless.RequestsPerSecond(), 1) + windows*60*(math.Exp(-10./2)-math.Exp(-30./2)) +
				seconds*23*(1-(math.Exp(-rate)-math.Exp(-2*rate))/(1-math.Exp(-2*rate))), pushed + 1e3*longPoll.MeanWait(),
		},
		{
			// All users send and poll once a second and more often, so each has a new Date in each second.
			"timer over HTTP/2",
			result.Way{Title: "on a timer", EveryS: 1},
			compressed(&result.Literals{Send: 60, Poll: 40, Answer: 18, Date: 23}),
			seconds, seconds, bytes(seconds, seconds*(1-math.Exp(-rate)), 1) + windows*60*(math.Exp(-10./2)-math.Exp(-30./2)) + seconds*23, 1 + 2 + 500,
		},
		{
			// TLS adds 22 bytes to each.
			"stream with heartbeats over TLS", beating, func(r *result.Result) { r.Run.Scenario.Target = "https://there" },
			windows, 10 * 40 / (1/rate + .0005), sent*(300+4*80) + seconds/.5*30, pushed,
		},
		{
			// So it does to the pong.
			"both ways over TLS", both, func(r *result.Result) { r.Run.Scenario.Target = "https://there" },
			windows, 10 * 40 / (1/rate + .0005), sent*(300+4*80) + seconds/.5*52, pushed,
		},
		{
			"stream redirected to TLS", beating, func(r *result.Result) {
				r.Run.Scenario.Target, r.Run.Scenario.Redirected = "http://there", "https://there"
			},
			windows, 10 * 40 / (1/rate + .0005), sent*(300+4*80) + seconds/.5*30, pushed,
		},
		{
			// The generator needs most: 600 us a copy on two processors, unless it is elsewhere.
			"busy generator", stream, busyGenerator,
			windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), 1 + 3 + .3,
		},
		{
			"target", stream, func(r *result.Result) {
				busyGenerator(r)
				r.Run.Scenario.Target = "http://there"
			},
			windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), pushed,
		},
		{
			"one processor", stream, func(r *result.Result) { r.Run.Environment.Cores = 1 },
			windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), 1 + 3 + .2,
		},
		{
			// A room is read on both servers, which write at the same time and share the processors. One of the other three members is on the sender's, and is
			// woken as early as the sender is answered.
			"two servers", stream, func(r *result.Result) {
				for i := range r.Windows {
					r.Windows[i].Servers = 2
				}
			}, windows, 2 * 10 * 40 / (1/rate + .00025), sent * (300 + 4*80), 1 + (2+3+3)/3. + .1,
		},
		{
			// 100 s of processor time for 3200 copies; and more than a machine has, of which 1000
			// processors are believed
			"much work", stream, func(r *result.Result) {
				for i := range r.Windows {
					r.Windows[i].Server, r.Windows[i].Generator = &result.Process{CPUS: 50}, result.Process{}
				}
			}, windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), 1 + 3 + 1e3*100/3200,
		},
		{
			"too much work", stream, func(r *result.Result) {
				for i := range r.Windows {
					r.Windows[i].Server, r.Windows[i].Generator = &result.Process{CPUS: 50e6}, result.Process{}
				}
			}, windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), 1 + 3 + 1e3*40_000/3200,
		},
		{
			// The next request takes 100 ms to arrive. Some of the measurements took longer, which changes
			// the mean of the calibration's deliveries to 15 ms and no median.
			"held far away", held, func(r *result.Result) {
				for i := range r.Windows {
					trip := of(5, 100*time.Millisecond)
					trip.Merge(of(4, 900*time.Millisecond))
					r.Windows[i].Calibration.RoundTrip = trip
					r.Windows[i].Calibration.Delivery = of(500, 3*time.Millisecond)
					r.Windows[i].Calibration.Delivery.Merge(of(400, 30*time.Millisecond))
					r.Windows[i].Accept.Merge(of(100, 50*time.Millisecond))
				}
			},
			windows * far.Requests(10, 30), 10 * 40 / (1/rate + .0005), bytes(windows*far.Requests(10, 30), seconds*endlessFar.RequestsPerSecond(), 1), pushed - 3 + 15 + 1e3*far.MeanWait(),
		},
		{
			"single samples", stream, func(r *result.Result) {
				r.Windows[0].SendDelay, r.Windows[0].Accept = of(1, time.Millisecond), of(1, 2*time.Millisecond)
				r.Windows[1].SendDelay, r.Windows[1].Accept = of(0, 0), of(0, 0)
				c := r.Windows[0].Calibration
				c.RoundTrip, c.Delivery, r.Windows[1].Calibration = of(1, time.Millisecond), of(1, 3*time.Millisecond), nil
			}, windows, 10 * 40 / (1/rate + .0005), sent * (300 + 4*80), pushed,
		},
		{
			"acknowledged late", stream, func(r *result.Result) {
				for i := range r.Windows {
					r.Windows[i].Accept = of(400, 7*time.Millisecond)
				}
			}, windows, 10 * 40 * rate, sent * (300 + 4*80), pushed,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := made(c.way)
			if c.change != nil {
				c.change(r)
			}
			row := theory.Rows(r)[0]
			if row.Theory == nil || row.Theory.Mean == nil || row.Theory.BytesPerDelivery == nil {
				t.Fatalf("%+v", row.Theory)
			}
			for _, number := range []struct {
				what             string
				got, want, share float64
			}{
				{"requests", row.Theory.Requests, c.requests, 1e-5},
				{"reads", row.Theory.StoreReads, c.reads, 1e-5},
				{"bytes per delivery", *row.Theory.BytesPerDelivery, c.bytes / 2400, 1e-5},
				{"mean", *row.Theory.Mean, c.mean, 2e-3}, // as histograms are
			} {
				if math.Abs(number.got/number.want-1) > number.share {
					t.Errorf("%s: %v, want %v", number.what, number.got, number.want)
				}
			}
		})
	}
}

// doubtsOf returns the texts of the doubts that theory has about the only row of r.
func doubtsOf(r *result.Result) []string {
	var all []string
	for _, d := range theory.Rows(r)[0].Doubts {
		if isTheory(d) {
			all = append(all, d.Text)
		}
	}
	return all
}

// TestDoubtsAboutCounts tries the counts that are as far from theory as chance explains, and those
// that are one further. Four standard deviations are chance.
func TestDoubtsAboutCounts(t *testing.T) {
	const windows, seconds, rate = 40 * 2., 40 * 40., 2.
	borders := math.Sqrt(windows) / 2
	longPoll := theory.LongPoll{Gap: .001, Rate: rate, Hold: 2, Wake: .001}
	scan := theory.LongPollScan{Gap: .001, Rate: rate, Hold: 2, Scan: .5}
	polls, scans := windows*longPoll.Requests(10, 30), windows*scan.Requests(10, 30)
	fed := 10 * 40 / (1/rate + .0005)
	feeds := math.Sqrt2 + math.Sqrt(10*40*rate-fed)
	together := math.Sqrt(4 * math.Abs(seconds*rate-scans)) // a room's users share answers together
	for _, c := range []struct {
		what, name             string
		way                    result.Way
		mean, share, deviation float64
	}{
		{"requests", "timer", onTimer, seconds / 5, .02, borders},
		{"requests", "held", held, polls, .02, borders + math.Sqrt(math.Abs(seconds*rate-polls))},
		{"requests", "scanned", scanned, scans, .02, borders + together},
		{"requests", "stream", stream, windows, .02, 0},
		{"reads of the store", "timer", onTimer, seconds / 5, .05, borders},
		{"reads of the store", "held", held, fed, .05, feeds},
		{"reads of the store", "scanned", scanned, windows * scan.Reads(10, 30), .05, 40*math.Sqrt(2./12) + together},
		{"reads of the store", "stream", stream, fed, .05, feeds},
	} {
		most := c.share*c.mean + 4*c.deviation
		for _, n := range []float64{math.Ceil(c.mean - most), math.Floor(c.mean + most), math.Ceil(c.mean-most) - 1, math.Floor(c.mean+most) + 1} {
			r := made(c.way)
			if r.Windows[1].Traffic.Requests = int64(n); c.what != "requests" {
				r.Windows[1].Traffic.Requests, r.Windows[1].Store = 0, &result.Store{Reads: int64(n)}
			}
			doubted := slices.ContainsFunc(doubtsOf(r), func(d string) bool { return strings.Contains(d, " "+c.what+", where") })
			if want := math.Abs(n-c.mean) > most; doubted != want {
				t.Errorf("%s: %v %s instead of %v are doubted: %t, want %t", c.name, n, c.what, c.mean, doubted, want)
			}
		}
	}
	// The bytes of a stream have no chance of their own: 5% of 496,000.
	for bytes, want := range map[int64]bool{496_000 + 24_800: false, 496_000 + 24_801: true, 496_000 - 24_800: false, 496_000 - 24_801: true} {
		r := made(stream)
		r.Windows[0].Traffic.BytesIn, r.Windows[1].Traffic.BytesOut = bytes-1000, 1000
		doubted := slices.ContainsFunc(doubtsOf(r), func(d string) bool { return strings.Contains(d, " bytes, where theory says 496000") })
		if doubted != want {
			t.Errorf("%d bytes are doubted: %t, want %t", bytes, doubted, want)
		}
	}
	// Those of polls vary as the requests do, and with the messages at both ends of two windows: 20 in a second, each
	// for 4 members, which fetch it within 5 seconds.
	strays := 4 * 80 * math.Sqrt(2*20*(5+5)/3.)
	n := seconds / 5
	sum := n*math.Exp(-5*rate)*100 + n*(1-math.Exp(-5*rate))*150 + 800*(300+4*80)
	most := .05*sum + 4*(sum*borders/n+strays)
	for bytes, want := range map[float64]bool{sum + most - 2: false, sum + most + 2: true} {
		r := made(onTimer)
		r.Windows[0].Traffic.BytesIn = int64(bytes)
		doubted := slices.ContainsFunc(doubtsOf(r), func(d string) bool { return strings.Contains(d, " bytes, where theory says ") })
		if doubted != want {
			t.Errorf("%v bytes are doubted: %t, want %t", bytes, doubted, want)
		}
	}
}

// TestDoubtsAboutLatency tries latencies just within what chance and slack explain, and just beyond.
// Of n samples a share q ± 4 sqrt(q(1-q)/n) may lie below the q-quantile.
func TestDoubtsAboutLatency(t *testing.T) {
	pairs := func(r *result.Result) { // nobody's turn comes later
		r.Run.Scenario.RoomSize = 2
		for i := range r.Windows {
			r.Windows[i].Delivered, r.Windows[i].Expected = 400, 400
		}
	}
	short := func(r *result.Result) { // windows shorter than the interval: a user's messages share a request
		for i := range r.Windows {
			r.Windows[i].DurationS, r.Windows[i].Planned = 4, 400
		}
	}
	for _, c := range []struct {
		name      string
		way       result.Way
		change    func(*result.Result)
		quantile  string
		low, high float64 // seconds
	}{
		{"stream", stream, pairs, "p50", .004/1.5 - .0003, .004*1.5 + .0003},
		{"timer", onTimer, nil, "p50", (.003+5*(.5-4*math.Sqrt(.25/2400)))/1.01 - .002, (.003+5*(.5+4*math.Sqrt(.25/2400)))*1.01 + .002},
		{"timer", onTimer, nil, "p99", (.003+5*(.99-4*math.Sqrt(.0099/2400)))/1.01 - .002, (.003+5*(.99+4*math.Sqrt(.0099/2400)))*1.01 + .002},
		{"short windows of a timer", onTimer, short, "p50", (.003+5*(.5-4*math.Sqrt(.25/80)))/1.01 - .002, (.003+5*(.5+4*math.Sqrt(.25/80)))*1.01 + .002},
		{"windows as long as the interval", onTimer, func(r *result.Result) {
			for i := range r.Windows {
				r.Windows[i].DurationS = 5
			}
		}, "p50", (.003+5*(.5-4*math.Sqrt(.25/2400)))/1.01 - .002, (.003+5*(.5+4*math.Sqrt(.25/2400)))*1.01 + .002},
		{"scanned", result.Way{HoldS: 30, ScanS: 10}, nil, "p99", (.003+10*(.99-4*math.Sqrt(.0099/800)))/1.01 - .002, (.003+10)*1.01 + .002},
		{"scanned", result.Way{HoldS: 30, ScanS: 10}, nil, "p50", (.003+10*(.5-4*math.Sqrt(.25/800)))/1.01 - .002, (.003+10*(.5+4*math.Sqrt(.25/800)))*1.01 + .002},
		{"windows as long as the scan interval", result.Way{HoldS: 30, ScanS: 10}, func(r *result.Result) {
			for i := range r.Windows {
				r.Windows[i].DurationS = 10
			}
		}, "p50", (.003+10*(.5-4*math.Sqrt(.25/800)))/1.01 - .002, (.003+10*(.5+4*math.Sqrt(.25/800)))*1.01 + .002},
		{"short windows of a scan", result.Way{HoldS: 30, ScanS: 10}, short, "p50", (.003+10*(.5-4*math.Sqrt(.25/80)))/1.01 - .002, (.003+10*(.5+4*math.Sqrt(.25/80)))*1.01 + .002},
	} {
		for latency, want := range map[float64]bool{c.low * .995: true, c.low * 1.005: false, c.high * .995: false, c.high * 1.005: true} {
			r := made(c.way)
			if c.change != nil {
				c.change(r)
			}
			for i := range r.Windows {
				r.Windows[i].Latency = of(r.Windows[i].Delivered, time.Duration(latency*float64(time.Second)))
			}
			doubted := slices.ContainsFunc(doubtsOf(r), func(d string) bool { return strings.HasPrefix(d, c.quantile+" is ") })
			if doubted != want {
				t.Errorf("%s: a %s of %v s is doubted: %t, want %t", c.name, c.quantile, latency, doubted, want)
			}
		}
	}
}

// TestPartlyCalibrated lacks what some predictions need: those are not made.
func TestPartlyCalibrated(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*result.Window)
		room   int
		want   bool // whether the latency of a stream is known
	}{
		"no round trips":               {func(w *result.Window) { w.Calibration.RoundTrip = of(0, 0) }, 4, false},
		"no deliveries":                {func(w *result.Window) { w.Calibration.Delivery = of(0, 0) }, 4, false},
		"one of each":                  {func(w *result.Window) { w.Calibration.RoundTrip, w.Calibration.Delivery = of(1, 1e6), of(1, 3e6) }, 4, true},
		"no processor time":            {func(w *result.Window) { w.Server = nil }, 4, false},
		"no processor time for a pair": {func(w *result.Window) { w.Server = nil }, 2, true},
		"no processor time for three":  {func(w *result.Window) { w.Server = nil }, 3, false},
	} {
		r := made(stream)
		r.Run.Scenario.RoomSize = c.room
		for i := range r.Windows {
			c.change(&r.Windows[i])
		}
		if row := theory.Rows(r)[0]; row.Theory == nil || (row.Theory.Mean != nil) != c.want || row.Theory.Requests != 80 {
			t.Errorf("%s: %+v", name, row.Theory)
		}
	}

	// Without any calibration the servers are taken to wake at once, and what is not known is not doubted.
	r := made(stream)
	for i := range r.Windows {
		w := &r.Windows[i]
		w.Calibration, w.Traffic, w.Store = nil, result.Traffic{Requests: 40, BytesIn: 1e6}, &result.Store{Reads: 400}
	}
	row := theory.Rows(r)[0]
	if row.Theory.StoreReads != 800 || row.Theory.Mean != nil || row.Theory.BytesPerDelivery != nil {
		t.Errorf("%+v", row.Theory)
	}
	if doubts := doubtsOf(r); doubts != nil {
		t.Errorf("doubts %q", doubts)
	}
}

// TestDoubtsAreWords has a stream that is slower than it can be, and otherwise as theory says.
func TestDoubtsAreWords(t *testing.T) {
	r := made(stream)
	r.Run.Scenario.RoomSize = 2
	for i := range r.Windows {
		w := &r.Windows[i]
		w.Latency, w.Store = of(1200, 12*time.Millisecond), nil
		w.Traffic = result.Traffic{Requests: 40, BytesIn: 400 * (300 + 2*80)}
	}
	if got, want := doubtsOf(r), []string{"p50 is 12 ms, where theory says 4 ms"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
