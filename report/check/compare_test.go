package check

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// A made result has every transport in every round, some deliveries in each window.
type made struct {
	rounds, windows int // windows of a round; 0: one
	deliveries      int // 0: 400
	transports      []string
	noise           uint64  // seed of what the machine does to each round, to latency and CPU alike
	slower          float64 // ratio of the latencies; 0: 1
	busier          float64 // ratio of server CPU; 0: 1
	asking          float64 // ratio of requests, reads and bytes; 0: 1
	after           time.Duration
}

func (m made) result() *result.Result {
	if m.transports == nil {
		m.transports = []string{"long-poll", "websocket"}
	}
	if m.deliveries == 0 {
		m.deliveries = 400
	}
	for _, ratio := range []*float64{&m.slower, &m.busier, &m.asking} {
		if *ratio == 0 {
			*ratio = 1
		}
	}
	res := &result.Result{Run: result.Run{
		Schema: result.Schema, Command: "pushpull run chat",
		Scenario: result.Scenario{
			Name: "chat", Users: 200, RoomSize: 2, Senders: 2, Rate: .25, Size: 100,
			WarmupS: 2, DurationS: 20, DrainS: 10, Rounds: m.rounds, Seed: 1, Transports: m.transports,
		},
		Environment: result.Environment{
			CPU: "AMD EPYC 7B13", Cores: 2, MemoryBytes: 8 << 30, OS: "debian 12.5", Kernel: "6.1.0", Arch: "amd64",
			Go: "go1.26.0", Pushpull: "v0.1.0", Modules: map[string]string{"nhooyr.io/websocket": "v1.8.17"},
		},
	}}
	random := rand.New(rand.NewPCG(m.noise, 1))
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(m.after)
	for round := 1; round <= m.rounds; round++ {
		for range max(1, m.windows) {
			for _, transport := range m.transports {
				w := m.window(transport, math.Exp(.05*random.NormFloat64()))
				w.Round, w.Started = round, at
				at = at.Add(time.Minute)
				res.Windows = append(res.Windows, w)
			}
		}
	}
	return res
}

func (m made) window(transport string, machine float64) result.Window {
	n := m.deliveries
	w := result.Window{
		Transport: transport, Users: 200, Cores: 2, DurationS: 20,
		Planned: n, Sent: n, Expected: n, Delivered: n,
		Latency: result.NewHistogram(), Late: result.NewHistogram(),
		Wire:      result.Wire{Requests: int64(m.asking * float64(2*n)), BytesIn: int64(m.asking * float64(700*n))},
		Store:     &result.Store{Appends: int64(n), Reads: int64(m.asking * float64(n))},
		Server:    &result.Process{CPUS: machine * m.busier * 200e-6 * float64(n), RSSBytes: 30e6, RSSIdleBytes: 20e6},
		Generator: result.Process{CPUS: 1},
	}
	if transport == "websocket" { // which asks nothing after the handshake
		w.Wire.Requests, w.Wire.Handshakes = 200, 200
	}
	for i := range n {
		share := (float64(i) + .5) / float64(n)
		ms := .3 * machine * m.slower * (1 - math.Log(1-share)) // 1 + an exponential
		w.Latency.Record(time.Duration(ms * float64(time.Millisecond)))
	}
	return w
}

