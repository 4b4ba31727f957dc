package check

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// clean makes s one line that a terminal takes for nothing but text.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// number writes x with that many significant digits, or all of those before the point.
func number(x float64, digits int) string {
	if x == 0 {
		return "0"
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64) // it was just written
	// The nudge is for the powers of ten, whose logarithm may fall just short.
	before := 1 + int(math.Floor(math.Log10(math.Abs(rounded))+1e-12))
	return strconv.FormatFloat(x, 'f', max(0, digits-before), 64)
}

// ratio writes a ratio to a hundredth, or, of small and large ones, what tells them apart.
func ratio(x float64) string {
	switch {
	case x >= 1:
		return number(x, 3)
	case x >= .1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return number(x, 2)
}

// percent writes how much a ratio above 1 is above it.
func percent(x float64) string {
	digits := 1
	if x >= 1.1 {
		digits = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(100*(x-1), 'f', digits, 64), ".0") + "%"
}

// plural writes n with its noun.
func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}
