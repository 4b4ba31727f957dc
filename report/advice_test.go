package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// An advised is a transport in a synthetic choice, whose cost is known by construction.
type advised struct {
	costing
	vain float64 // CPU of an empty answer, the end of a held request or a heartbeat, in µs
}

// offers returns the transports of a choice. A poll costs as much with messages as without.
func offers() []advised {
	all := []advised{}
	for _, c := range costings {
		all = append(all, advised{c, []float64{40, 30, 4}[len(all)]})
	}
	return all
}

// A question is a choice to be made from synthetic costs, and what is changed of them.
type question struct {
	wanted    result.Wanted
	offers    []advised
	elsewhere string
	sides     bool // the nearest change was measured
	edit      func(role string, w *result.Window)
}

// pairsWanted is the load of the README.
var pairsWanted = result.Wanted{Users: 20_000, Rate: 1. / 30, WithinS: 1, Busy: .6, Processors: 2}

// choiceOf returns the index and the results of a choice of two rounds.
func (q question) choiceOf() (result.Index, []*result.Result) {
	if q.offers == nil {
		q.offers = offers()
	}
	base := result.Scenario{
		Name: "choose", Users: 200, RoomSize: 2, Senders: 2, Rate: .25, Size: 100, Warmup: 2, Duration: 20, Drain: 10, Rounds: 2, Seed: 1,
	}
	index := result.Index{
		Schema: result.Schema, Kind: result.KindChoice, Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Command: "pushpull choose --users 20000 --every 30s", Scenario: base, Axes: []result.Axis{}, Wanted: &q.wanted,
	}
	points := []struct {
		dir, role string
		users     int
		rate      float64
	}{
		{"users=200", result.RoleSize, 200, .25},
		{"users=500", result.RoleSize, 500, .25},
		{"quiet", result.RoleQuiet, 500, .01},
		{"users=200,rate=1", result.RoleFast, 200, 1},
		{"users=1200", result.RoleLargest, 1200, .25},
		{"below", result.RoleBelow, 500, .3},
		{"above", result.RoleAbove, 500, 2},
	}
	if !q.sides {
		points = points[:5]
	}
	var results []*result.Result
	for i, p := range points {
		index.Points = append(index.Points, result.Point{Dir: p.dir, Values: []string{}, Role: p.role})
		s := base
		s.Users, s.Rate = p.users, p.rate
		random := rand.New(rand.NewPCG(2, uint64(i)))
		res := &result.Result{Run: result.Run{
			Schema: result.Schema, Started: index.Started, Command: index.Command,
			Environment: result.Environment{CPU: "AMD EPYC 7B13", Cores: 2, MemoryBytes: 8 << 30, OS: "debian 12.5", Arch: "amd64", Go: "go1.26.0", Pushpull: "v0.1.0"},
		}}
		measured := slices.Clone(q.offers)
		if p.role == result.RoleBelow || p.role == result.RoleAbove {
			measured = []advised{measured[2], measured[0]}
		}
		for round := 1; round <= s.Rounds; round++ {
			for _, a := range measured {
				w := a.windowOf(random, s, round, p.role == result.RoleQuiet)
				if round == 1 {
					s.Transports = append(s.Transports, w.Transport)
				}
				if q.edit != nil {
					q.edit(p.role, &w)
				}
				res.Windows = append(res.Windows, w)
			}
		}
		res.Run.Scenario = s
		results = append(results, res)
	}
	return index, results
}

