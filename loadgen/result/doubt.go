package result

import "fmt"

// Samples that a quantile needs before it is believed.
const (
	samplesP99  = 300
	samplesP999 = 3000
)

// A Doubt is a reason not to take a row at its word.
type Doubt struct {
	Code  string `json:"code"`  // stable, like "lost"
	Text  string `json:"text"`  // one line, with the numbers
	Fatal bool   `json:"fatal"` // the row is not to be believed: exit code 4
}

// Fatal says whether any row is not to be believed.
func Fatal(rows []Row) bool {
	for _, row := range rows {
		for _, d := range row.Doubts {
			if d.Fatal {
				return true
			}
		}
	}
	return false
}

// doubts judges a row and the windows it was merged from.
func doubts(row Row, windows []Window) []Doubt {
	var found []Doubt
	add := func(fatal bool, code, format string, args ...any) {
		found = append(found, Doubt{code, fmt.Sprintf(format, args...), fatal})
	}
	planned, busiest, cores := 0, 0.0, 0
	failures := map[string]int{}
	var texts []string
	for _, w := range windows {
		planned += w.Planned
		if w.Interrupted {
			add(false, "interrupted", "round %d was stopped after %.1f s: what was still under way counts nowhere", w.Round, w.DurationS)
		}
		if w.DurationS > 0 && w.Cores > 0 {
			if share := w.Generator.CPUS / w.DurationS / float64(w.Cores); share > busiest {
				busiest, cores = share, w.Cores
			}
		}
		for _, f := range w.Errors {
			if failures[f.Text] == 0 {
				texts = append(texts, f.Text)
			}
			failures[f.Text] += f.Count
		}
	}
	if row.Lost > 0 {
		add(true, "lost", "%d of %d deliveries never came", row.Lost, row.Expected)
	}
	if row.Duplicated > 0 {
		add(true, "duplicated", "%d deliveries came more than once", row.Duplicated)
	}
	if row.Reordered > 0 {
		add(true, "reordered", "%d deliveries came after a later message of the same sender", row.Reordered)
	}
	if row.Misdelivered > 0 {
		add(true, "misdelivered", "%d messages came that were never sent to that room", row.Misdelivered)
	}
	if row.Sent < planned {
		add(true, "fewer-sends", "%d of %d planned messages were stored", row.Sent, planned)
	}
	if row.Delivered == 0 {
		add(true, "no-samples", "nothing was delivered: send more, or longer")
	}
	if limit := max(5, .05*row.Latency.P50); row.Generator.LateP99 > limit {
		add(true, "generator-late", "the generator sent up to %.1f ms late (p99), more than the %.1f ms that can be tolerated: use fewer users or a faster machine", row.Generator.LateP99, limit)
	}
	if busiest > .9 {
		add(true, "generator-cpu", "the generator used %.0f%% of the machine's %d cores: use fewer users or a faster machine", 100*busiest, cores)
	}
	if row.Delivered > 0 && row.Delivered < samplesP99 {
		add(false, "few-samples", "%d samples are few for a p99, which needs %d: run longer, or more users", row.Delivered, samplesP99)
	}
	if row.Rejoins > 0 {
		times := fmt.Sprintf("%d times", row.Rejoins)
		if row.Rejoins == 1 {
			times = "once"
		}
		add(false, "rejoins", "%s a user had to join again after its session broke", times)
	}
	for _, text := range texts {
		add(false, "errors", "%d times: %s", failures[text], text)
	}
	return found
}
