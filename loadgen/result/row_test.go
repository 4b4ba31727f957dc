package result

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// rounds returns two windows of a transport, with latencies of 1 to 100 ms and of 101 to 200 ms.
func rounds() []Window {
	first := Window{
		Transport: "websocket", Round: 1, Users: 10, Cores: 2, DurationS: 5,
		Planned: 101, Sent: 101, Expected: 101, Delivered: 100, Lost: 1, Duplicated: 2, Reordered: 3, Misdelivered: 4,
		FailedRequests: 5, Rejoins: 6, Limited: 7,
		Latency: NewHistogram(), SendDelay: histogramOf(time.Millisecond), Accept: histogramOf(3 * time.Millisecond), Late: histogramOf(time.Microsecond),
		Traffic: Traffic{
			Connections: 10, Requests: 30, Handshakes: 10, EmptyResponses: 5, Posts: 7, BytesIn: 3000, BytesOut: 1000, HandshakeBytes: 700,
		},
		Store:     &Store{Appends: 101, Reads: 300, EmptyReads: 20},
		Server:    &Process{CPUS: .5, RSSBytes: 3_000_000, RSSIdleBytes: 2_000_000},
		Joining:   joining(100_000, 40_000),
		Generator: Process{CPUS: 1, RSSBytes: 5_000_000, RSSIdleBytes: 4_500_000},
	}
	second := first
	second.Round, second.DurationS = 2, 6
	second.Latency = NewHistogram()
	second.SendDelay, second.Accept, second.Late = histogramOf(2*time.Millisecond), histogramOf(5*time.Millisecond), histogramOf(9*time.Microsecond)
	second.Store = &Store{Appends: 99, Reads: 100, EmptyReads: 10}
	second.Server = &Process{CPUS: .3, RSSBytes: 5_000_000, RSSIdleBytes: 2_000_000}
	second.Joining = joining(300_000, 60_000)
	for ms := 1; ms <= 100; ms++ {
		first.Latency.Record(time.Duration(ms) * time.Millisecond)
		second.Latency.Record(time.Duration(100+ms) * time.Millisecond)
	}
	return []Window{first, second}
}

// joining returns samples of the memory of a server while 40 users join, perUser bytes for each. The
// first ones bring fixed bytes of resident memory.
func joining(perUser, fixed int64) []MemorySample {
	samples := []MemorySample{{Users: 0, InUseBytes: 1_000_000, RSSBytes: 2_000_000}}
	for _, users := range []int64{5, 10, 20, 30, 40} {
		samples = append(samples, MemorySample{int(users), 1_000_000 + users*perUser, 2_000_000 + fixed + users*perUser/2})
	}
	return samples
}

