package claims

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
)

// Each claim has all that a reader needs, and each case is needed by one.
func TestListIsComplete(t *testing.T) {
	seen, used := map[string]bool{}, map[string]bool{}
	for _, c := range List() {
		if seen[c.Name] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(c.Name) {
			t.Errorf("the name %q is bad, or there twice", c.Name)
		}
		seen[c.Name] = true
		for what, words := range map[string]string{
			"title": c.Title, "words": c.Says, "set-up": c.Setup, "reason": c.Why, "authors": c.Source.Authors, "title of the source": c.Source.Title,
		} {
			if words == "" || words != strings.TrimSpace(words) {
				t.Errorf("%s: its %s is %q", c.Name, what, words)
			}
		}
		if !regexp.MustCompile(`^(19|20)\d\d$|^undated$`).MatchString(c.Source.Year) || !regexp.MustCompile(`^https?://\S+\.\S+$`).MatchString(c.Source.Address) {
			t.Errorf("%s: its source is %s", c.Name, c.Source)
		}
		if c.judge == nil || len(c.Cases) == 0 && !c.Browse {
			t.Errorf("%s: nothing is measured for it", c.Name)
		}
		for _, name := range c.Cases {
			used[name+".yaml"] = true
		}
		if found, ok := Find(c.Name); !ok || found.Title != c.Title {
			t.Errorf("%s is not found by its name", c.Name)
		}
	}
	for _, c := range Cases(List()) {
		source, err := c.Scenario()
		if err != nil || !strings.HasPrefix(string(source), "name: "+c.Name+"\n") {
			t.Errorf("%s: its scenario has another name, or none: %v", c.Name, err)
		}
	}
	all, err := fs.Glob(files, "cases/*.yaml")
	if err != nil || len(all) != len(Cases(List())) {
		t.Errorf("%d files of cases for %d cases, %v", len(all), len(Cases(List())), err)
	}
	for _, file := range all {
		if !used[path.Base(file)] {
			t.Errorf("no claim needs %s", file)
		}
	}
}

// TestVerdict applies Rule.
func TestVerdict(t *testing.T) {
	figure, comparison, note := func(agrees bool) Row { return Row{Kind: Figure, Agrees: agrees} },
		func(agrees bool) Row { return Row{Kind: Comparison, Agrees: agrees} }, Row{Kind: Note}
	for _, c := range []struct {
		want Verdict
		rows []Row
	}{
		{Holds, []Row{figure(true), comparison(true), note}},
		{InDirection, []Row{figure(true), figure(false), comparison(true)}},
		{InPart, []Row{figure(true), comparison(true), comparison(false)}},
		{Fails, []Row{figure(true), comparison(false), comparison(false)}},
		{Holds, []Row{figure(true), figure(true)}},
		{InPart, []Row{figure(true), figure(false)}},
		{Fails, []Row{figure(false), note}},
	} {
		f := Finding{Rows: c.rows}
		if got := f.verdict(); got != c.want {
			t.Errorf("%v: %s, want %s", c.rows, got, c.want)
		}
	}
	var f Finding
	for _, found := range []float64{79, 80, 125, 126} {
		f.figure(ByMeasuring, "x", 100, found, whole)
	}
	if got := []bool{f.Rows[0].Agrees, f.Rows[1].Agrees, f.Rows[2].Agrees, f.Rows[3].Agrees}; !slices.Equal(got, []bool{false, true, true, false}) {
		t.Errorf("within 25%% of 100 are 80 and 125, got %v", got)
	}
}

// world is what would have been measured if a network had a round trip of 100 ms, and theory were right.
type world struct {
	Measured
}

func newWorld() *world {
	return &world{Measured{Results: map[string]*result.Result{}, Rows: map[string][]result.Row{}}}
}

// add adds a row to a case. Its latencies are a histogram's.
func (w *world) add(name, transport string, s result.Scenario, row result.Row, latencies ...time.Duration) {
	if w.Results[name] == nil {
		w.Results[name] = &result.Result{Run: result.Run{Scenario: s}}
	}
	row.Transport, row.Users, row.Rounds, row.DurationS = transport, s.Users, 1, 10
	row.Histogram = result.NewHistogram()
	for _, d := range latencies {
		row.Histogram.Record(d)
	}
	in := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	row.Latency = result.Quantiles{
		Mean: in(row.Histogram.Mean()), P50: in(row.Histogram.Quantile(.5)), P99: in(row.Histogram.Quantile(.99)), Max: in(row.Histogram.Max()),
	}
	w.Rows[name] = append(w.Rows[name], row)
}

