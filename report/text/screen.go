package text

import (
	"regexp"
	"strings"
	"unicode"

	"pushpull/loadgen/result"
)

// A Screen is where text for people is written: a terminal, or a pipe or file that is read as one. The zero
// value is a pipe that can show ASCII alone.
type Screen struct {
	Columns int  // width; 0: 80
	UTF8    bool // shows more than ASCII
	Colour  bool // shows an Ink
}

// usual is the width of a screen whose width is unknown.
const usual = 80

// Width returns the number of columns, which is at least 1.
func (s Screen) Width() int {
	if s.Columns == 0 {
		return usual
	}
	return max(1, s.Columns)
}

// Metric returns m with a unit that s can show.
func (s Screen) Metric(m result.Metric) result.Metric {
	if s.UTF8 {
		return m.Typeset()
	}
	return m
}

// typography replaces the characters of this project's own words that are not ASCII.
var typography = strings.NewReplacer("µ", "u", "×", "x", "…", "...", "·", "-", "–", "-", "—", "-", "’", "'")

// Text returns words as s can show them: without UTF-8 they are written in ASCII, and characters that have
// no counterpart are spelled. Two words may become the same one, so a name alone goes through Name.
func (s Screen) Text(words string) string {
	if s.UTF8 {
		return words
	}
	return s.Name(typography.Replace(words))
}

// Name returns a name, as Name has written it, as s can show it. Different names stay different.
func (s Screen) Name(name string) string {
	if s.UTF8 {
		return name
	}
	return Spell(name, func(r rune) bool { return r > unicode.MaxASCII })
}

// An Ink is how text stands out on a terminal: parameters of the control sequence SGR.
type Ink string

const (
	Plain  Ink = ""
	Bold   Ink = "1"
	Faint  Ink = "2"
	Better Ink = "32" // green
	Poorer Ink = "31" // red
)

// Paint returns words in that ink, or as they are without colour. Width doesn't know inks, so words are
// aligned before they are painted.
func (s Screen) Paint(ink Ink, words string) string {
	if !s.Colour || ink == Plain || words == "" {
		return words
	}
	return "\x1b[" + string(ink) + "m" + words + "\x1b[0m"
}

// Wrap returns words in lines that fit s. All lines but the first begin with indent spaces, or fewer on a
// narrow screen. A word that is longer than a line is broken.
func (s Screen) Wrap(words string, indent int) []string {
	room := s.Width()
	blank := strings.Repeat(" ", min(indent, room/4))
	var lines []string
	line, begun := "", false // begun: line holds a word
	flush := func() {
		lines = append(lines, line)
		line, begun = blank, false
	}
	for _, word := range unbroken(words) {
		if begun && Width(line)+1+Width(word) > room {
			flush()
		}
		for !begun && Width(line)+Width(word) > room {
			head := Fit(word, max(1, room-Width(line)))
			if head == "" { // one character is wider than the line
				break
			}
			line += head
			word = word[len(head):]
			flush()
		}
		if begun {
			line += " "
		}
		line += word
		begun = true
	}
	if begun || len(lines) == 0 {
		flush()
	}
	return lines
}

// quantity matches a number with a unit of its own.
var quantity = regexp.MustCompile(`^[0-9.]+ (µs|us|ms|s|B|KB|%)[.,;:)]?$`)

// unbroken splits words at spaces, but for those between a number and its unit.
func unbroken(words string) []string {
	var all []string
	for word := range strings.FieldsSeq(words) {
		if last := len(all) - 1; last >= 0 && quantity.MatchString(all[last]+" "+word) {
			all[last] += " " + word
		} else {
			all = append(all, word)
		}
	}
	return all
}

// Fit returns the beginning of s that is at most so many columns wide. A combining mark stays with the
// character before it.
func Fit(s string, columns int) string {
	width := 0
	for i, r := range s {
		width += Width(string(r))
		if width > columns {
			return s[:i]
		}
	}
	return s
}
