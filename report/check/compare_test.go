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

// made describes a synthetic result with every transport in every round.
type made struct {
	rounds, windows int           // windows in each round; 0: 1
	deliveries      int           // in each window; 0: 400
	transports      []string      // nil: long-poll and websocket
	noise           uint64        // seed of the factor on latency and CPU of each window
	slower          float64       // factor on latencies; 0: 1
	busier          float64       // factor on server CPU; 0: 1
	asking          float64       // factor on requests, reads and bytes; 0: 1
	after           time.Duration // delay of the start
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
			Warmup: 2, Duration: 20, Drain: 10, Rounds: m.rounds, Seed: 1, Transports: m.transports,
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
		Traffic:   result.Traffic{Requests: int64(m.asking * float64(2*n)), BytesIn: int64(m.asking * float64(700*n))},
		Store:     &result.Store{Appends: int64(n), Reads: int64(m.asking * float64(n))},
		Server:    &result.Process{CPUS: machine * m.busier * 200e-6 * float64(n), RSSBytes: 30e6, RSSIdleBytes: 20e6},
		Joining:   []result.MemorySample{{Users: 0, RSSBytes: 20e6}, {Users: 100, InUseBytes: 5e6, RSSBytes: 25e6}, {Users: 200, InUseBytes: 10e6, RSSBytes: 30e6}},
		Generator: result.Process{CPUS: 1},
	}
	if transport == "websocket" { // no requests after the handshake
		w.Traffic.Requests, w.Traffic.Handshakes = 200, 200
	}
	for i := range n {
		share := (float64(i) + .5) / float64(n)
		ms := .3 * machine * m.slower * (1 - math.Log(1-share)) // 1 + an exponential distribution
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
	if len(r.Comparisons) != 2*len(gated()) || len(r.Warnings) != 0 || r.Doubts != 0 {
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
		{"slower beyond the limit", made{slower: 1.3}, Options{MinEffect: 1.2}, []string{"long-poll p50", "websocket p50"}},
		{"slower within the limit", made{slower: 1.3}, Options{MinEffect: 1.4}, nil},
		{"slower in a timing that is not gated", made{slower: 1.3}, Options{Gate: []string{"server-cpu"}}, nil},
		{"slower, p99 gated", made{slower: 1.3}, Options{Gate: []string{"p99"}}, []string{"long-poll p99", "websocket p99"}},
		{"faster", made{slower: .6}, Options{}, nil}, // below 1/1.5, the limit of p99
		{"more requests", made{asking: 1.06}, Options{}, []string{
			"long-poll requests", "long-poll store-reads", "long-poll bytes", "websocket store-reads", "websocket bytes",
		}},
		{"a few more requests", made{asking: 1.04}, Options{}, nil},
		{"fewer requests", made{asking: .5}, Options{}, nil},
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

// TestNumbers checks the fields of a comparison other than the verdict.
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
		t.Errorf("p95 is not reported, or gated: %+v", p95)
	}
	requests := r.find("long-poll", "requests")
	if requests.Base != 2 || requests.Ratio != 1 || requests.Limit != Tolerance || !requests.Gated || requests.P != 1 {
		t.Errorf("%+v", requests)
	}
	if none := r.find("websocket", "requests"); none.Base != 0 || none.Ratio != 0 || none.Verdict != Same {
		t.Errorf("%+v", none)
	}
}

// TestPairedByRound compares rounds that differ far more than base and head do, and come in another
// order.
func TestPairedByRound(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 8, noise: 1}.result(), made{rounds: 8, noise: 1, slower: 1.06}.result()
	slices.Reverse(head.Windows)
	if c := compare(t, base, head, Options{}).find("websocket", "p50"); !c.Regression() || c.Low < 1.05 || c.High > 1.07 {
		t.Errorf("%+v", c)
	}
}

// TestMedianOfWindows compares rounds of three windows, one of which is slow in head.
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
		t.Errorf("p99 is not gated with three windows of 120 deliveries: %+v", p99)
	}
}