func TestRowsMergeRounds(t *testing.T) {
	rows := Rows(rounds())
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	row := rows[0]
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"users", float64(row.Users), 10},
		{"servers", float64(row.Servers), 1},
		{"rounds", float64(row.Rounds), 2},
		{"seconds", row.DurationS, 11},
		{"sent", float64(row.Sent), 202},
		{"expected", float64(row.Expected), 202},
		{"delivered", float64(row.Delivered), 200},
		{"lost", float64(row.Lost), 2},
		{"duplicated", float64(row.Duplicated), 4},
		{"reordered", float64(row.Reordered), 6},
		{"misdelivered", float64(row.Misdelivered), 8},
		{"failed requests", float64(row.FailedRequests), 10},
		{"rejoins", float64(row.Rejoins), 12},
		{"limited requests", float64(row.Limited), 14},
		{"mean", row.Latency.Mean, 100.5},
		{"p50", row.Latency.P50, 100},
		{"p90", row.Latency.P90, 180},
		{"p95", row.Latency.P95, 190},
		{"p99", row.Latency.P99, 198},
		{"max", row.Latency.Max, 200},
		{"send delay p50", row.SendDelay.P50, 1},
		{"send delay p99", row.SendDelay.P99, 2},
		{"send delay max", row.SendDelay.Max, 2},
		{"accept p50", row.Accept.P50, 3},
		{"accept max", row.Accept.Max, 5},
		{"connections", float64(row.Connections), 20},
		{"requests", float64(row.Requests), 60},
		{"handshakes", float64(row.Handshakes), 20},
		{"posts", float64(row.Posts), 14},
		{"empty responses", float64(row.EmptyResponses), 10},
		{"requests per delivery, without the handshakes", row.RequestsPerDelivery, .2},
		{"bytes in", float64(row.BytesIn), 6000},
		{"bytes out", float64(row.BytesOut), 2000},
		{"handshake bytes", float64(row.HandshakeBytes), 1400},
		{"bytes per delivery", row.BytesPerDelivery, 40},
		{"appends", float64(row.Store.Appends), 200},
		{"reads", float64(row.Store.Reads), 400},
		{"empty reads", float64(row.Store.EmptyReads), 30},
		{"appends per delivery", row.StorePerDelivery.Appends, 1},
		{"reads per delivery", row.StorePerDelivery.Reads, 2},
		{"empty reads per delivery", row.StorePerDelivery.EmptyReads, .15},
		{"appends per second", row.StorePerSecond.Appends, 200. / 11},
		{"reads per second", row.StorePerSecond.Reads, 400. / 11},
		{"empty reads per second", row.StorePerSecond.EmptyReads, 30. / 11},
		{"server CPU", row.Server.CPUS, .8},
		{"server CPU per delivery", row.Server.CPUMicrosPerDelivery, 4000},
		{"server memory", float64(row.Server.RSSBytes), 4_000_000},
		{"server memory per user", *row.Server.BytesPerUser, 200_000},
		{"fixed server memory", *row.Server.FixedBytes, 50_000},
		{"generator CPU", row.Generator.CPUS, 2},
		{"generator CPU per delivery", row.Generator.CPUMicrosPerDelivery, 10_000},
		{"generator memory per user", *row.Generator.RSSBytesPerUser, 50_000},
		{"late p99", row.Generator.LateP99, .009},
	} {
		if math.Abs(c.got-c.want) > c.want/1000 {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	if row.Histogram.Count() != 200 || row.Latency.P999 != nil {
		t.Errorf("%d samples, p99.9 %v, want 200 and none", row.Histogram.Count(), row.Latency.P999)
	}
}

// TestRowCountsCalibrators shares the generator's memory among the users and the members that calibrate, 4 in the
// mean of the rounds.
func TestRowCountsCalibrators(t *testing.T) {
	windows := rounds()
	windows[0].Calibration, windows[1].Calibration = &Calibration{Members: 3}, &Calibration{Members: 6}
	row := Rows(windows)[0]
	if want := 5e5 / 14; math.Abs(*row.Generator.RSSBytesPerUser-want) > 1e-6 {
		t.Errorf("generator memory of %v bytes for each of 14, want %v", *row.Generator.RSSBytesPerUser, want)
	}
	windows[1].Calibration = nil
	row = Rows(windows)[0]
	if want := 5e5 / 11; math.Abs(*row.Generator.RSSBytesPerUser-want) > 1e-6 {
		t.Errorf("generator memory of %v bytes for each of 11, want %v", *row.Generator.RSSBytesPerUser, want)
	}
}

// TestRowDelays has 200 sends of which one was much later than the others.
func TestRowDelays(t *testing.T) {
	w := rounds()[0]
	for _, h := range []**Histogram{&w.SendDelay, &w.Accept, &w.Late} {
		*h = NewHistogram()
		for range 199 {
			(*h).Record(2 * time.Millisecond)
		}
		(*h).Record(80 * time.Millisecond)
	}
	row := Rows([]Window{w})[0]
	for _, d := range []Delay{row.SendDelay, row.Accept, {2, row.Generator.LateP99, 80}} {
		if math.Abs(d.P50-2) > .01 || math.Abs(d.P99-2) > .01 || math.Abs(d.Max-80) > .1 {
			t.Errorf("%+v", d)
		}
	}
}

// TestRowsLeaveWindowsAlone merges windows twice: the windows don't change, and the rows are equal.
func TestRowsLeaveWindowsAlone(t *testing.T) {
	windows := rounds()
	before := asJSON(t, windows)
	first, second := Rows(windows), Rows(windows)
	if asJSON(t, first) != asJSON(t, second) || asJSON(t, windows) != before {
		t.Error("merging changed the windows")
	}
}

func TestRowOfSilentServer(t *testing.T) {
	windows := rounds()
	windows[1].Server, windows[1].Store = nil, nil // the figures of the first round are not those of both
	if row := Rows(windows)[0]; row.Server != nil || row.Store != nil {
		t.Errorf("server %v, store %v, want nil", row.Server, row.Store)
	}
	for i := range windows {
		windows[i].Server, windows[i].Store = nil, nil
	}
	row := Rows(windows)[0]
	if row.Server != nil || row.Store != nil {
		t.Errorf("server %v, store %v, want nil", row.Server, row.Store)
	}
	data := asJSON(t, row)
	if !strings.Contains(data, `"server":null`) || !strings.Contains(data, `"store":null`) || !strings.Contains(data, `"p999":null`) {
		t.Errorf("unknown figures are not null: %s", data)
	}
}

// TestRowOfNothing merges a window without deliveries: nothing is divided by 0.
func TestRowOfNothing(t *testing.T) {
	empty := Window{Transport: "sse", Users: 2, Traffic: Traffic{Requests: 9, BytesIn: 9}, Store: &Store{Reads: 9}, Generator: Process{CPUS: 1}}
	row := Rows([]Window{empty})[0]
	if row.RequestsPerDelivery != 0 || row.BytesPerDelivery != 0 || row.Generator.CPUMicrosPerDelivery != 0 || row.Latency.P99 != 0 {
		t.Errorf("%+v", row)
	}
	if _, err := json.Marshal(row); err != nil {
		t.Error(err)
	}
	if row.StorePerDelivery != nil || row.StorePerSecond != nil {
		t.Errorf("%+v for each of no deliveries, %+v in no time", row.StorePerDelivery, row.StorePerSecond)
	}
	one := Window{Transport: "sse", Users: 2, Delivered: 1, DurationS: .5, Store: &Store{Reads: 9}}
	if row := Rows([]Window{one})[0]; *row.StorePerDelivery != (Rates{Reads: 9}) || *row.StorePerSecond != (Rates{Reads: 18}) {
		t.Errorf("%+v for one delivery, %+v in half a second", row.StorePerDelivery, row.StorePerSecond)
	}
	if rows := Rows(nil); rows == nil || len(rows) != 0 {
		t.Errorf("no windows make %v", rows)
	}
}

func TestP999NeedsSamples(t *testing.T) {
	w := rounds()[0]
	w.Latency = NewHistogram()
	for range samplesP999 - 1 {
		w.Latency.Record(time.Millisecond)
	}
	if row := Rows([]Window{w})[0]; row.Latency.P999 != nil {
		t.Errorf("p99.9 of %d samples is %v", w.Latency.Count(), *row.Latency.P999)
	}
	w.Latency.Record(time.Second)
	if row := Rows([]Window{w})[0]; row.Latency.P999 == nil || math.Abs(*row.Latency.P999-1) > .001 {
		t.Errorf("p99.9 of %d samples is %v, want 1", w.Latency.Count(), row.Latency.P999)
	}
}

func TestOrder(t *testing.T) {
	rows := Rows([]Window{{Transport: "a", Users: 2}, {Transport: "b", Users: 2}, {Transport: "c", Users: 2}, {Transport: "a", Users: 2}})
	names := func(rows []Row) (s string) {
		for _, row := range rows {
			s += row.Transport
		}
		return s
	}
	if got := names(Order(rows, []string{"c", "a", "b"})); got != "cab" {
		t.Errorf("ordered %s, want cab", got)
	}
	if got := names(rows); got != "abc" {
		t.Errorf("the rows are in the order %s, want abc as in the windows", got)
	}
}

// TestUnknownNumbers checks that figures which can't be known are left out: latencies beyond an hour,
// and memory that is below that at idle or has no idle to compare with.
func TestUnknownNumbers(t *testing.T) {
	var w Window
	w.Transport, w.Users, w.Delivered, w.Sent = "websocket", 2, 4, 4
	w.Latency = histogramOf(time.Second, time.Second, time.Second, 2*time.Hour)
	w.Accept, w.SendDelay, w.Late = histogramOf(time.Second), histogramOf(2*time.Hour), NewHistogram()
	w.Server = &Process{CPUS: 1, RSSBytes: 5, RSSIdleBytes: 6}
	w.Joining = joining(-100, -60)
	w.Generator = Process{CPUS: 1, RSSBytes: 5}
	shrank := w
	row := Rows([]Window{w})[0]
	for key, want := range map[string]bool{
		"p50": true, "p95": false, "p99": false, "max": false, "mean": false, "accept-p99": true, "send-delay-p50": false,
		"server-memory": false, "fixed-memory": false, "server-cpu": true, "server-rss": true, "generator-memory": false, "generator-cpu": true,
	} {
		m, found := MetricOf(key)
		if _, ok := m.Value(row); !found || ok != want {
			t.Errorf("%s is known: %t, want %t", key, ok, want)
		}
	}
	// Noise may make it smaller in one round: the mean over the rounds counts.
	w.Server = &Process{CPUS: 1, RSSBytes: 5 + 8, RSSIdleBytes: 6}
	w.Joining = joining(300, 20)
	if s := Rows([]Window{shrank, w})[0].Server; s.BytesPerUser == nil || *s.BytesPerUser != 100 || *s.FixedBytes != 0 {
		t.Errorf("memory of both rounds: %+v", s)
	}
	// A handshake whose request was made before the measured part.
	w.Traffic = Traffic{Requests: 1, Handshakes: 2, EmptyResponses: 2}
	row = Rows([]Window{w})[0]
	empty, _ := MetricOf("empty-answers")
	if share, _ := empty.Value(row); row.RequestsPerDelivery != 0 || share != 100 {
		t.Errorf("%v requests per delivery, %v %% empty", row.RequestsPerDelivery, share)
	}
}

// TestTotals compares a row with its totals, which lack only what is read from histograms.
func TestTotals(t *testing.T) {
	windows := rounds()
	windows[1].Spoiled = 2
	windows = append(windows, Window{Transport: "websocket", Round: 3, Users: 10, Failed: "refused"})
	want := Rows(windows)[0]
	want.Latency, want.SendDelay, want.Accept = Quantiles{}, Delay{}, Delay{}
	want.Generator.LateP99, want.Generator.LateWindows = 0, 0
	want.Histogram, want.Doubts = nil, nil
	if got := Totals(windows); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
