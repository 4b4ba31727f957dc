package report

import "strconv"

// fixed writes x with that many digits after the point; -1: as many as needed to read x back.
func fixed(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
