package ci_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/check"
	"pushpull/report/ci"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

// hostile is a name with special characters of every format.
const hostile = "e|v`il/x =1\n</testcase>]]>\x00\x1b[31m\u202e<img src=x>*_\xff\ufffe%"

// rounds is the number of samples that benchstat needs for a verdict.
const rounds = 6

// measured returns a result of six rounds. transports maps names to latencies in milliseconds; those of
// order without one were not measured.
func measured(transports map[string]float64, order ...string) *result.Result {
	res := &result.Result{Run: result.Run{
		Schema:  result.Schema,
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Command: "pushpull run chat --users=500",
		Scenario: result.Scenario{
			Name: "chat", Users: 500, RoomSize: 5, Senders: 1, Rate: .125, Size: 64, Rounds: rounds, Transports: order,
		},
		Environment: result.Environment{CPU: "AMD EPYC 7B13", Cores: 2, OS: "debian 12.5", Arch: "amd64", Pushpull: "v0.1.0"},
	}}
	for round := 1; round <= rounds; round++ {
		for _, name := range order {
			ms, ok := transports[name]
			if !ok {
				continue
			}
			w := result.Window{
				Transport: name, Round: round, Users: 500, Cores: 2, DurationS: 20,
				Planned: 100, Sent: 100, Expected: 400, Delivered: 400,
				Latency: result.NewHistogram(), Late: result.NewHistogram(),
				SendDelay: result.NewHistogram(), Accept: result.NewHistogram(),
				Traffic:   result.Traffic{Requests: int64(100 * ms), BytesIn: 100_000, BytesOut: 20_000},
				Store:     &result.Store{Appends: 100, Reads: int64(150 * ms), EmptyReads: int64(50 * ms)},
				Server:    &result.Process{CPUS: .02 * ms, RSSBytes: 30e6, RSSIdleBytes: 20e6},
				Joining:   []result.MemorySample{{Users: 0, RSSBytes: 20e6}, {Users: 250, InUseBytes: 5e6, RSSBytes: 25e6}, {Users: 500, InUseBytes: 10e6, RSSBytes: 30e6}},
				Generator: result.Process{CPUS: 1},
			}
			for i := range 400 {
				w.Latency.Record(time.Duration((ms + float64(i+10*round)/500) * 1e6))
			}
			res.Windows = append(res.Windows, w)
		}
	}
	return res
}

func side(name string, res *result.Result) ci.Side {
	return ci.Side{Name: name, Result: res, Rows: res.Rows()}
}

// aRun has four transports: sound, with a doubt, not measured, and with a hostile name and a fatal doubt.
func aRun() ci.Outcome {
	res := measured(map[string]float64{"websocket": 1, "short-poll@1s": 500, hostile: 2}, "websocket", "short-poll@1s", "long-poll", hostile)
	for i := range res.Windows {
		switch w := &res.Windows[i]; w.Transport {
		case "short-poll@1s":
			w.Errors = []result.Failure{{Text: "GET http://10.0.0.1/rooms/a_b: <refused>", Count: 2}}
		case hostile:
			w.Delivered, w.Lost = 399, 1
			w.Errors = []result.Failure{{Text: hostile, Count: 1}}
		}
	}
	return ci.Outcome{
		Words: []string{"WebSocket delivered half of the messages within 1.4 ms; " + hostile + " lost 6 of 2400."},
		Sides: []ci.Side{side("", res)},
	}
}

