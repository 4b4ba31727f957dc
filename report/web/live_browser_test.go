//go:build !race

package web_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/web"
	"pushpull/report/web/browsertest"
)

// standing returns the standing of a transport after that many of two windows.
func standing(transport string, row result.Row) web.Standing {
	s := web.Standing{Transport: transport, Rounds: 2}
	s.Measure(row)
	return s
}

// rowOf returns a row of measured windows.
func rowOf(windows, delivered, expected int, p50, p99 float64, doubts ...result.Doubt) result.Row {
	memory := 31_000.0
	return result.Row{
		Rounds: windows, Delivered: delivered, Expected: expected, Lost: expected - delivered, Doubts: doubts,
		Latency:             result.Quantiles{P50: p50, P95: p99, P99: p99, Max: p99},
		Requests:            int64(delivered),
		RequestsPerDelivery: 1, BytesPerDelivery: 431,
		Server: &result.Server{Usage: result.Usage{CPUMicrosPerDelivery: 41.7}, BytesPerUser: &memory},
	}
}

// midway returns the state of a run in the middle of its second round.
func midway() web.State {
	s := web.State{
		Scenario: "chat", About: "Pairs of people talk, like John and Mary; each sends a short message every four seconds.",
		Command: "pushpull run chat --watch 127.0.0.1:8090 --open", Started: time.Date(2026, 5, 4, 9, 30, 0, 0, time.UTC),
		Status: web.Running, Round: 2, Rounds: 2, Window: 7, Windows: 10, Transport: "short-poll@1s", Phase: "measuring",
		Users: 200, Joined: 200, Planned: 304, Sent: 187, LeftS: 38, Share: .57,
		Standings: []web.Standing{
			standing("short-poll@5s", rowOf(1, 251, 251, 2510, 4960, result.Doubt{Code: "few-samples", Text: "251 samples are few for a p99, which needs 300: run longer, or more users"})),
			standing("short-poll@1s", rowOf(1, 251, 251, 502, 991)),
			standing("long-poll-scan@50ms", rowOf(1, 249, 251, 27.4, 52.2, result.Doubt{Code: "lost", Text: "2 of 251 deliveries never came", Fatal: true})),
			standing("long-poll", rowOf(2, 502, 502, .412, 1.93)),
			{Transport: "websocket", Rounds: 2},
		},
	}
	s.Standings[1].Now = &web.Figures{Delivered: 128, Expected: 187, P50: 488, P99: 973}
	return s
}

// A runSite serves the page of a run. After a restart it has the same address.
type runSite struct {
	t       *testing.T
	live    *web.Live
	address string
	server  *http.Server
	served  chan error
}

