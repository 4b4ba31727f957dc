package report

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"

	"pushpull/loadgen/result"
)

// A paint is a colour of a chart: one for a light page and for paper, one for a dark page. As a
// color.Color it is the light one.
type paint struct {
	light, dark color.RGBA
	clear       float64 // share of what lies below that shines through
}

var _ color.Color = paint{}

// RGBA implements color.Color.
func (p paint) RGBA() (r, g, b, a uint32) {
	alpha := uint8(math.Round(255 * (1 - p.clear)))
	return color.NRGBA{p.light.R, p.light.G, p.light.B, alpha}.RGBA()
}

// What a chart consists of beside the colours of its transports. Paper is its background.
var (
	black = paint{light: color.RGBA{0x1B, 0x1F, 0x24, 0xFF}, dark: color.RGBA{0xE4, 0xE7, 0xEA, 0xFF}}
	grey  = paint{light: color.RGBA{0x5B, 0x63, 0x6B, 0xFF}, dark: color.RGBA{0x9F, 0xA8, 0xB1, 0xFF}}
	rule  = paint{light: color.RGBA{0xE3, 0xE6, 0xE9, 0xFF}, dark: color.RGBA{0x33, 0x3A, 0x42, 0xFF}}
	paper = paint{light: color.RGBA{0xFF, 0xFF, 0xFF, 0xFF}, dark: color.RGBA{0x1A, 0x1E, 0x23, 0xFF}}
	alarm = ink(shade{.60, .17, 45}.paint())
)

// A shade is a colour in OKLCH (Ottosson, "A perceptual color space for image processing", 2020), in
// which equal steps of lightness look equal whatever the hue.
type shade struct {
	lightness float64 // 0 is black, 1 is white
	chroma    float64 // 0 is grey
	hue       float64 // degrees
}

// A hue is the colour of a way of getting messages, and the setting in seconds at which a transport has
// that colour; 0: transports of the way have no setting.
type hue struct {
	shade
	usual float64
}

// hueOf returns the colour of a class of ways. They are close to those of Okabe and Ito, "Color Universal
// Design" (2008), which can be distinguished with any colour blindness.
func hueOf(class string) (h hue, known bool) {
	switch class {
	case result.Timer:
		return hue{shade{.58, .17, 42}, 5}, true
	case result.Held:
		return hue{shade{.57, .13, 172}, 30}, true
	case result.Scan:
		return hue{shade{.68, .145, 80}, .05}, true
	case result.Duplex:
		return hue{shade{.53, .13, 248}, 0}, true
	case result.Stream:
		return hue{shade{.63, .14, 345}, 0}, true
	}
	return hue{shade{.55, .05, 0}, 0}, false
}

// colourOf returns the colour of a transport. It depends on nothing else, so that a transport looks the
// same in every chart of every result. Its way decides the hue, and its setting how dark it is: the
// shorter, the darker. That of a foreign server is paler. Its name changes both a little, as several transports may have the same way; one
// whose way is unknown gets a greyish hue by its name alone.
func colourOf(transport string, way result.Way) paint {
	h, known := hueOf(way.Class())
	turn := 180.0
	if known {
		turn = 22
	}
	first, second := nameShares(result.Kind(transport))
	h.hue += turn * first
	h.lightness += .1 * second
	setting := max(way.EveryS, way.ScanS)
	if setting == 0 {
		setting = way.HoldS
	}
	if h.usual > 0 && setting > 0 {
		h.lightness += .14 * math.Log10(setting/h.usual)
	}
	h.lightness = max(.36, min(h.lightness, .72))
	if way.Server != "" { // paler than pushpull's own
		h.lightness += .14
		h.chroma *= .7
	}
	return h.paint()
}

// nameShares returns two numbers from -1 to 1 that depend on the name alone.
func nameShares(name string) (first, second float64) {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	share := func(bits uint16) float64 { return 2*float64(bits)/math.MaxUint16 - 1 }
	// These bits keep the names that share a class apart: see TestSameClass.
	return share(uint16(hash.Sum64())), share(uint16(hash.Sum64() >> 4))
}

// lineContrast is the least contrast of a line with its background, as WCAG 2 requires of graphics;
// textContrast that of text.
const (
	lineContrast = 3
	textContrast = 4.5
)