func TestMiddle(t *testing.T) {
	cpu, _ := result.MetricOf("server-cpu")
	for _, c := range []struct {
		micros []float64 // of server CPU in each window; below 0: unknown
		want   float64
		ok     bool
	}{
		{[]float64{30, 10, 20}, 20, true},
		{[]float64{30, 10, 40, 20}, 25, true},
		{[]float64{30, 0, 10}, 20, true}, // 0 is less than could be measured
		{[]float64{30, -1, 10}, 20, true},
		{[]float64{.5}, .5, true},
		{[]float64{0}, 0, false},
		{[]float64{-1}, 0, false},
		{nil, 0, false},
	} {
		rows := make([]result.Row, len(c.micros))
		for i, x := range c.micros {
			rows[i].Delivered = 1
			if x >= 0 {
				rows[i].Server = &result.Server{Usage: result.Usage{CPUMicrosPerDelivery: x}}
			}
		}
		if got, ok := middle(rows, cpu); ok != c.ok || ok && got != c.want {
			t.Errorf("the middle of %v is %v, %t, want %v, %t", c.micros, got, ok, c.want, c.ok)
		}
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
		t.Errorf("faults are doubts: %q", r.Warnings)
	}
	base.Windows[1].Lost, base.Windows[0].Reordered, base.Windows[0].Misdelivered = 4, 1, 1
	r = compare(t, base, head, Options{})
	if got, want := regressions(r), []string{"long-poll misdelivered", "websocket lost"}; !slices.Equal(got, want) {
		t.Errorf("regressions %q, want %q: no fault is excused because base has it too", got, want)
	}
	for _, c := range []struct {
		transport, metric string
		ratio             float64
		verdict           Verdict
	}{
		{"websocket", "lost", .25, Worse},
		{"long-poll", "misdelivered", 2, Worse},
		{"long-poll", "reordered", 0, Better},
		{"long-poll", "lost", 0, Same},
	} {
		if got := r.find(c.transport, c.metric); got.Ratio != c.ratio || got.Verdict != c.verdict {
			t.Errorf("%+v, want ratio %v, %s", got, c.ratio, c.verdict)
		}
	}
}

// TestCountLimits has counts exactly at the tolerance, which are the same, and just beyond it.
func TestCountLimits(t *testing.T) {
	t.Parallel()
	requests := func(n int64) *result.Result {
		r := made{rounds: 1, deliveries: 1000, transports: []string{"long-poll"}}.result()
		r.Windows[0].Traffic.Requests = n
		return r
	}
	for _, c := range []struct {
		base, head int64
		want       Verdict
	}{
		{2000, 2000, Same},
		{2000, 2080, Same},
		{2000, 2100, Same},
		{2000, 2101, Worse},
		{2100, 2000, Same},
		{2101, 2000, Better},
	} {
		if got := compare(t, requests(c.base), requests(c.head), Options{}).find("long-poll", "requests"); got.Verdict != c.want || !got.Gated {
			t.Errorf("from %d to %d requests: %+v, want %s", c.base, c.head, got, c.want)
		}
	}
}

// TestFewestDeliveries has as many deliveries as it takes to judge, and one less.
func TestFewestDeliveries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rounds, deliveries int // of a round
		metric             string
		want               Verdict
	}{
		{1, 500, "requests", Worse},
		{1, 499, "requests", TooFew},
		{10, 300, "p99", Worse},
		{10, 299, "p99", TooFew},
	} {
		base := made{rounds: c.rounds, deliveries: c.deliveries}
		head := base
		head.slower, head.asking = 3, 3
		if got := compare(t, base.result(), head.result(), Options{}).find("long-poll", c.metric); got.Verdict != c.want || got.Gated != (c.want == Worse) {
			t.Errorf("%d deliveries in a round: %+v, want %s", c.deliveries, got, c.want)
		}
	}
}

// TestNoCommonRound has results that share a transport, but no round of it.
func TestNoCommonRound(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 2}.result(), made{rounds: 2, asking: 9, slower: 9}.result()
	for i := range head.Windows {
		head.Windows[i].Round += 2
	}
	head.Run.Scenario.Seed = 2
	head.Windows[0].Duplicated = 1
	r := compare(t, base, head, Options{})
	for _, c := range r.Comparisons {
		if gateOf(c.Metric) != result.Fault && (c.Verdict != Missing || c.Head != 0 || c.Ratio != 0 || c.Gated) {
			t.Errorf("%+v", c)
		}
	}
	if c := r.find("long-poll", "bytes"); c.Limit != Tolerance || c.Base != 700 || !c.Omission() {
		t.Errorf("%+v", c)
	}
	if got := regressions(r); !slices.Equal(got, []string{"long-poll duplicated"}) {
		t.Errorf("regressions %q", got)
	}
}

