package report

import (
	"encoding/json"
	"fmt"
	"io"

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

// JSON writes one object: the run itself if there is only one, otherwise the list of runs under the
// key list, each with a name of its own.
func JSON(w io.Writer, list string, runs ...Run) error {
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
	var object any = map[string]any{"schema": result.Schema, "answer": Answer(runs...), list: all}
	if len(all) == 1 {
		object = all[0]
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(object); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
