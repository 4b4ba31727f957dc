package report

import (
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// callsOf returns the name of each row in a sentence: the title of its way, plus its setting or its
// own name if others have the same title.
func callsOf(rows []result.Row) func(result.Row) string {
	titles, phrases := map[string]int{}, map[string]int{}
	for _, row := range rows {
		titles[row.Way.Title]++
	}
	phrase := func(row result.Row) string {
		return spoken(text.Name(row.Transport), row.Way, titles[row.Way.Title] > 1)
	}
	for _, row := range rows {
		phrases[phrase(row)]++
	}
	return func(row result.Row) string {
		p := phrase(row)
		if name := text.Name(row.Transport); phrases[p] > 1 && p != name {
			p += " (" + name + ")"
		}
		return p
	}
}

// spoken returns the name of a transport in running text: the title of its way, or its own name if
// the way is unknown. exact adds the setting, which distinguishes it from others with the same title.
func spoken(name string, way result.Way, exact bool) string {
	title := text.Clean(way.Title)
	switch way.Class() {
	case result.Timer:
		if way.EveryS == 1 {
			return title + " every second"
		}
		return title + " every " + seconds(way.EveryS)
	case result.Scan:
		if exact {
			return title + " every " + seconds(way.ScanS)
		}
	case result.Held:
		if exact {
			return title + " held for " + seconds(way.HoldS)
		}
	case "":
		return name
	}
	return title
}

// list writes "a, b and c".
func list(parts []string) string { return joined(parts, " and ") }

// either writes "a, b or c".
func either(parts []string) string { return joined(parts, " or ") }

func joined(parts []string, word string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + word + parts[last]
}

// seconds writes an interval with all its digits.
func seconds(s float64) string {
	unit := " s"
	if s < 1 {
		s, unit = 1e3*s, " ms"
	}
	return strconv.FormatFloat(s, 'f', -1, 64) + unit
}
