package report

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

const (
	chartWidth  = 8 * vg.Inch
	chartHeight = 4.5 * vg.Inch
	margin      = 14 // points around a chart
	headHeight  = 42 // points for the title and the line below it
	dpi         = 144
)

// A figure is one chart before it is drawn.
type figure struct {
	name   string // of its files, without the extension
	title  string // what it shows
	detail string // how to read it, in small print
	doubt  string // which series are not to be believed; empty: none
	height vg.Length
	plot   func(draw.Canvas)
}

// A drawing is a figure and its SVG.
type drawing struct {
	figure
	svg []byte
}

// figures returns the charts in the order of the page.
func figures(all []series) []figure {
	figures := []figure{latencyFigure(all), overTimeFigure(all)}
	for _, m := range result.Metrics() {
		if m.Chart != nil {
			figures = append(figures, barsFigure(m, all))
		}
	}
	// A chart may be shown without the page, so it must carry the warning itself.
	if names := distrusted(all, series.label); len(names) > 0 {
		for i := range figures {
			figures[i].doubt = "Not to be believed: " + list(names)
		}
	}
	return figures
}

// drawingsOf returns the charts as SVG.
func drawingsOf(figures []figure) ([]drawing, error) {
	var drawings []drawing
	for _, fig := range figures {
		svg, err := fig.svg()
		if err != nil {
			return nil, err
		}
		drawings = append(drawings, drawing{fig, svg})
	}
	return drawings, nil
}

func (f figure) svg() ([]byte, error) {
	canvas := vgsvg.New(chartWidth, f.height)
	f.draw(draw.New(canvas))
	svg, err := f.written(canvas)
	return withFallbackFonts(svg), err
}

func (f figure) png() ([]byte, error) {
	canvas := vgimg.NewWith(vgimg.UseWH(chartWidth, f.height), vgimg.UseDPI(dpi))
	f.draw(draw.New(canvas))
	return f.written(vgimg.PngCanvas{Canvas: canvas})
}

func (f figure) written(canvas io.WriterTo) ([]byte, error) {
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", f.name, err)
	}
	return out.Bytes(), nil
}

// withFallbackFonts adds fonts of the same widths for viewers without the font that the text was
// measured in.
func withFallbackFonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"),
		[]byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
}

func (f figure) draw(c draw.Canvas) {
	c.FillPolygon(white, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	c = draw.Crop(c, margin, -margin, margin, -margin)
	title, detail := bold(13, black), regular(9.5, grey)
	title.YAlign, detail.YAlign = draw.YTop, draw.YTop
	c.FillText(title, vg.Point{X: c.Min.X, Y: c.Max.Y}, f.title)
	if f.doubt != "" {
		doubt := bold(9.5, ink(vermillion))
		doubt.XAlign, doubt.YAlign = draw.XRight, draw.YTop
		room := c.Max.X - c.Min.X - title.Width(f.title) - 20
		c.FillText(doubt, vg.Point{X: c.Max.X, Y: c.Max.Y - 2}, fit(doubt, room, f.doubt)[0])
	}
	c.FillText(detail, vg.Point{X: c.Min.X, Y: c.Max.Y - 18}, fit(detail, c.Max.X-c.Min.X, f.detail)[0])
	f.plot(draw.Crop(c, 0, 0, 0, -headHeight))
}

// regular returns a style for text that starts at a point and is vertically centred on it.
func regular(size vg.Length, c color.Color) draw.TextStyle {
	return draw.TextStyle{
		Color: c, Font: plotfont.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		XAlign: draw.XLeft, YAlign: draw.YCenter, Handler: drawn,
	}
}

// bold is regular in bold.
func bold(size vg.Length, c color.Color) draw.TextStyle {
	sty := regular(size, c)
	sty.Font.Weight = font.WeightBold
	return sty
}

// fit shortens each of the names, or one line of text, to width.
func fit(sty draw.TextStyle, width vg.Length, names ...string) []string {
	return shorten(names, func(name string) bool { return sty.Width(name) <= width })
}

// fitLabels returns the labels of all series, shortened to width. If one is too long, transports and
// runs are shortened separately, as a label has to show parts of both. One of them gets more than half
// of the width if the other leaves it.
func fitLabels(sty draw.TextStyle, width vg.Length, all []series) []string {
	var labels, transports, runs []string
	var longest, longestRun vg.Length
	for _, s := range all {
		labels, transports, runs = append(labels, s.label()), append(transports, s.name), append(runs, s.run)
		longest, longestRun = max(longest, sty.Width(s.label())), max(longestRun, sty.Width(s.run))
	}
	if longest <= width {
		return labels
	}
	if longestRun == 0 {
		return fit(sty, width, labels...)
	}
	width -= sty.Width(between)
	transports = fit(sty, max(width/2, width-longestRun), transports...)
	var longestTransport vg.Length
	for _, name := range transports {
		longestTransport = max(longestTransport, sty.Width(name))
	}
	runs = fit(sty, width-longestTransport, runs...)
	for i := range labels {
		labels[i] = transports[i] + between + runs[i]
	}
	return labels
}

// newPlot returns an empty plot with a light grid.
func newPlot(x, y axis) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	x.set(&p.X)
	y.set(&p.Y)
	p.Y.LineStyle.Width = 0
	p.Y.Tick.Length = 0
	p.X.LineStyle = draw.LineStyle{Color: grey, Width: .75}
	p.Add(grid{})
	return p
}

