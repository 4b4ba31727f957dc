package text

import (
	"strconv"

	"pushpull/loadgen/result"
)

// digits is how many significant digits of a metric people are shown.
const digits = 3

// Value writes x, a value of m, without its unit: all digits of a plain count, and those that
// matter of anything else.
func Value(m result.Metric, x float64) string {
	switch {
	case m.Plain():
		return strconv.FormatFloat(x, 'f', 0, 64)
	case m.Unit == "%":
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return Number(x, digits)
}

// Quantity writes x, a value of m, with its unit: "1.42 ms", "203 us/message", "2.00/message".
func Quantity(m result.Metric, x float64) string { return m.Labelled(Value(m, x)) }

// Fixed writes the value of m in row for a table whose heading has the unit: "-" where there is
// none or it is a part of nothing, and what it is a part of behind a slash.
func Fixed(m result.Metric, row result.Row) string {
	return cell(m, row, m.Value, Value)
}

// Cell is Fixed for a table whose heading has Below(m). Latencies of one column range from
// microseconds to seconds, so each carries its own unit.
func Cell(m result.Metric, row result.Row) string {
	return cell(m, row, m.Value, scaled)
}

// Theory writes what the value of m in row should be, as Cell does.
func Theory(m result.Metric, row result.Row) string {
	m.Whole = nil
	return cell(m, row, m.Theory, scaled)
}

func cell(m result.Metric, row result.Row, value func(result.Row) (float64, bool), write func(result.Metric, float64) string) string {
	x, ok := value(row)
	if !ok || m.Whole != nil && m.Whole(row) == 0 {
		return "-"
	}
	written := write(m, x)
	if m.Whole != nil {
		written += "/" + Value(m, m.Whole(row))
	}
	return written
}

// scaled writes x with a unit of its own where Below leaves that to the cells.
func scaled(m result.Metric, x float64) string {
	switch m.Unit {
	case "ms":
		return Duration(x, digits)
	case "%":
		return Quantity(m, x)
	}
	return Value(m, x)
}

// Below returns the unit that the cells of m leave to the heading.
func Below(m result.Metric) string {
	if m.Unit == "ms" || m.Unit == "%" {
		return ""
	}
	return m.Measure()
}