func compare(t *testing.T, base, head *result.Result, o Options) *Report {
	t.Helper()
	r, err := Compare(base, head, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	return r
}

func regressions(r *Report) []string {
	var all []string
	for _, c := range r.Regressions() {
		all = append(all, c.Transport+" "+c.Metric)
	}
	return all
}

func TestAgainstItself(t *testing.T) {
	t.Parallel()
	base := made{rounds: 10}.result()
	r := compare(t, base, base, Options{})
	if len(r.Comparisons) != 2*len(Metrics()) || len(r.Warnings) != 0 || r.Doubts != 0 {
		t.Errorf("%d comparisons, warnings %q, %d doubts", len(r.Comparisons), r.Warnings, r.Doubts)
	}
	for _, c := range r.Comparisons {
		if c.Verdict != Same || c.Base != c.Head || c.Note != "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestRegressions(t *testing.T) {
	base := made{rounds: 8, noise: 1}
	for _, c := range []struct {
		name string
		head made
		o    Options
		want []string
	}{
		{"nothing", made{}, Options{}, nil},
		{"slower", made{slower: 1.3}, Options{}, []string{"long-poll p50", "websocket p50"}},
		{"busier", made{busier: 1.3}, Options{}, []string{"long-poll server-cpu", "websocket server-cpu"}},
		{"slower, and p99 with it", made{slower: 1.8}, Options{}, []string{"long-poll p50", "long-poll p99", "websocket p50", "websocket p99"}},
		{"slower than is allowed", made{slower: 1.3}, Options{MinEffect: 1.2}, []string{"long-poll p50", "websocket p50"}},
		{"slower, which is allowed", made{slower: 1.3}, Options{MinEffect: 1.4}, nil},
		{"slower, which nobody asked about", made{slower: 1.3}, Options{Gate: []string{"server-cpu"}}, nil},
		{"slower, p99 asked about", made{slower: 1.3}, Options{Gate: []string{"p99"}}, []string{"long-poll p99", "websocket p99"}},
		{"faster", made{slower: .6}, Options{}, nil}, // p99 must leave 1/1.5 behind, too
		{"asking more", made{asking: 1.06}, Options{}, []string{
			"long-poll requests", "long-poll store-reads", "long-poll bytes", "websocket store-reads", "websocket bytes",
		}},
		{"asking a little more", made{asking: 1.04}, Options{}, nil},
		{"asking less", made{asking: .5}, Options{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.head.rounds, c.head.noise = 8, 2
			r := compare(t, base.result(), c.head.result(), c.o)
			if got := regressions(r); !slices.Equal(got, c.want) {
				t.Errorf("regressions: %q, want %q", got, c.want)
			}
			for _, found := range r.Comparisons {
				slower, less := c.head.slower != 0 && c.head.slower < 1, c.head.asking != 0 && c.head.asking < 1
				better := slower && strings.HasPrefix(found.Metric, "p") ||
					less && slices.Contains([]string{"requests", "store-reads", "bytes"}, found.Metric) && found.Base > 0
				if (found.Verdict == Better) != better {
					t.Errorf("%+v", found)
				}
			}
		})
	}
}

// TestNumbers looks at what a comparison says beside its verdict.
func TestNumbers(t *testing.T) {
	t.Parallel()
	r := compare(t, made{rounds: 10, noise: 1}.result(), made{rounds: 10, noise: 2, slower: 1.3}.result(), Options{})
	p50 := r.find("long-poll", "p50")
	if math.Abs(p50.Base-.508) > .03 || math.Abs(p50.Ratio-1.3) > .06 || p50.Low > 1.3 || p50.High < 1.3 || p50.Low > p50.Ratio || p50.High < p50.Ratio {
		t.Errorf("%+v", p50)
	}
	if p50.P != 1./1024 || p50.Pairs != 10 || p50.Limit != Tolerance || p50.Detectable < 1.02 || p50.Detectable > 1.15 || p50.Unit != "ms" {
		t.Errorf("%+v", p50)
	}
	if p95 := r.find("long-poll", "p95"); p95.Verdict != Worse || p95.Gated {
		t.Errorf("p95 is told, not gated: %+v", p95)
	}
	requests := r.find("long-poll", "requests")
	if requests.Base != 2 || requests.Ratio != 1 || requests.Limit != Tolerance || !requests.Gated || requests.P != 1 {
		t.Errorf("%+v", requests)
	}
	if none := r.find("websocket", "requests"); none.Base != 0 || none.Ratio != 0 || none.Verdict != Same {
		t.Errorf("%+v", none)
	}
}

// TestPairedByRound has rounds that differ by far more than base and head do, in any order.
func TestPairedByRound(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 8, noise: 1}.result(), made{rounds: 8, noise: 1, slower: 1.06}.result()
	slices.Reverse(head.Windows)
	if c := compare(t, base, head, Options{}).find("websocket", "p50"); !c.Regression() || c.Low < 1.05 || c.High > 1.07 {
		t.Errorf("%+v", c)
	}
}

// TestMedianOfWindows has rounds of three windows, of which one is slow in head.
func TestMedianOfWindows(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 10, windows: 3, deliveries: 120}.result(), made{rounds: 10, windows: 3, deliveries: 120}.result()
	slow := made{deliveries: 120, slower: 9, busier: 9}
	for i, w := range head.Windows {
		if i/2%3 == w.Round%3 {
			spoilt := slow.window(w.Transport, 1)
			spoilt.Round, spoilt.Started = w.Round, w.Started
			head.Windows[i] = spoilt
		}
	}
	r := compare(t, base, head, Options{})
	for _, c := range r.Comparisons {
		if c.Regression() || c.Pairs > 10 {
			t.Errorf("%+v", c)
		}
	}
	if p99 := r.find("websocket", "p99"); !p99.Gated {
		t.Errorf("three windows of 120 deliveries are enough for a p99: %+v", p99)
	}
}