// aCheck has a comparison for each verdict.
func aCheck() ci.Outcome {
	base := measured(map[string]float64{"websocket": 1, "long-poll": 2}, "websocket", "long-poll")
	head := measured(map[string]float64{"websocket": 1.25, "long-poll": 2}, "websocket", "long-poll")
	head.Run.Command = "pushpull duet --head=./head"
	head.Windows[1].Delivered, head.Windows[1].Lost = 399, 1
	return ci.Outcome{
		Words: []string{"A regression: p50 of websocket 1.42 -> 1.67 ms (x1.18), lost of long-poll 0 -> 1; but the numbers are not to be believed."},
		Sides: []ci.Side{side("base", base), side("head", head)},
		Check: &check.Report{
			Scenario: base.Run.Scenario,
			Comparisons: []check.Comparison{
				{Transport: "websocket", Metric: "lost", P: 1, Gated: true, Verdict: check.Same},
				{Transport: "websocket", Metric: "p50", Unit: "ms", Base: 1.42, Head: 1.6704, Ratio: 1.176338, Low: 1.1701, High: 1.18, P: .0009, Pairs: 10, Detectable: 1.03, Limit: 1.05, Gated: true, Verdict: check.Worse},
				{Transport: "websocket", Metric: "p95", Unit: "ms", Base: 1.78, Head: 2.1, Ratio: 1.18, Low: 1.17, High: 1.19, P: .001, Pairs: 10, Detectable: 1.031, Verdict: check.Worse},
				{Transport: "websocket", Metric: "server-cpu", Unit: "us", Base: 50, Head: 45, Ratio: .9, Low: .89, High: .91, P: 1, Pairs: 10, Detectable: 1.02, Limit: 1.05, Gated: true, Verdict: check.Better},
				{Transport: "long-poll", Metric: "lost", Base: 0, Head: 1, P: 1, Gated: true, Verdict: check.Worse},
				{Transport: "long-poll", Metric: "p50", Unit: "ms", Base: 2.4, Head: 2.6, Ratio: 1.08, Low: 1.06, High: 1.1, P: .001, Pairs: 10, Detectable: 1.04, Limit: 1.05, Gated: true, Verdict: check.Unsure, Note: "ratio 1.01 in the fresh run"},
				{Transport: "long-poll", Metric: "p99", Unit: "ms", Base: 2.8, Head: 2.9, Ratio: 1.04, P: 1, Pairs: 3, Limit: 1.5, Gated: true, Verdict: check.TooFew, Note: "3 pairs, and 7 are the fewest"},
				{Transport: "long-poll", Metric: "server-cpu", Unit: "us", Base: 90, Head: 91, Ratio: 1.01, P: 1, Pairs: 3, Limit: 1.05, Unjudged: true, Verdict: check.TooFew, Note: "3 pairs, and 7 are the fewest"},
				{Transport: "long-poll", Metric: "server-memory", Unit: "KB", Base: 20, Head: 20, Ratio: 1, P: 1, Pairs: 3, Limit: 1.05, Unjudged: true, Allowed: true, Verdict: check.TooFew, Note: "3 pairs, and 7 are the fewest"},
				{Transport: "sse", Metric: "lost", P: 1, Unjudged: true, Verdict: check.Missing, Note: "not in head"},
				{Transport: "sse", Metric: "bytes", Unit: "B", Base: 300, P: 1, Limit: 1.05, Unjudged: true, Verdict: check.Missing, Note: "not in head"},
				{Transport: "sse", Metric: "p95", Unit: "ms", Base: 2, P: 1, Verdict: check.Missing},
				{Transport: hostile, Metric: hostile, P: 1, Gated: true, Verdict: check.Unknown, Note: hostile},
			},
			Doubts:   1,
			Warnings: []string{"head, long-poll: 99 of 100 planned messages were stored", "the environments differ in kernel: 6.1.0 | 6.2.0"},
		},
	}
}

type format struct {
	extension string
	write     func(io.Writer, ci.Outcome) error
}

var formats = []format{{"xml", ci.JUnit}, {"md", ci.Markdown}, {"txt", ci.Benchfmt}, {"json", ci.BenchmarkAction}}

func written(t *testing.T, write func(io.Writer, ci.Outcome) error, o ci.Outcome) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./report/ci -update rewrites it), got\n%s", path, got)
	}
}

func TestGoldens(t *testing.T) {
	for name, o := range map[string]ci.Outcome{"run": aRun(), "check": aCheck(), "servers": shared()} {
		for _, f := range formats {
			golden(t, name+"."+f.extension, written(t, f.write, o))
		}
	}
}

