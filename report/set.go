package report

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// A Set is the results of an index: of a sweep, for example. Use NewSet to make one.
//
// A transport that doesn't poll on a timer doesn't depend on the poll interval. It is measured at the first
// interval alone, and its row there stands for all intervals.
type Set struct {
	Index result.Index
	Runs  []Run // one for each point of the index; one without a Result was not measured

	axes    []setAxis
	lines   []setLine
	ranking []cheapest             // one for each point
	models  func() []*cost.Model   // of the lines; nil: none
	choice  func() (costMap, bool) // both take a while, and are made when they are first drawn
}

// A setAxis is an axis of the index, for people.
type setAxis struct {
	result.Axis
	title, unit string    // "rate per sender", "messages per second"
	numbers     []float64 // of the values, in seconds for an interval
}

// A setLine is a transport of a set. If the poll interval is varied, transports that poll on a timer are one line
// for all their intervals.
type setLine struct {
	series        // Row is the first one, with the most servers of any; name and style are those of all
	key    string // Row.Transport or, of a line for all intervals, its kind
	timer  bool   // a line for all intervals
}

// NewSet merges the windows of results, one for each point of the index, into rows. A point that was not measured
// has a nil result.
func NewSet(index result.Index, results []*result.Result) Set {
	s := Set{Index: index}
	for _, axis := range index.Axes {
		s.axes = append(s.axes, newSetAxis(axis))
	}
	s.Runs = make([]Run, len(index.Points))
	var making sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0)) // intervals take a while, and there may be hundreds of points
	for i, p := range index.Points {
		s.Runs[i] = Run{Name: p.Dir}
		if i < len(results) && results[i] != nil {
			turns <- struct{}{}
			making.Go(func() {
				s.Runs[i] = NewRun(p.Dir, results[i])
				<-turns
			})
		}
	}
	making.Wait()
	for _, run := range s.Runs {
		for _, row := range run.Rows {
			key, timer := s.lineOf(row)
			i := slices.IndexFunc(s.lines, func(l setLine) bool { return l.key == key })
			if i < 0 {
				s.lines = append(s.lines, setLine{
					series: series{Row: row, name: text.Name(key), row: len(s.lines)}, key: key, timer: timer,
				})
				continue
			}
			s.lines[i].Servers = max(s.lines[i].Servers, row.Servers)
		}
	}
	s.order()
	all := make([]series, len(s.lines))
	for i, l := range s.lines {
		all[i] = l.series
	}
	styles := stylesOf(all)
	for i, l := range s.lines {
		s.lines[i].style = styles[l.Transport]
		marks := fullMarks() // lines meet, and colours may look alike; a hollow one is not to be believed
		s.lines[i].style.mark = marks[i%len(marks)]
	}
	for i := range s.Runs {
		s.ranking = append(s.ranking, s.cheapest(i))
	}
	whole := s
	s.models = sync.OnceValue(whole.fit)
	s.choice = sync.OnceValues(func() (costMap, bool) { return whole.choices(s.models()) })
	return s
}

// order sorts the lines as the scenario orders its transports.
func (s *Set) order() {
	place := func(l setLine) int {
		return slices.IndexFunc(s.Index.Scenario.Transports, func(spec string) bool {
			return spec == l.key || l.timer && result.Kind(spec) == l.key
		})
	}
	slices.SortStableFunc(s.lines, func(a, b setLine) int { return cmp.Compare(place(a), place(b)) })
	for i := range s.lines {
		s.lines[i].row = i
	}
}

// newSetAxis returns an axis for people. A value that is no number, which no sweep has, stands at its place.
func newSetAxis(axis result.Axis) setAxis {
	a := setAxis{Axis: axis, title: strings.ReplaceAll(text.Name(axis.Key), "_", " ")}
	if axis.Key == result.AxisInterval {
		a.title = "poll interval"
	}
	for _, k := range result.Knobs() {
		if k.Key == axis.Key {
			a.title, a.unit = k.Name(), k.Unit
		}
	}
	for i, value := range axis.Values {
		x, err := strconv.ParseFloat(value, 64)
		if axis.Key == result.AxisInterval {
			var every result.Seconds
			err = every.Set(value)
			x = float64(every)
		}
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			x = float64(i + 1)
		}
		a.numbers = append(a.numbers, x)
	}
	return a
}

// number returns that of a value, which need not be one of the axis' own.
func (a setAxis) number(value string) float64 {
	if i := slices.Index(a.Values, value); i >= 0 {
		return a.numbers[i]
	}
	return 0
}

// write returns a number of the axis as it stands on a chart: "250", "250,000", "1 s".
func (a setAxis) write(x float64) string {
	if a.Key == result.AxisInterval {
		return trimmed(text.Duration(1e3*x, 3))
	}
	return exact(x)
}

