package report

import (
	"fmt"
	"html"
	"image"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/image/font"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// An svgCanvas is a vg.Canvas that writes SVG for a page that may be dark. Colours are attributes, which
// any viewer understands, and a style sheet replaces them on dark screens. gonum's own canvas writes
// colours that no style sheet can replace. Images are not drawn. An svgCanvas is for one goroutine.
type svgCanvas struct {
	width, height vg.Length
	body          strings.Builder
	pen           pen
	saved         []pen
	dark          map[string]string // colours of dark screens, by the light colour
}

var _ vg.CanvasSizer = (*svgCanvas)(nil)

// A pen is what Push saves.
type pen struct {
	colour color.Color
	width  vg.Length
	dashes []vg.Length
	offset vg.Length
	// Where the axes of the picture point to, and where its origin is. SVG counts y from the top, so the
	// y axis points down.
	x, y, origin vg.Point
}

func newSVGCanvas(width, height vg.Length) *svgCanvas {
	return &svgCanvas{
		width: width, height: height, dark: map[string]string{},
		pen: pen{colour: black, width: 1, x: vg.Point{X: 1}, y: vg.Point{Y: -1}, origin: vg.Point{Y: height}},
	}
}

// Size implements vg.CanvasSizer.
func (c *svgCanvas) Size() (x, y vg.Length) { return c.width, c.height }

// SetLineWidth implements vg.Canvas.
func (c *svgCanvas) SetLineWidth(width vg.Length) { c.pen.width = width }

// SetLineDash implements vg.Canvas.
func (c *svgCanvas) SetLineDash(dashes []vg.Length, offset vg.Length) {
	c.pen.dashes, c.pen.offset = dashes, offset
}

// SetColor implements vg.Canvas.
func (c *svgCanvas) SetColor(to color.Color) { c.pen.colour = to }

// Push implements vg.Canvas.
func (c *svgCanvas) Push() { c.saved = append(c.saved, c.pen) }

// Pop implements vg.Canvas.
func (c *svgCanvas) Pop() {
	last := len(c.saved) - 1
	c.pen, c.saved = c.saved[last], c.saved[:last]
}

// Rotate implements vg.Canvas.
func (c *svgCanvas) Rotate(radians float64) {
	sin, cos := math.Sincos(radians)
	x, y := c.pen.x, c.pen.y
	c.pen.x = x.Scale(vg.Length(cos)).Add(y.Scale(vg.Length(sin)))
	c.pen.y = y.Scale(vg.Length(cos)).Sub(x.Scale(vg.Length(sin)))
}

// Translate implements vg.Canvas.
func (c *svgCanvas) Translate(by vg.Point) { c.pen.origin = c.pen.at(by) }

// Scale implements vg.Canvas. It scales no text and no width of lines.
func (c *svgCanvas) Scale(x, y float64) {
	c.pen.x, c.pen.y = c.pen.x.Scale(vg.Length(x)), c.pen.y.Scale(vg.Length(y))
}

// at returns the place of p in the picture.
func (p pen) at(point vg.Point) vg.Point {
	return p.origin.Add(p.x.Scale(point.X)).Add(p.y.Scale(point.Y))
}

// Stroke implements vg.Canvas.
func (c *svgCanvas) Stroke(path vg.Path) {
	if c.pen.width <= 0 {
		return
	}
	paint := c.paint("stroke")
	if paint == "" {
		return
	}
	dashes := ""
	if len(c.pen.dashes) > 0 {
		var lengths []string
		for _, length := range c.pen.dashes {
			lengths = append(lengths, short(length))
		}
		dashes = fmt.Sprintf(` stroke-dasharray="%s"`, strings.Join(lengths, " "))
		if c.pen.offset != 0 {
			dashes += fmt.Sprintf(` stroke-dashoffset="%s"`, short(c.pen.offset))
		}
	}
	fmt.Fprintf(&c.body, `<path d="%s" fill="none"%s stroke-width="%s"%s/>`+"\n", c.data(path), paint, short(c.pen.width), dashes)
}

// Fill implements vg.Canvas.
func (c *svgCanvas) Fill(path vg.Path) {
	if paint := c.paint("fill"); paint != "" {
		fmt.Fprintf(&c.body, `<path d="%s"%s/>`+"\n", c.data(path), paint)
	}
}

// FillString implements vg.Canvas.
func (c *svgCanvas) FillString(face plotfont.Face, at vg.Point, text string) {
	if face.Font.Size <= 0 || strings.TrimSpace(text) == "" {
		return
	}
	paint := c.paint("fill")
	if paint == "" {
		return
	}
	at = c.pen.at(at)
	more := ""
	if turn := math.Atan2(float64(c.pen.x.Y), float64(c.pen.x.X)); math.Abs(turn) > 1e-9 {
		more = fmt.Sprintf(` transform="rotate(%s %s %s)"`, short(vg.Length(turn*180/math.Pi)), short(at.X), short(at.Y))
	}
	if face.Font.Weight >= font.WeightBold {
		more += ` font-weight="bold"`
	}
	fmt.Fprintf(&c.body, `<text x="%s" y="%s"%s font-size="%s"%s>%s</text>`+"\n",
		short(at.X), short(at.Y), more, short(face.Font.Size), paint, html.EscapeString(text))
}

// DrawImage implements vg.Canvas.
func (c *svgCanvas) DrawImage(vg.Rectangle, image.Image) {}

// paint returns the attribute, which is stroke or fill, for the present colour; "" if it can't be seen.
func (c *svgCanvas) paint(attribute string) string {
	p, ok := c.pen.colour.(paint)
	if !ok {
		n := color.NRGBAModel.Convert(c.pen.colour).(color.NRGBA)
		solid := color.RGBA{n.R, n.G, n.B, 0xFF}
		p = paint{light: solid, dark: solid, clear: 1 - float64(n.A)/0xFF}
	}
	if p.clear >= 1 {
		return ""
	}
	c.dark[hex(p)] = cssOf(p.dark)
	written := fmt.Sprintf(` %s="%s"`, attribute, hex(p))
	if p.clear > 0 {
		written += fmt.Sprintf(` %s-opacity="%s"`, attribute, short(vg.Length(1-p.clear)))
	}
	return written
}

// data returns the attribute d of a path.
func (c *svgCanvas) data(path vg.Path) string {
	var d strings.Builder
	to := func(command string, points ...vg.Point) {
		d.WriteString(command)
		for i, point := range points {
			if i > 0 {
				d.WriteByte(' ')
			}
			at := c.pen.at(point)
			d.WriteString(short(at.X) + "," + short(at.Y))
		}
	}
	for i, part := range path {
		switch part.Type {
		case vg.MoveComp:
			to("M", part.Pos)
		case vg.LineComp:
			to("L", part.Pos)
		case vg.CurveComp:
			to([]string{1: "Q", 2: "C"}[len(part.Control)], append(slices.Clone(part.Control), part.Pos)...)
		case vg.ArcComp:
			on := func(angle float64) vg.Point {
				sin, cos := math.Sincos(angle)
				return part.Pos.Add(vg.Point{X: vg.Length(cos), Y: vg.Length(sin)}.Scale(part.Radius))
			}
			if i > 0 {
				to("L", on(part.Start))
			} else {
				to("M", on(part.Start))
			}
			// SVG can't draw a whole circle as one arc.
			sweep := 0
			if part.Angle < 0 {
				sweep = 1
			}
			for _, share := range []float64{.5, 1} {
				to(fmt.Sprintf("A%s %[1]s 0 0 %d ", short(part.Radius), sweep), on(part.Start+share*part.Angle))
			}
		case vg.CloseComp:
			d.WriteByte('Z')
		}
	}
	return d.String()
}

// short writes x with two digits after the point, as far as they are needed.
func short(x vg.Length) string {
	return strconv.FormatFloat(math.Round(float64(x)*100)/100+0, 'f', -1, 64)
}

// document returns the picture with a title and a description, for people who can't see it.
// All pictures of a page need different ids. width is that on the screen, in CSS pixels, where a page says
// nothing else.
func (c *svgCanvas) document(id, title, description string, width vg.Length) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" class="pushpull" width="%s" height="%s" viewBox="0 0 %s %s"`+
		` role="img" aria-labelledby="%[5]s-title %[5]s-desc" font-family="'Liberation Sans',Arial,Helvetica,sans-serif">`+"\n",
		short(width), short(width*c.height/c.width), short(c.width), short(c.height), id)
	fmt.Fprintf(&out, "<title id=\"%s-title\">%s</title>\n<desc id=\"%[1]s-desc\">%[3]s</desc>\n", id, html.EscapeString(title), html.EscapeString(description))
	out.WriteString("<style>@media screen and (prefers-color-scheme: dark) {\n")
	for _, light := range slices.Sorted(maps.Keys(c.dark)) {
		fmt.Fprintf(&out, ".pushpull [fill=\"%s\"] { fill: %s } .pushpull [stroke=\"%[1]s\"] { stroke: %[2]s }\n", light, c.dark[light])
	}
	out.WriteString("}</style>\n")
	out.WriteString(c.body.String())
	out.WriteString("</svg>\n")
	return []byte(out.String())
}
