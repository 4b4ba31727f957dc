package report

import (
	"math"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// mapFigure draws the map of the cheapest transports, which takes two axes and a transport to compare with.
func (s *Set) mapFigure() (figure, bool) {
	if len(s.axes) != 2 || len(s.lines) < 2 {
		return figure{}, false
	}
	x, y := s.axes[0], s.axes[1]
	m := costMap{
		name: "cheapest", title: "Cheapest in server CPU, by " + x.title + " and " + y.title,
		detail: "The lines are where two cost the same, interpolated.",
		x:      scale{label: x.label(), write: x.write, at: slices.Sorted(slices.Values(x.numbers))},
		y:      scale{label: y.label(), write: y.write, at: slices.Sorted(slices.Values(y.numbers))},
	}
	m.none = "none was measured"
	if s.within() > 0 {
		m.none = "none holds it"
		m.title = "Cheapest in server CPU with a p99 of at most " + text.Duration(s.within(), 3)
	}
	m.xs, m.ys = m.x.at, m.y.at
	if len(slices.Compact(slices.Clone(m.xs))) < len(m.xs) || len(slices.Compact(slices.Clone(m.ys))) < len(m.ys) {
		return figure{}, false // of no sweep
	}
	for _, line := range s.lines {
		l := mapLayer{label: line.name, style: line.style, cost: m.table()}
		if s.within() > 0 {
			l.slack = m.table()
		}
		for i, p := range s.Index.Points {
			row, ok := s.row(i, line)
			cost, known := coresMetric().Value(row)
			if !ok || !known || cost <= 0 || result.Fatal([]result.Row{row}) {
				continue
			}
			column, line := slices.Index(m.xs, x.number(p.Values[0])), slices.Index(m.ys, y.number(p.Values[1]))
			if column < 0 || line < 0 {
				continue // of no sweep
			}
			l.cost[line][column] = cost
			if p99, ok := valueOf("p99", row); ok && p99 > 0 && s.within() > 0 {
				l.slack[line][column] = math.Log(s.within() / p99)
			}
		}
		m.layers = append(m.layers, l)
	}
	for i, p := range s.Index.Points {
		if s.Runs[i].Result == nil {
			continue
		}
		k := mapMark{x: x.number(p.Values[0]), y: y.number(p.Values[1]), layer: nowhere}
		if c := s.ranking[i]; len(c.order) > 0 {
			k.layer, k.unsure = c.order[0], c.tied || len(c.out) > 0
		}
		m.marks = append(m.marks, k)
	}
	return m.figure(), true
}

// table returns one for a layer, in which nothing is known.
func (m *costMap) table() [][]float64 {
	rows := make([][]float64, len(m.ys))
	for k := range rows {
		rows[k] = slices.Repeat([]float64{math.NaN()}, len(m.xs))
	}
	return rows
}
