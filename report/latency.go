package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// samplesTail is the number of messages that must be slower than a point of a curve for it to be drawn
// thick. The place of the slowest ones is chance.
const samplesTail = 10

// A curve is one line of the latency chart, labelled at its end.
type curve struct {
	points plotter.XYs
	tail   plotter.XYs // the end of points, beyond which fewer than samplesTail messages are
	marks  []mark
	series series
	note   string      // below the label, in small print
	theory plotter.XYs // the predicted curve; empty: none
}

// A mark is a quantile that is marked on a curve.
type mark struct {
	plotter.XY
	low, high float64 // the interval of Y; equal if there is none
}

// latencyFigure draws the latency at each quantile p. The x axis is the logarithm of 1/(1-p), as in
// HdrHistogram's own plots: a tenth as many messages are slower one step further right, so the tail
// gets as much space as the rest.
func latencyFigure(all []series) figure {
	f := figure{name: "latency", title: "Delivery latency: how long a message took to arrive"}
	curves := make([]curve, 0, len(all))
	for _, s := range all {
		if s.Histogram.Count() > 0 {
			curves = append(curves, latencyCurve(s))
			f.values = append(f.values, spokenLatency(s))
		}
	}
	f.detail = "The time within which each share of the messages was delivered"
	if slices.ContainsFunc(curves, func(c curve) bool { return c.theory != nil }) {
		f.detail += ": measured and, dashed, as theory says"
	}
	f.detail += ". Lower is better."
	if len(curves) > 0 {
		f.detail += fmt.Sprintf(" The thin end of a line stands for the %d slowest messages.", samplesTail)
	}
	if slices.ContainsFunc(curves, func(c curve) bool { return slices.ContainsFunc(c.marks, mark.uncertain) }) {
		f.detail += " Whiskers: 95\u00a0% interval, if wider than the mark."
	}
	// Labels and legend are in the order in which the lines end, from the top.
	slices.SortStableFunc(curves, func(a, b curve) int { return cmp.Compare(b.last().Y, a.last().Y) })
	labels := newEndLabels(curves)
	f.height = max(chartHeight, headHeight+85+labels.pitch*vg.Length(len(curves)))
	f.narrow = headHeight + 266 + legendPitch*vg.Length(len(curves))
	f.plot = func(c draw.Canvas) {
		p := latencyPlot(curves, isNarrow(c))
		if isNarrow(c) {
			legend := 6 + legendPitch*vg.Length(len(curves))
			p.Draw(draw.Crop(c, 0, -8, legend, 0))
			labels.drawLegend(c)
			return
		}
		beside := labels
		beside.width = min(labels.width, .4*(c.Max.X-c.Min.X))
		p.Add(beside)
		p.Draw(draw.Crop(c, 0, -beside.width, 0, 0))
	}
	if len(curves) == 0 {
		f.height, f.narrow = emptyHeight, emptyHeight
		f.plot = func(c draw.Canvas) { say(c, "Nothing was delivered.") }
	}
	return f
}

// uncertain reports whether the mark has an interval.
func (m mark) uncertain() bool { return m.low < m.high }

// spokenLatency returns the marked quantiles of a series as a sentence.
func spokenLatency(s series) string {
	var parts []string
	for _, m := range result.MetricsIn(result.OnCurve) {
		value, ok := m.Value(s.Row)
		if !ok {
			continue
		}
		part := m.Heading(false) + " " + text.Duration(value, 2)
		if i, ok := s.Interval(m.Key); ok {
			part += fmt.Sprintf(" (95 %% interval: %s to %s)", text.Duration(i.Low, 2), text.Duration(i.High, 2))
		}
		if m.Theory != nil {
			if theory, ok := m.Theory(s.Row); ok {
				part += fmt.Sprintf(" (theory: %s)", text.Duration(theory, 2))
			}
		}
		parts = append(parts, part)
	}
	parts = append(parts, "the slowest of "+text.Plural(int(s.Histogram.Count()), "message", "messages")+" "+text.Duration(s.Latency.Max, 2))
	return s.label() + ": " + strings.Join(parts, ", ") + "."
}

// latencyPlot returns a plot of the curves without their labels.
func latencyPlot(curves []curve, narrow bool) *plot.Plot {
	end, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for _, curve := range curves {
		for _, at := range slices.Concat(curve.points, curve.tail, curve.theory) {
			end, low, high = max(end, at.X), min(low, at.Y), max(high, at.Y)
		}
		for _, at := range curve.marks {
			low, high = min(low, at.low), max(high, at.high)
		}
	}
	y := latencyAxis(math.Pow(10, low), math.Pow(10, high))
	if narrow {
		y.label = ""
	}
	p := newPlot(shareAxis(end, narrow), y)
	for _, curve := range curves {
		thin := draw.LineStyle{Color: curve.series.style.colour, Width: .8, Dashes: []vg.Length{4, 2.5}}
		p.Add(&plotter.Line{XYs: curve.theory, LineStyle: thin})
	}
	for _, curve := range curves {
		p.Add(curve)
	}
	return p
}

// last returns the end of the curve.
func (c curve) last() plotter.XY {
	all := slices.Concat(c.points, c.tail)
	return all[len(all)-1]
}

var _ plot.Plotter = curve{}

