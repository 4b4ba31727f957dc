package text

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// spelled matches what Name and Spell write for characters that they don't show.
var spelled = regexp.MustCompile(`^\[(U\+[0-9A-F]{4,6}( [0-9A-F]{4,6})*|x[0-9A-F]{2})\]`)

// Name writes a name as one line of plain text, like Clean, but two different names stay different.
// Characters that can't be seen are spelled: a right-to-left override is "[U+202E]", several of them in
// a row are "[U+202E 200B]", and a byte that isn't UTF-8 is "[xFF]". The bracket of a name that itself
// contains "[U+202E]" is spelled too. The result must not go through Name again.
func Name(s string) string {
	var out strings.Builder
	var hidden []rune
	flush := func() {
		out.WriteString(spell(hidden))
		hidden = hidden[:0]
	}
	bare := true // nothing stands before the next character that a combining mark could be drawn on
	for i, r := range s {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			flush()
			fmt.Fprintf(&out, "[x%02X]", s[i])
			bare = true
			continue
		}
		// Spaces at an end would be lost in a table, and several in a row on a page.
		blank := r == ' ' && (bare || i+size == len(s))
		mark := bare && unicode.Is(unicode.M, r)
		if blank || mark || unseen(r) || r == '[' && spelled.MatchString(s[i:]) {
			hidden = append(hidden, r)
			bare = true
			continue
		}
		flush()
		out.WriteRune(r)
		bare = r == ' '
	}
	flush()
	return out.String()
}

// Spell spells the characters of name for which lacks returns true, as Name does. Two different results
// of Name stay different. lacks must return false for ASCII.
func Spell(name string, lacks func(rune) bool) string {
	var out strings.Builder
	var hidden []rune
	for _, r := range name {
		if lacks(r) {
			hidden = append(hidden, r)
			continue
		}
		out.WriteString(spell(hidden))
		hidden = hidden[:0]
		out.WriteRune(r)
	}
	out.WriteString(spell(hidden))
	return out.String()
}

// spell writes the code points of hidden in brackets, or nothing if there are none.
func spell(hidden []rune) string {
	if len(hidden) == 0 {
		return ""
	}
	codes := make([]string, len(hidden))
	for i, r := range hidden {
		codes[i] = fmt.Sprintf("%04X", r)
	}
	return "[U+" + strings.Join(codes, " ") + "]"
}

// unseen reports whether r leaves no mark of its own, or changes the direction of what follows.
// Unicode calls some of these characters letters, marks or symbols, so they count as printable.
func unseen(r rune) bool {
	const brailleBlank = '\u2800'
	return !unicode.IsPrint(r) || r == brailleBlank ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Alike returns the same string for two names that look the same although they differ, as with
// "é" as one character or as two.
func Alike(name string) string { return Name(norm.NFKC.String(name)) }

// Width returns the number of columns that s takes on a terminal. Chinese, Japanese and Korean
// characters and most emoji take two, combining marks none.
func Width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300: // nearly all, and the cheapest to decide
			n++
		case unicode.In(r, unicode.Mn, unicode.Me):
		case r >= 0x1160 && r <= 0x11FF: // vowels and finals that join the Korean letter before them
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
