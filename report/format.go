package report

import "strconv"

// kilobytes counts them in thousands of bytes.
func kilobytes(bytes float64) float64 { return bytes / 1e3 }

// fixed writes x with that many digits after the point.
func fixed(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