// exact writes a number with all its digits, those of a large whole one in groups.
func exact(x float64) string {
	if x >= 1e4 && x == math.Trunc(x) {
		return grouped(x)
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// label returns the title with the unit: "rate per sender, messages per second".
func (a setAxis) label() string {
	if a.unit == "" {
		return a.title
	}
	return a.title + ", " + a.unit
}

// lineOf returns the key of the line of a row.
func (s *Set) lineOf(row result.Row) (key string, timer bool) {
	if row.Way.Class() == result.Timer && s.varies(result.AxisInterval) {
		return result.Kind(row.Transport), true
	}
	return row.Transport, false
}

// varies reports whether a knob with that key is varied.
func (s *Set) varies(key string) bool {
	return slices.ContainsFunc(s.axes, func(a setAxis) bool { return a.Key == key })
}

// row returns the row of a line at a point, or false if it was not measured.
func (s *Set) row(point int, line setLine) (result.Row, bool) {
	at := []int{point}
	if !line.timer && s.varies(result.AxisInterval) {
		at = append(at, s.elsewhere(point))
	}
	for _, i := range at {
		for _, row := range s.Runs[i].Rows {
			if key, _ := s.lineOf(row); key == line.key {
				return row, row.Measured()
			}
		}
	}
	return result.Row{}, false
}

// elsewhere returns the point that differs from the given one only in that it has the first interval.
func (s *Set) elsewhere(point int) int {
	want := slices.Clone(s.Index.Points[point].Values)
	for i, a := range s.axes {
		if a.Key == result.AxisInterval && len(a.Values) > 0 {
			want[i] = a.Values[0]
		}
	}
	return max(0, slices.IndexFunc(s.Index.Points, func(p result.Point) bool { return slices.Equal(p.Values, want) }))
}

// within returns the delay that p99 may not exceed in milliseconds; 0: any is fine.
func (s *Set) within() float64 { return 1e3 * s.Index.WithinS }

// meets reports whether the row of a transport can be chosen: it is to be believed, and its p99 is not too long.
func (s *Set) meets(row result.Row) bool {
	if result.Fatal([]result.Row{row}) {
		return false
	}
	p99, ok := valueOf("p99", row)
	return s.within() == 0 || ok && p99 <= s.within()
}

// valueOf returns the value of the metric with that key.
func valueOf(key string, row result.Row) (float64, bool) {
	m, ok := result.MetricOf(key)
	if !ok {
		return 0, false
	}
	return m.Value(row)
}

// A cheapest says which lines of a point cost the least server CPU among those that meet the delay.
type cheapest struct {
	order  []int     // indices of the lines that can be chosen, the cheapest first
	cost   []float64 // of order: server CPU
	tied   bool      // the intervals of the first two overlap
	ranged bool      // the intervals of the first two are known
	out    []int     // lines that are left out, as they are not to be believed: each may be the cheapest
}

// costKey is the server CPU for a message. Transports are compared by all of it, as they may have no message at all.
const costKey = "server-cpu"

// cheapest compares the lines at a point.
func (s *Set) cheapest(point int) cheapest {
	var c cheapest
	cost := map[int]float64{}
	rows := make([]result.Row, len(s.lines))
	for i, line := range s.lines {
		row, ok := s.row(point, line)
		if ok && result.Fatal([]result.Row{row}) {
			c.out = append(c.out, i)
		}
		if !ok || !s.meets(row) {
			continue
		}
		if value, ok := coresMetric().Value(row); ok {
			cost[i], rows[i] = value, row
			c.order = append(c.order, i)
		}
	}
	slices.SortStableFunc(c.order, func(a, b int) int { return cmp.Compare(cost[a], cost[b]) })
	for _, i := range c.order {
		c.cost = append(c.cost, cost[i])
	}
	if len(c.order) > 1 {
		first, knownFirst := interval(coresMetric(), rows[c.order[0]])
		second, knownSecond := interval(coresMetric(), rows[c.order[1]])
		c.ranged = knownFirst && knownSecond
		c.tied = c.ranged && second.Low <= first.High
	}
	return c
}

// unranged reports whether transports are compared without intervals anywhere.
func (s *Set) unranged() bool {
	for i := range s.Index.Points {
		if c := s.ranking[i]; len(c.order) > 1 && !c.ranged {
			return true
		}
	}
	return false
}

// metrics returns the figures of a set, in the order in which it shows them: those with a chart, those of a trend,
// and those that a terminal shows at a glance apart from faults. With the users varied they are followed by the costs of
// the generator.
func (s *Set) metrics() []result.Metric {
	var all []result.Metric
	for _, m := range result.Metrics() {
		shown := m.Chart != nil || m.Shown.Has(result.InTrend) || m.Shown.Has(result.InGlance) && m.Gate != result.Fault
		if !shown && !(s.varies("users") && slices.Contains(generatorCosts(), m.Key)) {
			continue
		}
		all = append(all, m.Typeset())
		if m.Key == costKey {
			all = append(all, coresMetric())
		}
	}
	return all
}

// generatorCosts returns the keys of what the generator takes. It has to stay as cheap as the server while users are
// added, or it measures itself.
func generatorCosts() []string { return []string{"generator-cpu", "generator-memory"} }

// coresMetric is the server CPU that the users take together. It has no place in a result of its own, as a row
// has it from its CPU time.
func coresMetric() result.Metric {
	return result.Metric{
		Key: "server-cores", Title: "server CPU", Unit: "% of a core", Worse: result.Higher,
		Value: func(r result.Row) (float64, bool) {
			if r.Server == nil || r.DurationS <= 0 {
				return 0, false
			}
			return 100 * r.Server.CPUS / r.DurationS, true
		},
	}
}

// interval returns the 95% interval of a metric, or false if it is unknown. That of the cores is that of the CPU
// for a message, as the number of messages has no noise.
func interval(m result.Metric, row result.Row) (result.Interval, bool) {
	if m.Key != coresMetric().Key {
		return row.Interval(m.Key)
	}
	each, ok := row.Interval(costKey)
	value, known := valueOf(costKey, row)
	cores, measured := m.Value(row)
	if !ok || !known || !measured || value <= 0 {
		return result.Interval{}, false
	}
	return result.Interval{Low: each.Low * cores / value, High: each.High * cores / value}, true
}

// others returns the values of a point without those of one axis: "rate=0.1, size=200".
func (s *Set) others(point int, without string) string {
	var words []string
	for i, a := range s.axes {
		if a.Key != without {
			words = append(words, text.Name(a.Key+"="+s.Index.Points[point].Values[i]))
		}
	}
	return strings.Join(words, ", ")
}

// along returns the points in groups that differ in one axis alone, each in the order of its values.
func (s *Set) along(axis int) [][]int {
	var keys []string
	groups := map[string][]int{}
	for i, p := range s.Index.Points {
		rest := slices.Delete(slices.Clone(p.Values), axis, axis+1)
		key := strings.Join(rest, "\x00")
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], i)
	}
	var all [][]int
	for _, key := range keys {
		group := groups[key]
		slices.SortStableFunc(group, func(a, b int) int {
			return cmp.Compare(s.axes[axis].number(s.Index.Points[a].Values[axis]), s.axes[axis].number(s.Index.Points[b].Values[axis]))
		})
		all = append(all, group)
	}
	return all
}

