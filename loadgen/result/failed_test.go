package result

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// failedWindow returns a window that could not be measured, with figures that it can't have.
func failedWindow(round int, reason string) Window {
	w := sound()
	w.Round, w.Failed, w.Lost, w.Spoiled = round, reason, 7, 1
	return w
}

// TestFailedWindows merges windows that failed with others: only the others have figures.
func TestFailedWindows(t *testing.T) {
	first, second := sound(), sound()
	second.Round = 4
	without := Rows([]Window{first, second})[0]
	row := Rows([]Window{failedWindow(1, "refused"), first, failedWindow(7, "hung"), second, failedWindow(2, "refused"), failedWindow(1, "refused")})[0]
	want := []string{
		"3 of 6 windows not measured, in rounds 1 and 2: refused",
		"1 of 6 windows not measured, in round 7: hung",
	}
	var got []string
	for _, d := range row.Doubts {
		if d.Code == CodeUnmeasured && d.Fatal {
			got = append(got, d.Text)
		}
	}
	if !slices.Equal(got, want) || len(row.Doubts) != 2 || !row.Measured() || row.Failed != 4 {
		t.Errorf("%d failed, measured: %t, doubts %+v, want %q", row.Failed, row.Measured(), row.Doubts, want)
	}
	row.Doubts, row.Failed = without.Doubts, 0
	if asJSON(t, row) != asJSON(t, without) {
		t.Errorf("with windows that failed the row is %s, without them %s", asJSON(t, row), asJSON(t, without))
	}
}

// TestUnmeasuredRow has no measured window: no figure may be invented.
func TestUnmeasuredRow(t *testing.T) {
	failed := failedWindow(1, "refused")
	failed.Servers = 3
	row := Rows([]Window{failed, failedWindow(2, "refused")})[0]
	if row.Measured() || row.Rounds != 0 || row.Failed != 2 || len(row.Doubts) != 1 || row.Doubts[0].Text != "not measured: refused" {
		t.Errorf("%+v", row)
	}
	for _, m := range Metrics() {
		if x, ok := m.Value(row); ok && m.Key != "failed-windows" {
			t.Errorf("%s is %v", m.Key, x)
		}
		if m.Theory != nil {
			if x, ok := m.Theory(row); ok {
				t.Errorf("theory says that %s is %v", m.Key, x)
			}
		}
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(asJSON(t, row)), &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		if known := slices.Contains(knownOfFailed, name); known != (value != nil) {
			t.Errorf("%s is %v in JSON", name, value)
		}
	}
	for _, name := range knownOfFailed {
		if _, ok := members[name]; !ok && name != "lacking" { // which is only there if it is true
			t.Errorf("JSON lacks %s", name)
		}
	}
	var back Row
	if err := json.Unmarshal([]byte(asJSON(t, row)), &back); err != nil || back.Failed != 2 || back.Transport != row.Transport || back.Doubts[0] != row.Doubts[0] {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

// TestFailedWindowIsSettled takes the figures out of a window that failed.
func TestFailedWindowIsSettled(t *testing.T) {
	w := part(t, 0)
	w.Failed = strings.Repeat("é", 9000)
	for range 300 {
		w.Outages = append(w.Outages, Outage{Last: strings.Repeat("x", 9000)})
	}
	shared := w
	if err := w.Settle(); err != nil {
		t.Fatal(err)
	}
	if w.Planned != 0 || w.Latency.Count() != 0 || w.Server != nil || w.Errors != nil || w.Servers != 2 || w.Started.IsZero() || w.Way.Title == "" {
		t.Errorf("settled: %+v", w)
	}
	if len(w.Failed) > mostText || len(w.Outages) != mostErrors || len(w.Outages[1].Last) > mostText || len(shared.Outages[1].Last) != 9000 {
		t.Errorf("a reason of %d bytes, %d outages", len(w.Failed), len(w.Outages))
	}
	text := asJSON(t, w)
	if strings.Contains(text, "planned") || strings.Contains(text, "latency") {
		t.Errorf("JSON with figures: %.300s", text)
	}
	var back Window
	if err := json.Unmarshal([]byte(text), &back); err != nil || back.Settle() != nil || asJSON(t, back) != text {
		t.Errorf("read back: %.300s, %v", asJSON(t, back), err)
	}
}

// TestJoinFailed joins a part that failed: a window without some of its users is another load.
func TestJoinFailed(t *testing.T) {
	a, b := part(t, 0), part(t, 1000)
	b.Failed = "refused"
	for _, parts := range [][]Window{{a, b}, {b, a}} {
		if w, err := Join(parts...); err != nil || w.Failed != "refused" {
			t.Errorf("%q, %v", w.Failed, err)
		}
	}
}

// TestManyReasons names a few reasons, and counts the windows with others.
func TestManyReasons(t *testing.T) {
	windows := []Window{sound()}
	for i := range 12 {
		windows = append(windows, failedWindow(i+1, fmt.Sprint("reason ", i)))
	}
	doubts := Rows(windows)[0].Doubts
	if last := doubts[len(doubts)-1]; len(doubts) != mostReasons+1 || last.Text != "7 of 13 windows not measured, for other reasons" || !last.Fatal {
		t.Errorf("%+v", doubts)
	}
	for text, rounds := range map[string][]int{"round 2": {2, 2}, "rounds 1, 2 and 5": {5, 2, 1}, "6 rounds from 1 to 20": {20, 1, 3, 4, 5, 6}} {
		if got := roundsText(rounds); got != text {
			t.Errorf("%s, want %s", got, text)
		}
	}
}
