package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// failed returns what is known of a window that could not be measured.
func (w *Window) failed() Window {
	return Window{
		Transport: w.Transport, Round: w.Round, Started: w.Started, Way: w.Way, IntervalS: w.IntervalS,
		Users: w.Users, Servers: w.Servers, Failed: w.Failed, Outages: w.Outages, Dropped: w.Dropped, Aftermath: w.Aftermath,
	}
}

// MarshalJSON implements json.Marshaler. A window that could not be measured has no numbers, as zeros would
// read as if they had been counted.
func (w Window) MarshalJSON() ([]byte, error) {
	type whole Window
	if w.Failed == "" {
		return unescaped(whole(w))
	}
	return unescaped(struct {
		Transport string     `json:"transport"`
		Round     int        `json:"round"`
		Started   time.Time  `json:"started"`
		Way       Way        `json:"way"`
		Users     int        `json:"users"`
		Servers   int        `json:"servers,omitempty"`
		Failed    string     `json:"failed"`
		Outages   []Outage   `json:"outages,omitempty"`
		Dropped   []Drop     `json:"dropped,omitempty"`
		Aftermath *Aftermath `json:"aftermath,omitempty"`
	}{w.Transport, w.Round, w.Started, w.Way, w.Users, w.Servers, w.Failed, w.Outages, w.Dropped, w.Aftermath})
}

// Measured returns the windows that were measured, without those that failed.
func Measured(windows []Window) []Window {
	return slices.DeleteFunc(slices.Clone(windows), func(w Window) bool { return w.Failed != "" })
}

// Measured reports whether the row has figures: at least one of its windows did not fail.
func (r *Row) Measured() bool { return r.Lacking == "" && (r.Rounds > 0 || r.Failed == 0) }

// Timed returns how many deliveries the latency is of.
func (r *Row) Timed() int { return r.Delivered - r.Untimed }

// knownOfFailed are the members of a row, in JSON, that have values without a measured window.
var knownOfFailed = []string{"transport", "way", "users", "servers", "rounds", "failed_windows", "lacking", "doubts"}

// MarshalJSON implements json.Marshaler. A row without a measured window has null for every figure.
func (r Row) MarshalJSON() ([]byte, error) {
	type whole Row
	data, err := unescaped(whole(r))
	if err != nil || r.Measured() {
		return data, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	for name := range members {
		if !slices.Contains(knownOfFailed, name) {
			members[name] = json.RawMessage("null")
		}
	}
	return unescaped(members)
}

// unescaped returns v as JSON in which the encoder that called MarshalJSON may still choose to escape HTML.
func unescaped(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return out.Bytes(), err
}

// unmeasured adds a doubt for each reason why windows of a row failed. all is the number of its windows.
func unmeasured(failed []Window, all int, add func(fatal bool, code, format string, args ...any)) {
	rounds := map[string][]int{}
	var reasons []string
	for _, w := range failed {
		if rounds[w.Failed] == nil {
			reasons = append(reasons, w.Failed)
		}
		rounds[w.Failed] = append(rounds[w.Failed], w.Round)
	}
	others := 0
	for i, reason := range reasons {
		n := len(rounds[reason])
		if i >= mostReasons {
			others += n
			continue
		}
		if n == all {
			add(true, CodeUnmeasured, "not measured: %s", reason)
			continue
		}
		add(true, CodeUnmeasured, "%d of %d windows not measured, in %s: %s", n, all, roundsText(rounds[reason]), reason)
	}
	if others > 0 {
		add(true, CodeUnmeasured, "%d of %d windows not measured, for other reasons", others, all)
	}
}

// mostReasons is how many reasons a row names.
const mostReasons = 5

// CodeUnmeasured is the code of the doubt about windows that failed.
const CodeUnmeasured = "not-measured"

// roundsText names rounds: "round 2", "rounds 1, 2 and 5", "12 rounds from 1 to 20".
func roundsText(rounds []int) string {
	slices.Sort(rounds)
	rounds = slices.Compact(rounds)
	last := len(rounds) - 1
	switch {
	case last == 0:
		return fmt.Sprintf("round %d", rounds[0])
	case last >= 5:
		return fmt.Sprintf("%d rounds from %d to %d", len(rounds), rounds[0], rounds[last])
	}
	var words []string
	for _, round := range rounds[:last] {
		words = append(words, strconv.Itoa(round))
	}
	return fmt.Sprintf("rounds %s and %d", strings.Join(words, ", "), rounds[last])
}

// outages adds a doubt for each outage in the windows.
func outages(windows []Window, add func(fatal bool, code, format string, args ...any)) {
	for _, w := range windows {
		for _, o := range w.Outages {
			text := fmt.Sprintf("%s %s during round %d", o.Of, o.Did, w.Round)
			if o.How != "" {
				text += " (" + o.How + ")"
			}
			if o.Last != "" {
				text += ": " + o.Last
			}
			add(true, "outage", "%s", text)
		}
	}
}
