package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/vg"

	"pushpull/loadgen/result"
)

// measured returns a run of transports with one window for each round, each of which delivered messages of
// 1, 2, 3 ms and so on in two slices.
func measured(name string, rounds, messages int, transports ...string) Run {
	res := &result.Result{Run: result.Run{Schema: result.Schema, Scenario: result.Scenario{Name: "chat", Transports: transports}}}
	for round := 1; round <= rounds; round++ {
		for _, transport := range transports {
			w := result.Window{
				Transport: transport, Round: round, Users: 2, DurationS: 10, Latency: result.NewHistogram(),
				Planned: messages, Sent: messages, Expected: messages, Delivered: messages,
				Way: result.FormerWay(transport, 0), Server: &result.Process{CPUS: 1, RSSBytes: 2e6, RSSIdleBytes: 1e6},
			}
			for i := range messages {
				w.Latency.Record(time.Duration(i+1) * time.Millisecond)
			}
			w.Slices = []result.Slice{{WidthS: 5, Latency: w.Latency}, {AtS: 5, WidthS: 5, Latency: w.Latency}}
			res.Windows = append(res.Windows, w)
		}
	}
	return NewRun(name, res)
}

// drawingOf returns the drawing of a chart.
func drawingOf(t *testing.T, chart string, runs ...Run) drawing {
	t.Helper()
	for _, d := range drawingsOf(figures(seriesOf(runs))) {
		CheckSVG(t, d.svg)
		CheckSVG(t, d.narrow)
		if d.name == chart {
			return d
		}
	}
	t.Fatalf("there is no chart %s", chart)
	return drawing{}
}