// judge judges one claim.
func (w *world) judge(t *testing.T, name string) Finding {
	t.Helper()
	c, ok := Find(name)
	if !ok {
		t.Fatalf("there is no claim %s", name)
	}
	return Judge([]Claim{c}, &w.Measured)[0]
}

// row returns the row of a finding whose words begin like that.
func row(t *testing.T, f Finding, what string) Row {
	t.Helper()
	for _, r := range f.Rows {
		if strings.HasPrefix(r.What, what) {
			return r
		}
	}
	t.Fatalf("%s has no row %q: %v", f.Name, what, f.Rows)
	return Row{}
}

// waits returns latencies of long polling at a round trip of 100 ms: the sender's transit, one more, and for a share of the messages a
// wait spread over the gap of two.
func waits(share float64) (all []time.Duration) {
	const n = 1000
	for i := range n {
		d := 100 * time.Millisecond
		if at := float64(i) / n; at < share {
			d += time.Duration(at / share * 100 * float64(time.Millisecond))
		}
		all = append(all, d)
	}
	return all
}

// Long polling whose gap is hit seldom, often and mostly: the average grows, the longest doesn't.
func TestTransits(t *testing.T) {
	w := newWorld()
	share := map[string]float64{transitsSeldom: .01, transitsOften: .29, transitsFlood: .67}
	rate := map[string]float64{transitsSeldom: .2, transitsOften: 4, transitsFlood: 20}
	for name := range share {
		s := result.Scenario{Users: 40, RoomSize: 2, Rate: rate[name] / 2, Network: network.Profile{RTTS: .1}}
		w.add(name, "long-poll", s, result.Row{}, waits(share[name])...)
		w.add(name, "websocket", s, result.Row{}, 100*time.Millisecond)
	}
	f := w.judge(t, "transits")
	if f.Verdict != InPart || f.Lacking != "" {
		t.Errorf("%s %s: %v", f.Verdict, f.Lacking, f.Rows)
	}
	for what, want := range map[string]string{
		"the shortest latency": "1.0 transits", "the longest latency": "3.0 transits",
		"the average is close to one, at 0.2 ": "1.0 transits", "the average is close to one, at 4 ": "1.3 transits", "the average is close to one, at 20 ": "1.7 transits",
	} {
		if r := row(t, f, what); r.Found != want || r.Agrees != (want != "1.3 transits" && want != "1.7 transits") {
			t.Errorf("%s: %+v, want %s", what, r, want)
		}
	}
	if all := Transits(&w.Measured); len(all) != 3 || all[2].Rate != 20 || all[2].Doubted {
		t.Errorf("%+v", all)
	}

	w.Rows[transitsFlood][0].Doubts = []result.Doubt{{Code: "lost", Text: "4 of 100 deliveries never came", Fatal: true}}
	if f := w.judge(t, "transits"); f.Verdict != Unjudged || f.Lacking != "long-poll with the load transits-flood is not to be believed: 4 of 100 deliveries never came" || len(f.Rows) == 0 {
		t.Errorf("with a doubt: %s, %q", f.Verdict, f.Lacking)
	}
	if all := Transits(&w.Measured); !all[2].Doubted || all[1].Doubted {
		t.Errorf("with a doubt: %+v", all)
	}
	delete(w.Rows, transitsOften)
	if f := w.judge(t, "transits"); f.Verdict != Unjudged || f.Lacking != "long-poll was not measured with the load transits-often" || f.Rows != nil {
		t.Errorf("without a case: %s, %q", f.Verdict, f.Lacking)
	}
}