// windowOf returns a window. In a quiet one requests are held for a second.
func (a advised) windowOf(random *rand.Rand, s result.Scenario, round int, quiet bool) result.Window {
	const seconds = 20
	m := a.model
	switch {
	case m.way.EveryS > 0:
		m.transport, m.latency = m.transport+"@1s", uniform(1)
	case m.way.HoldS > 0 && quiet:
		m.transport, m.way.HoldS = m.transport+"@1s", 1
	}
	w := a.window(random, m, s, round)
	vain := float64(w.Traffic.EmptyResponses)
	switch {
	case m.way.HoldS == 1:
		rate := s.Rate / (1 - math.Exp(-s.Rate))
		vain = float64(s.Users) * seconds * rate * math.Exp(-s.Rate)
		w.Traffic.Requests, w.Traffic.EmptyResponses = int64(float64(s.Users)*seconds*rate), int64(vain)
	case m.way.HeartbeatS > 0:
		vain = float64(s.Users) * seconds / m.way.HeartbeatS
	}
	messages := float64(w.Sent)
	answers := 0.
	if m.way.EveryS > 0 {
		answers = float64(w.Traffic.Requests) - vain
	}
	noise := math.Exp(.02 * random.NormFloat64())
	w.Server.CPUS = noise * (messages*a.each + vain*a.vain + answers*a.polls) / 1e6
	w.Server.RSSBytes = 14_000_000 + int64(s.Users)*m.memory
	w.Slices = w.Slices[:1]
	return w
}

// advices are those of the questions, made once.
var advices = sync.OnceValue(func() map[string]*report.Advice {
	all := map[string]*report.Advice{}
	for name, q := range questions() {
		index, results := q.choiceOf()
		all[name], _ = report.NewAdvice(index, results, q.elsewhere)
	}
	return all
})

// questions are the choices of the goldens.
func questions() map[string]question {
	with := func(edit func(*result.Wanted)) result.Wanted {
		w := pairsWanted
		edit(&w)
		return w
	}
	tied := offers()
	tied[1].each, tied[1].vain = 56, 4
	wrong := func(role string, w *result.Window) {
		if role == result.RoleLargest && w.Transport == "websocket" {
			w.Server.CPUS *= 1.5
		}
	}
	turned := func(role string, w *result.Window) {
		if role == result.RoleAbove && w.Transport == "websocket" {
			w.Server.CPUS /= 10
		}
	}
	unreported := func(_ string, w *result.Window) { w.Server, w.Store, w.Joining = nil, nil, nil }
	return map[string]question{
		"push":    {wanted: pairsWanted, sides: true},
		"polling": {wanted: with(func(w *result.Wanted) { w.WithinS, w.CustomaryS = 90, 5 })},
		"late":    {wanted: with(func(w *result.Wanted) { w.WithinS = 50e-6 })},
		"tie":     {wanted: pairsWanted, offers: tied},
		"price": {wanted: with(func(w *result.Wanted) {
			w.Users, w.Prices = 2_000_000, map[string]float64{"cpu-hour": .04, "gb-out": .09, "million-requests": .2}
		})},
		"one":        {wanted: pairsWanted, offers: offers()[2:]},
		"elsewhere":  {wanted: with(func(w *result.Wanted) { w.Users, w.Rate = 800, 1./600 }), elsewhere: "AMD EPYC 7B13, 2 cores"},
		"held-out":   {wanted: pairsWanted, edit: wrong},
		"side":       {wanted: pairsWanted, sides: true, edit: turned},
		"unreported": {wanted: pairsWanted, edit: unreported},
	}
}

