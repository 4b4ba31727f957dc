package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// outage returns a run in which a server was away for 300 ms, in two windows of two transports. On the slow one a user
// never comes back in one window.
func outage(t *testing.T) Run {
	t.Helper()
	res := &result.Result{Run: result.Run{
		Schema: result.Schema, Started: time.Unix(1.7e9, 0), Command: "pushpull faults recovery",
		Scenario: result.Scenario{Name: "recovery", Users: 400, RoomSize: 4, Senders: 1, Rate: 1, Size: 100, Duration: 3, Rounds: 2, Seed: 1, Transports: []string{"websocket", "short-poll@1s"}},
		Faults:   &result.Faults{All: []result.FaultAbout{{Name: "restart", About: "a server is killed, and started again"}, {Name: "reset", About: "connections are cut"}}},
	}}
	add := func(transport string, way result.Way, round int, r result.Recovery) {
		a := result.Aftermath{Fault: "restart", BeganS: 1, EndedS: 1.3, InTime: 100, Late: 100, Recovery: &r}
		for i := range 30 {
			back := min(400, max(0, i-8)*int(10+20*r.HalfS))
			if i < 5 {
				back = 400
			}
			r.Steps = append(r.Steps, result.RecoveryStep{
				AtS: .5 + .1*float64(i), WidthS: .1, Reached: back, Connections: int64(i), Requests: int64(10 * i % 70), CPUS: .001 * float64(i),
			})
		}
		w := result.Window{Transport: transport, Round: round, Way: way, Users: 400, DurationS: 3, Aftermath: &a}
		if err := w.Settle(); err != nil || w.Aftermath == nil || w.Aftermath.Recovery == nil {
			t.Fatal(err, w.Dropped)
		}
		res.Windows = append(res.Windows, w)
	}
	socket, poll := result.Way{Title: "WebSocket", Stream: true, Duplex: true}, result.Way{Title: "short polling", EveryS: 1}
	add("websocket", socket, 1, result.Recovery{Back: 400, Cut: 400, HalfS: .2, AllS: .5, Connections: 900, Requests: 1000, CPUS: .2})
	add("websocket", socket, 2, result.Recovery{Back: 400, Cut: 400, HalfS: .4, AllS: .7, Connections: 1100, Requests: 1200, CPUS: .4})
	add("short-poll@1s", poll, 1, result.Recovery{Back: 400, Cut: 400, HalfS: .6, AllS: 1.2, Connections: 400, Requests: 500, CPUS: .1})
	add("short-poll@1s", poll, 2, result.Recovery{Back: 399, Cut: 400, HalfS: .6, Connections: 400, Requests: 500, CPUS: .1})
	return NewRun("", res)
}

// TestRecovery has the table, the chart and the figures in JSON of how users come back.
func TestRecovery(t *testing.T) {
	f := NewFaults(outage(t))
	var out bytes.Buffer
	if err := f.Table(&out, text.Screen{UTF8: true}); err != nil {
		t.Fatal(err)
	}
	want := `
How users come back after restart
    transport  cut off  half back  all back  connections  requests
    websocket      400     300 ms    600 ms         1000      1100
short-poll@1s      400     600 ms     never          400       500

    transport  peak requests/s  server CPU
    websocket              600      300 ms
short-poll@1s              600      100 ms
`
	if !strings.Contains(out.String(), want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	figures := f.figures()
	if len(figures) != 2 || figures[1].name != "recovery" || !strings.Contains(strings.Join(figures[1].values, ""), "half were back after 300 ms, all after 600 ms, with 1100 requests.") {
		t.Fatalf("%d figures: %+v", len(figures), figures)
	}
	goldenFigure(t, "recovery", "recovery", figures[1])
	out.Reset()
	if err := f.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Stores []struct {
			Faults []struct {
				Cells []struct{ Recovery *result.Recovery }
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	cells := read.Stores[0].Faults
	got := *cells[0].Cells[0].Recovery
	if got.Requests != 1100 || got.HalfS < .299 || got.HalfS > .301 || cells[0].Cells[1].Recovery.AllS != 0 || cells[1].Cells[0].Recovery != nil {
		t.Errorf("%s", out.String())
	}
	var page bytes.Buffer
	if err := HTML(&page, Link{}, outage(t)); err != nil || !strings.Contains(page.String(), `id="recovery-1-1"`) {
		t.Errorf("the page: %v", err)
	}
}
