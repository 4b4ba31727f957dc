package report

import (
	"cmp"
	"fmt"
	"strconv"
	"unicode/utf8"

	"golang.org/x/image/font"
	plotfont "gonum.org/v1/plot/font"
	plottext "gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"pushpull/report/text"
)

// namesOf returns a name for each run, as data and as the label that people are shown. Runs with names
// that look alike are numbered, so no two runs have the same name or the same label. Names are valid
// UTF-8, labels are plain text, and neither is empty. Whatever shows or writes several runs calls them
// by these.
func namesOf(runs []Run) (names, labels []string) {
	met := map[string]bool{}
	for _, run := range runs {
		given := cmp.Or(run.Name, run.Run.Scenario.Name, "run")
		for n := 1; ; n++ {
			raw := given
			if n > 1 {
				raw = fmt.Sprintf("%s (%d)", given, n)
			}
			name, label := raw, text.Name(raw)
			if !utf8.ValidString(raw) {
				name = label // JSON would write the same sign for each invalid byte
			}
			if alike := text.Alike(name); !met[alike] {
				met[alike] = true
				names, labels = append(names, name), append(labels, label)
				break
			}
		}
	}
	return names, labels
}

// shorten returns names that fit, with an ellipsis in place of what is cut out. It cuts the middle,
// because names mostly differ at their ends. Names that would then be the same keep the part in which
// they differ, or get a number, so different names stay different. fits must be true for every name
// shorter than one that fits.
func shorten(names []string, fits func(string) bool) []string {
	short := map[string]string{}
	same := map[string][]string{} // by what they are shortened to
	for _, name := range names {
		if _, met := short[name]; !met {
			short[name] = cut(name, "", fits)
			same[short[name]] = append(same[short[name]], name)
		}
	}
	all := make([]string, len(names))
	met := map[string]string{}
	for i, name := range names {
		if group := same[short[name]]; len(group) > 1 {
			short[name] = cut(apartFrom(name, group), "", fits)
		}
		for n := 2; met[short[name]] != "" && met[short[name]] != name; n++ {
			short[name] = cut(name, " #"+strconv.Itoa(n), fits)
		}
		met[short[name]] = name
		all[i] = short[name]
	}
	return all
}

// cut shortens name until it fits together with end, but not to less than an ellipsis.
func cut(name, end string, fits func(string) bool) string {
	short := name
	runes := []rune(name)
	for keep := len(runes) - 2; !fits(short+end) && keep >= 0; keep-- {
		tail := keep / 2
		short = string(runes[:keep-tail]) + "…" + string(runes[len(runes)-tail:])
	}
	return short + end
}

// apartFrom returns name without most of what all names of the group begin with.
func apartFrom(name string, group []string) string {
	const before = 1 // character that stays before the first difference
	runes := []rune(name)
	common := len(runes)
	for _, other := range group {
		same := 0
		for _, r := range other {
			if same >= common || r != runes[same] {
				break
			}
			same++
		}
		common = same
	}
	if common <= before {
		return name
	}
	return "…" + string(runes[common-before:])
}

// drawn is the handler of every text in a chart. The fonts of the charts have no Chinese characters and
// no emoji, and draw nothing in their place. A viewer of SVG may lack them as well, and shows the same
// box for each. So all charts spell them.
var drawn plottext.Handler = handler{plottext.Plain{Fonts: plotfont.DefaultCache}}

type handler struct{ plottext.Plain }

// Box implements plottext.Handler.
func (h handler) Box(txt string, fnt plotfont.Font) (width, height, depth vg.Length) {
	return h.Plain.Box(drawable(txt), fnt)
}

// Draw implements plottext.Handler.
func (h handler) Draw(c vg.Canvas, txt string, sty plottext.Style, at vg.Point) {
	h.Plain.Draw(c, drawable(txt), sty, at)
}

// drawable returns name as charts show it.
func drawable(name string) string { return text.Spell(name, lacking) }

// lacking reports whether a font of the charts has no glyph for r.
func lacking(r rune) bool {
	if r < utf8.RuneSelf {
		return false
	}
	for _, weight := range []font.Weight{font.WeightNormal, font.WeightBold} {
		f := regular(10, black).Font
		f.Weight = weight
		glyph, err := plotfont.DefaultCache.Lookup(f, f.Size).Face.GlyphIndex(nil, r)
		if glyph == 0 || err != nil {
			return true
		}
	}
	return false
}