func TestAdviceGolden(t *testing.T) {
	drawn := []string{"push", "polling", "price"}                                          // whose charts are goldens
	paged := []string{"push", "late", "one", "held-out", "price", "unreported", "polling"} // whose pages are: to draw them takes a while
	refuted := map[string]string{
		"late":     "no transport that was measured is in time",
		"held-out": "the server CPU of websocket with 1,200 users was predicted",
		"side":     "websocket was predicted to need more server CPU than short-poll@1s",
	}
	for name, a := range advices() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a == nil {
				t.Fatal("there is no answer")
			}
			golden := func(file string, got []byte) { t.Helper(); golden(t, filepath.Join("choice", name, file), got) }
			if got, want := a.Refuted(), refuted[name]; (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("refuted: %q, want %q", got, want)
			}
			if slices.Contains(paged, name) {
				dir := t.TempDir()
				if err := a.Write(dir); err != nil {
					t.Fatal(err)
				}
				for _, chart := range files(t, dir, "*.svg") {
					svg := read(t, filepath.Join(dir, chart))
					report.CheckSVG(t, svg)
					checkPNG(t, filepath.Join(dir, strings.TrimSuffix(chart, ".svg")+".png"))
					if slices.Contains(drawn, name) {
						golden(chart, svg)
					}
				}
				page := read(t, filepath.Join(dir, report.Page))
				checkPage(t, page)
				golden(report.Page, bare(page))
			}
			var table, markdown, object bytes.Buffer
			if err := a.Table(&table, text.Screen{UTF8: true}); err != nil {
				t.Fatal(err)
			}
			golden("table.txt", table.Bytes())
			if err := a.Markdown(&markdown); err != nil {
				t.Fatal(err)
			}
			golden("answer.md", markdown.Bytes())
			if err := a.JSON(&object); err != nil {
				t.Fatal(err)
			}
			golden("answer.json", indented(t, object.Bytes()))
		})
	}
}

// long matches the digits of a number that depend on the processor: some round differently.
var long = regexp.MustCompile(`(\d\.?\d*?)e([-+]\d+)|\d+\.\d+|\d{6,}`)

// indented returns an object for a golden, with 4 digits of each number.
func indented(t *testing.T, object []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, object, "", "  "); err != nil {
		t.Fatal(err)
	}
	return long.ReplaceAllFunc(out.Bytes(), func(number []byte) []byte {
		var x float64
		if _, err := fmt.Sscan(string(number), &x); err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, "%.4g", x)
	})
}

// TestAdviceFits checks that the words and the table fit a terminal that shows ASCII alone, and that no figure is lost.
func TestAdviceFits(t *testing.T) {
	for name, a := range advices() {
		for _, columns := range []int{80, 60, 40} {
			var out bytes.Buffer
			if err := a.Table(&out, text.Screen{Columns: columns}); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				line = strings.TrimSuffix(line, "\n")
				if text.Width(line) > columns {
					t.Errorf("%s: %d columns are too few for %q", name, columns, line)
				}
				if strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
					t.Errorf("%s: %q is not ASCII", name, line)
				}
			}
			for _, head := range []string{"transport", "cores", "servers", "requests", "Mbit/s", "reads"} {
				if !strings.Contains(out.String(), head) {
					t.Errorf("%s: %d columns lack %s:\n%s", name, columns, head, out.String())
				}
			}
			if parts := strings.Count(out.String(), "\ntransport "); columns == 80 && parts != 1 {
				t.Errorf("%s: the table has %d parts:\n%s", name, parts, out.String())
			}
		}
	}
}

