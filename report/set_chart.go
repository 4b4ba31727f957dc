package report

import (
	"errors"
	"io"
	"slices"
	"strings"

	"gonum.org/v1/plot/plotter"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// mostPanels is the largest number of small multiples in a chart.
const mostPanels = 12

// figures returns the charts of a set, the maps first.
func (s *Set) figures() []figure {
	var all []figure
	models := s.models()
	if m, ok := s.choice(); ok {
		all = append(all, m.figure())
	}
	if f, ok := s.mapFigure(); ok {
		all = append(all, f)
	}
	// A chart may be shown without the page, so it must carry the warning itself. Maps leave such points out.
	if names := s.distrusted(); len(names) > 0 {
		for i := range all {
			all[i].doubt = "Left out where it is not to be believed: " + list(names)
		}
	}
	for _, m := range s.metrics() {
		all = append(all, s.figure(m, models))
	}
	return all
}

// figure draws a metric against the first axis, and a panel for each combination of the others.
func (s *Set) figure(m result.Metric, models []*cost.Model) figure {
	heading := text.Upper(m.Heading(several(s.all())))
	if m.Quantile > 0 {
		heading = "Delivery latency " + m.Heading(false)
	}
	switch m.Per {
	case "":
	case "s":
		heading += " in each second"
	default:
		heading += " for each " + m.Per
	}
	ch := curveChart{
		name:  "by-" + m.Key,
		title: heading,
		y:     scale{label: axisLabel(m, m.Heading(several(s.all()))), write: writerOf(m)},
	}
	if m.Quantile > 0 {
		ch.y.label = m.Heading(false) + " of delivery"
	}
	if m.Worse == result.Higher {
		ch.detail = "Lower is better."
	}
	if len(s.axes) == 0 {
		return ch.figure()
	}
	x := s.axes[0]
	ch.title += ", by " + x.title
	ch.x = scale{label: x.label(), write: x.write, at: x.numbers}
	if m.Key == "p99" && s.within() > 0 {
		ch.limits = []limit{{s.within(), "at most " + text.Duration(s.within(), 3)}}
	}
	groups := s.along(0)
	for _, points := range groups[:min(len(groups), mostPanels)] {
		panel := curvePanel{title: s.panelTitle(points[0])}
		for i, line := range s.lines {
			drawn := s.curve(m, line, points)
			drawn.fit = s.fitted(m, models[i], line, points)
			panel.lines = append(panel.lines, drawn)
		}
		ch.panels = append(ch.panels, panel)
	}
	if len(groups) > mostPanels {
		ch.detail += " The first " + text.Number(mostPanels, 2) + " of " + text.Number(float64(len(groups)), 3) + " combinations."
	}
	return ch.figure()
}

// all returns the lines as series.
func (s *Set) all() []series {
	var all []series
	for _, line := range s.lines {
		all = append(all, line.series)
	}
	return all
}

// writerOf returns how a value of m is written in a chart.
func writerOf(m result.Metric) func(float64) string {
	return func(x float64) string {
		if m.Unit == "ms" {
			return text.Duration(x, 3)
		}
		return text.Number(x, 3)
	}
}

// panelTitle returns the values of a point in all axes but the first: "rate per sender 0.1".
func (s *Set) panelTitle(point int) string {
	var words []string
	for k, a := range s.axes[1:] {
		words = append(words, a.short()+" "+a.write(a.number(s.Index.Points[point].Values[k+1])))
	}
	return strings.Join(words, ", ")
}

// curve returns a line of a chart through points that differ in the first axis alone.
func (s *Set) curve(m result.Metric, line setLine, points []int) curveLine {
	drawn := curveLine{label: line.name, style: line.style}
	x := s.axes[0]
	for _, i := range points {
		row, ok := s.row(i, line)
		if !ok {
			continue
		}
		at := x.number(s.Index.Points[i].Values[0])
		if m.Theory != nil {
			if y, ok := m.Theory(row); ok {
				drawn.theory = append(drawn.theory, plotter.XY{X: at, Y: y})
			}
		}
		y, ok := m.Value(row)
		if !ok {
			continue
		}
		p := curvePoint{x: at, y: y, low: y, high: y, doubted: result.Fatal([]result.Row{row})}
		if i, ok := interval(m, row); ok {
			p.low, p.high = i.Low, i.High
		}
		drawn.points = append(drawn.points, p)
	}
	if !slices.ContainsFunc(drawn.theory, func(xy plotter.XY) bool { return xy.Y > 0 }) {
		drawn.theory = nil // a line at 0 says nothing
	}
	return drawn
}

// SetCharts returns the charts that WriteSet draws of a set, in the order of the page.
func SetCharts(s Set) []Chart {
	var all []Chart
	for _, fig := range s.figures() {
		all = append(all, Chart{fig.name, fig.title})
	}
	return all
}

// SetSVG writes the chart with that name, of SetCharts, as SVG.
func SetSVG(w io.Writer, chart string, s Set) error { return one(w, svgOf, chart, s.figures()) }

// SetPNG writes the chart with that name, of SetCharts, as PNG.
func SetPNG(w io.Writer, chart string, s Set) error { return one(w, figure.png, chart, s.figures()) }

// WriteSet draws a set into dir, which must exist: report.html, and each chart of SetCharts as .svg and .png. Each
// file is replaced atomically. At least one point must have been measured.
func WriteSet(dir string, s Set) error {
	if s.measured() == 0 {
		return errors.New("drawing a report: nothing was measured")
	}
	drawings := drawingsOf(s.figures())
	page, err := s.page(Link{}, drawings)
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawings, Page, page)
}