// doubts returns the doubts about all points. Those of a kind are one remark, as hundreds of rows may have them.
func (s *Set) doubts() []Remark {
	var all []Remark
	more := map[string]int{}  // by code: rows that have it
	first := map[string]int{} // by code: its remark
	for i, run := range s.Runs {
		where := s.others(i, "")
		if run.Result == nil {
			all = append(all, Remark{where, unmeasured, false})
			continue
		}
		for _, row := range run.Rows {
			for _, d := range row.Doubts {
				about := strings.TrimPrefix(where+between+text.Name(row.Transport), between)
				if more[d.Code]++; more[d.Code] == 1 {
					first[d.Code] = len(all)
					all = append(all, Remark{about, text.Clean(d.Text), d.Fatal})
				}
			}
		}
		for _, transport := range run.missing() {
			all = append(all, Remark{strings.TrimPrefix(where+between+text.Name(transport), between), unmeasured, false})
		}
	}
	for code, i := range first {
		if n := more[code] - 1; n > 0 {
			all[i].Text += ", and " + strconv.Itoa(n) + " more of this kind"
		}
	}
	grown, _ := s.Growth()
	for _, g := range grown {
		about, words, _ := strings.Cut(g.Text, ": ")
		all = append(all, Remark{about, words, false})
	}
	return all
}

// distrusted returns the names of the lines that are not to be believed at some point.
func (s *Set) distrusted() []string {
	var names []string
	for _, line := range s.lines {
		for i := range s.Index.Points {
			if row, ok := s.row(i, line); ok && result.Fatal([]result.Row{row}) {
				names = append(names, line.name)
				break
			}
		}
	}
	return names
}

// Doubtful returns the first fatal doubt about a point in words, or "" if there is none:
// "rate=1, users=500 · long-poll: 3 of 40 deliveries never came".
func (s Set) Doubtful() string {
	for _, r := range s.doubts() {
		if r.Fatal {
			return r.About + ": " + r.Text
		}
	}
	return ""
}
