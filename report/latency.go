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

	"pushpull/report/text"
)

// A curve is one line of a chart, labelled at its end.
type curve struct {
	points plotter.XYs
	colour color.RGBA
	line   draw.LineStyle
	marks  plotter.XYs
	glyph  draw.GlyphDrawer
	label  string
	note   string      // below the label, in small print
	theory plotter.XYs // what theory says of the same points; none where it says nothing
}

// latencyFigure draws each quantile against its latency. The axis of the quantiles is the
// logarithm of 1/(1-p), as in HdrHistogram's own plots: each step to the right leaves out nine in
// ten of those messages that are left, so that the tail is as wide as the rest.
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
	pitch := vg.Length(27) // of the labels
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
		width = max(width, bold(10, black).Width(curve.label), regular(8.5, grey).Width(curve.note))
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
		label:  s.label(),
		note:   "p50 " + text.Duration(s.Latency.P50, 2) + ", p99 " + text.Duration(s.Latency.P99, 2),
	}
	if s.doubted("few-samples") { // too few for a p99
		curve.note = "p50 " + text.Duration(s.Latency.P50, 2) + ", max " + text.Duration(s.Latency.Max, 2)
	}
	// A sample of n carries no quantile beyond 1-1/n.
	end := math.Log10(float64(s.Histogram.Count()))
	for i := range steps + 1 {
		x := end * float64(i) / steps
		curve.points = append(curve.points, at(x))
		// Where runs are laid side by side, dashes tell them apart.
		if s.run == "" && s.Theory != nil && s.Theory.Quantile != nil {
			curve.theory = append(curve.theory, point(x, s.Theory.Quantile(share(x))))
		}
	}
	for _, share := range []float64{.5, .9, .99, .999, .9999} {
		if x := -math.Log10(1 - share); x <= end {
			curve.marks = append(curve.marks, at(x))
		}
	}
	return curve
}

// shareAxis spans shares of the messages, from none to where 10^-end of them are left.
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

// endLabels names each curve to the right of its end, in its colour, and apart from the others.
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
		room := l.width - 20
		c.FillText(name, at, fit(name, curve.label, room))
		if curve.note != "" {
			c.FillText(regular(8.5, grey), at.Add(vg.Point{Y: -11}), curve.note)
		}
	}
}

// apart moves the places, as little as it takes, until pitch lies between any two of them. They
// stay within low and high where there is room.
func apart(places []vg.Length, pitch, low, high vg.Length) {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	// Of two at one height the first is the upper one: labels are read from the top.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(places[a], places[b]), cmp.Compare(b, a))
	})

	// Groups of labels that touch are spread around the middle of where they want to be.
	type group struct {
		members []int
		want    vg.Length // sum of the places that its first member would like
	}
	first := func(g group) vg.Length {
		at := g.want / vg.Length(len(g.members))
		return max(low, min(at, high-pitch*vg.Length(len(g.members)-1)))
	}
	var groups []group
	for _, i := range order {
		groups = append(groups, group{[]int{i}, places[i]})
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
			places[i] = first(g) + pitch*vg.Length(k)
		}
	}
}