// A grid draws a light line at each tick, except on the bottom edge, where the axis is.
type grid struct{}

var _ plot.Plotter = grid{}

// Plot implements plot.Plotter.
func (grid) Plot(c draw.Canvas, p *plot.Plot) {
	line := draw.LineStyle{Color: rule, Width: .75}
	toX, toY := p.Transforms(&c)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if x := toX(tick.Value); c.ContainsX(x) {
			c.StrokeLine2(line, x, c.Min.Y, x, c.Max.Y)
		}
	}
	for _, tick := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if y := toY(tick.Value); c.ContainsY(y) && y > c.Min.Y+1 {
			c.StrokeLine2(line, c.Min.X, y, c.Max.X, y)
		}
	}
}

// An axis is linear. For a logarithmic one the caller passes logarithms.
type axis struct {
	label    string
	min, max float64
	ticks    []plot.Tick
}

func (a axis) set(to *plot.Axis) {
	to.Min, to.Max = a.min, a.max
	to.Padding = 0
	to.Label.Text = a.label
	to.Label.Padding = 6
	to.Label.TextStyle.Font = regular(9.5, grey).Font
	to.Label.TextStyle.Color = grey
	to.Label.TextStyle.Handler = drawn
	to.Tick.Marker = plot.ConstantTicks(a.ticks)
	to.Tick.Label.Font = regular(9, grey).Font
	to.Tick.Label.Color = grey
	to.Tick.Label.Handler = drawn
	to.Tick.Length = 4
	to.Tick.LineStyle = draw.LineStyle{Color: grey, Width: .75}
}

// latencyAxis returns an axis of decimal logarithms of milliseconds. It spans low to high (both in
// milliseconds), extended to round numbers.
func latencyAxis(low, high float64) axis {
	const shortest = 1e-3 // 1 µs; the logarithm of 0 doesn't exist
	low, high = max(low, shortest), max(high, shortest)
	a := axis{label: "delivery latency (log)", min: math.Inf(1), max: math.Inf(-1)}
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
				a.ticks = append(a.ticks, plot.Tick{Value: at, Label: text.Duration(value, 1)})
			}
		}
	}
	return a
}

// countAxis returns an axis from 0, or from low if it is negative, to high, with round steps.
func countAxis(label string, low, high float64) axis {
	if high <= 0 {
		high = max(1, -low)
	}
	step := math.Pow10(text.Magnitude(high))
	for _, factor := range []float64{.1, .2, .5, 1, 2} {
		if high/(step*factor) <= 6 {
			step *= factor
			break
		}
	}
	a := axis{label: label, min: min(low, 0), max: high}
	digits := max(0, -text.Magnitude(step))
	for i := math.Ceil(a.min / step); i*step <= high*(1+1e-9); i++ {
		value := i*step + 0 // turns -0 into 0
		a.ticks = append(a.ticks, plot.Tick{Value: value, Label: fixed(value, digits)})
	}
	return a
}

// say writes one line in place of a chart.
func say(c draw.Canvas, words string) {
	sty := regular(11, grey)
	sty.XAlign = draw.XCenter
	c.FillText(sty, c.Center(), words)
}
