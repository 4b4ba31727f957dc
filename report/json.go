package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"pushpull/loadgen/result"
)

// A summary is the JSON object of a run.
type summary struct {
	Schema      int                `json:"schema"`
	Name        string             `json:"name,omitempty"` // only if there are several runs
	Answer      string             `json:"answer"`
	Note        string             `json:"note,omitempty"`
	Tags        map[string]string  `json:"tags,omitempty"`
	Scenario    result.Scenario    `json:"scenario"`
	Environment result.Environment `json:"environment"`
	Windows     []result.Window    `json:"windows"`
	Transports  []result.Row       `json:"transports"`
}

// A collection is the JSON object of several runs.
type collection struct {
	Schema int       `json:"schema"`
	Answer string    `json:"answer"` // the comparison of the runs, then the answer of each
	Runs   []summary `json:"runs,omitempty"`

	// In place of Runs, of one run.
	Stores   []summary `json:"stores,omitempty"`
	Networks []summary `json:"networks,omitempty"`
}

// JSON writes one object: the run itself if there is only one, otherwise the list of runs, each with a name
// of its own.
func JSON(w io.Writer, runs ...Run) error {
	all := collection{Schema: result.Schema, Answer: Answer(runs...), Runs: summariesOf(runs)}
	return writeJSON(w, all, all.Runs)
}

// JSONOfSides is JSON for one run with several variants, whose list has another key if they are stores or networks.
func JSONOfSides(w io.Writer, runs ...Run) error {
	all, list := collection{Schema: result.Schema, Answer: Answer(runs...)}, summariesOf(runs)
	vary := func(of func(result.Scenario) any) bool {
		return slices.ContainsFunc(runs, func(r Run) bool { return of(r.Run.Scenario) != of(runs[0].Run.Scenario) })
	}
	switch {
	case vary(func(s result.Scenario) any { return s.Network }):
		all.Networks = list
	case vary(func(s result.Scenario) any { return s.HTTP }):
		all.Runs = list
	default:
		all.Stores = list
	}
	return writeJSON(w, all, list)
}

func summariesOf(runs []Run) []summary {
	var all []summary
	names, _ := namesOf(runs)
	for i, run := range runs {
		s := summary{
			run.Run.Schema, "", Answer(run), run.Run.Note, run.Run.Tags,
			run.Run.Scenario, run.Run.Environment, run.Windows, run.Rows,
		}
		if len(runs) > 1 {
			s.Name = names[i]
		}
		all = append(all, s)
	}
	return all
}

// writeJSON writes the only one of runs, or all of them.
func writeJSON(w io.Writer, all collection, runs []summary) error {
	var object any = all
	if len(runs) == 1 {
		object = runs[0]
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(object); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