// TestEmpty writes outcomes without deliveries or comparisons.
func TestEmpty(t *testing.T) {
	none := measured(nil, "websocket")
	for name, o := range map[string]ci.Outcome{
		"run":               {Words: []string{"Nothing was measured."}, Sides: []ci.Side{side("", none)}},
		"nothing delivered": {Sides: []ci.Side{side("", silent())}},
		"check":             {Sides: []ci.Side{side("base", none), side("head", none)}, Check: &check.Report{}},
		"check alone":       {Check: &check.Report{}},
	} {
		for _, f := range formats {
			got := written(t, f.write, o)
			if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
				t.Errorf("%s as %s: %s", name, f.extension, got)
			}
		}
		if got := written(t, ci.BenchmarkAction, o); strings.Contains(got, "p50") || o.Check == nil && got != "[]\n" {
			t.Errorf("%s: numbers without deliveries: %s", name, got)
		}
		if got := written(t, ci.Benchfmt, o); strings.Contains(got, "\nBenchmark") {
			t.Errorf("%s: numbers without deliveries: %s", name, got)
		}
	}
}

// foreign is a run on a server that reports neither CPU and memory nor operations on its store.
func foreign() ci.Outcome {
	res := measured(map[string]float64{"websocket": 1}, "websocket")
	res.Run.Scenario.Target = "http://there"
	for i := range res.Windows {
		res.Windows[i].Store, res.Windows[i].Server = nil, nil
	}
	return ci.Outcome{Sides: []ci.Side{side("", res)}}
}

// shared is a run of several servers that share a store.
func shared() ci.Outcome {
	res := measured(map[string]float64{"websocket": 1}, "websocket")
	res.Run.Scenario.Servers, res.Run.Scenario.Store = 3, "postgres"
	for i := range res.Windows {
		res.Windows[i].Servers = 3
	}
	return ci.Outcome{Words: []string{"WebSocket delivered half of the messages within 1.4 ms."}, Sides: []ci.Side{side("", res)}}
}

// silent is a result without deliveries.
func silent() *result.Result {
	res := measured(map[string]float64{"websocket": 1}, "websocket")
	for i := range res.Windows {
		w := &res.Windows[i]
		w.Delivered, w.Lost, w.Latency = 0, 400, result.NewHistogram()
	}
	return res
}