// TestShareOfTheOnlyTiming has one gated timing, which need not share the significance: 8 pairs of
// which the five smallest differences but four speak against it have a p of 10/256.
func TestShareOfTheOnlyTiming(t *testing.T) {
	t.Parallel()
	few := made{rounds: 8, deliveries: 200, transports: []string{"websocket"}} // too few for a p99
	base, head := few.result(), few.result()
	for i, grown := range []float64{1.5, 1.06, 1.07, 1.08, 1.09, 1 / 1.1, 1.6, 1.7} {
		head.Windows[i].Server.CPUS = base.Windows[i].Server.CPUS * grown
	}
	c := compare(t, base, head, Options{Gate: []string{"server-cpu"}}).find("websocket", "server-cpu")
	if c.P != 10./256 || !c.Regression() {
		t.Errorf("%+v", c)
	}
	// Beside another gated timing it has half of the significance.
	c = compare(t, base, head, Options{Gate: []string{"server-cpu", "p50"}}).find("websocket", "server-cpu")
	if c.P != 10./256 || c.Verdict != Same || !c.Gated {
		t.Errorf("%+v", c)
	}
}

func TestCountFromNothing(t *testing.T) {
	base, head := made{rounds: 2}.result(), made{rounds: 2}.result()
	head.Windows[1].Traffic.Requests++
	if got := regressions(compare(t, base, head, Options{})); !slices.Equal(got, []string{"websocket requests"}) {
		t.Errorf("regressions %q", got)
	}
}

// TestOtherPlans compares with a seed that draws fewer messages, so that there are more polls for each.
func TestOtherPlans(t *testing.T) {
	base, head := made{rounds: 2}.result(), made{rounds: 2, deliveries: 360}.result()
	for i := range head.Windows {
		head.Windows[i].Traffic, head.Windows[i].Store = base.Windows[i].Traffic, base.Windows[i].Store
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

func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		sameSeed   bool
		base, head int // messages of the plans
		want       float64
	}{
		{true, 400, 400, 1.05},
		{false, 400, 400, 1.05 * math.Exp(3*math.Sqrt(2./400))},
		{true, 900, 1800, 1.05 * math.Exp(3*math.Sqrt(1./900+1./1800))},
		{false, 0, 400, 1.05}, // a plan that is not known
		{false, 400, 0, 1.05},
		{false, 1, 1, 1.05 * math.Exp(3*math.Sqrt2)},
	} {
		s := &both{sameSeed: c.sameSeed, basePlan: c.base, headPlan: c.head}
		if got := s.tolerance(); math.Abs(got/c.want-1) > 1e-12 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestFew(t *testing.T) {
	t.Parallel()
	small := compare(t, made{rounds: 2, deliveries: 20}.result(), made{rounds: 2, deliveries: 20, slower: 9, busier: 9, asking: 9}.result(), Options{})
	if got := regressions(small); got != nil {
		t.Errorf("regressions %q among 40 deliveries", got)
	}
	if c := small.find("long-poll", "bytes"); c.Verdict != TooFew || c.Gated || c.Note != "40 deliveries are too few to judge a count by, 500 are needed: measure longer or more rounds" || !c.Omission() {
		t.Errorf("%+v", c)
	}
	if c := small.find("long-poll", "p50"); c.Verdict != TooFew || c.Gated || c.Pairs != 2 || !strings.HasPrefix(c.Note, "2 rounds are too few to tell a change from noise, 7 are needed: ") {
		t.Errorf("%+v", c)
	}
	if c := small.find("long-poll", "p99"); c.Verdict != TooFew || c.Gated || !strings.HasPrefix(c.Note, "20 deliveries in a round") {
		t.Errorf("%+v", c)
	}
	// With p99, 4 transports have 12 gated timings. They need p < .0042, which 7 pairs can't reach.
	many := made{rounds: 7, transports: []string{"a", "b", "c", "d"}}
	slower := many
	slower.slower = 2
	if c := compare(t, many.result(), slower.result(), Options{}).find("a", "p50"); c.Verdict != TooFew || !strings.Contains(c.Note, ", 8 are needed: ") {
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
		if c := r.find("websocket", metric); c.Verdict != Missing || c.Gated || c.Omission() != (metric != "server-memory") {
			t.Errorf("%+v", c)
		}
	}
	if c := r.find("websocket", "p50"); c.Verdict != Same || !c.Gated {
		t.Errorf("%+v", c)
	}
}

// TestFormerMemory compares with a base from before memory was sampled while users join: its memory is unknown,
// and not that of another definition. It was not judged if it was to be.
func TestFormerMemory(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 10}.result(), made{rounds: 10}.result()
	for i := range base.Windows {
		base.Windows[i].Joining = nil
	}
	for _, gate := range [][]string{nil, {"server-memory"}} {
		r := compare(t, base, head, Options{Gate: gate})
		if c := r.find("websocket", "server-memory"); c.Verdict != Unknown || c.Regression() || c.Omission() != (gate != nil) {
			t.Errorf("gated %q: %+v", gate, c)
		}
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

func TestBadOptions(t *testing.T) {
	base := made{rounds: 2}.result()
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Gate: []string{"p50", "p100"}}, `unknown metric "p100": use ` + strings.Join(Timings(), ", ")},
		{Options{Gate: []string{"lost"}}, "metric lost is always gated"},
		{Options{Gate: []string{"requests"}}, "metric requests is always gated"},
		{Options{Gate: []string{"mean"}}, "metric mean is never gated: choose among p50, p95, p99, server-cpu, server-memory"},
		{Options{Gate: []string{}}, "no gated timing is named: name one or more of p50, "},
		{Options{MinEffect: .05}, "from 1 to 1000"},
		{Options{MinEffect: .999}, "from 1 to 1000"},
		{Options{MinEffect: 1000.5}, "from 1 to 1000"},
		{Options{MinEffect: math.NaN()}, "from 1 to 1000"},
		{Options{MinEffect: math.Inf(1)}, "from 1 to 1000"},
	} {
		if _, err := Compare(base, base, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
		}
	}
	for _, effect := range []float64{1, 1000} {
		if err := (Options{MinEffect: effect}).Validate(); err != nil {
			t.Errorf("a smallest effect of %v: %v", effect, err)
		}
	}
}

