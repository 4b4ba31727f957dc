package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// tried returns what a search left: loads of three transports, of which one could not be brought to its limit.
func tried(t *testing.T) (result.Index, []*result.Result) {
	t.Helper()
	ways := map[string]result.Way{
		"long-poll":     {Title: "long polling", HoldS: 30},
		"websocket":     {Title: "WebSocket", Stream: true, Duplex: true},
		"short-poll@5s": {Title: "short polling", EveryS: 5},
	}
	p99 := map[string][]float64{ // in ms, by load
		"long-poll": {2, 4, 30, 400, 2000},
		"websocket": {1, 1.5, 3, 8, 60},
	}
	index := result.Index{
		Schema: result.Schema, Kind: result.KindCapacity, Started: time.Unix(1.7e9, 0), Command: "pushpull capacity chat --p99=100ms", Note: "a <quiet> evening",
		Scenario: result.Scenario{
			Name: "chat", About: "Pairs of people talk.", Users: 200, RoomSize: 2, Senders: 2, Rate: .25, Size: 100, Duration: 3, Rounds: 2, Seed: 1,
			Transports: []string{"short-poll@5s", "long-poll", "websocket"}, Store: "memory", Servers: 1,
		},
		Axes: []result.Axis{{Key: "users"}},
		Capacity: &result.Capacity{P99S: .1, Precision: .05, Repeat: 2, ServerCPUs: 1, GeneratorCPUs: 1, Bound: true, Found: []result.Found{
			{Transport: "short-poll@5s", Way: ways["short-poll@5s"], Complete: true, Limit: "timer", Text: "a message waits up to 5s for the timer of short-poll@5s"},
			{
				Transport: "long-poll", Way: ways["long-poll"], Holds: 4000, Breaks: 8000, Confirmed: true, Complete: true, Broke: "p99", Limit: "server-cpu",
				Text: "p99 was 400ms; the server used 98% of its CPU", Windows: 12, Noise: 1, Apart: []result.Apart{{Load: 4000, Round: 2}}, Above: []float64{16000},
			},
			{
				Transport: "websocket", Way: ways["websocket"], Holds: 16000, AtLeast: true, Confirmed: true, Complete: true, Limit: "files",
				Text: "this process may have 20000 open files, which are used up by more users", Windows: 6, Revised: []float64{2000},
			},
		}},
	}
	var results []*result.Result
	for i, users := range []int{1000, 2000, 4000, 8000, 16000} {
		value := fmt.Sprint(users)
		index.Axes[0].Values = append(index.Axes[0].Values, value)
		index.Points = append(index.Points, result.Point{Dir: "users=" + value, Values: []string{value}})
		res := &result.Result{Run: result.Run{Schema: result.Schema, Scenario: index.Scenario, Environment: result.Environment{Cores: 2, OS: "linux", Arch: "amd64"}}}
		res.Run.Scenario.Users = users
		for _, transport := range []string{"long-poll", "websocket"} {
			for round := 1; round <= 2; round++ {
				w := result.Window{
					Transport: transport, Way: ways[transport], Round: round, Started: time.Unix(1.7e9, 0), Users: users, Cores: 1, DurationS: 3,
					Latency: result.NewHistogram(), SendDelay: result.NewHistogram(), Accept: result.NewHistogram(), Late: result.NewHistogram(),
					Server:    &result.Process{CPUS: min(2.95, 3*float64(users)/8000), RSSBytes: 1e8},
					Generator: result.Process{CPUS: 3 * float64(users) / 20_000, RSSBytes: 1e8},
				}
				worst := p99[transport][i]
				if transport == "long-poll" && users == 4000 && round == 2 {
					worst = 5000 // noise, which must not be shown
				}
				for k := range 1000 {
					latency := time.Duration(worst*float64(time.Millisecond)) / 3
					if k%50 == 0 {
						latency *= 3
					}
					w.Latency.Record(latency)
				}
				w.Planned, w.Sent, w.Expected, w.Delivered = users*3/4, users*3/4, users*3/4, users*3/4
				res.Windows = append(res.Windows, w)
			}
		}
		results = append(results, res)
	}
	return index, results
}