func TestFaults(t *testing.T) {
	base, head := made{rounds: 2}.result(), made{rounds: 2}.result()
	base.Windows[0].Reordered = 3
	head.Windows[1].Lost, head.Windows[1].Delivered = 1, 399
	head.Windows[0].Misdelivered = 2
	r := compare(t, base, head, Options{})
	if got, want := regressions(r), []string{"long-poll misdelivered", "websocket lost"}; !slices.Equal(got, want) {
		t.Errorf("regressions %q, want %q", got, want)
	}
	if c := r.find("long-poll", "reordered"); c.Verdict != Better || c.Base != 3 || c.Head != 0 {
		t.Errorf("%+v", c)
	}
	if r.Doubts != 0 {
		t.Errorf("faults are compared, not doubted: %q", r.Warnings)
	}
	base.Windows[1].Lost = 7
	if r := compare(t, base, head, Options{}); !slices.Contains(regressions(r), "websocket lost") {
		t.Error("a fault is excused, as base has it too")
	}
}

func TestCountFromNothing(t *testing.T) {
	base, head := made{rounds: 2}.result(), made{rounds: 2}.result()
	head.Windows[1].Wire.Requests++
	if got := regressions(compare(t, base, head, Options{})); !slices.Equal(got, []string{"websocket requests"}) {
		t.Errorf("regressions %q", got)
	}
}

// TestOtherPlans has a seed that draws fewer messages: each then has a larger share of the polls.
func TestOtherPlans(t *testing.T) {
	base, head := made{rounds: 2}.result(), made{rounds: 2, deliveries: 360}.result()
	for i := range head.Windows {
		head.Windows[i].Wire, head.Windows[i].Store = base.Windows[i].Wire, base.Windows[i].Store
	}
	head.Run.Scenario.Seed = 2
	r := compare(t, base, head, Options{})
	if got := regressions(r); got != nil {
		t.Errorf("regressions %q", got)
	}
	if c := r.find("long-poll", "bytes"); c.Ratio < 1.1 || c.Limit < 1.2 || c.Limit > 1.35 {
		t.Errorf("%+v", c)
	}
	if !warned(r, "counts may differ by more: seed 1 | 2") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestFew(t *testing.T) {
	t.Parallel()
	small := compare(t, made{rounds: 2, deliveries: 20}.result(), made{rounds: 2, deliveries: 20, slower: 9, busier: 9, asking: 9}.result(), Options{})
	if got := regressions(small); got != nil {
		t.Errorf("regressions %q among 40 deliveries", got)
	}
	if c := small.find("long-poll", "bytes"); c.Verdict != TooFew || c.Gated || c.Note != "40 deliveries are too few to judge a count by: 500 are needed" {
		t.Errorf("%+v", c)
	}
	if c := small.find("long-poll", "p50"); c.Verdict != TooFew || c.Gated || c.Pairs != 2 || c.Note != "2 rounds are too few to tell a change from noise: 7 are needed" {
		t.Errorf("%+v", c)
	}
	if c := small.find("long-poll", "p99"); c.Verdict != TooFew || c.Gated || !strings.HasPrefix(c.Note, "20 deliveries in a round") {
		t.Errorf("%+v", c)
	}
	// 4 transports have 12 gated timings with p99: p must be below .0042, which 7 pairs can't reach.
	many := made{rounds: 7, transports: []string{"a", "b", "c", "d"}}
	slower := many
	slower.slower = 2
	if c := compare(t, many.result(), slower.result(), Options{}).find("a", "p50"); c.Verdict != TooFew || !strings.HasSuffix(c.Note, ": 8 are needed") {
		t.Errorf("%+v", c)
	}
	many.rounds, slower.rounds = 8, 8
	if c := compare(t, many.result(), slower.result(), Options{}).find("a", "p50"); !c.Regression() {
		t.Errorf("%+v", c)
	}
}

func TestSilentServer(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 10}.result(), made{rounds: 10}.result()
	for i := range head.Windows {
		head.Windows[i].Server, head.Windows[i].Store = nil, nil
	}
	r := compare(t, base, head, Options{})
	for _, metric := range []string{"store-reads", "server-cpu", "server-memory"} {
		if c := r.find("websocket", metric); c.Verdict != Unknown || c.Gated {
			t.Errorf("%+v", c)
		}
	}
	if c := r.find("websocket", "p50"); c.Verdict != Same || !c.Gated {
		t.Errorf("%+v", c)
	}
}