// The traffic of a ticker is that of the headers of its polls, whatever the messages are.
func TestQuantum(t *testing.T) {
	w := newWorld()
	for _, c := range []struct {
		name, poll string
		users      int
		each       int64 // polls and messages in 10 s
		messages   int
	}{{stock, "short-poll@1s", 1000, 10_000, 10_000}, {stockCrowd, "short-poll@5s", 10_000, 20_000, 100_000}, {stockFar, "short-poll@1s", 100, 1000, 1000}} {
		s := result.Scenario{Users: c.users, Size: 64, Network: network.Profile{RTTS: .1}}
		w.add(c.name, c.poll, s, result.Row{Requests: c.each, EmptyResponses: c.each / 2, Delivered: c.messages}, 200*time.Millisecond)
		w.add(c.name, "websocket", s, result.Row{Delivered: c.messages, BytesPerDelivery: 66}, 100*time.Millisecond)
		w.Results[c.name].Windows = []result.Window{{Transport: c.poll, Calibration: &result.Calibration{Bytes: &result.Bytes{Empty: 842, Answer: 900}}}}
	}
	f := w.judge(t, "quantum")
	if f.Verdict != Holds { // 871 and 2 bytes, 150 and 50 ms; the ratio is 435, within 25% of 500
		t.Errorf("%s %s: %+v", f.Verdict, f.Lacking, f.Rows)
	}
	for what, want := range map[string]string{
		"headers of a poll": "871 B", "polling, 1,000 clients": "6.97 Mbit/s", "polling, 10,000": "69.7 Mbit/s", "polling, 100,000": "697 Mbit/s",
		"WebSocket, 1,000": "0.0160 Mbit/s", "WebSocket, 10,000": "0.160 Mbit/s", "WebSocket, 100,000": "1.60 Mbit/s",
		"latency of a message when polling": "150 ms", "latency of a message over WebSocket": "50.0 ms",
	} {
		if r := row(t, f, what); r.Found != want || !r.Agrees {
			t.Errorf("%s: %+v, want %s", what, r, want)
		}
	}
	if row(t, f, "polling, 1,000").How != ByMeasuring || row(t, f, "polling, 10,000").How != ByDerivation || row(t, f, "WebSocket, 100,000").How != ByDerivation {
		t.Error("what was derived passes for measured")
	}
	// A generator that was late spoils no bytes. One that lost messages does.
	late := []result.Doubt{{Code: "generator-late", Text: "late", Fatal: true}}
	w.Rows[stock][0].Doubts = late
	if f := w.judge(t, "quantum"); f.Verdict != Holds {
		t.Errorf("bytes of a late generator: %s, %s", f.Verdict, f.Lacking)
	}
	w.Rows[stockFar][0].Doubts = late
	if f := w.judge(t, "quantum"); f.Verdict != Unjudged {
		t.Errorf("latency of a late generator: %s", f.Verdict)
	}
	w.Results[stockCrowd].Windows = nil
	if f := w.judge(t, "quantum"); f.Verdict != Unjudged || !strings.Contains(f.Lacking, "stock-crowd are unknown") {
		t.Errorf("without the bytes of a poll: %s, %s", f.Verdict, f.Lacking)
	}
}

func TestSensorAndBandwidth(t *testing.T) {
	w := newWorld()
	for name, long := range map[string]time.Duration{sensorNear: 125, sensorFar: 150} {
		w.add(name, "short-poll@250ms", result.Scenario{Users: 20}, result.Row{}, 125*time.Millisecond)
		w.add(name, "long-poll", result.Scenario{Users: 20}, result.Row{Requests: 800}, long*time.Millisecond)
		w.add(name, "websocket", result.Scenario{Users: 20}, result.Row{}, time.Millisecond)
	}
	if f := w.judge(t, "sensor"); f.Verdict != Holds || row(t, f, "near: requests").Found != "4 a second" {
		t.Errorf("a world in which long polling is no better: %s, %+v", f.Verdict, f.Rows)
	}
	w.Rows[sensorFar][1].Latency.Mean = 50
	if f := w.judge(t, "sensor"); f.Verdict != InPart {
		t.Errorf("a world in which it is better far away: %s", f.Verdict)
	}
	bytes := func(name string, of map[string]float64) {
		delete(w.Rows, name)
		for transport, b := range of {
			w.add(name, transport, result.Scenario{Users: 50}, result.Row{BytesPerDelivery: b, Connections: 50, HandshakeBytes: 5000}, time.Millisecond)
		}
	}
	bytes(updates, map[string]float64{"short-poll@250ms": 900, "long-poll": 400, "sse": 300, "websocket": 110})
	bytes(updatesHTTP2, map[string]float64{"short-poll@250ms": 300, "long-poll": 230, "sse": 120})
	if f := w.judge(t, "bandwidth"); f.Verdict != Holds || row(t, f, "server-sent events: the first").Found != "100 B over HTTP/1.1" {
		t.Errorf("the world of the article: %s %s, %+v", f.Verdict, f.Lacking, f.Rows)
	}
	bytes(updates, map[string]float64{"short-poll@250ms": 900, "long-poll": 400, "sse": 121, "websocket": 110})
	if f := w.judge(t, "bandwidth"); f.Verdict != InPart {
		t.Errorf("streams that cost the same over both: %s", f.Verdict)
	}
}

