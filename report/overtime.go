package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// samplesSlow is the number of samples a slice needs for its p99 to differ from its maximum.
const samplesSlow = 100

// A moment is one slice of a window: its middle and width in seconds, and its median and slow latency as
// decimal logarithms of milliseconds.
type moment struct{ at, width, median, slow float64 }

// A course is how the latency of a series went: a line for each stretch of moments without a gap.
type course struct {
	lines  [][]moment
	rounds []float64 // where each round but the first begins, in seconds
	end    float64   // seconds
}

// overTimeFigure draws a panel for each series: the median and the p99 of the messages due in each slice,
// one window after another. The maximum replaces the p99 if any slice has too few samples.
func overTimeFigure(all []series) figure {
	slow, slowName := .99, "p99"
	for _, s := range all {
		for _, w := range s.windows {
			for _, slice := range w.Slices {
				if n := count(slice.Latency); n > 0 && n < samplesSlow {
					slow, slowName = 1, "maximum"
				}
			}
		}
	}
	f := figure{name: "latency-over-time", title: "Delivery latency over time"}
	courses := make([]course, 0, len(all))
	most := 0 // moments of a series
	for _, s := range all {
		course := courseOf(s, slow)
		courses = append(courses, course)
		most = max(most, course.moments())
		f.values = append(f.values, s.label()+": "+course.spoken(slowName)+".")
	}
	if most < 2 {
		words := "Nothing was delivered."
		if most > 0 {
			words = "It was too short: there is only one point in time."
		}
		f.detail, f.values = words, nil
		f.height, f.narrow = emptyHeight, emptyHeight
		f.plot = func(c draw.Canvas) { say(c, words) }
		return f
	}
	f.detail = "Thick: median. Thin: " + slowName + ". For the messages due at that time"
	if slices.ContainsFunc(courses, func(c course) bool { return len(c.rounds) > 0 }) {
		f.detail += "; the rounds one after another"
	}
	f.detail += ". Lower is better."
	wide, narrow := newPanelGrid(all, 5, 4), newPanelGrid(all, 2, 1)
	if len(all) > 6 {
		narrow = newPanelGrid(all, 2, 2)
	}
	f.height = max(chartHeight, headHeight+60+150*vg.Length(wide.rows))
	if wide.rows == 1 {
		f.height = chartHeight - 30
	}
	f.narrow = headHeight + 70 + 120*vg.Length(narrow.rows)
	f.plot = func(c draw.Canvas) {
		if isNarrow(c) {
			plotOverTime(c, all, courses, narrow)
		} else {
			plotOverTime(c, all, courses, wide)
		}
	}
	return f
}

// courseOf returns the course of a series through its measured windows, one after another. slow is the
// quantile of the slow latency.
func courseOf(s series, slow float64) course {
	var c course
	for _, w := range result.Measured(s.windows) {
		if c.end > 0 {
			c.rounds = append(c.rounds, c.end)
		}
		c.lines = append(c.lines, momentsOf(w, c.end, slow)...)
		c.end += w.DurationS
	}
	return c
}

// moments returns the number of moments.
func (c course) moments() int {
	n := 0
	for _, line := range c.lines {
		n += len(line)
	}
	return n
}

// spoken returns the range of both latencies in words.
func (c course) spoken(slowName string) string {
	all := slices.Concat(c.lines...)
	if len(all) == 0 {
		return "nothing to show"
	}
	between := func(of func(moment) float64) string {
		low, high := math.Inf(1), math.Inf(-1)
		for _, m := range all {
			low, high = min(low, of(m)), max(high, of(m))
		}
		return text.Duration(math.Pow(10, low), 2) + " to " + text.Duration(math.Pow(10, high), 2)
	}
	return "median " + between(func(m moment) float64 { return m.median }) + ", " +
		slowName + " " + between(func(m moment) float64 { return m.slow })
}

// A panelGrid is the arrangement of panels. With several runs that fit side by side, each transport
// has a row and each run a column. Otherwise the panels fill row after row.
type panelGrid struct {
	columns, rows int
	byRun         bool
}

// newPanelGrid arranges a panel for each series: at most mostRuns side by side with several runs, most
// otherwise.
func newPanelGrid(all []series, mostRuns, most int) panelGrid {
	var g panelGrid
	for _, s := range all {
		g.columns, g.rows = max(g.columns, s.column+1), max(g.rows, s.row+1)
	}
	g.byRun = g.columns > 1 && g.columns <= mostRuns
	if !g.byRun {
		g.rows = max(1, (len(all)+most-1)/most)
		g.columns = max(1, (len(all)+g.rows-1)/g.rows)
	}
	return g
}

// position returns the column and row of the panel of the i-th series, and whether it is the lowest
// panel in its column.
func (g panelGrid) position(all []series, i int) (column, row int, lowest bool) {
	if g.byRun {
		return all[i].column, all[i].row, all[i].row == g.rows-1
	}
	return i % g.columns, i / g.columns, i+g.columns >= len(all)
}