func TestNothingDelivered(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 10}.result(), made{rounds: 10}.result()
	for i := range head.Windows {
		w := &head.Windows[i]
		w.Delivered, w.Lost, w.Latency = 0, w.Expected, result.NewHistogram()
	}
	r := compare(t, base, head, Options{})
	if got := regressions(r); !slices.Equal(got, []string{"long-poll lost", "websocket lost"}) || r.Doubts != 2 {
		t.Errorf("regressions %q, doubts %d: %q", got, r.Doubts, r.Warnings)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*result.Result)
		want  string
	}{
		{"users", func(r *result.Result) { r.Run.Scenario.Users = 500 }, "(users 200 | 500): measure both"},
		{"room size", func(r *result.Result) { r.Run.Scenario.RoomSize = 5 }, "room size 2 | 5"},
		{"senders", func(r *result.Result) { r.Run.Scenario.Senders = 1 }, "senders 2 | 1"},
		{"rate", func(r *result.Result) { r.Run.Scenario.Rate = .5 }, "rate 0.25/s | 0.5/s"},
		{"size", func(r *result.Result) { r.Run.Scenario.Size = 1000 }, "size 100 | 1000"},
		{"warm-up", func(r *result.Result) { r.Run.Scenario.WarmupS = 0 }, "warm-up 2 s | 0 s"},
		{"duration", func(r *result.Result) { r.Run.Scenario.DurationS = 5 }, "duration 20 s | 5 s"},
		{"servers", func(r *result.Result) { r.Run.Scenario.Servers = 3 }, "base and head do not measure the same (servers 1 | 3): measure both"},
		{"store", func(r *result.Result) { r.Run.Scenario.Store = "post\ngres" }, "(store memory | post\uFFFDgres): measure both with the same servers and store"},
		{"servers and store", func(r *result.Result) { r.Run.Scenario.Servers, r.Run.Scenario.Store = 3, "redis" }, "(servers 1 | 3, store memory | redis)"},
		{"transports", func(r *result.Result) {
			for i := range r.Windows {
				r.Windows[i].Transport = "sse\n"
			}
		}, "base has long-poll, websocket, head has sse\uFFFD: measure the same ones"},
		{"nothing measured", func(r *result.Result) { r.Windows = nil }, "head holds no window that was measured to its end: run it again"},
		{"nothing whole", func(r *result.Result) {
			r.Windows = r.Windows[:1]
			r.Windows[0].Interrupted = true
		}, "head holds no window"},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := made{rounds: 2}.result()
			c.spoil(head)
			_, err := Compare(made{rounds: 2}.result(), head, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, c.want)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	base := made{rounds: 2}.result()
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Gate: []string{"p50", "p100"}}, `no metric "p100": use p50, p95, p99, server-cpu, server-memory`},
		{Options{Gate: []string{"lost"}}, "metric lost is always gated"},
		{Options{Gate: []string{"requests"}}, "metric requests is always gated"},
		{Options{MinEffect: .05}, "from 1 to 1000"},
		{Options{MinEffect: math.NaN()}, "from 1 to 1000"},
		{Options{MinEffect: math.Inf(1)}, "from 1 to 1000"},
	} {
		if _, err := Compare(base, base, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
		}
	}
}