func TestCustomary(t *testing.T) {
	w := newWorld()
	server := func(bytes, cpu float64) *result.Server {
		return &result.Server{Usage: result.Usage{CPUS: cpu}, BytesPerUser: &bytes}
	}
	for name, scale := range map[string]float64{quiet: 1, quietCrowd: 4} {
		s := result.Scenario{Users: int(1000 * scale)}
		w.add(name, "short-poll@1s", s, result.Row{Server: server(6000, 8*scale)}, 500*time.Millisecond)
		w.add(name, "short-poll@5s", s, result.Row{Server: server(6000, 2*scale), Requests: int64(2000 * scale), EmptyResponses: int64(1500 * scale)}, 2*time.Second, 5*time.Second)
		w.add(name, "sse", s, result.Row{Server: server(10_000, 2*scale)}, time.Millisecond)
		w.add(name, "websocket", s, result.Row{Server: server(16_000, 2*scale)}, time.Millisecond)
		w.add(name, "websocket-lean", s, result.Row{Server: server(11_000, 2*scale)}, time.Millisecond)
	}
	f := w.judge(t, "poll-5s")
	if f.Verdict != Holds || row(t, f, "requests a minute").Found != "1,200" || row(t, f, "polls that find nothing").Found != "75%" {
		t.Errorf("a world in which polling is cheap: %s %s, %+v", f.Verdict, f.Lacking, f.Rows)
	}
	f = w.judge(t, "state")
	// A million take 16 GB, and more than polling users; but CPU bounds them first, and a user costs the same in a crowd.
	if f.Verdict != InPart || row(t, f, "memory of a million").Found != "16 GB" || row(t, f, "a user costs more").Agrees || row(t, f, "polling, which keeps").Agrees {
		t.Errorf("a world that scales: %s %s, %+v", f.Verdict, f.Lacking, f.Rows)
	}
	*w.Rows[quietCrowd][3].Server.BytesPerUser *= 60
	if f := w.judge(t, "state"); !row(t, f, "a user costs more").Agrees || !row(t, f, "memory bounds").Agrees || !row(t, f, "polling, which keeps").Agrees || f.Brief != "a core and 1 GB hold 1,000 users, 1,300 that poll every second" {
		t.Errorf("a world that doesn't: %s, %+v", f.Verdict, f.Rows)
	}
	w.Rows[quiet][0].Server = nil
	if f := w.judge(t, "state"); f.Verdict != Unjudged {
		t.Errorf("a server that reports nothing: %s", f.Verdict)
	}
}

func TestSixStreams(t *testing.T) {
	w := newWorld()
	if f := w.judge(t, "six-streams"); f.Verdict != Unjudged || f.Lacking != "no browser was measured" {
		t.Errorf("nothing: %s, %s", f.Verdict, f.Lacking)
	}
	w.Beside.Lacking = "there is no Chromium"
	if f := w.judge(t, "six-streams"); f.Lacking != "there is no Chromium" {
		t.Errorf("no browser: %s", f.Lacking)
	}
	b := func(by, http string, received int) result.Browsed {
		return result.Browsed{Browser: "Chromium 1", By: by, HTTP: http, Asked: 300, Opened: received, Received: received, Blocked: received < 10}
	}
	w.Beside = result.Claims{Browsed: []result.Browsed{b(result.ByEventSource, "1.1", 6), b(result.ByEventSource, "2", 100), b(result.ByWebSocket, "1.1", 255)}}
	f := w.judge(t, "six-streams")
	if f.Verdict != Holds || f.Brief != "6 over HTTP/1.1, 100 over HTTP/2; 255 WebSockets" || row(t, f, "another request").Found != "it waited" {
		t.Errorf("%s %s: %+v", f.Verdict, f.Brief, f.Rows)
	}
	w.Beside.Browsed[0].Received = 300
	if f := w.judge(t, "six-streams"); f.Verdict != Fails {
		t.Errorf("a browser without limits: %s", f.Verdict)
	}
	w.Beside.Quick = true
	if f := w.judge(t, "six-streams"); f.Verdict != Unjudged || len(f.Rows) == 0 {
		t.Errorf("a quick measurement: %s, %v", f.Verdict, f.Rows)
	}
	w.Beside.Browsed = w.Beside.Browsed[:1]
	if f := w.judge(t, "six-streams"); f.Lacking != "no EventSource over HTTP/2 was measured in a browser" {
		t.Errorf("half of it: %s", f.Lacking)
	}
}

func TestNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"1,234,568": whole(1234567.8), "999": whole(999.4), "0": whole(0), "0.1": number(.1), "20": number(20), "1,231": number(1231.4), "1.3": number(1.26),
		"59,000": whole2(59_412), "12": whole2(12.3), "75%": percent(.751),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if fmt.Sprint(Source{"A and B", "C", "2010", "http://d.example"}) != `A and B, "C" (2010), http://d.example` {
		t.Error("a source is written otherwise")
	}
}
