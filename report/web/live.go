package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// A State is the progress of a run, and what it has found so far.
type State struct {
	Scenario string    `json:"scenario"`
	About    string    `json:"about,omitempty"`
	Command  string    `json:"command"`
	Started  time.Time `json:"started"` // identifies the run

	Status Status `json:"status"`
	Error  string `json:"error,omitempty"` // why the run ended early, one line
	// What the result says, once all windows are measured.
	Verdict string   `json:"verdict,omitempty"` // one sentence
	Answer  []string `json:"answer,omitempty"`  // the rest, in paragraphs

	// After the run. Report and Charts are empty if the server ends with the run.
	Report string        `json:"report,omitempty"` // URL of the report
	Charts []report.Link `json:"charts,omitempty"`
	Dir    string        `json:"dir,omitempty"`  // directory of the result; empty if nothing was measured
	File   string        `json:"file,omitempty"` // of the report, if it was written

	Round     int     `json:"round"` // from 1
	Rounds    int     `json:"rounds"`
	Window    int     `json:"window"` // from 1
	Windows   int     `json:"windows"`
	Transport string  `json:"transport"`      // being measured; empty if none is
	Side      string  `json:"side,omitempty"` // the store, if the run has several
	Phase     string  `json:"phase"`
	Users     int     `json:"users"`
	Joined    int     `json:"joined"`
	Agents    int     `json:"agents,omitempty"`     // that have the users; 0: the run has them
	JoinPerS  float64 `json:"join_per_s,omitempty"` // users that join per second, while they do
	Planned   int     `json:"planned"`              // messages of the window
	Sent      int     `json:"sent"`
	LeftS     float64 `json:"left_s"` // of the run, estimated
	Share     float64 `json:"share"`  // of the run that is over, 0 to 1

	Standings []Standing `json:"standings"` // always in the same order
}

// A Status is the status of a run; it is empty before the run has started.
type Status string

// A run is Running until it ends with one of the others.
const (
	Running     Status = "running"
	Done        Status = "done"
	Interrupted Status = "interrupted" // by the user
	Failed      Status = "failed"
)

// A Standing holds the figures of a transport so far: see Measure.
type Standing struct {
	Transport string         `json:"transport"`
	Way       string         `json:"way"` // the class of its result.Way, which determines the colour
	Side      string         `json:"side,omitempty"`
	Windows   int            `json:"windows"`          // measured so far
	Failed    int            `json:"failed,omitempty"` // windows that could not be measured
	Rounds    int            `json:"rounds"`           // windows that there will be
	Figures                  // of the measured windows
	Now       *Figures       `json:"now,omitempty"` // of the window in progress; nil if it is another transport's
	Doubts    []result.Doubt `json:"doubts"`

	row result.Row // of the measured windows
}

// Measure sets the figures of the windows measured so far, and the doubts about them.
func (s *Standing) Measure(row result.Row) {
	s.row, s.Windows, s.Failed, s.Doubts = row, row.Rounds, row.Failed, row.Doubts
	s.Figures = Figures{
		Delivered: row.Delivered, Expected: row.Expected, Lost: row.Lost,
		P50: row.Latency.P50, P99: row.Latency.P99,
	}
}

// cell writes what m is so far. Of a window in progress only a few figures are known.
func (s Standing) cell(m result.Metric) string {
	switch {
	case s.Windows > 0:
		return text.Cell(m, s.row)
	case s.Now != nil && m.Shown.Has(result.InLive):
		return text.Cell(m, s.Now.row())
	}
	return "-"
}

// Figures are the measurements of deliveries.
type Figures struct {
	Delivered int     `json:"delivered"`
	Expected  int     `json:"expected"`
	Lost      int     `json:"lost"`   // 0 while the window is in progress
	P50       float64 `json:"p50_ms"` // 0 if nothing was delivered
	P99       float64 `json:"p99_ms"`
}

// A Live serves the state of a run to its watchers. The zero value is a run that has not started. It
// is safe for concurrent use.
type Live struct {
	mu      sync.Mutex
	state   State
	event   []byte        // the state as it is sent; nil if there is none yet
	changed chan struct{} // closed with the next state; nil if there are no waiting watchers
}

// heartbeat is the longest silence on a stream, as proxies close silent connections.
const heartbeat = 15 * time.Second

