package report

import (
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/verdict"
)

// A Grid is a table with a row for each transport of each run. The first cell of a row names the
// transport.
type Grid struct {
	Head []Cell
	Rows []GridRow
}

// Hues are a colour on light and on dark paper, like "#d55e00".
type Hues struct{ Light, Dark string }

// A GridRow is one transport in one run.
type GridRow struct {
	Way    string // class of the transport's result.Way
	Colour Hues   // in the charts
	Cells  []Cell
}

// A Cell is plain text without control characters. It is not escaped for HTML.
type Cell struct {
	Text  string
	Below string // in a heading: the unit; elsewhere: the interval; may be empty
	Left  bool   // aligned to the left, as it is words, not a number
	Place verdict.Place
}

// Mark is "best", "worst" or empty.
func (c Cell) Mark() string {
	switch c.Place {
	case verdict.Best:
		return "best"
	case verdict.Worst:
		return "worst"
	}
	return ""
}

// A table is a Grid on a page.
type table struct {
	ID, Title string
	Captions  []string // sentences on how to read it
	Marked    bool     // shows the places of its cells
	Grid
}

// tablesOf returns the main table of the page and those with details, as far as there are any.
func tablesOf(runs int, all []series) (numbers table, details []table) {
	all = ordered(all)
	numbers = table{
		ID: "numbers", Title: "Numbers", Marked: true, Captions: []string{"All transports, the best first."},
		Grid: gridOf(result.InTable, runs, all),
	}
	store := table{
		ID: "store", Title: "Store", Marked: true, Captions: []string{"What the servers asked of their store."},
		Grid: gridOf(result.InStore, runs, stored(all)),
	}
	theory := table{
		ID: "theory", Title: "Against theory", Captions: []string{"What was measured, and what it should have been."},
		Grid: gridOf(result.InTheory, runs, predicted(all)),
	}
	joining := table{ID: "joining", Title: "Joining", Captions: []string{captionJoining}}
	if metrics := joiningMetrics(all); len(metrics) > 0 {
		joining.Grid = gridOf(result.InJoining, runs, all)
	}
	numbers.explain(runs)
	for _, t := range []table{store, joining, theory} {
		if len(t.Rows) > 0 {
			t.explain(runs)
			details = append(details, t)
		}
	}
	return numbers, details
}

// explain adds captions for the intervals and marks that the table shows.
func (t *table) explain(runs int) {
	shows := func(of func(Cell) bool) bool {
		return slices.ContainsFunc(t.Rows, func(r GridRow) bool { return slices.ContainsFunc(r.Cells, of) })
	}
	if shows(func(c Cell) bool { return c.Below != "" }) {
		t.Captions = append(t.Captions, "In small print: the 95% interval.")
	}
	if t.Marked && shows(func(c Cell) bool { return c.Place != verdict.Between }) {
		column := "column"
		if runs > 1 {
			column = "column within a run"
		}
		t.Captions = append(t.Captions, "● and ○ mark the best and the worst of a "+column+", where the rounds tell them apart.")
	}
}

// ordered returns all series with the best transports first. The runs of a transport stay together, and in
// their order.
func ordered(all []series) []series {
	rows := make([]result.Row, len(all))
	for i, s := range all {
		rows[i] = s.Row
	}
	var sorted []series
	for _, first := range verdict.Order(rows) {
		transport := all[first].Transport
		if slices.ContainsFunc(sorted, func(s series) bool { return s.Transport == transport }) {
			continue
		}
		for _, s := range all {
			if s.Transport == transport {
				sorted = append(sorted, s)
			}
		}
	}
	return sorted
}

// gridOf returns the metrics of a view as a Grid, each followed by its prediction in the view of theory.
func gridOf(view result.Views, runs int, all []series) Grid {
	var t Grid
	for _, s := range all {
		t.Rows = append(t.Rows, GridRow{Way: s.Way.Class(), Colour: huesOf(s.style.colour)})
	}
	add := func(col column, dress func(i int, c *Cell)) {
		t.Head = append(t.Head, Cell{Text: col.head, Below: col.below, Left: col.left})
		for i, s := range all {
			c := Cell{Text: col.cell(s), Left: col.left}
			dress(i, &c)
			t.Rows[i].Cells = append(t.Rows[i].Cells, c)
		}
	}
	plain := func(int, *Cell) {}
	for _, col := range named(runs) {
		add(col, plain)
	}
	for _, m := range result.MetricsIn(view) {
		places := placesOf(m, all)
		add(columnOf(m, all), func(i int, c *Cell) { c.Below, c.Place = intervalOf(m, all[i].Row), places[i] })
		if m.Theory != nil && (view == result.InTheory || view == result.InJoining) {
			add(column{head: "theory", cell: func(s series) string { return text.Theory(m, s.Row) }}, plain)
		}
	}
	return t
}

// placesOf returns the place of each series in m among those of its run.
func placesOf(m result.Metric, all []series) []verdict.Place {
	places := make([]verdict.Place, len(all))
	indices := map[int][]int{} // by run
	rows := map[int][]result.Row{}
	for i, s := range all {
		indices[s.column], rows[s.column] = append(indices[s.column], i), append(rows[s.column], s.Row)
	}
	for run, of := range rows {
		for k, place := range verdict.Places(m, of) {
			places[indices[run][k]] = place
		}
	}
	return places
}

// intervalOf writes the interval of m in row for below a cell: "311–352 µs". It is empty if there is none,
// or if it is too short to be seen in the digits of the value.
func intervalOf(m result.Metric, row result.Row) string {
	interval, ok := row.Interval(m.Key)
	if !ok {
		return ""
	}
	write := func(x float64) string {
		m := m
		m.Value, m.Whole = func(result.Row) (float64, bool) { return x, true }, nil
		return text.Cell(m, row)
	}
	low, high := write(interval.Low), write(interval.High)
	if low == high {
		return ""
	}
	// "980 µs–1.02 ms", but "311–352 µs".
	_, unit, _ := strings.Cut(high, " ")
	return strings.TrimSuffix(low, " "+unit) + "–" + high
}