// Plot implements plot.Plotter.
func (c curve) Plot(canvas draw.Canvas, p *plot.Plot) {
	s := c.series.style
	line := draw.LineStyle{Color: s.colour, Width: s.width}
	thin := draw.LineStyle{Color: s.colour, Width: .8}
	(&plotter.Line{XYs: c.points, LineStyle: line}).Plot(canvas, p)
	(&plotter.Line{XYs: c.tail, LineStyle: thin}).Plot(canvas, p)
	toX, toY := p.Transforms(&canvas)
	for _, mark := range c.marks {
		at := vg.Point{X: toX(mark.X), Y: toY(mark.Y)}
		const hidden = 8 // height of a whisker that the mark would hide
		if toY(mark.high)-toY(mark.low) > hidden {
			drawWhisker(canvas, vg.Point{X: at.X, Y: toY(mark.low)}, vg.Point{X: at.X, Y: toY(mark.high)}, thin)
		}
		canvas.DrawGlyph(s.glyph(), at)
	}
}

// glyph returns the mark on the lines of a series.
func (s style) glyph() draw.GlyphStyle {
	glyphs := []draw.GlyphDrawer{
		draw.CircleGlyph{},
		draw.BoxGlyph{},
		draw.PyramidGlyph{},
		hollow{draw.CircleGlyph{}},
		hollow{draw.BoxGlyph{}},
		hollow{draw.PyramidGlyph{}},
		diamond{},
		pyramidDown{},
	}
	return draw.GlyphStyle{Color: s.colour, Radius: 2.7, Shape: glyphs[s.mark%len(glyphs)]}
}

// fullMarks are the marks that are not hollow.
func fullMarks() []int { return []int{0, 1, 2, 6, 7} }

// A diamond is a glyph that stands on a corner.
type diamond struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	r := 1.35 * sty.Radius
	fillAround(c, at, vg.Point{X: r}, vg.Point{Y: r}, vg.Point{X: -r}, vg.Point{Y: -r})
}

// A pyramidDown is a triangle that points down.
type pyramidDown struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (pyramidDown) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	r := 1.3 * sty.Radius
	fillAround(c, at, vg.Point{X: -r, Y: .6 * r}, vg.Point{X: r, Y: .6 * r}, vg.Point{Y: -r})
}

// fillAround fills the polygon with these corners, which are relative to its middle.
func fillAround(c *draw.Canvas, middle vg.Point, corners ...vg.Point) {
	var path vg.Path
	for i, corner := range corners {
		if i == 0 {
			path.Move(middle.Add(corner))
		} else {
			path.Line(middle.Add(corner))
		}
	}
	path.Close()
	c.Fill(path)
}

// A hollow glyph is one filled with paper. gonum's own have too thin a line: they look like full ones.
type hollow struct{ draw.GlyphDrawer }

// DrawGlyph implements draw.GlyphDrawer.
func (h hollow) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	sty.Radius += .5
	h.GlyphDrawer.DrawGlyph(c, sty, at)
	c.SetColor(paper)
	sty.Radius -= 1.2
	h.GlyphDrawer.DrawGlyph(c, sty, at)
}

func latencyCurve(s series) curve {
	const steps = 160
	log := func(ms float64) float64 { return math.Log10(max(ms, 1e-3)) }
	share := func(x float64) float64 { return 1 - math.Pow(10, -x) }
	at := func(x float64) plotter.XY {
		return plotter.XY{X: x, Y: log(float64(s.Histogram.Quantile(share(x))) / 1e6)}
	}
	curve := curve{
		series: s,
		note:   "p50 " + text.Duration(s.Latency.P50, 2) + ", p99 " + text.Duration(s.Latency.P99, 2),
	}
	if s.doubted("few-samples") { // not enough for a p99
		curve.note = "p50 " + text.Duration(s.Latency.P50, 2) + ", max " + text.Duration(s.Latency.Max, 2)
	}
	// n samples say nothing about quantiles beyond 1-1/n.
	end := math.Log10(float64(s.Histogram.Count()))
	sure := max(0, end-math.Log10(samplesTail))
	for i := range steps + 1 {
		x := end * float64(i) / steps
		if x <= sure {
			curve.points = append(curve.points, at(x))
		} else {
			curve.tail = append(curve.tail, at(x))
		}
		// With several runs there would be too many lines.
		if s.run == "" && s.Theory != nil && s.Theory.Quantile != nil {
			curve.theory = append(curve.theory, plotter.XY{X: x, Y: log(s.Theory.Quantile(share(x)))})
		}
	}
	curve.tail = slices.Insert(curve.tail, 0, curve.points[len(curve.points)-1])
	for _, m := range append(result.MetricsIn(result.OnCurve), result.Metric{Quantile: .9999}) { // marked in large samples, though not a metric
		x := -math.Log10(1 - m.Quantile)
		if x > end {
			continue
		}
		point := at(x)
		marked := mark{point, point.Y, point.Y}
		if i, ok := s.Interval(m.Key); ok {
			marked.low, marked.high = min(point.Y, log(i.Low)), max(point.Y, log(i.High))
		}
		curve.marks = append(curve.marks, marked)
	}
	return curve
}

// shareAxis returns an axis of -log10(1-share) from 0 to end, and to 90 % at least. share is a share of
// the messages. A narrow one has fewer ticks.
func shareAxis(end float64, narrow bool) axis {
	a := axis{label: "share of the messages", max: max(end, 1)}
	for _, percent := range []float64{0, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 99.999, 99.9999} {
		between := percent == 75 || percent == 95 || percent == 99.5
		x := -math.Log10(1 - percent/100)
		if percent == 0 && narrow && a.max > 3.3 {
			continue // no room beside 50 %
		}
		if x > a.max || between && (narrow || a.max > 3.3) {
			continue
		}
		a.ticks = append(a.ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(percent, 'f', -1, 64) + " %"})
	}
	return a
}
