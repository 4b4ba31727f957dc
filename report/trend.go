package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A Point is what a trend needs of a run. It takes some kilobytes, however long the run was.
type Point struct {
	Name    string // of the run; may be anything
	Started time.Time

	scenario, load string
	detail         string   // what distinguishes it from others of the scenario that it can't be compared with; set in a History
	version        string   // the tag commit, or all tags, or else the version of pushpull
	same           []detail // two runs are compared if they agree in all of these
	machine        []detail // timings of two runs are compared if they agree in all of these
	rows           []result.Row
}

// A detail is a result.Fact of one run.
type detail struct{ name, value string }

// NewPoint returns the point of run.
func NewPoint(run Run) Point {
	p := Point{
		Name: run.Name, Started: run.Run.Started.UTC(),
		scenario: text.Name(run.Run.Scenario.Name), load: loadOf(run.Run.Scenario), version: versionOf(run.Run),
	}
	for _, f := range result.Facts(run.Result) {
		d := detail{text.Clean(f.Name), text.Clean(f.Values[0])}
		switch {
		case f.Scope == result.Place && f.Difference == result.Ungated:
			p.machine = append(p.machine, d)
		case f.Scope != result.Remark && f.Difference == result.Refused:
			p.same = append(p.same, d)
		}
	}
	for _, row := range run.Rows {
		row.Histogram, row.Resampled, row.Theory = nil, nil, nil // the large ones, which no trend shows
		p.rows = append(p.rows, row)
	}
	return p
}

// versionOf returns what was measured, in a few words.
func versionOf(run result.Run) string {
	const commit = "commit"
	if c := run.Tags[commit]; c != "" {
		return text.Name(c)
	}
	if len(run.Tags) > 0 {
		return strings.Join(tagsOf(run), " ")
	}
	return text.Name(run.Environment.Pushpull)
}

// row returns the row of a transport; false if it was not measured.
func (p Point) row(transport string) (result.Row, bool) {
	i := slices.IndexFunc(p.rows, func(r result.Row) bool { return r.Transport == transport })
	if i < 0 {
		return result.Row{}, false
	}
	return p.rows[i], true
}

// moved returns how the machine of p differs from that of an earlier point: "cores 2 -> 4". It is empty if
// the machines are alike.
func (p Point) moved(from Point) string {
	var changes []string
	for i, d := range p.machine {
		if was := from.machine[i]; was != d {
			changes = append(changes, d.name+" "+cmp.Or(was.value, "unknown")+" -> "+cmp.Or(d.value, "unknown"))
		}
	}
	return strings.Join(changes, ", ")
}

// A Trend is at least two runs of the same load, in the order of their start.
type Trend struct {
	Points []Point
	Title  string // what they measured, like "chat: 200 users, 2 rounds of 20 s": plain text
	Detail string // what distinguishes them from runs of the same scenario that are not among them; may be empty

	transports []series // those of any run, those of the newest one first; each has the Row of the newest run that has it
}

// A History is runs, sorted into trends. Its methods may be called concurrently.
type History struct {
	Trends []Trend // the one with the newest run first
	Alone  []Point // the other runs: no other one measured the same load with the same store and servers
}

// NewHistory sorts runs into trends. Two runs are in the same one if they agree in each result.Fact
// in which a difference makes package check refuse to compare them. What both don't know is alike.
func NewHistory(points ...Point) History {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return a.Started.Compare(b.Started) })
	var h History
	var groups [][]Point
	for _, p := range points {
		p.detail = detailOf(p, points)
		i := slices.IndexFunc(groups, func(g []Point) bool { return p.Comparable(g[0]) })
		if i < 0 {
			i, groups = len(groups), append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	newest := func(g []Point) Point { return g[len(g)-1] }
	slices.SortStableFunc(groups, func(a, b []Point) int { return newest(b).Started.Compare(newest(a).Started) })
	for _, g := range groups {
		if len(g) == 1 {
			h.Alone = append(h.Alone, g[0])
			continue
		}
		h.Trends = append(h.Trends, Trend{
			Points: g, Title: newest(g).title(), Detail: newest(g).detail, transports: transportsOf(g),
		})
	}
	return h
}

// Comparable reports whether p and other may be in the same trend. A run that has measured nothing yet is
// comparable to none.
func (p Point) Comparable(other Point) bool {
	return len(p.rows) > 0 && len(other.rows) > 0 && slices.Equal(p.same, other.same)
}

// title returns the scenario of p and its load.
func (p Point) title() string { return p.scenario + ": " + p.load }

// line returns what p measured, and when, in one line.
func (p Point) line() string {
	words := p.moment() + "  " + p.title()
	if p.detail != "" {
		words += ", " + p.detail
	}
	return words
}

// detailOf returns what distinguishes p from points of the same scenario that it can't be compared with.
func detailOf(p Point, all []Point) string {
	var words []string
	for i, d := range p.same {
		if slices.ContainsFunc(all, func(other Point) bool { return other.scenario == p.scenario && other.same[i] != d }) {
			words = append(words, d.name+" "+cmp.Or(d.value, "unknown"))
		}
	}
	return strings.Join(words, ", ")
}

// transportsOf returns a series for each transport of points.
func transportsOf(points []Point) []series {
	var all []series
	for _, p := range slices.Backward(points) {
		for _, row := range p.rows {
			if !slices.ContainsFunc(all, func(s series) bool { return s.Transport == row.Transport }) {
				all = append(all, series{Row: row, name: text.Name(row.Transport), row: len(all)})
			}
		}
	}
	styles := stylesOf(all)
	for i, s := range all {
		all[i].style = styles[s.Transport]
	}
	return all
}

// A sample is one figure of one transport in one run.
type sample struct {
	run      int // index of its Point
	value    float64
	interval result.Interval // a point if it is unknown
	ranged   bool            // interval is known
	believed bool            // false: there is a fatal doubt
}

// samples returns the values of m for a transport, as far as they are known.
func (t Trend) samples(m result.Metric, transport string) []sample {
	var all []sample
	for i, p := range t.Points {
		row, _ := p.row(transport)
		value, known := m.Value(row)
		if !known {
			continue
		}
		s := sample{run: i, value: value, interval: result.Interval{Low: value, High: value}, believed: !result.Fatal([]result.Row{row})}
		if interval, ok := row.Interval(m.Key); ok {
			s.interval, s.ranged = interval, true
		}
		all = append(all, s)
	}
	return all
}

// change returns how a figure has changed from one run to a later one: "+23%", or "x2.3" from twice as much on. It is
// empty if the intervals overlap or are unknown, so that only changes are shown that two runs tell apart.
func change(from, to sample) string {
	apart := from.interval.High < to.interval.Low || to.interval.High < from.interval.Low
	if !from.ranged || !to.ranged || !apart || from.value <= 0 {
		return ""
	}
	if ratio := to.value / from.value; ratio >= 2 {
		return "x" + text.Number(ratio, 2)
	}
	return fmt.Sprintf("%+.0f%%", 100*(to.value/from.value-1))
}

// moment returns the start of p, for a table.
func (p Point) moment() string {
	if p.Started.IsZero() {
		return "unknown"
	}
	return p.Started.Format("2006-01-02 15:04")
}