func warned(r *Report, text string) bool {
	return slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*result.Result)
		want  string
	}{
		{"versions", func(r *result.Result) {
			r.Run.Environment.Go, r.Run.Environment.Kernel = "go1.27.0", ""
			r.Run.Environment.Modules = nil
		}, "base and head differ in kernel 6.1.0 | unknown, Go go1.26.0 | go1.27.0, nhooyr.io/websocket v1.8.17 | unknown"},
		{"rounds", func(r *result.Result) { r.Windows = r.Windows[:2] }, "base holds 2 rounds, head 1: only those of both are compared"},
		{"transport", func(r *result.Result) {
			for i := range r.Windows {
				if r.Windows[i].Transport == "websocket" {
					r.Windows[i].Transport = "sse"
				}
			}
		}, "sse was measured in head alone, and is not compared"},
		{"interrupted", func(r *result.Result) { r.Windows[3].Interrupted = true }, "head, websocket: round 2 was stopped early"},
		{"machine", func(r *result.Result) { r.Run.Environment.CPU = "M4\x1b[2J" }, "different machines: timings are told, not gated: CPU AMD EPYC 7B13 | M4\uFFFD[2J"},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := made{rounds: 2}.result()
			c.spoil(head)
			r := compare(t, made{rounds: 2}.result(), head, Options{})
			if !warned(r, c.want) || r.Doubts != 0 {
				t.Errorf("warnings %q, want %q", r.Warnings, c.want)
			}
			if got := regressions(r); got != nil {
				t.Errorf("regressions %q", got)
			}
		})
	}
}

func TestInterruptedWindow(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 10}.result(), made{rounds: 10, slower: 2}.result()
	last := &head.Windows[19]
	last.Interrupted, last.Duplicated, last.Wire.BytesIn = true, 1, 1e9
	r := compare(t, base, head, Options{})
	if c := r.find("websocket", "p50"); c.Pairs != 9 || !c.Regression() {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "bytes"); c.Verdict != Same || c.Limit != Tolerance {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "duplicated"); !c.Regression() {
		t.Errorf("%+v", c)
	}
}

func TestOtherMachine(t *testing.T) {
	t.Parallel()
	head := made{rounds: 10, slower: 2, asking: 2}.result()
	head.Run.Environment.Cores = 64
	r := compare(t, made{rounds: 10}.result(), head, Options{})
	if c := r.find("websocket", "p50"); c.Verdict != Worse || c.Gated {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "bytes"); !c.Regression() {
		t.Errorf("%+v", c)
	}
}

// TestOneAfterTheOther has two runs of which a machine that changed in between would make one slower.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	base := made{rounds: 10}.result()
	head := made{rounds: 10, slower: 1.2, after: 24 * time.Hour}.result()
	r := compare(t, base, head, Options{})
	if got := regressions(r); got != nil || !warned(r, "timings may grow by 25%; pushpull duet measures them in turns") {
		t.Errorf("regressions %q, warnings %q", got, r.Warnings)
	}
	if r := compare(t, base, head, Options{MinEffect: 1.1}); len(r.Regressions()) != 2 {
		t.Errorf("regressions %q at a growth that was asked for", regressions(r))
	}
	head = made{rounds: 10, slower: 1.3, after: 24 * time.Hour}.result()
	if r := compare(t, base, head, Options{}); len(r.Regressions()) != 2 {
		t.Errorf("regressions %q of 30%%", regressions(r))
	}
	head = made{rounds: 10, after: 30 * time.Second}.result()
	if r := compare(t, base, head, Options{}); len(r.Warnings) != 0 {
		t.Errorf("warnings %q of runs in turns", r.Warnings)
	}
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 2}.result(), made{rounds: 2}.result()
	base.Windows[0].Sent--
	head.Windows[1].Generator.CPUS = 40
	head.Run.Scenario.Seed = 7
	r := compare(t, base, head, Options{})
	if r.Doubts != 2 || len(r.Warnings) != 3 || !strings.HasPrefix(r.Warnings[0], "base, long-poll: 799 of 800 planned") || !strings.HasPrefix(r.Warnings[1], "head, websocket: the generator used 100%") {
		t.Errorf("%d doubts: %q", r.Doubts, r.Warnings)
	}
}