func plotOverTime(c draw.Canvas, all []series, courses []course, grid panelGrid) {
	low, high, end := math.Inf(1), math.Inf(-1), 0.0
	for _, course := range courses {
		end = max(end, course.end)
		for _, line := range course.lines {
			for _, m := range line {
				low, high = min(low, m.median), max(high, m.slow)
			}
		}
	}
	y := latencyAxis(math.Pow(10, low), math.Pow(10, high))
	y.label = "latency (log)" // a longer one is higher than a panel may be
	if isNarrow(c) {
		y.label = ""
	}
	x := countAxis("", 0, end)

	// All panels have the same width; the y axis stands left of the first one in each row.
	probe := newPlot(x, y)
	axisWidth := probe.DataCanvas(c).Min.X - c.Min.X
	bare := y
	bare.label, bare.ticks = "", unlabelled(y.ticks)
	bareWidth := newPlot(x, bare).DataCanvas(c).Min.X - c.Min.X
	const gap, rowGap, labelHeight = 16, 12, 17
	width := (c.Max.X - c.Min.X - axisWidth - gap*vg.Length(grid.columns-1)) / vg.Length(grid.columns)
	height := (c.Max.Y - c.Min.Y - labelHeight - rowGap*vg.Length(grid.rows-1)) / vg.Length(grid.rows)
	// A label that is wider than its panel is parted into two lines.
	labels, below, above := make([]string, len(all)), make([]string, len(all)), vg.Length(17)
	wide := slices.ContainsFunc(all, func(s series) bool { return s.run != "" && bold(10, black).Width(s.label()) > width })
	for i, s := range all {
		labels[i] = s.label()
		if wide {
			labels[i], below[i] = s.name, s.run
			above = 30
		}
	}
	labels, below = fit(bold(10, black), width, labels...), fit(regular(9.5, grey), width, below...)
	for i, s := range all {
		column, row, lowest := grid.position(all, i)
		panelX, panelY := x, y
		panelX.ticks = spaced(x, width)
		left := c.Min.X + axisWidth + (width+gap)*vg.Length(column)
		top := c.Max.Y - (height+rowGap)*vg.Length(row)
		panel := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - height},
			Max: vg.Point{X: left + width, Y: top},
		}}
		if lowest {
			panel.Min.Y -= labelHeight
			panelX.label = "measured seconds"
		}
		if column == 0 {
			panel.Min.X -= axisWidth
		} else {
			panel.Min.X -= bareWidth
			panelY = bare
		}
		c.FillText(bold(10, ink(s.style.colour)), vg.Point{X: left, Y: top - 6}, labels[i])
		c.FillText(regular(9.5, grey), vg.Point{X: left, Y: top - 19}, below[i])
		empty := undefined
		if !s.Measured() {
			empty = unmeasured
		}
		plotPanel(draw.Crop(panel, 0, 0, 0, -above), courses[i], empty, s.style, panelX, panelY)
	}
}

// plotPanel plots the course of a panel, or the words in empty if there is none.
func plotPanel(c draw.Canvas, of course, empty string, s style, x, y axis) {
	p := newPlot(x, y)
	if len(of.lines) == 0 {
		p.Add(note(empty))
	}
	p.Add(coursePlotter{of, s})
	p.Draw(c)
}

// A coursePlotter draws a course.
type coursePlotter struct {
	course
	style style
}

var _ plot.Plotter = coursePlotter{}

// Plot implements plot.Plotter.
func (cp coursePlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	// The gaps between their lines show where many rounds begin.
	if room := c.Max.X - c.Min.X; vg.Length(len(cp.rounds))*12 < room {
		for _, at := range cp.rounds {
			c.StrokeLine2(draw.LineStyle{Color: pale(grey, .55), Width: .5}, toX(at), c.Min.Y, toX(at), c.Max.Y)
		}
	}
	band := cp.style.colour
	band.clear = .86
	for _, line := range cp.lines {
		// A line goes through the middles of its slices, and to the ends of the first and the last one.
		var median, slow []vg.Point
		add := func(at float64, m moment) {
			median = append(median, vg.Point{X: toX(at), Y: toY(m.median)})
			slow = append(slow, vg.Point{X: toX(at), Y: toY(m.slow)})
		}
		first, last := line[0], line[len(line)-1]
		add(first.at-first.width/2, first)
		for _, m := range line {
			add(m.at, m)
		}
		add(last.at+last.width/2, last)
		around := slices.Clone(median)
		for _, point := range slices.Backward(slow) {
			around = append(around, point)
		}
		c.FillPolygon(band, c.ClipPolygonXY(around))
		c.StrokeLines(draw.LineStyle{Color: cp.style.colour, Width: .7}, c.ClipLinesXY(slow)...)
		c.StrokeLines(draw.LineStyle{Color: cp.style.colour, Width: 1.7}, c.ClipLinesXY(median)...)
	}
}

// momentsOf returns the slices of w with deliveries, as one line for each stretch without a gap. start is
// when the window begins, in seconds.
func momentsOf(w result.Window, start, slow float64) [][]moment {
	var lines [][]moment
	open := false
	for _, slice := range w.Slices {
		if count(slice.Latency) == 0 {
			open = false
			continue
		}
		log := func(p float64) float64 {
			return math.Log10(max(float64(slice.Latency.Quantile(p))/1e6, 1e-3))
		}
		if !open {
			lines, open = append(lines, nil), true
		}
		last := &lines[len(lines)-1]
		*last = append(*last, moment{start + slice.AtS + slice.WidthS/2, slice.WidthS, log(.5), log(slow)})
	}
	return lines
}

// count returns the number of samples; 0 if h is nil.
func count(h *result.Histogram) int64 {
	if h == nil {
		return 0
	}
	return h.Count()
}

// unlabelled returns the ticks with blank labels, for their grid lines alone.
func unlabelled(ticks []plot.Tick) []plot.Tick {
	blank := make([]plot.Tick, 0, len(ticks))
	for _, tick := range ticks {
		blank = append(blank, plot.Tick{Value: tick.Value, Label: " "})
	}
	return blank
}

// A note is a line of text in the middle of a plot.
type note string

var _ plot.Plotter = note("")

// Plot implements plot.Plotter.
func (n note) Plot(c draw.Canvas, _ *plot.Plot) {
	sty := regular(9, grey)
	sty.XAlign = draw.XCenter
	c.FillText(sty, c.Center(), string(n))
}
