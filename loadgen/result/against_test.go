package result

import (
	"slices"
	"strings"
	"testing"
)

// TestUnpromised names each promise that a server doesn't make.
func TestUnpromised(t *testing.T) {
	all := Way{Batch: 1, Lacks: Lacks{Replay: true, Resume: true, Gaps: true, Acks: true, Order: true, Echo: true}}
	want := []string{
		"a new user gets no history", "doesn't resume", "jumps over lost messages in silence", "doesn't acknowledge",
		"doesn't keep order", "one message an answer", "doesn't return one's own messages",
	}
	if got := all.Unpromised(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := (Way{Batch: 20}).Unpromised(); got != nil {
		t.Errorf("a server that promises all: %q", got)
	}
}

// doubtOf returns the doubt of a row with that code; nil if there is none.
func doubtOf(row Row, code string) *Doubt {
	for _, d := range row.Doubts {
		if d.Code == code {
			return &d
		}
	}
	return nil
}

// TestForeignDoubts has a row whose server makes none of the promises: a doubt says what that means for its numbers,
// and what it never promised is not fatal.
func TestForeignDoubts(t *testing.T) {
	made := func(lacks Lacks) Row {
		w := part(t, samplesP999)
		w.Way.Server, w.Way.Lacks = "nchan", lacks
		w.Reordered, w.Lost, w.Rejoins = 3, 2, 1
		for i := range w.Joining {
			w.Joining[i].InUseBytes = 0
		}
		return Rows([]Window{w})[0]
	}
	all, none := made(Lacks{Replay: true, Resume: true, Gaps: true, Acks: true, Order: true, Echo: true}), made(Lacks{})
	for _, c := range []struct {
		code       string
		text       string
		fatal      bool
		ofNone     bool // the doubt is there, fatal, if the server makes the promise
		noneHasNot string
	}{
		{"reordered", "nchan doesn't keep the order", false, true, "nchan"},
		{"rejoins", "doesn't resume", false, false, "resume"},
		{"no-acks", "those of writing", false, false, ""},
		{"no-gaps", "in silence", false, false, ""},
	} {
		d := doubtOf(all, c.code)
		if d == nil || d.Fatal != c.fatal || !strings.Contains(d.Text, c.text) {
			t.Errorf("%s: %+v", c.code, d)
		}
		if d := doubtOf(none, c.code); c.noneHasNot == "" && d != nil || d != nil && strings.Contains(d.Text, c.noneHasNot) && c.noneHasNot != "" || c.ofNone && (d == nil || !d.Fatal) {
			t.Errorf("%s of a server that promises it: %+v", c.code, d)
		}
	}
	if d := doubtOf(all, "lost"); d == nil || !d.Fatal {
		t.Errorf("lost messages: %+v", d)
	}
}

// TestResidentGrowth has the samples of a server that doesn't report its memory in use.
func TestResidentGrowth(t *testing.T) {
	samples := []MemorySample{{Users: 0, RSSBytes: 1000}, {Users: 10, RSSBytes: 3000}, {Users: 20, RSSBytes: 4000}, {Users: 40, RSSBytes: 6000}}
	perUser, fixed, resident, ok := growth(samples)
	if perUser != 100 || fixed != 1000 || !resident || !ok {
		t.Errorf("%v, %v, %t, %t", perUser, fixed, resident, ok)
	}
}

// TestLackingRow keeps the place of a transport that was not measured, as its server has none like it.
func TestLackingRow(t *testing.T) {
	w := part(t, samplesP999)
	w.Transport, w.Way.Server = "nchan/sse", "nchan"
	r := Result{Run: Run{Scenario: Scenario{
		Users: 7, Transports: []string{"nchan/faye", "nchan/sse"},
		Against: []ForeignServer{{Name: "nchan", Title: "nchan", Address: "http://127.0.0.1", Untried: "so far"}},
		Lacking: []Lack{{"nchan/faye", "nchan has no faye"}},
	}}, Windows: []Window{w}}
	rows := r.Rows()
	if len(rows) != 2 || rows[0].Measured() || rows[0].Lacking != "nchan has no faye" || rows[0].Users != 7 || Fatal(rows[:1]) {
		t.Fatalf("%+v", rows)
	}
	if text := asJSON(t, rows[0]); !strings.Contains(text, `"lacking":"nchan has no faye"`) || !strings.Contains(text, `"sent":null`) {
		t.Error(text)
	}
	for _, m := range Metrics() {
		if x, ok := m.Value(rows[0]); ok && m.Key != "failed-windows" {
			t.Errorf("%s is %v", m.Key, x)
		}
	}
}
