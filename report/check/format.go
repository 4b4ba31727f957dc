package check

import (
	"strconv"
	"strings"

	"pushpull/report/text"
)

// ratio writes a ratio to a hundredth, or, of small and large ones, what tells them apart.
func ratio(x float64) string {
	switch {
	case x >= 1:
		return text.Number(x, 3)
	case x >= .1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return text.Number(x, 2)
}

// percent writes how much a ratio above 1 is above it.
func percent(x float64) string {
	digits := 1
	if x >= 1.1 {
		digits = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(100*(x-1), 'f', digits, 64), ".0") + "%"
}
