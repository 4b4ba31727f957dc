package report

import (
	"cmp"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A curve is one line of the latency chart, labelled at its end.
type curve struct {
	points plotter.XYs
	colour color.RGBA
	line   draw.LineStyle
	marks  plotter.XYs
	glyph  draw.GlyphDrawer
	series series
	note   string      // below the label, in small print
	theory plotter.XYs // the predicted curve; empty: none
}

// latencyFigure draws the latency at each quantile p. The x axis is the logarithm of 1/(1-p), as in
// HdrHistogram's own plots: a tenth as many messages are slower one step further right, so the tail
// gets as much space as the rest.
func latencyFigure(all []series) figure {
	curves := make([]curve, 0, len(all))
	for _, s := range all {
		if s.Histogram.Count() > 0 {
			curves = append(curves, latencyCurve(s))
		}
	}
	detail := "For each share of the messages, the time within which they were delivered. Lower is better; the slowest are on the right."
	if slices.ContainsFunc(curves, func(c curve) bool { return c.theory != nil }) {
		detail = "The time within which each share of the messages was delivered: measured and, dashed, as theory says. Lower is better."
	}
	pitch := vg.Length(27) // between labels
	if len(curves) > 7 {
		pitch = 13
		for i := range curves {
			curves[i].note = ""
		}
	}
	return figure{
		name:   "latency",
		title:  "Delivery latency: how long a message took to arrive",
		detail: detail,
		height: max(chartHeight, headHeight+85+pitch*vg.Length(len(curves))),
		plot: func(c draw.Canvas) {
			if len(curves) == 0 {
				say(c, "Nothing was delivered.")
				return
			}
			plotLatency(c, curves, pitch)
		},
	}
}

func plotLatency(c draw.Canvas, curves []curve, pitch vg.Length) {
	end, low, high := 0.0, math.Inf(1), math.Inf(-1)
	width := vg.Length(0)
	for _, curve := range curves {
		for _, at := range slices.Concat(curve.points, curve.theory) {
			end, low, high = max(end, at.X), min(low, at.Y), max(high, at.Y)
		}
		width = max(width, bold(10, black).Width(curve.series.label()), regular(8.5, grey).Width(curve.note))
	}
	width = min(width+26, .4*(c.Max.X-c.Min.X))
	p := newPlot(shareAxis(end), latencyAxis(math.Pow(10, low), math.Pow(10, high)))
	for _, curve := range curves {
		thin := draw.LineStyle{Color: curve.colour, Width: .8, Dashes: []vg.Length{4, 2.5}}
		p.Add(&plotter.Line{XYs: curve.theory, LineStyle: thin})
	}
	for _, curve := range curves {
		p.Add(&plotter.Line{XYs: curve.points, LineStyle: curve.line})
		p.Add(&plotter.Scatter{XYs: curve.marks, GlyphStyle: draw.GlyphStyle{
			Color: curve.colour, Radius: 2.6, Shape: curve.glyph,
		}})
	}
	p.Add(endLabels{curves, width, pitch})
	p.Draw(draw.Crop(c, 0, -width, 0, 0))
}

func latencyCurve(s series) curve {
	const steps = 160
	point := func(x, ms float64) plotter.XY { return plotter.XY{X: x, Y: math.Log10(max(ms, 1e-3))} }
	share := func(x float64) float64 { return 1 - math.Pow(10, -x) }
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}}
	at := func(x float64) plotter.XY {
		return point(x, float64(s.Histogram.Quantile(share(x)))/1e6)
	}
	curve := curve{
		colour: s.style.colour,
		line:   draw.LineStyle{Color: s.style.colour, Width: 1.8, Dashes: s.style.dashes},
		glyph:  glyphs[s.style.mark%len(glyphs)],
		series: s,
		note:   "p50 " + text.Duration(s.Latency.P50, 2) + ", p99 " + text.Duration(s.Latency.P99, 2),
	}
	if s.doubted("few-samples") { // not enough for a p99
		curve.note = "p50 " + text.Duration(s.Latency.P50, 2) + ", max " + text.Duration(s.Latency.Max, 2)
	}
	// n samples say nothing about quantiles beyond 1-1/n.
	end := math.Log10(float64(s.Histogram.Count()))
	for i := range steps + 1 {
		x := end * float64(i) / steps
		curve.points = append(curve.points, at(x))
		// With several runs, dashes distinguish the runs and can't stand for theory.
		if s.run == "" && s.Theory != nil && s.Theory.Quantile != nil {
			curve.theory = append(curve.theory, point(x, s.Theory.Quantile(share(x))))
		}
	}
	marks := []float64{.9999} // marked in large samples, though not a metric
	for _, m := range result.MetricsIn(result.OnCurve) {
		marks = append(marks, m.Quantile)
	}
	for _, share := range marks {
		if x := -math.Log10(1 - share); x <= end {
			curve.marks = append(curve.marks, at(x))
		}
	}
	return curve
}

