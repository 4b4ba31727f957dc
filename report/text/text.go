// Package text writes the values of a result for people: metrics and other numbers with their
// significant digits, and names, which may contain anything, as plain text.
//
// It knows nothing of layouts or file formats.
package text

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean replaces unprintable characters, so that s is one line of plain text for any terminal or XML
// reader. It does not escape markup. Two texts may become the same one: a name that must tell one thing
// from another goes through Name.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// Number writes x with that many significant digits, or with all digits before the point if these
// are more. NaN and infinities are written as 0.
func Number(x float64, digits int) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return "0"
	}
	digits = max(digits, Magnitude(x)+1)
	x = round(x, digits)
	return strconv.FormatFloat(x, 'f', max(0, digits-1-Magnitude(x)), 64)
}

// Duration writes a time in milliseconds with that many significant digits, in µs, ms or s.
func Duration(ms float64, digits int) string {
	switch rounded := round(ms, digits); {
	case rounded < 1:
		return Number(ms*1e3, digits) + " µs"
	case rounded < 1e3:
		return Number(ms, digits) + " ms"
	}
	return Number(ms/1e3, digits) + " s"
}

// Plural writes n with its noun: one is the singular, more the plural.
func Plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// Upper returns s with a capital first letter.
func Upper(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

// round returns x rounded to that many significant digits.
func round(x float64, digits int) float64 {
	if x == 0 {
		return 0
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64) // always parses
	return rounded
}

// Magnitude returns the exponent of x's first digit: 2 for 123, -1 for .5. x must not be 0.
func Magnitude(x float64) int {
	// The logarithm of a power of ten may be just too small.
	return int(math.Floor(math.Log10(math.Abs(x)) + 1e-12))
}
