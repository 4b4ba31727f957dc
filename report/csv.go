package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
)

// A field is one column of CSV.
type field struct {
	name string
	of   func(Run, result.Row) string // "" if the row has no value; the Run has its name of namesOf
}

// fields returns the columns of CSV: what was measured, every metric, each followed by its prediction
// if theory has one, and whether the row is to be believed.
func fields() []field {
	all := []field{
		{"run", func(run Run, _ result.Row) string { return run.Name }},
		{"scenario", func(run Run, _ result.Row) string { return run.Run.Scenario.Name }},
		{"transport", func(_ Run, row result.Row) string { return row.Transport }},
		{"users", func(_ Run, row result.Row) string { return strconv.Itoa(row.Users) }},
		{"servers", func(_ Run, row result.Row) string { return strconv.Itoa(row.Servers) }},
		{"rounds", func(_ Run, row result.Row) string { return strconv.Itoa(row.Rounds) }},
		{"duration_s", number(func(row result.Row) (float64, bool) { return row.DurationS, row.Measured() })},
	}
	for _, m := range result.Metrics() {
		all = append(all, field{m.Column(), number(m.Value)})
		if m.Theory != nil {
			all = append(all, field{"theory_" + m.Column(), number(m.Theory)})
		}
	}
	return append(all,
		field{"believed", func(_ Run, row result.Row) string {
			return strconv.FormatBool(!result.Fatal([]result.Row{row}))
		}},
		field{"doubts", func(_ Run, row result.Row) string {
			var codes []string
			for _, d := range row.Doubts {
				codes = append(codes, d.Code)
			}
			return strings.Join(codes, " ")
		}})
}

// number returns a cell with all digits of a value, or an empty one.
func number(value func(result.Row) (float64, bool)) func(Run, result.Row) string {
	return func(_ Run, row result.Row) string {
		x, ok := value(row)
		if !ok {
			return ""
		}
		return fixed(x, -1)
	}
}

// CSV writes runs as CSV according to RFC 4180: a header, then a line for each transport of each run.
// The column of a metric is named after its key and unit, like server_cpu_us_per_message. Numbers have
// all their digits; an unknown value is empty. Names are not cleaned, but runs with names that look
// alike are numbered.
func CSV(w io.Writer, runs ...Run) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	all := fields()
	line := make([]string, len(all))
	for i, f := range all {
		line[i] = f.name
	}
	err := out.Write(line)
	names, _ := namesOf(runs)
	for i, run := range runs {
		run.Name = names[i]
		for _, row := range run.Rows {
			for k, f := range all {
				line[k] = f.of(run, row)
			}
			if err == nil {
				err = out.Write(line)
			}
		}
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}
