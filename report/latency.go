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
	f.detail = "The time within which each share of the messages was delivered. Lower is better."
	if slices.ContainsFunc(curves, func(c curve) bool { return c.theory != nil }) {
		f.detail = "The time within which each share of the messages was delivered: measured and, dashed, as theory says. Lower is better."
	}
	if len(curves) > 0 {
		f.detail += fmt.Sprintf(" The thin end of a line stands for the %d slowest messages.", samplesTail)
	}
	if slices.ContainsFunc(curves, func(c curve) bool { return slices.ContainsFunc(c.marks, mark.uncertain) }) {
		f.detail += " Whiskers: 95\u00a0% interval, where it is wider than the mark."
	}
	pitch := vg.Length(27) // between labels
	if len(curves) > 7 {
		pitch = 13
		for i := range curves {
			curves[i].note = ""
		}
	}
	f.height = max(chartHeight, headHeight+85+pitch*vg.Length(len(curves)))
	f.narrow = headHeight + 260 + legendPitch*vg.Length(len(curves))
	f.plot = func(c draw.Canvas) { plotLatency(c, curves, pitch) }
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

func plotLatency(c draw.Canvas, curves []curve, pitch vg.Length) {
	narrow := isNarrow(c)
	end, low, high := 0.0, math.Inf(1), math.Inf(-1)
	width := vg.Length(0)
	for _, curve := range curves {
		for _, at := range slices.Concat(curve.points, curve.tail, curve.theory) {
			end, low, high = max(end, at.X), min(low, at.Y), max(high, at.Y)
		}
		for _, at := range curve.marks {
			low, high = min(low, at.low), max(high, at.high)
		}
		width = max(width, bold(10, black).Width(curve.series.label()), regular(8.5, grey).Width(curve.note))
	}
	width = min(width+26, .4*(c.Max.X-c.Min.X))
	// Labels and legend are in the order in which the lines end, from the top.
	curves = slices.Clone(curves)
	slices.SortStableFunc(curves, func(a, b curve) int { return cmp.Compare(b.last().Y, a.last().Y) })
	y := latencyAxis(math.Pow(10, low), math.Pow(10, high))
	labels := plot.Plotter(endLabels{curves, width, pitch})
	if narrow {
		y.label, width, labels = "", 8, legend(curves)
	}
	p := newPlot(shareAxis(end, narrow), y)
	for _, curve := range curves {
		thin := draw.LineStyle{Color: curve.series.style.colour, Width: .8, Dashes: []vg.Length{4, 2.5}}
		p.Add(&plotter.Line{XYs: curve.theory, LineStyle: thin})
	}
	for _, curve := range curves {
		p.Add(curve)
	}
	p.Add(labels)
	bottom := vg.Length(0)
	if narrow {
		bottom = legendPitch * vg.Length(len(curves))
	}
	p.Draw(draw.Crop(c, 0, -width, bottom, 0))
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
			canvas.StrokeLine2(thin, at.X, toY(mark.low), at.X, toY(mark.high))
			for _, end := range []float64{mark.low, mark.high} {
				canvas.StrokeLine2(thin, at.X-3, toY(end), at.X+3, toY(end))
			}
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
	}
	return draw.GlyphStyle{Color: s.colour, Radius: 2.7, Shape: glyphs[s.mark%len(glyphs)]}
}

// A hollow glyph is one filled with paper. gonum's own are drawn too thin to be told from full ones.
type hollow struct{ draw.GlyphDrawer }

// DrawGlyph implements draw.GlyphDrawer.
func (h hollow) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	sty.Radius += .5
	h.GlyphDrawer.DrawGlyph(c, sty, at)
	sty.Color = paper
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

// legendPitch is the height of a line of a legend.
const legendPitch = 15

// A legend stands below a narrow plot, where labels beside the lines have no room: a line for each curve,
// in their order.
type legend []curve

var _ plot.Plotter = legend{}

// Plot implements plot.Plotter.
func (l legend) Plot(c draw.Canvas, _ *plot.Plot) {
	const whole, sample, axisHeight = phoneWidth - 2*margin, 18, 40
	right := c.Max.X + 8
	left := right - whole
	var all []series
	longest := vg.Length(0)
	for _, curve := range l {
		all = append(all, curve.series)
		longest = max(longest, regular(8.5, grey).Width(curve.note))
	}
	names := fitLabels(bold(10, black), whole-sample-6-longest-8, all)
	for i, curve := range l {
		s := curve.series.style
		y := c.Min.Y - axisHeight - legendPitch*(vg.Length(i)+.5)
		c.StrokeLine2(draw.LineStyle{Color: s.colour, Width: s.width}, left, y, left+sample, y)
		c.DrawGlyphNoClip(s.glyph(), vg.Point{X: left + sample/2, Y: y})
		c.FillText(bold(10, ink(s.colour)), vg.Point{X: left + sample + 6, Y: y}, names[i])
		note := regular(8.5, grey)
		note.XAlign = draw.XRight
		c.FillText(note, vg.Point{X: right, Y: y}, curve.note)
	}
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
		last := curve.last()
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
		colour := curve.series.style.colour
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
