package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/report/text"
)

// A curveChart shows how a quantity depends on another one: a line for each series, through points with their
// 95% intervals. Its figure method makes it drawable.
type curveChart struct {
	name, title, detail, doubt string // as in figure; detail says nothing of the lines, which figure explains
	x, y                       scale
	panels                     []curvePanel // small multiples on the same axes; a single one needs no title
	limits                     []limit      // values of y that mean something, like the latency that may not be exceeded
}

// A scale is what an axis shows. It is logarithmic where all values are positive and far apart.
type scale struct {
	label string               // with the unit
	write func(float64) string // a value with its unit, which is behind a space
	at    []float64            // where the ticks are; nil: at round values
}

// A limit is a value on an axis, and what it means.
type limit struct {
	value float64
	label string
}

type curvePanel struct {
	title string
	lines []curveLine
}

// A curveLine is a series in a panel. Lines with the same label share a place in the legend.
type curveLine struct {
	label  string
	note   string // beside the label, in small print; may be empty
	style  style
	points []curvePoint                         // by x, ascending
	fit    func(x float64) (y float64, ok bool) // drawn thin; nil: none
	theory plotter.XYs                          // predicted, drawn dashed; empty: none
	marks  []limit                              // values of x that mean something, each marked on the line
}

type curvePoint struct {
	x, y      float64
	low, high float64 // the 95% interval of y; equal if it is unknown
	doubted   bool    // it is not to be believed, and drawn hollow
}

// farApart is the ratio of two values from which on an axis between them is logarithmic.
const farApart = 8

// figure returns the chart as a figure.
func (ch curveChart) figure() figure {
	f := figure{name: ch.name, title: ch.title, detail: ch.detail, doubt: ch.doubt}
	legend := ch.legend()
	if len(legend) == 0 {
		f.height, f.narrow = emptyHeight, emptyHeight
		f.plot = func(c draw.Canvas) { say(c, "Nothing was measured.") }
		return f
	}
	if more := ch.reading(); more != "" {
		f.detail += " " + more
	}
	for _, panel := range ch.panels {
		for _, line := range panel.lines {
			f.values = append(f.values, ch.spoken(panel, line))
		}
	}
	wide := panelsOf(len(ch.panels), 3)
	f.height = headHeight + 2*margin + 34 + 190*vg.Length(wide.rows) + ch.legendHeight(legend, chartWidth)
	if len(ch.panels) == 1 {
		f.height = max(chartHeight, headHeight+85+newEndLabels(legend).pitch*vg.Length(len(legend)))
	}
	f.narrow = headHeight + 2*margin + 24 + 190*vg.Length(len(ch.panels)) + ch.legendHeight(legend, phoneWidth)
	f.plot = func(c draw.Canvas) { ch.plot(c, legend) }
	return f
}

// reading says how the lines and points are to be read.
func (ch curveChart) reading() string {
	var ranged, doubted, fitted, theory bool
	for _, panel := range ch.panels {
		for _, line := range panel.lines {
			fitted, theory = fitted || line.fit != nil, theory || len(line.theory) > 0
			for _, p := range line.points {
				ranged, doubted = ranged || p.low < p.high, doubted || p.doubted
			}
		}
	}
	words := ""
	say := func(when bool, sentence string) {
		if when {
			words += " " + sentence
		}
	}
	say(ranged, "Whiskers: 95\u00a0% interval.")
	say(fitted && theory, "Thin: fit. Dashed: theory.")
	say(fitted && !theory, "Thin: fit.")
	say(!fitted && theory, "Dashed: theory.")
	say(doubted, "Hollow: not to be believed.")
	if words == "" {
		return ""
	}
	return words[1:]
}