// Set shows another state, whose slices must not change afterwards. It never blocks: slow readers
// miss states, never the last.
func (l *Live) Set(s State) {
	data, err := json.Marshal(struct {
		State State             `json:"state"`
		Texts map[string]string `json:"texts"`
	}{s, s.texts()})
	if err != nil {
		return // a number is NaN or infinite: the previous state stays
	}
	event := fmt.Appendf(nil, "data: %s\n\n", data)
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Equal(event, l.event) {
		return
	}
	l.state, l.event = s, event
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// now returns the state, its event, and a channel that is closed when there is another state.
func (l *Live) now() (s State, event []byte, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.state, l.event, l.changed
}

// ServeHTTP sends the state, and each one after it, as server-sent events: {"state":…,"texts":…},
// where texts are the texts of the page. The stream ends with the last state of the run.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	s, event, changed := l.now()
	event = append([]byte("retry: 1000\n\n"), event...)
	for {
		if _, err := w.Write(event); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil || s.final() {
			return
		}
		select {
		case <-changed:
			s, event, changed = l.now()
		case <-beat.C:
			event = []byte(":\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

func (p *Pages) livePage() http.Handler {
	t := page("live")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s, _, _ := p.Live.now()
		body := liveBody{
			State: s, Final: s.final(), Texts: s.texts(), Height: 40*len(s.Standings) + 28,
			Now: result.MetricsIn(result.InLive),
		}
		for _, m := range result.MetricsIn(result.InTable) {
			body.Columns = append(body.Columns, column{m.Key, m.Heading(false), text.Below(m.Typeset())})
		}
		show(w, http.StatusOK, t, frame{
			Title: cmp.Or(text.Clean(s.Scenario), "This run"), Style: "live.css", Script: "live.js",
			At: "/live", Links: p.links(), Body: body,
		})
	})
}

// A liveBody is the data of the page as it loads; live.js shows the states after that.
type liveBody struct {
	State
	Final   bool
	Now     []result.Metric   // of the window in progress
	Columns []column          // of the table
	Texts   map[string]string // by the data-text of their elements
	Height  int               // of the chart that live.js draws, in pixels
}

// A column is a metric in the table.
type column struct{ Key, Heading, Unit string }

// final reports whether the run has ended.
func (s State) final() bool { return s.Status != "" && s.Status != Running }

// Doubted reports whether any transport has a doubt.
func (s State) Doubted() bool {
	return slices.ContainsFunc(s.Standings, func(s Standing) bool { return len(s.Doubts) > 0 })
}

// texts returns the texts of the page, by the data-text of their elements. Those of the first
// standing begin with "0.".
func (s State) texts() map[string]string {
	t := map[string]string{
		"scenario": text.Clean(s.Scenario), "about": text.Clean(s.About), "line": s.line(), "left": s.left(),
		"users": s.users(), "sent": fraction(s.Sent, s.Planned),
		"place": s.place(), "verdict": text.Clean(s.Verdict), "answer": s.answer(),
	}
	now := Figures{}
	columns := result.MetricsIn(result.InTable)
	for i, standing := range s.Standings {
		if standing.Now != nil {
			now = *standing.Now
		}
		at := strconv.Itoa(i) + "."
		t[at+"name"] = standing.name()
		for _, m := range columns {
			t[at+m.Key] = standing.cell(m)
		}
		t[at+"windows"] = fraction(standing.Windows, standing.Rounds)
	}
	for _, m := range result.MetricsIn(result.InLive) {
		t[m.Key] = text.Cell(m, now.row())
	}
	return t
}

// answer returns the paragraphs of the answer as lines.
func (s State) answer() string {
	var lines []string
	for _, paragraph := range s.Answer {
		lines = append(lines, text.Clean(paragraph))
	}
	return strings.Join(lines, "\n")
}

// place says where the report is once the run has ended.
func (s State) place() string {
	switch file := text.Clean(s.File); {
	case !s.final() || s.Dir == "":
		return ""
	case s.Report != "":
		return "It is served until the command is ended with Ctrl-C. The files are in " + text.Clean(s.Dir) + "."
	case file != "":
		return "The server of this page has ended with the run: open the file " + file + ". With --open the report of the next run is here."
	}
	return "The server of this page has ended with the run. Its result is in " + text.Clean(s.Dir) + "."
}

// line describes the progress of the run.
func (s State) line() string {
	switch {
	case s.Status == "":
		return "No run has started yet."
	case s.Status == Done:
		failed := 0
		for _, standing := range s.Standings {
			failed += standing.Failed
		}
		return "Done: " + text.Plural(s.Windows-failed, "window was", "windows were") + " measured."
	case s.Status == Failed:
		return "The run failed: " + text.Clean(s.Error) + "."
	case s.Status == Interrupted && s.Error != "":
		return text.Upper(text.Clean(s.Error)) + "."
	case s.Transport == "" && s.Phase == "":
		return "The run is starting."
	case s.Transport == "":
		return "All windows are measured: " + s.Phase + "."
	}
	what := Standing{Transport: s.Transport, Side: s.Side}.name()
	return fmt.Sprintf("Round %d of %d, window %d of %d: %s, %s.", s.Round, s.Rounds, s.Window, s.Windows, what, s.Phase)
}

// left returns the remaining time, like "about 1:05 left"; "" unless a window is being measured.
func (s State) left() string {
	if s.Status != Running || s.Transport == "" {
		return ""
	}
	left := int(math.Round(s.LeftS))
	return fmt.Sprintf("about %d:%02d left", left/60, left%60)
}

// Provisional reports whether the only figures are those of the window in progress.
func (s Standing) Provisional() bool { return s.Windows == 0 && s.Now != nil }

func (s Standing) name() string {
	name := s.Transport
	if s.Side != "" {
		name += " on " + s.Side
	}
	return text.Clean(name)
}

// row returns a row with what f holds, from which a metric of result.InLive reads its value.
func (f Figures) row() result.Row {
	return result.Row{
		Delivered: f.Delivered, Expected: f.Expected, Lost: f.Lost,
		Latency: result.Quantiles{P50: f.P50, P99: f.P99},
	}
}

// users returns how many users have joined, how many agents have them, and how fast they join.
func (s State) users() string {
	users := fraction(s.Joined, s.Users)
	if s.Agents > 0 {
		users += " of " + text.Plural(s.Agents, "agent", "agents")
	}
	if s.JoinPerS < 1 || s.Joined >= s.Users {
		return users
	}
	return fmt.Sprintf("%s, %.0f join per second", users, s.JoinPerS)
}

// fraction writes n of of, like "3/200"; "-" if of is 0.
func fraction(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", n, of)
}
