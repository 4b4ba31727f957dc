package search

import (
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// A second is the deliveries of a second: their number, their p50, and the latency of those above p98.
type second struct {
	n         int
	p50, tail time.Duration
}

// window returns a window of these seconds, on a server that used 97% of its one CPU.
func window(seconds ...second) *result.Window {
	w := &result.Window{
		Transport: "websocket", Way: result.Way{Stream: true, Duplex: true}, Cores: 1, DurationS: float64(len(seconds)),
		Latency: result.NewHistogram(), Late: result.NewHistogram(),
		Server: &result.Process{CPUS: .97 * float64(len(seconds)), RSSBytes: 1e8}, Generator: result.Process{CPUS: .5 * float64(len(seconds))},
	}
	for i, s := range seconds {
		slice := result.Slice{AtS: float64(i), WidthS: 1, Latency: result.NewHistogram()}
		for k := range s.n {
			latency := s.p50
			if k%50 == 0 {
				latency = s.tail
			}
			slice.Latency.Record(latency)
		}
		w.Latency.Merge(slice.Latency)
		w.Slices = append(w.Slices, slice)
		w.Delivered += s.n
	}
	w.Planned, w.Sent, w.Expected = w.Delivered, w.Delivered, w.Delivered
	w.Late.Record(time.Millisecond)
	return w
}

const ms = time.Millisecond

// steady returns a window of a good server.
func steady() *result.Window {
	s := second{1000, 5 * ms, 40 * ms}
	return window(s, s, s, s)
}

// change returns a window of a good server but for a change.
func change(f func(w *result.Window)) *result.Window {
	w := steady()
	f(w)
	return w
}

func withWay(w *result.Window, way result.Way) *result.Window {
	w.Way = way
	return w
}

// TestJudge judges a window of each kind.
func TestJudge(t *testing.T) {
	one := Criteria{P99: 100 * ms, Precision: .05, ServerCPUs: 1, Memory: 1e9, InMemory: true}
	shared := Criteria{P99: 100 * ms, Precision: .05, InMemory: true}
	stored := Criteria{P99: 100 * ms, Precision: .05, ServerCPUs: 1}
	slow := second{1000, 5 * ms, 140 * ms}
	fine := second{1000, 5 * ms, 40 * ms}
	few := func(s ...second) *result.Window {
		for i := range s {
			s[i].n = 200
		}
		return window(s...)
	}
	lazy := func(w *result.Window) *result.Window {
		w.Server.CPUS = .03 * w.DurationS
		return w
	}
	for name, c := range map[string]struct {
		w            *result.Window
		by           Criteria
		verdict      Verdict
		certain      bool
		broke, limit string
		text         string
	}{
		"good":      {steady(), one, Holds, false, "", "", ""},
		"slow":      {window(slow, slow, slow, slow), one, Breaks, false, P99, ServerCPU, "p99 was 140ms; the server used 97% of its CPU"},
		"recovered": {window(slow, slow, fine, fine, fine, fine, fine, fine), one, Breaks, false, P99, ServerCPU, "p99 was 140ms in the part from 0 to 2 s"},
		"degraded":  {window(fine, fine, fine, second{250, 150 * ms, 200 * ms}, fine, fine, fine, fine), one, Breaks, false, P99, ServerCPU, ""},
		"growing": {
			window(second{900, 2 * ms, 40 * ms}, second{900, 32 * ms, 50 * ms}, second{900, 62 * ms, 70 * ms}, second{900, 92 * ms, 95 * ms}),
			one, Breaks, false, Queue, ServerCPU, "the p50 grew all the time, by 90ms, which is 30 ms a second",
		},
		"growing a little": {
			window(second{900, 2 * ms, 40 * ms}, second{900, 4 * ms, 50 * ms}, second{900, 6 * ms, 70 * ms}, second{900, 8 * ms, 95 * ms}),
			one, Holds, false, "", "", "",
		},
		"growing, then not": {
			window(second{900, 2 * ms, 40 * ms}, second{900, 60 * ms, 70 * ms}, second{900, 50 * ms, 70 * ms}, second{900, 92 * ms, 95 * ms}),
			one, Holds, false, "", "", "",
		},
		"few to a part":    {few(fine, fine, second{0, 5 * ms, 140 * ms}, fine), one, Holds, false, "", "", ""},
		"too few":          {window(second{299, 5 * ms, 5 * ms}), one, Unknown, false, Samples, None, "299 deliveries are too few for a p99, which needs 300"},
		"long drain":       {change(func(w *result.Window) { w.DrainedS = .5 }), one, Breaks, false, Drain, ServerCPU, "the last delivery came 0.5 s after the load"},
		"drain of a timer": {change(func(w *result.Window) { w.DrainedS, w.Way = .5, result.Way{EveryS: .4} }), one, Holds, false, "", "", ""},
		"lost":             {change(func(w *result.Window) { w.Lost, w.Delivered = 1, w.Delivered-1 }), one, Breaks, true, Loss, ServerCPU, "1 of 4000 deliveries never came"},
		"lost and slow":    {change(func(w *result.Window) { w.Lost = 1; w.Latency.Merge(window(slow, slow).Latency) }), one, Breaks, true, Loss, ServerCPU, ""},
		"twice":            {change(func(w *result.Window) { w.Duplicated = 2 }), one, Breaks, true, Doubling, ServerCPU, ""},
		"out of order":     {change(func(w *result.Window) { w.Reordered = 2 }), one, Breaks, true, Disorder, ServerCPU, ""},
		"in another room":  {change(func(w *result.Window) { w.Misdelivered = 2 }), one, Breaks, true, Disorder, ServerCPU, ""},
		"refused":          {change(func(w *result.Window) { w.Sent -= 3 }), one, Breaks, true, Refusal, ServerCPU, "3 of 4000 messages were not stored"},
		"the server ended": {change(func(w *result.Window) {
			w.Outages = []result.Outage{{Of: "the server", Did: "ended", How: "exit status 2"}}
		}), one, Breaks, false, Outage, None, ""},
		"the server was shot": {change(func(w *result.Window) {
			w.Outages = []result.Outage{{Of: "the server", Did: "ended", How: "killed by signal 9"}}
		}), one, Breaks, false, Outage, ServerMemory, ""},
		"the store ended": {change(func(w *result.Window) {
			w.Outages = []result.Outage{{Of: "the store", Did: "ended", How: "exit status 2"}}
		}), stored, Breaks, false, Outage, Store, ""},
		"can't join": {&result.Window{Failed: "only 3 of 9 users could join within 1m0s"}, one, Breaks, false, Joining, None, "only 3 of 9"},
		"no files":   {&result.Window{Failed: "joining as one of 9 users: dial tcp: socket: too many open files"}, one, Unknown, false, Joining, Files, ""},
		"no ports": {change(func(w *result.Window) {
			w.Lost, w.Errors = 1, []result.Failure{{Text: "dial tcp: connect: cannot assign requested address", Count: 1}}
		}), one, Unknown, false, Loss, Ports, ""},
		"generator late":      {change(func(w *result.Window) { w.Late.Record(20 * ms); w.Lost = 1 }), one, Unknown, false, Generator, GeneratorCPU, "the load generator sent 20ms late"},
		"it was kept from it": {change(func(w *result.Window) { w.Late.Record(20 * ms); w.Generator.CPUS = .4 }), one, Unknown, false, Generator, OtherPrograms, "used 10% of its CPU, so other programs kept it from sending"},
		"generator full":      {change(func(w *result.Window) { w.Generator.CPUS = 3.7 }), one, Unknown, false, Generator, GeneratorCPU, ""},
		"generator busier":    {lazy(change(func(w *result.Window) { w.DrainedS, w.Generator.CPUS = 1, 3 })), one, Unknown, false, Drain, GeneratorCPU, "the server used 3% of its CPU, the load generator 75%"},
		"both on all CPUs":    {change(func(w *result.Window) { w.DrainedS, w.Cores, w.Server.CPUS, w.Generator.CPUS = 1, 2, 4.2, 3.2 }), shared, Unknown, false, Drain, MachineCPU, "server and load generator used 52% and 40% of the machine's CPUs"},
		"it waits":            {lazy(window(slow, slow, slow)), one, Breaks, false, P99, Waiting, "p99 was 140ms; the server used 3% of its CPU, so something in it waits"},
		"its store waits":     {lazy(window(slow, slow, slow)), stored, Breaks, false, P99, Store, "so its store is the limit"},
		"short of memory":     {change(func(w *result.Window) { w.DrainedS, w.Server.RSSBytes = 1, 9e8 }), one, Breaks, false, Drain, ServerMemory, ""},
		"no stats":            {change(func(w *result.Window) { w.DrainedS, w.Server = 1, nil }), one, Breaks, false, Drain, None, ""},
		"a long interval":     {lazy(withWay(window(slow, slow), result.Way{EveryS: 1})), one, Breaks, false, P99, Timer, "the timer of the transport leaves no time"},
		"ended early":         {change(func(w *result.Window) { w.Interrupted = true }), one, Unknown, false, Validity, None, ""},
		"replaced program":    {change(func(w *result.Window) { w.OtherProgram = true }), one, Unknown, false, Validity, None, ""},
		"an impossible count": {change(func(w *result.Window) { w.Dropped = []result.Drop{{What: "sent -1 can't be", Fatal: true}} }), one, Unknown, false, Validity, None, "sent -1"},
	} {
		j := Judge(c.w, c.by, Conditions{})
		if j.Disturbed != (strings.Contains(name, "kept from it") || c.limit == Waiting) {
			t.Errorf("%s: disturbed: %t", name, j.Disturbed)
		}
		if j.Verdict != c.verdict || j.Certain != c.certain || j.Broke != c.broke || j.Limit != c.limit || !strings.Contains(j.Text, c.text) {
			t.Errorf("%s: %+v", name, j)
		}
	}
}

// TestOtherPrograms judges windows during which other programs were busy.
func TestOtherPrograms(t *testing.T) {
	slow := second{1000, 5 * ms, 140 * ms}
	c := Criteria{P99: 100 * ms, Precision: .05, ServerCPUs: 1, Cores: 2, InMemory: true}
	for _, one := range []struct {
		w       *result.Window
		others  float64
		verdict Verdict
		text    string
	}{
		{window(slow, slow), 0, Breaks, "97% of its CPU"},
		{window(slow, slow), .2, Breaks, "97% of its CPU"},
		{window(slow, slow), .5, Unknown, "; other programs used 50% of a CPU meanwhile"},
		{change(func(w *result.Window) { w.Lost = 1 }), .5, Breaks, "1 of 4000 deliveries never came"},
		{steady(), 1, Holds, ""},
	} {
		j := Judge(one.w, c, Conditions{Others: one.others})
		if j.Verdict != one.verdict || j.Disturbed != (one.verdict == Unknown) || !strings.Contains(j.Text, one.text) {
			t.Errorf("others used %v CPUs: %+v", one.others, j)
		}
	}
}