// spoken says what a line shows.
func (ch curveChart) spoken(panel curvePanel, line curveLine) string {
	words := line.label
	if panel.title != "" {
		words = panel.title + ", " + words
	}
	for i, p := range line.points {
		joint := ", "
		if i == 0 {
			joint = ": "
		}
		words += joint + ch.y.write(p.y) + " at " + ch.x.write(p.x)
		if p.low < p.high {
			words += fmt.Sprintf(" (95 %% interval: %s to %s)", ch.y.write(p.low), ch.y.write(p.high))
		}
	}
	for _, m := range line.marks {
		words += ", " + m.label + " at " + ch.x.write(m.value)
	}
	if len(line.points) == 0 {
		words += ": " + unmeasured
	}
	return words + "."
}

// legend returns a curve for each label, as the labels of a plot need them, from the line that ends highest on.
func (ch curveChart) legend() []curve {
	var all []curve
	for _, panel := range ch.panels {
		for _, line := range panel.lines {
			known := slices.ContainsFunc(all, func(c curve) bool { return c.series.name == line.label })
			if known || len(line.points) == 0 {
				continue
			}
			last := line.points[len(line.points)-1]
			all = append(all, curve{
				series: series{name: line.label, style: line.style}, note: line.note,
				points: plotter.XYs{{X: last.x, Y: last.y}},
			})
		}
	}
	slices.SortStableFunc(all, func(a, b curve) int { return cmp.Compare(b.last().Y, a.last().Y) })
	return all
}

// legendColumns returns in how many columns a legend stands below a chart of that width.
func legendColumns(legend []curve, width vg.Length) int {
	widest := vg.Length(0)
	for _, c := range legend {
		widest = max(widest, bold(10, black).Width(c.series.name)+regular(8.5, grey).Width(c.note)+44)
	}
	return max(1, min(len(legend), int((width-2*margin)/widest)))
}

func (ch curveChart) legendHeight(legend []curve, width vg.Length) vg.Length {
	columns := legendColumns(legend, width)
	return 8 + legendPitch*vg.Length((len(legend)+columns-1)/columns)
}

// drawLegendBelow writes the legend at the bottom of c, row after row.
func drawLegendBelow(c draw.Canvas, legend []curve) {
	columns := legendColumns(legend, c.Max.X-c.Min.X+2*margin)
	rows := (len(legend) + columns - 1) / columns
	width := (c.Max.X - c.Min.X) / vg.Length(columns)
	for i, entry := range legend {
		cell := c
		cell.Min.X += width * vg.Length(i%columns)
		cell.Max.X = cell.Min.X + width - 10
		cell.Min.Y += legendPitch * vg.Length(rows-1-i/columns)
		newEndLabels([]curve{entry}).drawLegend(cell)
	}
}

// panelsOf arranges n panels, at most so many side by side.
func panelsOf(n, most int) panelGrid {
	if n == 4 {
		most = 2
	}
	g := panelGrid{columns: max(1, min(n, most))}
	g.rows = (n + g.columns - 1) / g.columns
	return g
}

