package report

import (
	"math"
	"strconv"
)

// number writes x with that many significant digits, or all of those before the point.
func number(x float64, digits int) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return "0"
	}
	digits = max(digits, magnitude(x)+1)
	x = round(x, digits)
	return strconv.FormatFloat(x, 'f', max(0, digits-1-magnitude(x)), 64)
}

// duration writes milliseconds in the unit that suits them.
func duration(ms float64, digits int) string {
	switch rounded := round(ms, digits); {
	case rounded < 1:
		return number(ms*1e3, digits) + " µs"
	case rounded < 1e3:
		return number(ms, digits) + " ms"
	}
	return number(ms/1e3, digits) + " s"
}

// round keeps that many significant digits of x.
func round(x float64, digits int) float64 {
	if x == 0 {
		return 0
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64) // it was just written
	return rounded
}

func magnitude(x float64) int {
	// The nudge is for the powers of ten, whose logarithm may fall just short.
	return int(math.Floor(math.Log10(math.Abs(x)) + 1e-12))
}

// kilobytes counts them in thousands of bytes.
func kilobytes(bytes float64) float64 { return bytes / 1e3 }

// plural writes n with its noun.
func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// fixed writes x with that many digits after the point.
func fixed(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
