package ci

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Benchfmt writes o in the Go benchmark data format
// (https://golang.org/design/14313-benchmark-format): a line for each window, so that benchstat has
// samples. benchstat -col /transport lays the transports of a run side by side,
// benchstat OLD NEW two runs, and benchstat -col side the two of a check.
func Benchfmt(w io.Writer, o Outcome) error {
	var out strings.Builder
	for i, side := range o.Sides {
		if i > 0 {
			out.WriteString("\n")
		}
		writeConfig(&out, side)
		if i == 0 {
			for _, m := range measures() {
				fmt.Fprintf(&out, "Unit %s better=lower\n", m.benchUnit)
			}
		}
		for _, row := range side.Rows {
			for _, window := range side.windows(row.Transport) {
				var values strings.Builder
				for _, m := range measures() {
					if value, ok := m.of(window); ok {
						fmt.Fprintf(&values, " %s %s", number(value*m.scale, 6), m.benchUnit)
					}
				}
				if values.Len() > 0 {
					// A slash would begin another part of the name, a space would end it.
					fmt.Fprintf(&out, "BenchmarkDelivery/transport=%s/users=%d %d%s\n",
						url.PathEscape(row.Transport), row.Users, window.Delivered, values.String())
				}
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// writeConfig writes first, as remarks, what may differ between runs that are compared, then the
// keys: benchstat compares nothing across different values of those.
func writeConfig(out *strings.Builder, side Side) {
	run, load := side.Result.Run, side.Result.Run.Scenario
	fmt.Fprintf(out, "# %s\n# measured %s\n", line(run.Command), line(machine(run)))
	for _, row := range side.Rows {
		for _, text := range fatal(row) {
			fmt.Fprintf(out, "# %s is not to be believed: %s\n", line(row.Transport), text)
		}
	}
	key := func(name string, value any) {
		if text := line(fmt.Sprint(value)); text != "" {
			fmt.Fprintf(out, "%s: %s\n", name, text)
		}
	}
	key("side", side.Name)
	key("goarch", run.Environment.Arch)
	key("cpu", run.Environment.CPU)
	key("scenario", load.Name)
	key("room-size", load.RoomSize)
	key("senders", load.Senders)
	key("rate", load.Rate)
	key("size", load.Size)
	if load.Servers > 1 {
		key("servers", load.Servers)
	}
	key("store", store(load))
}
