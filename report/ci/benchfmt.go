package ci

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"pushpull/loadgen/result"
)

// Benchfmt writes o in the Go benchmark data format
// (https://golang.org/design/14313-benchmark-format): a line for each window, as benchstat needs several
// samples. "benchstat -col /transport" compares the transports of a run, "benchstat OLD NEW" two runs,
// and "benchstat -col side" base and head of a check.
func Benchfmt(w io.Writer, o Outcome) error {
	var out strings.Builder
	for i, side := range o.Sides {
		if i > 0 {
			out.WriteString("\n")
		}
		writeConfig(&out, side)
		for _, text := range o.omissions(side) {
			fmt.Fprintf(&out, "# %s\n", text)
		}
		if i == 0 {
			for _, m := range history() {
				unit, _ := m.Bench()
				if way := better(m); way != "" {
					fmt.Fprintf(&out, "Unit %s better=%s\n", unit, way)
				}
			}
		}
		for _, row := range side.Rows {
			for _, window := range side.windows(row.Transport) {
				var values strings.Builder
				for _, m := range history() {
					if value, ok := tracked(m, window); ok {
						unit, scale := m.Bench()
						fmt.Fprintf(&values, " %s %s", number(value*scale, 6), unit)
					}
				}
				if values.Len() > 0 {
					// In the format a slash begins another part of the name and a space ends it.
					fmt.Fprintf(&out, "BenchmarkDelivery/transport=%s/users=%d %d%s\n",
						url.PathEscape(row.Transport), row.Users, window.Delivered, values.String())
				}
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// better returns the direction in which m improves, as the format spells it; "" for neither.
func better(m result.Metric) string {
	switch m.Worse {
	case result.Higher:
		return "lower"
	case result.Lower:
		return "higher"
	}
	return ""
}

// writeConfig writes the configuration of a side. benchstat compares only lines whose keys have the same
// values, so the keys are the facts that comparable runs share. What may differ between them is written
// as comments.
func writeConfig(out *strings.Builder, side Side) {
	run := side.Result.Run
	fmt.Fprintf(out, "# %s\n# measured %s\n", line(run.Command), line(machine(side.Result)))
	for _, row := range side.Rows {
		about := " is not to be believed: "
		if !row.Measured() {
			about = " was "
		}
		for _, text := range fatal(row) {
			fmt.Fprintf(out, "# %s%s%s\n", line(row.Transport), about, text)
		}
	}
	key := func(name, value string) {
		if text := line(value); text != "" {
			fmt.Fprintf(out, "%s: %s\n", name, text)
		}
	}
	key("side", side.Name)
	key("scenario", run.Scenario.Name)
	for _, f := range result.Facts(side.Result) {
		name := f.Key()
		switch name {
		case "users":
			continue // part of the benchmark's name, so that benchstat -col /users can compare them
		case "architecture":
			name = "goarch" // the format's own key
		}
		if f.Difference == result.Refused || f.Difference == result.Ungated {
			key(name, f.Values[0])
		}
	}
}
