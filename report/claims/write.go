package claims

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"pushpull/report/text"
)

// whole writes a number without digits after the point, with commas.
func whole(x float64) string {
	digits := strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func octets(x float64) string { return number(x) + " B" }

// number writes a number with two or three digits, or as a whole one.
func number(x float64) string {
	if x >= 100 {
		return whole(x)
	}
	if x == math.Trunc(x) {
		return whole(x)
	}
	digits := text.Number(x, 2)
	if x < 1 {
		digits = strings.TrimRight(digits, "0")
	}
	return digits
}

func kilobytes(x float64) string { return text.Number(x/1e3, 3) + " KB" }

func gigabytes(x float64) string { return text.Number(x/1e9, 2) + " GB" }

// megabits writes bits a second.
func megabits(x float64) string { return text.Number(x/1e6, 3) + " Mbit/s" }

// duration writes milliseconds.
func duration(ms float64) string { return text.Duration(ms, 3) }

// times writes a ratio.
func times(x float64) string { return text.Number(x, 2) + " times" }

func oneIn(n float64) string { return text.Number(n, 2) + " transits" }

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

func against(a, b string) string { return strings.Join([]string{a, b}, " against ") }

// text3 writes a number with three digits.
func text3(x float64) string { return text.Number(x, 3) }

// whole2 writes a large number with two digits that count.
func whole2(x float64) string {
	if x <= 0 {
		return "0"
	}
	step := math.Pow10(max(0, text.Magnitude(x)-1))
	return whole(math.Round(x/step) * step)
}