// shareAxis returns an axis of -log10(1-share) from 0 to end, and to 90 % at least. share is a share of
// the messages.
func shareAxis(end float64) axis {
	a := axis{label: "share of the messages", max: max(end, 1)}
	for _, percent := range []float64{0, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 99.999, 99.9999} {
		between := percent == 75 || percent == 95 || percent == 99.5
		x := -math.Log10(1 - percent/100)
		if x > a.max || between && a.max > 3.3 {
			continue
		}
		a.ticks = append(a.ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(percent, 'f', -1, 64) + " %"})
	}
	return a
}

// endLabels writes the label of each curve to the right of its end, in its colour. Labels don't
// overlap.
type endLabels struct {
	curves []curve
	width  vg.Length
	pitch  vg.Length
}

var _ plot.Plotter = endLabels{}

// Plot implements plot.Plotter.
func (l endLabels) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	ends := make([]vg.Point, len(l.curves))
	heights := make([]vg.Length, len(l.curves))
	for i, curve := range l.curves {
		last := curve.points[len(curve.points)-1]
		ends[i] = vg.Point{X: toX(last.X), Y: toY(last.Y)}
		heights[i] = ends[i].Y
	}
	apart(heights, l.pitch, c.Min.Y+l.pitch/2, c.Max.Y)
	var all []series
	for _, curve := range l.curves {
		all = append(all, curve.series)
	}
	labels := fitLabels(bold(10, black), l.width-20, all)
	for i, curve := range l.curves {
		colour := curve.colour
		thin := draw.LineStyle{Color: colour, Width: .6}
		c.StrokeLines(thin, []vg.Point{
			{X: ends[i].X + 2, Y: ends[i].Y},
			{X: c.Max.X + 6, Y: ends[i].Y},
			{X: c.Max.X + 14, Y: heights[i]},
			{X: c.Max.X + 17, Y: heights[i]},
		})
		name := bold(10, ink(colour))
		at := vg.Point{X: c.Max.X + 20, Y: heights[i]}
		c.FillText(name, at, labels[i])
		if curve.note != "" {
			c.FillText(regular(8.5, grey), at.Add(vg.Point{Y: -11}), curve.note)
		}
	}
}

// apart moves the heights as little as possible, so that any two are at least pitch apart. They stay
// between low and high if there is room. Their order is kept.
func apart(heights []vg.Length, pitch, low, high vg.Length) {
	order := make([]int, len(heights))
	for i := range order {
		order[i] = i
	}
	// Labels are read from the top, so of two equal heights the first goes above the second.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(heights[a], heights[b]), cmp.Compare(b, a))
	})

	// Labels that would overlap form a group, which is centred on the mean of their wanted heights.
	type group struct {
		members []int
		want    vg.Length // sum over the members of where each would put the first one
	}
	first := func(g group) vg.Length {
		at := g.want / vg.Length(len(g.members))
		return max(low, min(at, high-pitch*vg.Length(len(g.members)-1)))
	}
	var groups []group
	for _, i := range order {
		groups = append(groups, group{[]int{i}, heights[i]})
		for len(groups) > 1 {
			below, above := groups[len(groups)-2], groups[len(groups)-1]
			if first(below)+pitch*vg.Length(len(below.members)) <= first(above) {
				break
			}
			shift := pitch * vg.Length(len(below.members)*len(above.members))
			groups = append(groups[:len(groups)-2], group{
				append(below.members, above.members...), below.want + above.want - shift,
			})
		}
	}
	for _, g := range groups {
		for k, i := range g.members {
			heights[i] = first(g) + pitch*vg.Length(k)
		}
	}
}
