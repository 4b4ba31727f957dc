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
	"unicode"
	"unicode/utf8"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A State is how far a run is, and what it has found so far.
type State struct {
	Scenario string    `json:"scenario"`
	About    string    `json:"about,omitempty"`
	Command  string    `json:"command"`
	Started  time.Time `json:"started"` // tells the run from others

	Status Status `json:"status"`
	Error  string `json:"error,omitempty"`  // the line that says why it ended early
	Report string `json:"report,omitempty"` // its URL; empty: none is served
	Dir    string `json:"dir,omitempty"`    // where the report is, once it is there

	Round     int     `json:"round"` // from 1, and so is the window
	Rounds    int     `json:"rounds"`
	Window    int     `json:"window"`
	Windows   int     `json:"windows"`
	Transport string  `json:"transport"`      // that is measured; empty: none
	Side      string  `json:"side,omitempty"` // on which of several stores
	Phase     string  `json:"phase"`
	Users     int     `json:"users"`
	Joined    int     `json:"joined"`
	Planned   int     `json:"planned"` // messages of the window
	Sent      int     `json:"sent"`
	LeftS     float64 `json:"left_s"` // about, of the run
	Share     float64 `json:"share"`  // of its time that has passed, 0 to 1

	Standings []Standing `json:"standings"` // in an order that stays
}

// A Status says whether a run goes on; "" is that of one which has not begun.
type Status string

// All but Running are the last status of a run.
const (
	Running     Status = "running"
	Done        Status = "done"
	Interrupted Status = "interrupted" // by who started it
	Failed      Status = "failed"
)

// A Standing is what a transport has shown so far.
type Standing struct {
	Transport string         `json:"transport"`
	Side      string         `json:"side,omitempty"`
	Windows   int            `json:"windows"` // that were measured
	Rounds    int            `json:"rounds"`  // that many there will be
	Figures                  // of those windows
	Now       *Figures       `json:"now,omitempty"` // of the window under way, if it is one of these
	Doubts    []result.Doubt `json:"doubts"`
}

// Figures are what was measured of deliveries.
type Figures struct {
	Delivered int     `json:"delivered"`
	Expected  int     `json:"expected"`
	Lost      int     `json:"lost"`   // of a window under way nothing is
	P50       float64 `json:"p50_ms"` // 0: nothing was delivered
	P99       float64 `json:"p99_ms"`
}

// A Live is a run for those who watch it. Its zero value has not begun. It is safe for concurrent
// use.
type Live struct {
	mu      sync.Mutex
	state   State
	event   []byte        // the state, as it is sent; nil: none yet
	changed chan struct{} // closed when there is another one; nil: nobody waits for it
}

// heartbeat is how often something is sent over a stream: what is silent is cut off by proxies.
const heartbeat = 15 * time.Second

// Set shows another state, whose parts must not change any more. It waits for nobody: who reads
// slowly misses states, never the last one.
func (l *Live) Set(s State) {
	data, err := json.Marshal(struct {
		State State             `json:"state"`
		Texts map[string]string `json:"texts"`
	}{s, s.texts()})
	if err != nil {
		return // a number is none: the state before stands
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

// now returns the state, and what is closed when it is the state no longer.
func (l *Live) now() (s State, event []byte, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.state, l.event, l.changed
}

// ServeHTTP sends the state, and each that follows, as server-sent events: {"state":…,"texts":…},
// where the texts are what the page shows of it. After the last state of the run it ends.
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
		body := liveBody{State: s, Final: s.final(), Texts: s.texts(), Height: 40*len(s.Standings) + 28}
		show(w, http.StatusOK, t, frame{
			Title: cmp.Or(text.Clean(s.Scenario), "This run"), Style: "live.css", Script: "live.js",
			At: "/live", Links: p.links(), Body: body,
		})
	})
}

// A liveBody is what the page shows of a State before its script shows the next one.
type liveBody struct {
	State
	Final  bool
	Texts  map[string]string // by where they stand
	Height int               // of the chart, in pixels: live.js fills it
}

// final says that the run has ended.
func (s State) final() bool { return s.Status != "" && s.Status != Running }

// Doubted says that there is a doubt about something.
func (s State) Doubted() bool {
	return slices.ContainsFunc(s.Standings, func(s Standing) bool { return len(s.Doubts) > 0 })
}

// texts returns what the page shows of s, by the data-text of where it stands. What belongs to the
// first of the standings begins with "0.".
func (s State) texts() map[string]string {
	t := map[string]string{
		"scenario": text.Clean(s.Scenario), "about": text.Clean(s.About), "line": s.line(), "left": s.left(),
		"users": fraction(s.Joined, s.Users), "sent": fraction(s.Sent, s.Planned),
		"delivered": "-", "p50": "-", "p99": "-", "place": "",
	}
	if s.Status == Done && s.Dir != "" {
		t["place"] = "The result and its report are in " + text.Clean(s.Dir) + "."
	}
	for i, standing := range s.Standings {
		shown := standing.Figures
		if now := standing.Now; now != nil {
			t["delivered"], t["p50"], t["p99"] = now.delivered(), now.latency(now.P50), now.latency(now.P99)
			if standing.Windows == 0 {
				shown = *now
			}
		}
		at := strconv.Itoa(i) + "."
		t[at+"name"] = standing.name()
		t[at+"delivered"], t[at+"p50"], t[at+"p99"] = shown.delivered(), shown.latency(shown.P50), shown.latency(shown.P99)
		t[at+"windows"] = fraction(standing.Windows, standing.Rounds)
	}
	return t
}

// line says in words how far the run is.
func (s State) line() string {
	switch {
	case s.Status == "":
		return "No run has begun yet."
	case s.Status == Done:
		return "Done: " + text.Plural(s.Windows, "window was", "windows were") + " measured."
	case s.Status == Failed:
		return "The run failed: " + text.Clean(s.Error) + "."
	case s.Status == Interrupted && s.Error != "":
		return sentence(text.Clean(s.Error))
	case s.Transport == "" && s.Phase == "":
		return "The run begins."
	case s.Transport == "":
		return "All windows are measured: " + s.Phase + "."
	}
	what := Standing{Transport: s.Transport, Side: s.Side}.name()
	return fmt.Sprintf("Round %d of %d, window %d of %d: %s, %s.", s.Round, s.Rounds, s.Window, s.Windows, what, s.Phase)
}

// sentence makes one of an error.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:] + "."
}

// left is the time left, as in 1:05.
func (s State) left() string {
	if s.Status != Running || s.Transport == "" {
		return ""
	}
	left := int(math.Round(s.LeftS))
	return fmt.Sprintf("about %d:%02d left", left/60, left%60)
}

// Kind is the kind of transport, without its interval.
func (s Standing) Kind() string {
	kind, _, _ := strings.Cut(s.Transport, "@")
	return kind
}

// Provisional says that there is nothing but the window under way.
func (s Standing) Provisional() bool { return s.Windows == 0 && s.Now != nil }

func (s Standing) name() string {
	name := s.Transport
	if s.Side != "" {
		name += " on " + s.Side
	}
	return text.Clean(name)
}

func (f Figures) delivered() string { return fraction(f.Delivered, f.Expected) }

func (f Figures) latency(ms float64) string {
	if f.Delivered == 0 {
		return "-"
	}
	return text.Duration(ms, 3)
}

// fraction is "-" of nothing.
func fraction(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", n, of)
}