// paint returns the shade as a paint whose lines can be seen on light and on dark paper. Of two shades, the
// darker one stays darker on both.
func (s shade) paint() paint {
	on := func(s shade, paper color.RGBA, step float64) color.RGBA {
		for contrast(s.rgb(), paper) < lineContrast {
			s.lightness += step
		}
		return s.rgb()
	}
	night := shade{.56 + .85*(s.lightness-.36), s.chroma, s.hue}
	return paint{light: on(s, paper.light, -.01), dark: on(night, paper.dark, .01)}
}

// rgb returns the shade with as much of its chroma as a screen can show.
func (s shade) rgb() color.RGBA {
	for chroma := s.chroma; ; chroma -= .005 {
		sin, cos := math.Sincos(s.hue * math.Pi / 180)
		a, b := chroma*cos, chroma*sin
		l := s.lightness + .3963377774*a + .2158037573*b
		m := s.lightness - .1055613458*a - .0638541728*b
		n := s.lightness - .0894841775*a - 1.2914855480*b
		l, m, n = l*l*l, m*m*m, n*n*n
		red := +4.0767416621*l - 3.3077115913*m + .2309699292*n
		green := -1.2684380046*l + 2.6097574011*m - .3413193965*n
		blue := -.0041960863*l - .7034186147*m + 1.7076147010*n
		if least, most := min(red, green, blue), max(red, green, blue); chroma <= 0 || least >= 0 && most <= 1 {
			return color.RGBA{encoded(red), encoded(green), encoded(blue), 0xFF}
		}
	}
}

// encoded returns a linear component, from 0 to 1, as sRGB has it.
func encoded(linear float64) uint8 {
	linear = max(0, min(linear, 1))
	if linear <= .0031308 {
		return uint8(math.Round(255 * 12.92 * linear))
	}
	return uint8(math.Round(255 * (1.055*math.Pow(linear, 1/2.4) - .055)))
}

// ink changes a colour until text in it is readable.
func ink(p paint) paint {
	until := func(c, paper, towards color.RGBA) color.RGBA {
		for contrast(c, paper) < textContrast {
			c = mix(c, towards, .04)
		}
		return c
	}
	return paint{
		light: until(p.light, paper.light, color.RGBA{}),
		dark:  until(p.dark, paper.dark, color.RGBA{0xFF, 0xFF, 0xFF, 0xFF}),
	}
}

// pale mixes a colour with that share of the background.
func pale(p paint, share float64) paint {
	return paint{light: mix(p.light, paper.light, share), dark: mix(p.dark, paper.dark, share)}
}

// contrast returns the contrast of two colours as WCAG 2 defines it, from 1 to 21.
func contrast(a, b color.RGBA) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// luminance returns the relative luminance as WCAG 2 defines it.
func luminance(c color.RGBA) float64 {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= .03928 {
			return x / 12.92
		}
		return math.Pow((x+.055)/1.055, 2.4)
	}
	return .2126*linear(c.R) + .7152*linear(c.G) + .0722*linear(c.B)
}

// mix returns c mixed with that share of other.
func mix(c, other color.RGBA, share float64) color.RGBA {
	part := func(a, b uint8) uint8 {
		return uint8(math.Round(float64(a)*(1-share) + float64(b)*share))
	}
	return color.RGBA{part(c.R, other.R), part(c.G, other.G), part(c.B, other.B), 0xFF}
}

// hex returns the light colour as CSS writes it, like "#d55e00".
func hex(p paint) string { return cssOf(p.light) }

func huesOf(p paint) Hues { return Hues{cssOf(p.light), cssOf(p.dark)} }

func cssOf(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// A style is the appearance of a series in every chart.
type style struct {
	colour paint
	width  vg.Length // of its lines
	mark   int       // on its lines
	pale   float64   // share of the background in the fill of its bars
}

// stylesOf returns the style of each transport, by name. Transports of the same class, whose colours are
// similar, have different marks.
func stylesOf(all []series) map[string]style {
	styles := map[string]style{}
	marks := map[string]int{}
	for _, s := range all {
		if _, met := styles[s.Transport]; met {
			continue
		}
		class := s.Way.Class()
		styles[s.Transport] = style{colour: colourOf(s.Transport, s.Way), width: 1.8, mark: marks[class]}
		marks[class]++
	}
	return styles
}

// inRun returns the style in one of several runs: the colour is the same, and the first run is the
// strongest. Dashes would stand for theory.
func (s style) inRun(run, runs int) style {
	if runs > 1 {
		weaker := float64(run) / float64(max(runs-1, 2))
		s.width = vg.Length(2.3 - 1.2*weaker)
		s.mark = run
		s.pale = .75 * weaker
	}
	return s
}
