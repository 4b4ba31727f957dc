// Package text writes what a result holds for people: numbers with the digits that matter, and
// names, which may come from anywhere, as text and nothing else.
//
// It knows no layout and no format.
package text

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Clean makes s one line that neither a terminal nor an XML reader takes for anything but text.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// Number writes x with that many significant digits, or all of those before the point.
func Number(x float64, digits int) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return "0"
	}
	digits = max(digits, Magnitude(x)+1)
	x = round(x, digits)
	return strconv.FormatFloat(x, 'f', max(0, digits-1-Magnitude(x)), 64)
}

// Duration writes milliseconds in the unit that suits them.
func Duration(ms float64, digits int) string {
	switch rounded := round(ms, digits); {
	case rounded < 1:
		return Number(ms*1e3, digits) + " µs"
	case rounded < 1e3:
		return Number(ms, digits) + " ms"
	}
	return Number(ms/1e3, digits) + " s"
}

// Plural writes n with its noun.
func Plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// round keeps that many significant digits of x.
func round(x float64, digits int) float64 {
	if x == 0 {
		return 0
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64) // it was just written
	return rounded
}

// Magnitude returns the power of ten that x begins with: 2 of 123, -1 of .5. 0 has none.
func Magnitude(x float64) int {
	// The nudge is for the powers of ten, whose logarithm may fall just short.
	return int(math.Floor(math.Log10(math.Abs(x)) + 1e-12))
}
