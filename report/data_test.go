package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// TestRowsAreMadeOnce marks the row of a run. Output without the mark was not made from that row.
func TestRowsAreMadeOnce(t *testing.T) {
	run := synthetic("", 1, webSocket)
	run.Rows = []result.Row{run.Rows[0]}
	const mark = "77700"
	run.Rows[0].RequestsPerDelivery, run.Rows[0].Handshakes = 77700, 0
	for name, write := range map[string]func(io.Writer, ...report.Run) error{
		"table": func(w io.Writer, runs ...report.Run) error { return report.Table(w, text.Screen{}, runs...) },
		"page":  func(w io.Writer, runs ...report.Run) error { return report.HTML(w, report.Link{}, runs...) },
		"chart": func(w io.Writer, runs ...report.Run) error { return report.SVG(w, "requests", runs...) },
		"JSON":  func(w io.Writer, runs ...report.Run) error { return report.JSON(w, runs...) },
		"CSV":   report.CSV,
		"answer": func(w io.Writer, runs ...report.Run) error {
			_, err := io.WriteString(w, report.Answer(runs[0]))
			return err
		},
	} {
		var out bytes.Buffer
		if err := write(&out, run); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), mark) {
			t.Errorf("%s does not show the rows of the run: %s", name, out.String()[:min(out.Len(), 500)])
		}
	}
	cells := report.Summarize(run).Headlines.Rows[0].Cells
	if !slices.ContainsFunc(cells, func(c report.Cell) bool { return c.Text == mark }) {
		t.Errorf("the list of runs shows %v, not the row of the run", cells)
	}
}

// TestCSV reads every case back, those with hostile names and missing values included.
func TestCSV(t *testing.T) {
	for name, runs := range cases() {
		var out bytes.Buffer
		if err := report.CSV(&out, runs...); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		head := lines[0]
		cell := func(line []string, column string) string { return line[slices.Index(head, column)] }
		lines = lines[1:]
		for _, run := range runs {
			for _, row := range run.Rows {
				line := lines[0]
				lines = lines[1:]
				if cell(line, "transport") != row.Transport || cell(line, "scenario") != run.Run.Scenario.Name {
					t.Errorf("%s: a line about %q of %q, want %q", name, cell(line, "transport"), cell(line, "scenario"), row.Transport)
				}
				for _, m := range result.Metrics() {
					want, ok := m.Value(row)
					got := cell(line, m.Column())
					if x, err := strconv.ParseFloat(got, 64); ok && (err != nil || x != want) || !ok && got != "" {
						t.Errorf("%s, %s: %s is %q, want %v, %t", name, row.Transport, m.Key, got, want, ok)
					}
					if strings.ContainsAny(got, "eE+,") {
						t.Errorf("%s, %s: %s is %q, not a plain number", name, row.Transport, m.Key, got)
					}
				}
				if got, want := cell(line, "believed"), strconv.FormatBool(!result.Fatal([]result.Row{row})); got != want {
					t.Errorf("%s, %s: believed %s, want %s", name, row.Transport, got, want)
				}
			}
		}
		if len(lines) > 0 {
			t.Errorf("%s: %d extra lines", name, len(lines))
		}
	}
}

func TestJSON(t *testing.T) {
	all := cases()
	for _, name := range []string{"chat", "stores", "no-window"} {
		runs := all[name]
		var out bytes.Buffer
		if err := report.JSON(&out, runs...); err != nil {
			t.Fatal(err)
		}
		type object struct {
			Schema     int
			Name       *string
			Transports []result.Row
			Runs       []struct {
				Name       string
				Transports []result.Row
			}
		}
		var got object
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Schema != result.Schema || got.Name != nil {
			t.Errorf("%s: schema %d, name %v", name, got.Schema, got.Name)
		}
		if len(runs) == 1 {
			if len(got.Transports) != len(runs[0].Rows) || got.Runs != nil {
				t.Errorf("%s: %d transports, want %d", name, len(got.Transports), len(runs[0].Rows))
			}
			continue
		}
		for i, run := range runs {
			if got.Runs[i].Name != run.Name || len(got.Runs[i].Transports) != len(run.Rows) {
				t.Errorf("%s: run %d is %q with %d transports", name, i, got.Runs[i].Name, len(got.Runs[i].Transports))
			}
		}
	}
}
