package report

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
)

// samplesSlow is the number of samples a slice needs for its p99 to differ from its maximum.
const samplesSlow = 100

// A moment is one slice of a window: its middle in seconds, and its median and slow latency as decimal
// logarithms of milliseconds.
type moment struct{ at, median, slow float64 }

// overTimeFigure draws a panel for each series, with two lines for each window: the median and the p99
// of the messages due in each slice. The maximum replaces the p99 if any slice has too few samples.
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
	grid := newPanelGrid(all)
	f := figure{
		name:   "latency-over-time",
		title:  "Delivery latency over time",
		detail: "Thick: median. Thin: " + slowName + ". For the messages due at that time; one pair of lines per round.",
		height: max(chartHeight, headHeight+60+150*vg.Length(grid.rows)),
	}
	if grid.rows == 1 {
		f.height = chartHeight - 30
	}
	f.plot = func(c draw.Canvas) { plotOverTime(c, all, slow, grid) }
	return f
}

// A panelGrid is the arrangement of panels. With several runs that fit side by side, each transport
// has a row and each run a column. Otherwise the panels fill row after row.
type panelGrid struct {
	columns, rows int
	byRun         bool
}

func newPanelGrid(all []series) panelGrid {
	const most = 4 // panels side by side
	var g panelGrid
	for _, s := range all {
		g.columns, g.rows = max(g.columns, s.column+1), max(g.rows, s.row+1)
	}
	g.byRun = g.columns > 1 && g.columns <= most
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

func plotOverTime(c draw.Canvas, all []series, slow float64, grid panelGrid) {
	low, high, end := math.Inf(1), math.Inf(-1), 0.0
	lines := make([][][]moment, len(all))
	for i, s := range all {
		for _, w := range s.windows {
			end = max(end, w.DurationS)
			for _, line := range momentsOf(w, slow) {
				lines[i] = append(lines[i], line)
				for _, m := range line {
					low, high = min(low, m.median), max(high, m.slow)
				}
			}
		}
	}
	if math.IsInf(low, 1) {
		say(c, "Nothing was delivered.")
		return
	}
	y := latencyAxis(math.Pow(10, low), math.Pow(10, high))
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
		if len(panelX.ticks) > 4 && grid.columns > 2 {
			panelX.ticks = everyOther(panelX.ticks)
		}
		left := c.Min.X + axisWidth + (width+gap)*vg.Length(column)
		top := c.Max.Y - (height+rowGap)*vg.Length(row)
		panel := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - height},
			Max: vg.Point{X: left + width, Y: top},
		}}
		if lowest {
			panel.Min.Y -= labelHeight
			panelX.label = "seconds into the measured part"
			if grid.columns > 2 {
				panelX.label = "seconds"
			}
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
		plotPanel(draw.Crop(panel, 0, 0, 0, -above), lines[i], empty, s.style, panelX, panelY)
	}
}

// plotPanel plots the lines of a panel, or the words in empty if there are none.
func plotPanel(c draw.Canvas, lines [][]moment, empty string, s style, x, y axis) {
	p := newPlot(x, y)
	if len(lines) == 0 {
		p.Add(note(empty))
	}
	thick := draw.LineStyle{Color: s.colour, Width: 1.7}
	thin := draw.LineStyle{Color: s.colour, Width: .7}
	for _, line := range lines {
		var median, slow, band plotter.XYs
		for _, m := range line {
			median = append(median, plotter.XY{X: m.at, Y: m.median})
			slow = append(slow, plotter.XY{X: m.at, Y: m.slow})
		}
		if len(line) == 1 {
			dots := func(at plotter.XYs, radius vg.Length) *plotter.Scatter {
				return &plotter.Scatter{XYs: at, GlyphStyle: draw.GlyphStyle{
					Color: s.colour, Radius: radius, Shape: draw.CircleGlyph{},
				}}
			}
			p.Add(dots(median, 2.2), dots(slow, 1.2))
			continue
		}
		band = append(band, median...)
		for _, at := range slices.Backward(slow) {
			band = append(band, at)
		}
		p.Add(
			&plotter.Polygon{XYs: []plotter.XYs{band}, Color: color.NRGBA{s.colour.R, s.colour.G, s.colour.B, 0x1C}},
			&plotter.Line{XYs: slow, LineStyle: thin},
			&plotter.Line{XYs: median, LineStyle: thick},
		)
	}
	p.Draw(c)
}

// momentsOf returns the slices of w with deliveries, as one line for each stretch without a gap. slow is
// the quantile of the slow latency.
func momentsOf(w result.Window, slow float64) [][]moment {
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
		*last = append(*last, moment{slice.AtS + slice.WidthS/2, log(.5), log(slow)})
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

func everyOther(ticks []plot.Tick) []plot.Tick {
	var kept []plot.Tick
	for i := 0; i < len(ticks); i += 2 {
		kept = append(kept, ticks[i])
	}
	return kept
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