func warned(r *Report, text string) bool {
	return slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

// TestLeavesTheory has a head with 4% more requests than base, which is within the limit, but also a base
// 3% and a head 7% above theory.
func TestLeavesTheory(t *testing.T) {
	t.Parallel()
	made := func(asking float64) *result.Result {
		r := made{rounds: 10, noise: 1, asking: asking, transports: []string{"long-poll"}}.result()
		for i := range r.Windows {
			r.Windows[i].Way = result.FormerWay("long-poll", 30)
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
		{1.03, 1.05, nil},
		{1.05, 1.055, []string{"long-poll requests", "long-poll store-reads"}},
	} {
		r := compare(t, made(c.base), made(c.head), Options{})
		if got := regressions(r); !slices.Equal(got, c.want) {
			t.Errorf("from x%v to x%v of theory: %q, want %q", c.base, c.head, got, c.want)
		}
		if c.want != nil && !strings.HasPrefix(r.find("long-poll", "requests").Note, "theory says 2.00, ") {
			t.Errorf("%+v", r.find("long-poll", "requests"))
		}
	}

	// Theory that knows only one of the two says nothing about how they differ.
	for _, unknown := range []string{"base", "head"} {
		base, head := made(1.03), made(1.07)
		for i := range head.Windows {
			if unknown == "base" {
				base.Windows[i].Way = result.Way{}
			} else {
				head.Windows[i].Way = result.Way{}
			}
		}
		if got := regressions(compare(t, base, head, Options{})); got != nil {
			t.Errorf("the way of %s is unknown: regressions %q", unknown, got)
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
		t.Error("Confirm has changed the first report")
	}
	if c := Confirm(first, &Report{}).find("websocket", "p50"); c.Verdict != Unsure || c.Note != "worse at first, and not measured again" || !c.Omission() {
		t.Errorf("%+v", c)
	}

	// A timing that is worse only in the fresh run doesn't count, a fault does.
	late := Confirm(again, first)
	if got := regressions(late); !slices.Equal(got, []string{"long-poll lost"}) || late.find("long-poll", "lost").Note != "in the fresh run only" {
		t.Errorf("regressions %q", got)
	}
	calm.Windows[0].Sent--
	if doubted := Confirm(first, compare(t, base, calm, Options{})); doubted.Doubts != 1 || !strings.HasPrefix(doubted.Warnings[0], "in the fresh run, head, long-poll: ") {
		t.Errorf("%d doubts: %q", doubted.Doubts, doubted.Warnings)
	}
}
