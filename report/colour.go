package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"

	"pushpull/loadgen/result"
)

// The colours are those of Okabe and Ito, "Color Universal Design" (2008), which can be distinguished
// with any colour blindness. Their yellow is left out: a yellow line is hard to see on white.
var (
	vermillion = color.RGBA{0xD5, 0x5E, 0x00, 0xFF}
	green      = color.RGBA{0x00, 0x9E, 0x73, 0xFF}
	blue       = color.RGBA{0x00, 0x72, 0xB2, 0xFF}
	purple     = color.RGBA{0xCC, 0x79, 0xA7, 0xFF}
	orange     = color.RGBA{0xE6, 0x9F, 0x00, 0xFF}
	sky        = color.RGBA{0x56, 0xB4, 0xE9, 0xFF}

	black = color.RGBA{0x1B, 0x1F, 0x24, 0xFF}
	grey  = color.RGBA{0x5B, 0x63, 0x6B, 0xFF}
	rule  = color.RGBA{0xE3, 0xE6, 0xE9, 0xFF}
	white = color.RGBA{0xFF, 0xFF, 0xFF, 0xFF}
)

// hueOf returns the colour of a way, the same in every chart of every result.
func hueOf(way string) (hue color.RGBA, known bool) {
	switch way {
	case result.Timer:
		return vermillion, true
	case result.Held:
		return green, true
	case result.Scan:
		return orange, true
	case result.Duplex:
		return blue, true
	case result.Stream:
		return purple, true
	}
	return grey, false
}

// spareHues are the colours of transports whose way is unknown.
var spareHues = []color.RGBA{sky, grey, black}

// dashes distinguish the lines of runs that are laid side by side; the first is a solid line.
var dashes = [][]vg.Length{nil, {5, 2}, {1.5, 1.8}, {7, 2, 1.5, 2}, {9, 3, 2, 2, 2, 3}}

// A style is the appearance of a series in every chart.
type style struct {
	colour color.RGBA
	dashes []vg.Length
	mark   int // on its lines
	hatch  int // of its bars; 0 is none
}

// stylesOf returns the style of each transport, by name. Each way has a hue, and each transport of a
// way a shade and a mark. Transports of unknown ways get a hue by their kind.
func stylesOf(all []series) map[string]style {
	styles := map[string]style{}
	variants := map[string]int{}
	spare := map[string]color.RGBA{}
	for _, s := range all {
		if _, met := styles[s.Transport]; met {
			continue
		}
		family := s.Way.Class()
		hue, known := hueOf(family)
		if !known {
			family = result.Kind(s.Transport)
			if _, met := spare[family]; !met {
				spare[family] = spareHues[len(spare)%len(spareHues)]
			}
			hue = spare[family]
		}
		variant := variants[family]
		variants[family]++
		styles[s.Transport] = style{colour: shade(hue, variant), mark: variant}
	}
	return styles
}

// inRun returns the style in one of several runs: the colour is the same, and dashes, marks and
// hatches distinguish the runs.
func (s style) inRun(run, runs int) style {
	if runs > 1 {
		s.dashes = dashes[run%len(dashes)]
		s.mark = run
		s.hatch = run % hatches
	}
	return s
}

// shade returns the hue itself for variant 0, and darker and lighter ones for the next.
func shade(hue color.RGBA, variant int) color.RGBA {
	switch variant % 4 {
	case 1:
		return mix(hue, black, .45)
	case 2:
		return mix(hue, white, .4)
	case 3:
		return mix(hue, black, .75)
	}
	return hue
}

// ink darkens a colour until text in it is readable on white, with the contrast of 4.5 to 1 that
// WCAG 2 requires.
func ink(c color.RGBA) color.RGBA {
	for i := 0; i < 20 && 1.05/(luminance(c)+.05) < 4.5; i++ {
		c = mix(c, color.RGBA{}, .08)
	}
	return c
}

// luminance returns the relative luminance as WCAG defines it.
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

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