// TestLeavesTheory has a head that asks 4% more than base, which is within the tolerance, but from
// 3% above theory to 7%.
func TestLeavesTheory(t *testing.T) {
	t.Parallel()
	made := func(asking float64) *result.Result {
		r := made{rounds: 10, noise: 1, asking: asking, transports: []string{"long-poll"}}.result()
		for i := range r.Windows {
			r.Windows[i].IntervalS = 30
		}
		return r
	}
	for _, c := range []struct {
		base, head float64
		want       []string
	}{
		{1, 1.04, nil},
		{1.03, 1.07, []string{"long-poll requests", "long-poll store-reads"}},
		{1.07, 1.08, nil}, // no change
	} {
		r := compare(t, made(c.base), made(c.head), Options{})
		if got := regressions(r); !slices.Equal(got, c.want) {
			t.Errorf("from x%v to x%v of theory: %q, want %q", c.base, c.head, got, c.want)
		}
		if c.want != nil && !strings.HasPrefix(r.find("long-poll", "requests").Note, "theory says 2.00, ") {
			t.Errorf("%+v", r.find("long-poll", "requests"))
		}
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	base := made{rounds: 10, noise: 1}.result()
	slow := made{rounds: 10, noise: 2, slower: 1.3, asking: 1.2}.result()
	slow.Windows[0].Lost = 1
	calm := made{rounds: 10, noise: 3}.result()
	first, again := compare(t, base, slow, Options{}), compare(t, base, calm, Options{})
	all := regressions(first)

	if got := regressions(Confirm(first, first)); !slices.Equal(got, all) {
		t.Errorf("twice the same: %q, want %q", got, all)
	}
	confirmed := Confirm(first, again)
	want := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return strings.HasSuffix(s, " p50") })
	if got := regressions(confirmed); !slices.Equal(got, want) || len(want) != len(all)-2 {
		t.Errorf("not again: %q, want %q", got, want)
	}
	if c := confirmed.find("websocket", "p50"); c.Verdict != Unsure || !strings.HasPrefix(c.Note, "worse at first (x1.") || !strings.Contains(c.Note, "not in the fresh run (x") {
		t.Errorf("%+v", c)
	}
	if got := regressions(first); !slices.Equal(got, all) {
		t.Error("confirming has changed the first report")
	}
	if c := Confirm(first, &Report{}).find("websocket", "p50"); c.Verdict != Unsure || c.Note != "worse at first, and not measured again" {
		t.Errorf("%+v", c)
	}

	// The other way round a timing of the fresh run says nothing, a fault does.
	late := Confirm(again, first)
	if got := regressions(late); !slices.Equal(got, []string{"long-poll lost"}) || late.find("long-poll", "lost").Note != "in the fresh run only" {
		t.Errorf("regressions %q", got)
	}
	calm.Windows[0].Sent--
	if doubted := Confirm(first, compare(t, base, calm, Options{})); doubted.Doubts != 1 || !strings.HasPrefix(doubted.Warnings[0], "in the fresh run, head, long-poll: ") {
		t.Errorf("%d doubts: %q", doubted.Doubts, doubted.Warnings)
	}
}

// TestUnknownStore compares with a server that someone else started, whose store may be the same.
func TestUnknownStore(t *testing.T) {
	t.Parallel()
	own, foreign := made{rounds: 2}.result(), made{rounds: 2}.result()
	own.Run.Scenario.Store = "redis"
	foreign.Run.Scenario.Target = "http://there"
	const want = "base and head differ in store redis | unknown"
	if r := compare(t, own, foreign, Options{}); !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q, want %q among them", r.Warnings, want)
	}
}