// descriptionOf returns what a chart tells people who can't see it.
func descriptionOf(t *testing.T, svg []byte) string {
	t.Helper()
	var parsed struct {
		Title string `xml:"title"`
		Desc  string `xml:"desc"`
	}
	if err := xml.Unmarshal(svg, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed.Title + ": " + parsed.Desc
}

// Both drawings of a chart say what it shows, with the values; hostile names are plain text.
func TestDescriptions(t *testing.T) {
	run := measured("", 2, 400, "short-poll@1s", `</desc><script>"&'`)
	run.Rows[0].Intervals = map[string]result.Interval{
		"server-cpu": {Low: 2000, High: 3000}, "p50": {Low: 150, High: 250},
	}
	for chart, want := range map[string][]string{
		"server-cpu":        {"Server CPU for each delivered message: ", "Lower is better.", "short-poll@1s: 2500 µs (95 % interval: 2000 to 3000).", `</desc><script>"&': 2500 µs.`},
		"latency":           {"short-poll@1s: p50 200 ms (95 % interval: 150 ms to 250 ms)", "p99 396 ms", "the slowest of 800 messages 400 ms.", `</desc><script>"&': p50 200 ms`},
		"latency-over-time": {"short-poll@1s: median 200 ms to 200 ms, p99 396 ms to 396 ms."},
		"requests":          {"short-poll@1s: 0"},
	} {
		d := drawingOf(t, chart, run)
		for _, svg := range [][]byte{d.svg, d.narrow} {
			said := descriptionOf(t, svg)
			for _, part := range want {
				if !strings.Contains(said, part) {
					t.Errorf("%s does not say %q: %s", chart, part, said)
				}
			}
		}
	}
}

// A page shows all charts at both widths, so no two of them may have the same id.
func TestIDs(t *testing.T) {
	met := map[string]bool{}
	for _, svg := range Drawings(measured("", 1, 10, "websocket")) {
		for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllSubmatch(svg, -1) {
			if met[string(id[1])] {
				t.Errorf("the id %s is there twice", id[1])
			}
			met[string(id[1])] = true
		}
	}
}

// whiskersIn returns the number of lines that are drawn twice, an edge of paper and the whisker itself.
func whiskersIn(svg []byte) int {
	return strings.Count(string(svg), fmt.Sprintf(`stroke="%s" stroke-width="2.6"`, hex(paper))) / 3
}

func TestWhiskersOfBars(t *testing.T) {
	run := measured("", 2, 400, "short-poll@1s", "websocket")
	plain := drawingOf(t, "server-cpu", run)
	run.Rows[0].Intervals = map[string]result.Interval{"server-cpu": {Low: 1000, High: 9000}}
	run.Rows[1].Intervals = map[string]result.Interval{"server-cpu": {Low: 2500, High: 2500}}
	d := drawingOf(t, "server-cpu", run)
	for _, pair := range [][2][]byte{{plain.svg, d.svg}, {plain.narrow, d.narrow}} {
		if without, with := whiskersIn(pair[0]), whiskersIn(pair[1]); without != 0 || with != 1 {
			t.Errorf("%d whiskers without an interval, and %d with one", without, with)
		}
	}
	if strings.Contains(plain.detail, "Whiskers") || !strings.Contains(d.detail, "Whiskers: 95\u00a0% interval.") {
		t.Errorf("%q without an interval, %q with one", plain.detail, d.detail)
	}
	// The value stands behind the whisker, which is longer than the bar.
	places := regexp.MustCompile(`<text x="([0-9.]+)"[^>]*>2500 µs<`).FindAllSubmatch(d.svg, -1)
	if len(places) != 2 || len(places[0][1]) < len(places[1][1]) || string(places[0][1]) <= string(places[1][1]) {
		t.Errorf("the values stand at %s", places)
	}
}

// Whiskers that are far away from their values, or impossible, leave a chart a chart.
func TestOddIntervals(t *testing.T) {
	for _, odd := range []result.Interval{{Low: -1e9, High: 1e9}, {Low: 0, High: 1e15}, {Low: 5, High: 1}, {Low: -5, High: -1}} {
		run := measured("", 2, 40, "short-poll@1s", "websocket")
		for i := range run.Rows {
			run.Rows[i].Intervals = map[string]result.Interval{}
			for _, m := range result.Metrics() {
				run.Rows[i].Intervals[m.Key] = odd
			}
		}
		for _, svg := range Drawings(run) {
			CheckSVG(t, svg)
		}
	}
}

// A dashed line is theory, whatever else a chart shows.
func TestDashesAreTheory(t *testing.T) {
	dashed := func(runs ...Run) (n int) {
		for _, svg := range Drawings(runs...) {
			n += strings.Count(string(svg), "stroke-dasharray")
		}
		return n
	}
	a, b := measured("a", 2, 400, "short-poll@1s", "websocket"), measured("b", 2, 400, "short-poll@1s", "websocket")
	if n := dashed(a, b); n != 0 {
		t.Errorf("two runs have %d dashed lines", n)
	}
	for i := range a.Rows {
		a.Rows[i].Theory = nil
	}
	if n := dashed(a); n != 0 {
		t.Errorf("without theory there are %d dashed lines", n)
	}
	for i := range a.Rows {
		a.Rows[i].Theory = &result.Theory{Quantile: func(p float64) float64 { return 1 + p }}
	}
	if n := dashed(a); n != 2*len(a.Rows) {
		t.Errorf("%d dashed lines, want one for each transport in both drawings", n)
	}
}

// The end of a curve is thin where fewer than samplesTail messages are slower.
func TestTail(t *testing.T) {
	for _, messages := range []int{1, 5, 10, 11, 400} {
		s := seriesOf([]Run{measured("", 1, messages, "websocket")})[0]
		c := latencyCurve(s)
		end, sure := math.Log10(float64(messages)), math.Log10(max(1, float64(messages)/samplesTail))
		if first := c.points[0].X; first != 0 {
			t.Errorf("%d messages: the curve begins at %v", messages, first)
		}
		if at := c.points[len(c.points)-1].X; at > sure+1e-9 || at < sure-.02*end-1e-9 {
			t.Errorf("%d messages: the curve is thick up to %v, want %v", messages, at, sure)
		}
		if at := c.last().X; math.Abs(at-end) > 1e-9 {
			t.Errorf("%d messages: the curve ends at %v, want %v", messages, at, end)
		}
	}
}

// Labels stand in the order in which the lines end, from the top.
func TestLabelsInOrder(t *testing.T) {
	run := measured("", 1, 400, "websocket", "long-poll", "short-poll@1s", "short-poll@5s")
	for i, ends := range []time.Duration{5, 20, 10, 40} {
		run.Rows[i].Histogram = result.NewHistogram()
		for n := range 400 {
			run.Rows[i].Histogram.Record(ends * time.Duration(n+1) * time.Millisecond)
		}
	}
	want := []string{"short-poll@5s", "long-poll", "short-poll@1s", "websocket"}
	d := drawingOf(t, "latency", run)
	for _, svg := range [][]byte{d.svg, d.narrow} {
		heights := map[string]string{}
		for _, label := range regexp.MustCompile(`y="([0-9.]+)"[^>]*font-weight="bold"[^>]*>([a-z0-9@-]+)<`).FindAllSubmatch(svg, -1) {
			heights[string(label[2])] = fmt.Sprintf("%8s", label[1])
		}
		if !slices.IsSortedFunc(want, func(a, b string) int { return strings.Compare(heights[a], heights[b]) }) || len(heights) != len(want) {
			t.Errorf("the labels stand at %v", heights)
		}
	}
}

// Windows stand one after another on the axis of time. Failed ones have no time of their own.
func TestCourse(t *testing.T) {
	run := measured("", 3, 40, "websocket")
	run.Windows[1].Failed = "refused"
	c := courseOf(seriesOf([]Run{run})[0], 1)
	var at []float64
	for _, line := range c.lines {
		for _, m := range line {
			at = append(at, m.at)
		}
	}
	if want := []float64{2.5, 7.5, 12.5, 17.5}; !slices.Equal(at, want) || c.end != 20 || !slices.Equal(c.rounds, []float64{10}) {
		t.Errorf("the moments are at %v, want %v; rounds at %v, the end is %v", at, want, c.rounds, c.end)
	}
}

// One point is no course over time.
func TestOnePoint(t *testing.T) {
	run := measured("", 1, 40, "websocket", "long-poll")
	for i := range run.Windows {
		run.Windows[i].Slices = run.Windows[i].Slices[:1]
	}
	const words = "It was too short: there is only one point in time."
	d := drawingOf(t, "latency-over-time", run)
	if !strings.Contains(string(d.svg), ">"+words+"<") || d.height != emptyHeight {
		t.Errorf("a chart %v high says %s", d.height, descriptionOf(t, d.svg))
	}
}

func TestWrap(t *testing.T) {
	sty := regular(10, black)
	for _, test := range []struct {
		width vg.Length
		words string
		want  []string
	}{
		{100, "", nil},
		{100, "short", []string{"short"}},
		{60, "one two three four", []string{"one two", "three four"}},
		{60, "95\u00a0% of all", []string{"95\u00a0% of all"}},
		{40, "95\u00a0% of all", []string{"95\u00a0% of", "all"}},
		{60, "a-word-that-is-too-long for it", []string{"a-wor…-long", "for it"}},
	} {
		if got := wrap(sty, test.width, test.words); !slices.Equal(got, test.want) {
			t.Errorf("%q is broken into %q, want %q", test.words, got, test.want)
		}
	}
}

// The labels of an axis don't touch one another, and are as regular as its ticks.
func TestSpaced(t *testing.T) {
	for _, high := range []float64{1, 40, 9999, 123456, 1e9} {
		for _, length := range []vg.Length{30, 80, 250, 500} {
			a := countAxis("", 0, high)
			kept := spaced(a, length)
			for i := 1; i < len(kept); i++ {
				apart := length * vg.Length((kept[i].Value-kept[i-1].Value)/a.max)
				if widest := regular(9, grey).Width(kept[i].Label); apart < widest {
					t.Errorf("up to %v on %v: %q has %v", high, length, kept[i].Label, apart)
				}
				if i > 1 && math.Abs(kept[i].Value-2*kept[i-1].Value+kept[i-2].Value) > 1e-9*high {
					t.Errorf("up to %v on %v: the ticks are irregular: %v", high, length, kept)
				}
			}
		}
	}
}
