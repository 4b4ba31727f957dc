package check

import (
	"strconv"
	"strings"

	"pushpull/report/text"
)

// ratio writes a ratio with three significant digits from 1 up, two decimals from .1 up, and two
// significant digits below.
func ratio(x float64) string {
	switch {
	case x >= 1:
		return text.Number(x, 3)
	case x >= .1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return text.Number(x, 2)
}

// percent writes a ratio of 1 or more as an increase: "5%" for 1.05.
func percent(x float64) string {
	digits := 1
	if x >= 1.1 {
		digits = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(100*(x-1), 'f', digits, 64), ".0") + "%"
}
