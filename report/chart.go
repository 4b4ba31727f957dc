package report

import (
	"bytes"
	"fmt"
	"image/color"
	"slices"
	"strings"

	"golang.org/x/image/font"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"pushpull/loadgen/result"
)

const (
	chartWidth  = 8 * vg.Inch
	chartHeight = 4.5 * vg.Inch
	phoneWidth  = 290 // points of the narrow drawing of a chart, so that its text can be read at phonePixels
	margin      = 14  // points around a chart
	headHeight  = 42  // points for a title and a detail of one line each
	dpi         = 144

	emptyHeight = 2.2 * vg.Inch // of a chart that shows nothing

	chartPixels = 768 // CSS pixels of a drawing at its natural size
	phonePixels = 360
)

// A figure is one chart before it is drawn. It is drawn at two widths: that of a page, and that of a
// phone.
type figure struct {
	name   string    // of its files, without the extension
	title  string    // what it shows
	detail string    // how to read it, in small print
	doubt  string    // which series are not to be believed; empty: none
	values []string  // what it shows, for people who can't see it: a sentence for each series
	height vg.Length // of a page's drawing, with a head of headHeight
	narrow vg.Length // of a phone's drawing, likewise
	plot   func(draw.Canvas)
}

// A drawing is a figure and its SVG, as wide as a page and as narrow as a phone. A page shows one of them.
type drawing struct {
	figure
	svg, narrow []byte
}

// figures returns the charts in the order of the page.
func figures(all []series) []figure {
	all = slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Lacking != "" })
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
func drawingsOf(figures []figure) []drawing {
	var drawings []drawing
	for _, fig := range figures {
		drawings = append(drawings, drawing{fig, fig.svg(), fig.phone()})
	}
	return drawings
}

// svg returns the drawing for a page.
func (f figure) svg() []byte {
	return f.document(f.name, chartWidth, f.height, chartPixels)
}

// phone returns the drawing for a phone.
func (f figure) phone() []byte {
	return f.document(f.name+"-narrow", phoneWidth, f.narrow, phonePixels)
}

func (f figure) document(id string, width, height, pixels vg.Length) []byte {
	canvas := newSVGCanvas(width, height+f.head(width).excess())
	f.draw(draw.New(canvas))
	return canvas.document(id, f.title, f.description(), pixels)
}

func (f figure) png() ([]byte, error) {
	height := f.height + f.head(chartWidth).excess()
	canvas := vgimg.NewWith(vgimg.UseWH(chartWidth, height), vgimg.UseDPI(dpi))
	f.draw(draw.New(canvas))
	var out bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(&out); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", f.name, err)
	}
	return out.Bytes(), nil
}

// description returns what the figure shows in words.
func (f figure) description() string {
	sentences := []string{f.detail}
	if f.doubt != "" {
		sentences = append(sentences, f.doubt+".")
	}
	return strings.Join(append(sentences, f.values...), " ")
}

func (f figure) draw(c draw.Canvas) {
	c.FillPolygon(paper, cornersOf(c.Rectangle))
	head := f.head(c.Max.X - c.Min.X)
	c = draw.Crop(c, margin, -margin, margin, -margin)
	y := c.Max.Y
	for _, line := range head {
		c.FillText(line.style, vg.Point{X: c.Min.X, Y: y}, line.text)
		y -= line.height
	}
	f.plot(draw.Crop(c, 0, 0, 0, -headHeight-head.excess()))
}

// A head is the lines of text above a chart.
type head []headLine

type headLine struct {
	style  draw.TextStyle
	text   string
	height vg.Length
}

// head returns the lines above the chart when it is drawn at that width.
func (f figure) head(width vg.Length) head {
	var lines head
	add := func(sty draw.TextStyle, height vg.Length, words string) {
		sty.YAlign = draw.YTop
		for _, line := range wrap(sty, width-2*margin, words) {
			lines = append(lines, headLine{sty, line, height})
		}
	}
	add(bold(13, black), 18, f.title)
	add(bold(9.5, alarm), 13, f.doubt)
	add(regular(9.5, grey), 13, f.detail)
	return lines
}

// excess returns by how much the head is higher than headHeight.
func (h head) excess() vg.Length {
	const usual = 18 + 13
	sum := vg.Length(-usual)
	for _, line := range h {
		sum += line.height
	}
	return max(0, sum)
}

// isNarrow reports whether a chart is drawn on c for a phone.
func isNarrow(c draw.Canvas) bool { return c.Max.X-c.Min.X < phoneWidth }

// wrap breaks words at spaces into lines that fit into width. A word that doesn't fit is shortened.
func wrap(sty draw.TextStyle, width vg.Length, words string) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(words, " ") {
		word = fit(sty, width, word)[0]
		switch longer := line + " " + word; {
		case line == "":
			line = word
		case sty.Width(longer) <= width:
			line = longer
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
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

// say writes one line in place of a chart.
func say(c draw.Canvas, words string) {
	sty := regular(11, grey)
	sty.XAlign = draw.XCenter
	c.FillText(sty, c.Center(), words)
}