// TestAdviceJSON checks the answer that programs read.
func TestAdviceJSON(t *testing.T) {
	var got struct {
		Schema     int
		Choose     string
		Refuted    string
		Wanted     result.Wanted
		Transports []struct {
			Transport string
			InTime    bool     `json:"in_time"`
			P99       *float64 `json:"p99_ms"`
			Servers   *float64
			Cores     *struct{ Value, Low, High float64 }
		}
		Changes []struct {
			Knob, Other, Cheaper string
			At                   struct{ Value float64 }
		}
		Held  []any `json:"held_out"`
		Sides []struct {
			Where    string
			Verified bool
		}
	}
	var out bytes.Buffer
	if err := advices()["push"].JSON(&out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != result.Schema || got.Choose != "websocket" || got.Refuted != "" || got.Wanted.Users != 20_000 || len(got.Transports) != 3 || len(got.Held) != 3 {
		t.Fatalf("%+v", got)
	}
	// 667 messages and 1,333 heartbeats a second.
	const truth = 667*55e-6 + 1333*4e-6
	if ws := got.Transports[0]; ws.Transport != "websocket" || !ws.InTime || ws.P99 == nil || ws.Cores == nil || math.Abs(ws.Cores.Value/truth-1) > .1 {
		t.Errorf("%+v, want %.3f cores", ws, truth)
	}
	// A poll a second costs 40 µs a second, and a message 10 instead of 55: as much at 0.83 messages a second, and some for heartbeats.
	found := false
	for _, c := range got.Changes {
		found = found || c.Knob == "rate" && c.Other == "short-poll@1s" && c.Cheaper == "above" && math.Abs(c.At.Value/.83-1) < .1
	}
	if !found {
		t.Errorf("the changes %+v", got.Changes)
	}
	if len(got.Sides) != 2 || got.Sides[0].Where != "below" || got.Sides[1].Where != "above" || !got.Sides[0].Verified || !got.Sides[1].Verified {
		t.Errorf("the sides %+v", got.Sides)
	}
	out.Reset()
	if err := advices()["late"].JSON(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"choose":""`, `"changes":[]`, `"sides":[]`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
}

// TestFaultyAdvice never chooses a transport that lost a message, even if it is the cheapest, and says so.
func TestFaultyAdvice(t *testing.T) {
	q := questions()["push"]
	q.edit = func(role string, w *result.Window) {
		if role == result.RoleSize && w.Round == 1 && w.Way.Duplex {
			w.Lost, w.Delivered = 1, w.Delivered-1
		}
	}
	index, results := q.choiceOf()
	index.Scenario.Transports = append(index.Scenario.Transports, "sse")
	a, err := report.NewAdvice(index, results, "")
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := a.Table(&table, text.Screen{}); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(table.String()), " ")
	if !a.Chosen() || a.Options[0].Model.Way.Duplex || !strings.Contains(words, "websocket is left out: it lost, doubled or misplaced messages in 2 windows.") {
		t.Errorf("a transport that lost messages is not left out: %s", words)
	}
	if !strings.Contains(words, "sse is left out: it was not measured with two numbers of users.") {
		t.Errorf("a transport without costs is not named: %s", words)
	}
	if got := a.Refuted(); !strings.Contains(got, "websocket lost, doubled or misplaced messages in 2 windows") {
		t.Errorf("refuted: %q", got)
	}
}

// TestOneSide checks that the side above a change is called that where the one below it is unknown.
func TestOneSide(t *testing.T) {
	index, results := questions()["push"].choiceOf()
	results[5] = nil
	a, err := report.NewAdvice(index, results, "")
	if err != nil || len(a.Sides) != 1 || a.Sides[0].Where != result.RoleAbove {
		t.Fatalf("%+v, %v", a, err)
	}
}

// TestOddAdvice has choices that no index should hold.
func TestOddAdvice(t *testing.T) {
	index, results := questions()["push"].choiceOf()
	index.Wanted.Prices = map[string]float64{"beer": 3}
	if _, err := report.NewAdvice(index, results, ""); err == nil || !strings.Contains(err.Error(), `unknown price "beer": use cpu-hour, `) {
		t.Errorf("an unknown price: %v", err)
	}
	index.Wanted.Prices = nil
	for name, edit := range map[string]func(r *result.Result){
		"nothing":    func(r *result.Result) { *r = result.Result{} },
		"no windows": func(r *result.Result) { r.Windows = nil },
		"no room":    func(r *result.Result) { r.Run.Scenario.RoomSize, r.Run.Scenario.Senders = 0, 0 },
		"no rate":    func(r *result.Result) { r.Run.Scenario.Rate = 0 },
		"no users":   func(r *result.Result) { r.Run.Scenario.Users = 0 },
	} {
		odd := slices.Clone(results)
		for i, r := range odd {
			clone := *r
			edit(&clone)
			odd[i] = &clone
		}
		use(t, name, index, odd, false)
	}
	for _, i := range []int{0, 2, 4} { // one of them alone is missing
		some := slices.Clone(results)
		some[i] = nil
		use(t, index.Points[i].Dir, index, some, false)
	}
	use(t, "none", index, make([]*result.Result, len(index.Points)), false)
	for i, wanted := range []result.Wanted{
		{Users: 2, Rate: 1e-9, WithinS: 1e-5, Busy: .01, Processors: 10_000},
		{Users: 1e9, Rate: 1e4, WithinS: 86400, Busy: .99, Processors: 1, Prices: map[string]float64{"cpu-hour": 1e9}},
		{Users: 1e9, Rate: 1e-9, WithinS: 86400, Busy: .99, Processors: 1, Prices: map[string]float64{"gb-out": 1e-9}},
		{Users: 2, Rate: 1e4, WithinS: .01, Busy: .01, Processors: 1, CustomaryS: 5},
	} {
		index.Wanted = &wanted
		use(t, fmt.Sprintf("%+v", wanted), index, results, i < 2)
	}
}

// use draws and writes an advice, if there is one.
func use(t *testing.T, name string, index result.Index, results []*result.Result, drawn bool) {
	t.Helper()
	a, err := report.NewAdvice(index, results, "")
	if err != nil {
		return
	}
	var out bytes.Buffer
	if err := a.Table(&out, text.Screen{Columns: 80}); err != nil || strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Errorf("%s: %v\n%s", name, err, out.String())
	}
	if err := a.JSON(&out); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !drawn {
		return
	}
	page := &bytes.Buffer{}
	if err := a.HTML(page, report.Link{}); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	checkPage(t, page.Bytes())
}

// TestChoiceFixture keeps the costs that cmd/pushpull answers from in its tests.
func TestChoiceFixture(t *testing.T) {
	const dir = "../testdata/choice"
	index, results := question{wanted: pairsWanted}.choiceOf()
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for i, p := range index.Points {
			if err := os.MkdirAll(filepath.Join(dir, p.Dir), 0o755); err != nil {
				t.Fatal(err)
			}
			w, err := result.Create(filepath.Join(dir, p.Dir))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(result.Line{Run: &results[i].Run}); err != nil {
				t.Fatal(err)
			}
			for k := range results[i].Windows {
				if err := w.Write(result.Line{Window: &results[i].Windows[k]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := result.WriteIndex(dir, index); err != nil {
			t.Fatal(err)
		}
	}
	got, err := result.ReadIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	var read []*result.Result
	for _, p := range got.Points {
		res, err := result.Open(filepath.Join(dir, filepath.FromSlash(p.Dir)))
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, res)
	}
	fresh, err := report.NewAdvice(index, results, "")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := report.NewAdvice(got, read, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(kept.Sentences(), " "), strings.Join(fresh.Sentences(), " "); got != want {
		t.Errorf("it answers   %s\nwant         %s\n(go test ./report -update rewrites it)", got, want)
	}
}

// fixture are the costs of testdata/choice, read once.
var fixture = sync.OnceValues(func() (result.Index, []*result.Result) {
	return question{wanted: pairsWanted}.choiceOf()
})

// FuzzWanted asks for any load that an index may ask for, and leaves out some of the points.
func FuzzWanted(f *testing.F) {
	f.Add(20_000, 1./30, 1., .6, 2, 5., .04, .09, uint(0))
	f.Add(2, 1e-9, 1e-5, .01, 10_000, 0., 0., 0., uint(1))
	f.Add(1_000_000_000, 1e4, 86400., .99, 1, 1e6, 1e9, 1e-9, uint(20))
	f.Fuzz(func(t *testing.T, users int, rate, within, busy float64, cores int, customary, cpu, out float64, missing uint) {
		index, results := fixture()
		results = slices.Clone(results)
		for i := range results {
			if missing>>i&1 == 1 {
				results[i] = nil
			}
		}
		index.Wanted = &result.Wanted{
			Users: users, Rate: rate, WithinS: result.Seconds(within), Busy: busy, Processors: cores, CustomaryS: result.Seconds(customary),
		}
		if cpu != 0 || out != 0 {
			index.Wanted.Prices = map[string]float64{"cpu-hour": cpu, "gb-out": out}
		}
		if result.WriteIndex(t.TempDir(), index) != nil {
			return
		}
		use(t, "", index, results, false)
	})
}