// plot draws all panels, and the labels of their lines: beside the lines if there is one panel and room, else below.
func (ch curveChart) plot(c draw.Canvas, legend []curve) {
	x, y := ch.axes()
	if len(ch.panels) == 1 && !isNarrow(c) {
		legend = slices.Clone(legend)
		for i, entry := range legend {
			legend[i].points = plotter.XYs{{X: x.to(entry.points[0].X), Y: y.to(entry.points[0].Y)}}
		}
		beside := newEndLabels(legend)
		beside.width = min(beside.width, .4*(c.Max.X-c.Min.X))
		p := ch.panel(ch.panels[0], x, y, c.Max.X-c.Min.X-beside.width)
		p.Add(beside)
		p.Draw(draw.Crop(c, 0, -beside.width, 0, 0))
		return
	}
	below := ch.legendHeight(legend, c.Max.X-c.Min.X+2*margin)
	drawLegendBelow(c, legend)
	c.Min.Y += below
	grid := panelsOf(len(ch.panels), 3)
	if isNarrow(c) {
		grid = panelsOf(len(ch.panels), 1)
		grid.columns, grid.rows = 1, len(ch.panels)
		y.label = ""
	}
	const gap, above = 14, 17
	axisWidth := newPlot(x.axis, y.axis).DataCanvas(c).Min.X - c.Min.X
	width := (c.Max.X - c.Min.X - axisWidth - gap*vg.Length(grid.columns-1)) / vg.Length(grid.columns)
	const label = 17 // of the x axis, below the lowest panel of a column
	height := (c.Max.Y - c.Min.Y - label) / vg.Length(grid.rows)
	for i, panel := range ch.panels {
		column, row := i%grid.columns, i/grid.columns
		panelX, panelY := x, y
		at := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: c.Min.X + axisWidth + (width+gap)*vg.Length(column), Y: c.Max.Y - height*vg.Length(row+1)},
			Max: vg.Point{X: c.Min.X + axisWidth + (width+gap)*vg.Length(column) + width, Y: c.Max.Y - height*vg.Length(row)},
		}}
		lowest := i+grid.columns >= len(ch.panels)
		if lowest {
			at.Min.Y -= label
		} else {
			panelX.label = ""
		}
		top := vg.Length(4)
		if panel.title != "" {
			top = above
			name := bold(10, black)
			c.FillText(name, vg.Point{X: at.Min.X, Y: at.Max.Y - 6}, fit(name, width, panel.title)[0])
		}
		if column > 0 {
			panelY.label, panelY.ticks = "", unlabelled(panelY.ticks)
		}
		p := ch.panel(panel, panelX, panelY, width)
		at = draw.Crop(at, 0, 0, 4, -top)
		inset := p.DataCanvas(at).Min.X - at.Min.X
		p.Draw(draw.Crop(at, -inset, 0, 0, 0))
	}
}

// A curveAxis is an axis with the function that takes a value to its place.
type curveAxis struct {
	axis
	to func(float64) float64
}

// axes returns the axes of all panels.
func (ch curveChart) axes() (x, y curveAxis) {
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	of := func(x, y float64) {
		lowX, highX = min(lowX, x), max(highX, x)
		lowY, highY = min(lowY, y), max(highY, y)
	}
	for _, panel := range ch.panels {
		for _, line := range panel.lines {
			for _, p := range line.points {
				// A long whisker is cut, as it would press the lines together.
				const longest = 2.5 // times the value
				of(p.x, p.y)
				if p.low < p.high {
					of(p.x, max(p.low, p.y/longest))
					of(p.x, min(p.high, p.y*longest))
				}
			}
		}
	}
	for _, panel := range ch.panels {
		for _, line := range panel.lines {
			for _, p := range slices.Concat(line.theory, sampled(line.fit, lowX, highX)) {
				of(p.X, p.Y)
			}
		}
	}
	for _, l := range ch.limits {
		of(lowX, l.value)
	}
	x = ch.x.axis(lowX, highX, lowX > 0 && highX/lowX >= farApart)
	y = ch.y.axis(lowY, highY, lowY > 0 && highY/lowY >= farApart)
	if room := .03 * (x.max - x.min); room > 0 { // so that marks are not cut
		x.min, x.max = x.min-room, x.max+room
	} else {
		x.min, x.max = x.min-1, x.max+1
	}
	return x, y
}

// axis returns an axis that shows the values from low to high. A linear one shows 0, unless its ticks are given.
func (s scale) axis(low, high float64, logarithmic bool) curveAxis {
	a := curveAxis{axis{label: s.label}, func(v float64) float64 { return v }}
	if logarithmic {
		a.to = func(v float64) float64 { return math.Log10(max(v, low/10)) }
	}
	switch {
	case len(s.at) > 0:
		a.min, a.max = a.to(low), a.to(high)
		for _, v := range s.at {
			if !logarithmic || v > 0 {
				a.ticks = append(a.ticks, plot.Tick{Value: a.to(v), Label: s.tick(v)})
			}
		}
	case logarithmic:
		a.axis = logAxis(low, high, s.tick)
		a.label = s.label + " (log scale)"
	default:
		a.axis = countAxis(s.label, 0, high*1.05)
		for i, tick := range a.ticks {
			a.ticks[i].Label = "0"
			if tick.Value > 0 {
				a.ticks[i].Label = s.tick(tick.Value)
			}
		}
	}
	return a
}