// TestCapacityTable compares the words and the table with the golden, whose lines fit 80 columns.
func TestCapacityTable(t *testing.T) {
	c := NewCapacity(tried(t))
	var out bytes.Buffer
	if err := c.Table(&out, text.Screen{}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if text.Width(strings.TrimSpace(line)) > 80 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
	sameAsGolden(t, "capacity.txt", out.Bytes())
	if strings.Contains(out.String(), "5 s and") || strings.Contains(out.String(), "1.67 s") {
		t.Error("a window that doesn't count is shown")
	}
}

// sameAsGolden compares data with a file below testdata, or rewrites it.
func sameAsGolden(t *testing.T, name string, data []byte) {
	t.Helper()
	path := filepath.Join("../testdata/report/golden/capacity", name)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("%s differs: go test ./report -update rewrites it; look at it", path)
	}
}

// TestCapacityCharts compares the charts with the goldens.
func TestCapacityCharts(t *testing.T) {
	for _, f := range NewCapacity(tried(t)).figures() {
		goldenFigure(t, "capacity", f.name, f)
	}
}

// TestCapacityJSON reads the object.
func TestCapacityJSON(t *testing.T) {
	var out bytes.Buffer
	if err := NewCapacity(tried(t)).JSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Answer     string
		Vary       string
		Transports []struct {
			Transport string
			Holds     float64
			AtLeast   bool    `json:"at_least"`
			Most      float64 `json:"generator_messages_per_s"`
			Loads     []struct {
				Load    float64
				Windows int
				P99     float64 `json:"p99_ms"`
				CPU     float64 `json:"server_cpu_share"`
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Vary != "users" || len(got.Transports) != 3 || got.Transports[0].Transport != "websocket" || !got.Transports[0].AtLeast {
		t.Fatalf("%+v", got)
	}
	polled := got.Transports[1]
	if len(polled.Loads) != 5 || polled.Loads[2].Load != 4000 || polled.Loads[2].Windows != 1 || polled.Loads[2].P99 > 31 || polled.Loads[2].CPU != .5 {
		t.Errorf("%+v", polled)
	}
	if want := 5000.; polled.Most < .99*want || polled.Most > 1.01*want { // 4,000 messages a second took 80% of its CPU
		t.Errorf("the generator could send %v messages a second, want %v", polled.Most, want)
	}
}

// TestCapacityWords pins down the first sentence.
func TestCapacityWords(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f []result.Found)
		want   string
	}{
		"as it is":          {func([]result.Found) {}, "WebSocket holds at least 16,000 users within a p99 of 100 ms, the most of all."},
		"a lower bound":     {func(f []result.Found) { f[1].AtLeast = true }, "Which transport holds most can't be told here: WebSocket and long polling were not brought to their limit. The most that was seen is at least 16,000 users, on WebSocket."},
		"equals":            {func(f []result.Found) { f[2].AtLeast, f[2].Holds, f[2].Breaks = false, 4000, 8000 }, "Long polling and WebSocket hold the most within a p99 of 100 ms, about 4,000 users."},
		"none holds":        {func(f []result.Found) { f[1].Holds, f[2].Holds, f[2].Breaks, f[2].AtLeast = 0, 0, 1000, false }, "No transport holds a p99 of 100 ms at any load that was tried."},
		"nothing was found": {func(f []result.Found) { f[1].Holds, f[1].AtLeast, f[2].Holds = 0, true, 0 }, "No transport could be judged."},
	} {
		index, results := tried(t)
		c.change(index.Capacity.Found)
		found := NewCapacity(index, results)
		if got := found.Words()[0]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if found.Judged() != (name != "nothing was found") {
			t.Errorf("%s: judged: %t", name, found.Judged())
		}
	}
}

// TestCapacityPage draws the page, and escapes what people wrote.
func TestCapacityPage(t *testing.T) {
	dir := t.TempDir()
	if err := NewCapacity(tried(t)).Write(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, Page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a &lt;quiet&gt; evening", "16,000 users", "capacity-p99", "pushpull capacity chat --p99=100ms"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
