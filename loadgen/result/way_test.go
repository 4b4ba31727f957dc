package result

import (
	"slices"
	"strings"
	"testing"
)

// A window in an old result, which holds no Way, gets the Way of its transport.
func TestFormerWay(t *testing.T) {
	for _, test := range []struct {
		transport string
		intervalS string
		want      Way
	}{
		{"short-poll", "", Way{Title: "short polling", EveryS: 5}},
		{"short-poll@1s", "", Way{Title: "short polling", EveryS: 1}},
		{"short-poll@1s", `"interval_s":1,`, Way{Title: "short polling", EveryS: 1}},
		{"long-poll", `"interval_s":30,`, Way{Title: "long polling", HoldS: 30}},
		{"long-poll@1m", "", Way{Title: "long polling", HoldS: 60}},
		{"long-poll-scan@20ms", `"interval_s":0.02,`, Way{Title: "long polling with a scan", HoldS: 30, ScanS: .02}},
		{"long-poll-scan@1m", "", Way{Title: "long polling with a scan", HoldS: 30, ScanS: 30}},
		{"websocket", "", Way{Title: "WebSocket", Stream: true, Duplex: true}},
		{"pigeon@1s", `"interval_s":1,`, Way{}},
		{"short-poll", `"way":{"title":"held","hold_s":3},`, Way{Title: "held", HoldS: 3}},
	} {
		lines := `{"run":{"schema":1}}` + "\n" + `{"window":{` + test.intervalS + `"transport":"` + test.transport + `","users":2}}` + "\n"
		r, err := Read(strings.NewReader(lines), "former")
		if err != nil {
			t.Errorf("%s: %v", test.transport, err)
			continue
		}
		if got := r.Windows[0].Way; got != test.want || r.Windows[0].IntervalS != 0 {
			t.Errorf("%s %s is read as %+v, want %+v", test.transport, test.intervalS, got, test.want)
		}
		if row := r.Rows()[0]; row.Way != test.want {
			t.Errorf("%s: the row's way is %+v", test.transport, row.Way)
		}
	}
}

func TestClass(t *testing.T) {
	var met []string
	for want, w := range map[string]Way{
		Timer: {EveryS: 1}, Held: {HoldS: 1}, Scan: {HoldS: 1, ScanS: .1},
		Stream: {Stream: true}, Duplex: {Stream: true, Duplex: true}, "": {},
	} {
		if got := w.Class(); got != want || w.Known() != (want != "") {
			t.Errorf("the class of %+v is %q, want %q", w, got, want)
		}
		if want != "" {
			met = append(met, want)
		}
	}
	if all := slices.Sorted(slices.Values(Classes())); !slices.Equal(slices.Sorted(slices.Values(met)), all) {
		t.Errorf("the classes are %q, and there are ways of %q", all, met)
	}
}