// tick writes the number of a tick.
func (s scale) tick(v float64) string { return trimmed(s.write(v)) }

// trimmed returns a number with its unit, without zeros that say nothing: "1 s" for "1.00 s".
func trimmed(words string) string {
	number, unit, measured := strings.Cut(words, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if measured {
		return number + " " + unit
	}
	return number
}

// sampled returns points of a smooth line from low to high, as far as it is defined.
func sampled(smooth func(float64) (float64, bool), low, high float64) plotter.XYs {
	const steps = 60
	var all plotter.XYs
	for i := range steps + 1 {
		if smooth == nil {
			break
		}
		x := low + (high-low)*float64(i)/steps
		if low > 0 { // evenly on a logarithmic axis, and close enough on a linear one
			x = low * math.Pow(high/low, float64(i)/steps)
		}
		if y, ok := smooth(x); ok && !math.IsInf(y, 0) && !math.IsNaN(y) {
			all = append(all, plotter.XY{X: x, Y: y})
		}
	}
	return all
}

// panel returns the plot of a panel that is that wide.
func (ch curveChart) panel(of curvePanel, x, y curveAxis, width vg.Length) *plot.Plot {
	x.ticks = legible(x.axis, width)
	p := newPlot(x.axis, y.axis)
	measured := false
	for _, line := range of.lines {
		measured = measured || len(line.points) > 0
	}
	if !measured {
		p.Add(note(unmeasured))
	}
	for _, l := range ch.limits {
		p.Add(limitPlotter{l, y})
	}
	for _, line := range of.lines {
		p.Add(curvePlotter{line, x, y})
	}
	return p
}

// legible returns the ticks of an axis without the labels that would touch the one before or the last one.
func legible(a axis, length vg.Length) []plot.Tick {
	const gap = 7
	ticks := slices.Clone(a.ticks)
	slices.SortFunc(ticks, func(a, b plot.Tick) int { return cmp.Compare(a.Value, b.Value) })
	at := func(t plot.Tick) vg.Length { return length * vg.Length((t.Value-a.min)/(a.max-a.min)) }
	half := func(t plot.Tick) vg.Length { return regular(9, grey).Width(t.Label) / 2 }
	end := vg.Length(math.Inf(-1))
	for i, t := range ticks {
		last := ticks[len(ticks)-1]
		if i < len(ticks)-1 && (at(t)-half(t) < end+gap || at(t)+half(t)+gap > at(last)-half(last)) {
			ticks[i].Label = " "
			continue
		}
		end = at(t) + half(t)
	}
	return ticks
}

// A curvePlotter draws a line of a panel.
type curvePlotter struct {
	curveLine
	x, y curveAxis
}

var _ plot.Plotter = curvePlotter{}

// Plot implements plot.Plotter.
func (cp curvePlotter) Plot(c draw.Canvas, p *plot.Plot) {
	if len(cp.points) == 0 {
		return
	}
	toX, toY := p.Transforms(&c)
	at := func(x, y float64) vg.Point { return vg.Point{X: toX(cp.x.to(x)), Y: toY(cp.y.to(y))} }
	s := cp.style
	thin := func(xys plotter.XYs, line draw.LineStyle) {
		var points []vg.Point
		for _, xy := range xys {
			points = append(points, at(xy.X, xy.Y))
		}
		c.StrokeLines(line, c.ClipLinesXY(points)...)
	}
	thin(cp.theory, draw.LineStyle{Color: s.colour, Width: .8, Dashes: []vg.Length{4, 2.5}})
	first, last := cp.points[0], cp.points[len(cp.points)-1]
	thin(sampled(cp.fit, first.x, last.x), draw.LineStyle{Color: s.colour, Width: .7})
	var points []vg.Point
	for _, point := range cp.points {
		points = append(points, at(point.x, point.y))
	}
	c.StrokeLines(draw.LineStyle{Color: s.colour, Width: s.width}, points)
	for _, m := range cp.marks {
		on, ok := onLine(points, toX(cp.x.to(m.value)))
		if !ok {
			continue
		}
		drop := draw.LineStyle{Color: s.colour, Width: .8, Dashes: []vg.Length{1.5, 2}}
		c.StrokeLine2(drop, on.X, c.Min.Y, on.X, on.Y)
		for _, ring := range []draw.GlyphStyle{{Color: s.colour, Radius: 6}, {Color: paper, Radius: 4.6}} {
			ring.Shape = draw.CircleGlyph{}
			c.DrawGlyph(ring, on)
		}
		c.DrawGlyph(s.glyph(), on)
	}
	for i, point := range cp.points {
		const hidden = 7 // height of a whisker that the mark would hide
		low, high := at(point.x, point.low), at(point.x, point.high)
		if point.low < point.high && high.Y-low.Y > hidden {
			cut := low.Y < c.Min.Y || high.Y > c.Max.Y
			low.Y, high.Y = max(low.Y, c.Min.Y), min(high.Y, c.Max.Y)
			line := draw.LineStyle{Color: s.colour, Width: .8}
			if cut {
				c.StrokeLine2(line, low.X, low.Y, high.X, high.Y)
			} else {
				drawWhisker(c, low, high, line)
			}
		}
		c.DrawGlyph(s.glyph(), points[i])
		if point.doubted {
			c.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: 1.5, Shape: draw.CircleGlyph{}}, points[i])
		}
	}
}

