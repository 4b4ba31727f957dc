package text

import (
	"slices"
	"strings"

	"pushpull/loadgen/result"
)

// Foreign returns a line for each server other than pushpull's own that a run measured: what it is, how it was
// reached, what its CPU and memory are those of, and what it doesn't promise. rows are those of the run. The lines are
// plain text.
func Foreign(run result.Run, rows []result.Row) []string {
	var lines []string
	for _, server := range run.Scenario.Against {
		var of []result.Row
		for _, row := range rows {
			if strings.HasPrefix(row.Transport, server.Name+"/") || !strings.Contains(row.Transport, "/") && row.Way.Server == server.Title {
				of = append(of, row)
			}
		}
		lines = append(lines, foreign(server, of))
	}
	return lines
}

// foreign returns the line of a server with those rows.
func foreign(s result.ForeignServer, rows []result.Row) string {
	name := Name(s.Name)
	if title := Clean(s.Title); !strings.EqualFold(title, name) && title != "" {
		name += " (" + title + ")"
	}
	var said []string
	if about := strings.TrimSuffix(Clean(s.Text), "."); about != "" {
		said = append(said, about)
	}
	how := "a command started it for each window"
	if !s.Started {
		how = "it ran at " + Clean(s.Address) + ", and its figures hold what it did before"
	}
	said = append(said, Upper(how))
	if !slices.ContainsFunc(rows, func(row result.Row) bool { return row.Server != nil }) {
		said = append(said, "Its CPU and memory are unknown")
	} else {
		said = append(said, "CPU and memory are those of its processes on this machine; memory is resident memory, which varies")
	}
	if missing := missing(rows); missing != "" {
		said = append(said, "Unlike pushpull's server: "+missing)
	}
	if s.Untried != "" {
		said = append(said, "Its dialect was never tried on the real server: "+strings.TrimSuffix(Clean(s.Untried), "."))
	}
	return name + ": " + strings.Join(said, ". ") + "."
}

// missing says what a server doesn't promise; on which of its transports, unless on all.
func missing(rows []result.Row) string {
	var order []string
	on := map[string][]string{}
	measured := 0
	for _, row := range rows {
		if !row.Way.Known() {
			continue
		}
		measured++
		_, transport, found := strings.Cut(row.Transport, "/")
		if !found {
			transport = row.Transport
		}
		for _, words := range row.Way.Unpromised() {
			if on[words] == nil {
				order = append(order, words)
			}
			on[words] = append(on[words], Name(transport))
		}
	}
	var parts []string
	for _, words := range order {
		if len(on[words]) < measured {
			words += " (" + strings.Join(on[words], ", ") + ")"
		}
		parts = append(parts, words)
	}
	return strings.Join(parts, "; ")
}