func newRunSite(t *testing.T) *runSite {
	s := &runSite{t: t, live: &web.Live{}, address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *runSite) start() {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address, s.served = l.Addr().String(), make(chan error, 1)
	s.server = &http.Server{Handler: (&web.Pages{Live: s.live, Results: &web.Results{Dir: s.t.TempDir()}}).Handler()}
	go func() { s.served <- s.server.Serve(l) }()
}

// stop cuts the connections of all watchers.
func (s *runSite) stop() {
	s.server.Close()
	<-s.served
}

func TestLivePage(t *testing.T) {
	s := newRunSite(t)
	state := midway()
	s.live.Set(state)
	b := browsertest.Start(t)

	// The script must show the same texts as the server's page.
	b.Open("http://" + s.address + "/")
	b.Until("document.querySelector('svg circle')")
	shown := "[...document.querySelectorAll('[data-text]')].map(e => e.textContent).join('|')"
	scripted := browsertest.Eval[string](b, shown)
	written := browsertest.Eval[string](b, `fetch("/live").then(r => r.text()).then(text => {
		const marks = text.match(/data-text="[^"]*">[^<]*/g);
		return marks.map(m => m.slice(m.indexOf(">") + 1)).join("|");
	})`)
	if scripted != written {
		t.Errorf("the script shows\n%s\nthe server wrote\n%s", scripted, written)
	}
	b.Looks("live")

	// A new state is shown in place, without any element moving.
	boxes := `[...document.querySelectorAll("h1, progress, td, dd, th, figure, pre")].map(e => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.width].join(); }).join(" ")`
	before := browsertest.Eval[string](b, boxes)
	state.Window, state.Transport, state.Joined, state.LeftS = 8, "websocket", 3, 611
	standings := append([]web.Standing(nil), state.Standings...)
	standings[1] = standing("short-poll@1s", rowOf(1, 50212, 50212, 1502, 10991))
	standings[4].Now = &web.Figures{Delivered: 5021, Expected: 50230, P50: .0213, P99: 131}
	state.Standings = standings
	s.live.Set(state)
	b.Until("document.querySelector('.line').textContent.includes('window 8')")
	for selector, want := range map[string]string{
		".line": "Round 2 of 2, window 8 of 10: websocket, measuring.", ".going .number": "about 10:11 left",
		"[data-text='users']": "3/200", "[data-text='delivered']": "5021/50230", "[data-text='p99']": "131 ms",
		"tr.provisional th": "websocket", "tr[aria-current] [data-text='4.p50']": "21.3 µs", "[data-text='1.p99']": "11.0 s",
		"[data-text='1.server-cpu']": "41.7", "[data-text='4.server-cpu']": "-", "[data-text='4.bytes']": "-",
		".doubts li.bad": "long-poll-scan@50ms: 2 of 251 deliveries never came (not to be believed)",
	} {
		if got := b.Text(selector); got != want {
			t.Errorf("%s is %q, want %q", selector, got, want)
		}
	}
	if after := browsertest.Eval[string](b, boxes); after != before {
		t.Errorf("elements moved from\n%s\nto\n%s", before, after)
	}
	if ticks := browsertest.Eval[string](b, "[...document.querySelectorAll('.tick')].map(e => e.textContent).join()"); ticks != "10 µs,100 µs,1 ms,10 ms,100 ms,1 s,10 s,100 s" {
		t.Errorf("the scale is %s", ticks)
	}

	// When the connection is cut, the page says so, and reconnects by itself.
	s.stop()
	b.Until(`document.querySelector(".lost").innerText.includes("The run can't be reached; the last state is from 1 s ago.")`)
	b.Looks("live-lost")
	state.Window = 9
	s.live.Set(state)
	s.start()
	b.Until("document.querySelector('.line').textContent.includes('window 9') && document.querySelector('.lost').innerText.trim() === ''")
	refusals := func() { // fails the test for any fault but a refused connection
		t.Helper()
		for _, fault := range b.Faults() {
			if !strings.Contains(fault, "net::ERR_") {
				t.Error("the page says:", fault)
			}
		}
	}
	refusals()

	// At the end the page links to the report and does not reconnect.
	state.Status, state.Share, state.Report, state.Transport, state.Dir = web.Done, 1, "/results/chat/report.html", "", "results/chat"
	state.Charts = []report.Link{{Text: "Latency <b>", URL: "/results/chat/latency.svg"}, {Text: "Memory", URL: "/results/chat/memory.svg"}}
	state.Verdict = "Choose long-poll: it is the fastest."
	state.Answer = []string{"It costs 41.7 µs of server CPU.", "memory: as above."}
	state.Standings = midway().Standings
	state.Standings[1].Now = nil
	s.live.Set(state)
	b.Until("document.querySelector('.outcome a').checkVisibility()")
	if got := browsertest.Eval[string](b, "document.querySelector('.outcome a').href"); got != "http://"+s.address+"/results/chat/report.html" {
		t.Errorf("the report is at %s", got)
	}
	if got := b.Text(".charts"); got != "Latency <b>\nMemory" {
		t.Errorf("the charts are %q", got)
	}
	if got := b.Text(".verdict"); got != state.Verdict {
		t.Errorf("the verdict is %q", got)
	}
	if got := b.Text(".answer"); got != strings.Join(state.Answer, "\n") {
		t.Errorf("the answer is %q", got)
	}
	b.Looks("live-done")
	s.stop()
	// Another stream of the page retries until it has been refused twice; the page's own stream would
	// have been refused by then, too.
	browsertest.Eval[bool](b, `new Promise(done => {
		let refused = 0;
		const other = new EventSource("/live/states");
		other.onerror = () => {
			if (++refused < 2) return;
			other.close();
			done(true);
		};
	})`)
	if lost := b.Text(".lost"); strings.TrimSpace(lost) != "" {
		t.Errorf("after the end it says %q", lost)
	}
	refusals()

	// Another run on the same address is shown from its start.
	s.live.Set(midway())
	s.start()
	b.Open("http://" + s.address + "/live")
	b.Until("document.querySelector('svg circle')")
	other := web.State{Scenario: "<b>other</b>", Started: time.Date(2026, 5, 4, 9, 31, 0, 0, time.UTC), Status: web.Running}
	s.live.Set(other)
	b.Until("document.querySelector('h1')?.innerText === '<b>other</b>'")
	b.Looks("live-begun")

	// A page whose server ends with the run leads to no page of it.
	const others = `[...document.querySelectorAll("nav a")].filter(a => a.checkVisibility()).map(a => a.textContent).join()`
	if got := browsertest.Eval[string](b, others); got != "This run,Results" {
		t.Errorf("during a run it leads to %s", got)
	}
	other.Status, other.Error, other.Dir, other.File = web.Interrupted, "interrupted: 1 of 2 windows were measured and are in r", "r", "r/report.html"
	s.live.Set(other)
	b.Until(`document.querySelector(".outcome").innerText.includes("open the file r/report.html")`)
	if got := browsertest.Eval[string](b, others); got != "This run" {
		t.Errorf("after it, it leads to %s", got)
	}
	b.Looks("live-interrupted")
}