func TestWriteError(t *testing.T) {
	full := errors.New("full")
	for _, f := range formats {
		if err := f.write(failing{full}, aRun()); !errors.Is(err, full) {
			t.Errorf("%s: %v, want %v", f.extension, err, full)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A suite is the part of JUnit XML that CI systems read.
type suite struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Cases    []struct {
		Name    string `xml:"name,attr"`
		Class   string `xml:"classname,attr"`
		Failure *said  `xml:"failure"`
		Error   *said  `xml:"error"`
		Skipped *said  `xml:"skipped"`
	} `xml:"testcase"`
}

type said struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func parseJUnit(t *testing.T, text string) suite {
	t.Helper()
	var doc struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Suites) != 1 {
		t.Fatalf("%d suites", len(doc.Suites))
	}
	return doc.Suites[0]
}

func TestJUnit(t *testing.T) {
	run := parseJUnit(t, written(t, ci.JUnit, aRun()))
	if run.Name != "chat" || run.Tests != 4 || run.Failures != 2 || run.Skipped != 0 || run.Errors != 0 {
		t.Errorf("run: %+v", run)
	}
	for _, test := range run.Cases {
		said := "6 of 2400 deliveries"
		if test.Name == "long-poll" {
			said = "not measured"
		}
		if fails := test.Name == "long-poll" || strings.HasPrefix(test.Name, "e|v"); (test.Failure != nil) != fails {
			t.Errorf("run: %+v", test)
		} else if fails && !strings.Contains(test.Failure.Message, said) {
			t.Errorf("run: the failure is %q", test.Failure.Message)
		}
	}
	found := parseJUnit(t, written(t, ci.JUnit, aCheck()))
	if found.Tests != 14 || found.Failures != 5 || found.Skipped != 4 || found.Errors != 1 {
		t.Errorf("check: %+v", found)
	}
	var failed []string
	for _, test := range found.Cases {
		if test.Failure != nil {
			failed = append(failed, test.Class+" "+test.Name+" "+test.Failure.Message)
		}
	}
	want := []string{
		"websocket p50 worse: base 1.42 ms, head 1.67 ms, ratio 1.176 (95% interval 1.17 to 1.18), allowed up to 1.05",
		"long-poll lost worse: base 0, head 1",
		"long-poll server-cpu not judged: too few: 3 pairs, and 7 are the fewest",
		"sse lost not judged: missing: not in head",
		"sse bytes not judged: missing: not in head",
	}
	if !slices.Equal(failed, want) {
		t.Errorf("check: the failures are %q, want %q", failed, want)
	}
}

// TestMarkdownTable counts cells, as a name must not end its cell or row.
func TestMarkdownTable(t *testing.T) {
	metrics := 1 + len(result.MetricsIn(result.InMarkdown)) // and the transport
	for name, c := range map[string]struct {
		o           ci.Outcome
		cells, rows int
	}{"run": {aRun(), metrics, 3}, "check": {aCheck(), 9, 12}, "a foreign server": {foreign(), metrics, 1}} {
		rows := 0
		for row := range strings.Lines(written(t, ci.Markdown, c.o)) {
			if !strings.HasPrefix(row, "|") {
				continue
			}
			rows++
			if n := strings.Count(strings.ReplaceAll(row, `\|`, ""), "|") - 1; n != c.cells {
				t.Errorf("%s: %d cells, want %d, in %s", name, n, c.cells, row)
			}
		}
		if rows != c.rows+2 {
			t.Errorf("%s: %d rows below the heading, want %d", name, rows-2, c.rows)
		}
	}
}

func TestBenchmarkAction(t *testing.T) {
	entries := func(o ci.Outcome) map[string]float64 {
		var benches []struct {
			Name, Unit string
			Value      *float64
		}
		if err := json.Unmarshal([]byte(written(t, ci.BenchmarkAction, o)), &benches); err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, b := range benches {
			if _, twice := values[b.Name]; twice || b.Name == "" || b.Unit == "" || b.Value == nil {
				t.Errorf("an entry %+v", b)
				continue
			}
			values[b.Name] = *b.Value
		}
		return values
	}
	run, found := entries(aRun()), entries(aCheck())
	if got := run["websocket requests"]; got != .25 {
		t.Errorf("%v requests, want 0.25", got)
	}
	// The action overlooks an entry that is no longer there, but not one that grows.
	if got := found["not judged"]; got != 3 {
		t.Errorf("%v comparisons were not judged, want 3", got)
	}
	if _, ok := run["not judged"]; ok {
		t.Error("a run judges nothing")
	}
	// For a check the value of head is written.
	if base, head := run["websocket server-cpu"], found["websocket server-cpu"]; base != 50 || head != 62.5 {
		t.Errorf("server CPU %v and %v, want 50 and 62.5", base, head)
	}
}

// TestBenchstat reads the output with the real benchstat.
func TestBenchstat(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, o ci.Outcome) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(written(t, ci.Benchfmt, o)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	duet := aCheck()
	run := write("run.txt", aRun())
	old := write("old.txt", ci.Outcome{Sides: []ci.Side{side("", duet.Sides[0].Result)}})
	head := duet.Sides[1].Result
	head.Run.Environment.Pushpull = "v0.2.0" // benchstat must still compare
	changed := write("new.txt", ci.Outcome{Sides: []ci.Side{side("", head)}})
	both := write("check.txt", duet)

	const few = ".unit:(p50-sec OR requests/message OR server-cpu-sec/message)"
	golden(t, "benchstat-transports.txt", benchstat(t, "-filter", few, "-col", "/transport", run))
	golden(t, "benchstat-old-new.txt", benchstat(t, "-filter", few, "old="+old, "new="+changed))
	golden(t, "benchstat-sides.txt", benchstat(t, "-filter", few, "-col", "side", both))
}

// benchstat runs the version of .ci/tools.mod. The test is skipped if it can't be built, as without its
// modules, except in CI.
func benchstat(t *testing.T, args ...string) string {
	t.Helper()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"-C", "../..", "tool", "-modfile=.ci/tools.mod"}, args...)...)
		var complaint strings.Builder
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, complaint.String())
		}
		return string(out), err
	}
	if _, err := run("-n", "benchstat"); err != nil {
		if os.Getenv("PUSHPULL_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("benchstat can't be built: %v", err)
	}
	out, err := run(append([]string{"benchstat"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
