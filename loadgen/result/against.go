package result

// A ForeignServer is a server other than pushpull's own that a run measured.
type ForeignServer struct {
	Name    string `json:"name"`              // its transports are NAME/TRANSPORT, except in a duet
	Title   string `json:"title"`             // in running text
	Text    string `json:"text,omitempty"`    // what it is, and how it must be set up
	Started bool   `json:"started,omitempty"` // a command started it for each window
	Address string `json:"address,omitempty"` // without secrets; empty if Started
	PID     bool   `json:"pid,omitempty"`     // it ran on this machine, and its process was named
	Untried string `json:"untried,omitempty"` // why its dialect was never tried on the real server; empty: it was
}

// A Lack is a transport that is not measured, as its server has none like it.
type Lack struct {
	Transport string `json:"transport"`
	Why       string `json:"why"` // in one line
}

// CodeLacking is the code of the doubt about a transport that was not measured, as its server has none like it.
const CodeLacking = "lacking"

// lackingRows returns the empty rows of the transports that their servers lack.
func (s *Scenario) lackingRows() []Row {
	var rows []Row
	for _, l := range s.Lacking {
		rows = append(rows, Row{
			Transport: l.Transport, Users: s.Users, Servers: max(1, s.Servers), Lacking: l.Why, Histogram: NewHistogram(),
			Doubts: []Doubt{{Code: CodeLacking, Text: "not measured: " + l.Why}},
		})
	}
	return rows
}

// Unpromised returns what a server doesn't promise, each as the end of a sentence that begins with the server.
func (w Way) Unpromised() []string {
	var all []string
	for _, promise := range []struct {
		lacks bool
		text  string
	}{
		{w.Lacks.Replay, "a new user gets no history"},
		{w.Lacks.Resume, "doesn't resume"},
		{w.Lacks.Gaps, "jumps over lost messages in silence"},
		{w.Lacks.Acks, "doesn't acknowledge"},
		{w.Lacks.Order, "doesn't keep order"},
		{w.Batch == 1, "one message an answer"},
		{w.Lacks.Echo, "doesn't return one's own messages"},
	} {
		if promise.lacks {
			all = append(all, promise.text)
		}
	}
	return all
}

// foreign adds the doubts about a row of a foreign server that are due to what it doesn't promise or report.
func foreign(row Row, add func(fatal bool, code, format string, args ...any)) {
	name := row.Way.Server
	if name == "" {
		return
	}
	if row.Way.Lacks.Acks {
		add(false, "no-acks", "%s doesn't acknowledge messages: a message counts as stored once it is written, and the times of acceptance are those of writing", name)
	}
	if row.Way.Lacks.Gaps && row.Lost > 0 {
		add(false, "no-gaps", "%s jumps over lost messages in silence: no error says when a delivery was lost", name)
	}
}