// onLine returns the point at x of a line through points; false beyond its ends.
func onLine(points []vg.Point, x vg.Length) (vg.Point, bool) {
	const near = .01
	for i, p := range points {
		switch {
		case p.X > x-near && p.X < x+near:
			return p, true
		case i > 0 && x < p.X && x > points[i-1].X:
			from := points[i-1]
			return vg.Point{X: x, Y: from.Y + (p.Y-from.Y)*(x-from.X)/(p.X-from.X)}, true
		}
	}
	return vg.Point{}, false
}

// A limitPlotter draws a limit of the y axis across a panel.
type limitPlotter struct {
	limit
	y curveAxis
}

var _ plot.Plotter = limitPlotter{}

// Plot implements plot.Plotter.
func (l limitPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	_, toY := p.Transforms(&c)
	y := toY(l.y.to(l.value))
	c.StrokeLine2(draw.LineStyle{Color: alarm, Width: .9, Dashes: []vg.Length{6, 3}}, c.Min.X, y, c.Max.X, y)
	small := regular(8.5, alarm)
	up := vg.Length(6)
	if y+12 > c.Max.Y {
		up = -6
	}
	c.FillText(small, vg.Point{X: c.Min.X + 4, Y: y + up}, l.label)
}

// logAxis returns an axis of decimal logarithms that spans low to high, extended to round numbers.
func logAxis(low, high float64, write func(float64) string) axis {
	a := axis{min: math.Inf(1), max: math.Inf(-1)}
	wide := math.Log10(high/low) > 1.6
	for decade := text.Magnitude(low) - 1; decade <= text.Magnitude(high)+1; decade++ {
		for _, digit := range []float64{1, 2, 5} {
			value := digit * math.Pow10(decade)
			at := math.Log10(value)
			if value <= low*.98 || math.IsInf(a.min, 1) {
				a.min = at
			}
			if math.IsInf(a.max, -1) && value >= high*1.02 {
				a.max = at
			}
			if digit == 1 || !wide {
				a.ticks = append(a.ticks, plot.Tick{Value: at, Label: write(value)})
			}
		}
	}
	// gonum makes room for the labels of ticks beyond an end.
	a.ticks = slices.DeleteFunc(a.ticks, func(t plot.Tick) bool { return t.Value < a.min || t.Value > a.max })
	return a
}
