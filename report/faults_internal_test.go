package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// broken returns a run of three faults on two transports: one is fine, one is late and then lost, one was left out.
func broken(t *testing.T, lost int) Run {
	t.Helper()
	ways := map[string]result.Way{"websocket": {Title: "WebSocket", Stream: true, Duplex: true}, "nchan/long-poll": {Title: "long polling", HoldS: 30, Server: "nchan"}}
	res := &result.Result{Run: result.Run{
		Schema: result.Schema, Started: time.Unix(1.7e9, 0), Command: "pushpull faults", Note: "a <quiet> evening",
		Scenario: result.Scenario{Name: "faults", Users: 20, RoomSize: 4, Senders: 4, Rate: 1, Size: 100, Duration: 3, Rounds: 2, Seed: 1, Transports: []string{"websocket", "nchan/long-poll"}},
		Faults: &result.Faults{
			All:     []result.FaultAbout{{Name: "reset", About: "connections are cut"}, {Name: "freeze", About: "servers stand still"}, {Name: "kill", About: "a server is killed"}},
			LeftOut: []result.LeftOut{{Fault: "kill", Transport: "websocket", Why: "there is one server"}, {Fault: "kill", Transport: "nchan/long-poll", Why: "it was not started"}},
		},
	}}
	add := func(transport string, round int, failed string, a result.Aftermath) {
		w := result.Window{Transport: transport, Round: round, Way: ways[transport], Users: 20, DurationS: 3, Failed: failed, Aftermath: &a}
		if err := w.Settle(); err != nil || w.Aftermath == nil {
			t.Fatal(err, w.Dropped)
		}
		res.Windows = append(res.Windows, w)
	}
	for transport := range ways {
		add(transport, 1, "", result.Aftermath{Fault: "reset", InTime: 240})
		add(transport, 1, "", result.Aftermath{Fault: "freeze", InTime: 200, Late: 40, RecoverS: .35})
		add(transport, 2, "", result.Aftermath{Fault: "freeze", InTime: 230, Late: 10 - lost, Lost: lost, RecoverS: .2})
	}
	add("websocket", 2, "the relay: it did not start", result.Aftermath{Fault: "reset"})
	return NewRun("", res)
}

// TestFaults draws a matrix, and names the cell in which pushpull's own server has lost messages.
func TestFaults(t *testing.T) {
	f := NewFaults(broken(t, 0))
	if f.Verdict() != "" {
		t.Errorf("nothing was lost, and %s", f.Verdict())
	}
	f = NewFaults(broken(t, 2))
	if got, want := f.Verdict(), "freeze on websocket: 2 deliveries were lost in silence, in round 2 first"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var out bytes.Buffer
	if err := f.Table(&out, text.Screen{UTF8: true}); err != nil {
		t.Fatal(err)
	}
	want := `2 deliveries were lost in silence and 0 users hung in 3 windows of 2 cells.

fault   websocket    nchan/long-poll
reset   in time      in time
freeze  LOST 350 ms  LOST 350 ms
kill    -            -

- reset on websocket: a window could not be measured: the relay: it did not
  start
- kill: there is one server
- kill on nchan/long-poll: it was not started
`
	if !strings.HasPrefix(out.String(), want) || !strings.HasSuffix(out.String(), "LOST: acknowledged, but not delivered, and nobody was told\n") {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for _, fig := range f.figures() {
		goldenFigure(t, "faults", fig.name, fig)
	}
	var page bytes.Buffer
	if err := HTML(&page, Link{"all results", "/results"}, broken(t, 2)); err != nil || !strings.Contains(page.String(), `id="matrix-1"`) || !strings.Contains(page.String(), "/results") {
		t.Errorf("the page of a server: %v, %s", err, page.String())
	}
	dir := t.TempDir()
	if err := f.Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{Page: "a &lt;quiet&gt; evening", "faults.svg": "LOST", "faults.png": "PNG"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s lacks %q, or %v", name, want, err)
		}
	}
}

// TestFaultsJSON reads what it writes.
func TestFaultsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := NewFaults(broken(t, 2)).JSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Stores []struct {
			Faults []struct {
				Cells []struct {
					Transport, Worst string
					Windows, Lost    int
					LeftOut          string `json:"left_out"`
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	lines := read.Stores[0].Faults
	if c := lines[1].Cells[0]; c.Transport != "websocket" || c.Worst != "LOST" || c.Windows != 2 || c.Lost != 2 || lines[2].Cells[0].LeftOut == "" {
		t.Errorf("%s", out.String())
	}
}

// TestFaultWords has what stands in the progress.
func TestFaultWords(t *testing.T) {
	for want, a := range map[string]result.Aftermath{
		"all 9 in time": {InTime: 9},
		"told 2 of 9, late 3 of 9, recovered in 1.5 s": {InTime: 4, Late: 3, Told: 2, RecoverS: 1.5},
		"HUNG 9 of 9": {Hung: 9, HungUsers: 1, RecoverS: 1},
	} {
		if got := FaultWords(&a); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
