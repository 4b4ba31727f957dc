package check

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata/report/check")

func TestTable(t *testing.T) {
	t.Parallel()
	base := made{rounds: 10, noise: 1}
	all := map[string]*Report{}

	worse := made{rounds: 10, noise: 2, slower: 1.3, asking: 1.1}.result()
	worse.Windows[0].Lost = 2
	all["worse"] = compare(t, base.result(), worse, Options{})
	all["unsure"] = Confirm(
		compare(t, base.result(), made{rounds: 10, noise: 2, slower: 1.3}.result(), Options{}),
		compare(t, base.result(), made{rounds: 10, noise: 3}.result(), Options{}))
	all["better"] = compare(t, base.result(), made{rounds: 10, noise: 3, slower: .6, asking: .5}.result(), Options{})

	recorded, err := result.Open("../../testdata/results/chat")
	if err != nil {
		t.Fatal(err)
	}
	all["few"] = compare(t, recorded, recorded, Options{})

	without := made{rounds: 10, noise: 2, transports: []string{"long-poll"}}.result()
	all["missing"] = compare(t, base.result(), without, Options{})
	all["allowed"] = compare(t, base.result(), without, Options{AllowMissing: []string{"websocket/lost", "websocket", "p95"}})

	hostile := made{rounds: 10, transports: []string{"\x1b[2Jweb\nsocket with a name that goes on and on and on"}}
	hostileHead := hostile
	hostileHead.slower, hostileHead.after = 2, time.Hour
	other := hostileHead.result()
	other.Run.Scenario.Seed = 9
	other.Run.Environment.Kernel = "6.2\r\x1b[1A"
	other.Windows[3].Server, other.Windows[3].Sent = nil, 2
	for i := range other.Windows {
		other.Windows[i].Store = nil
	}
	all["hostile"] = compare(t, hostile.result(), other, Options{})

	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Table(&out, text.Screen{UTF8: true}, r); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("../../testdata/report/check", name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("the table differs from %[2]s (-update rewrites it):\n%[1]s", out.Bytes(), path)
			}
			for line := range strings.Lines(out.String()) {
				line = strings.TrimSuffix(line, "\n")
				if text.Clean(line) != line || strings.TrimRight(line, " ") != line {
					t.Errorf("not plain text: %q", line)
				}
				if strings.HasPrefix(line, "  ") && utf8.RuneCountInString(line) > 100 {
					t.Errorf("a line of %d characters: %s", utf8.RuneCountInString(line), line)
				}
			}
		})
	}
}

type fullDisk struct{}

var errFull = errors.New("no space")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestTableOnFullDisk(t *testing.T) {
	if err := Table(fullDisk{}, text.Screen{}, &Report{}); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

func TestConclusion(t *testing.T) {
	timing := func(v Verdict, gated bool) Comparison {
		return Comparison{Transport: "sse", Metric: "p50", Unit: "ms", Base: .27, Head: .41, Ratio: 1.52, Gated: gated, Verdict: v}
	}
	count := Comparison{Transport: "sse", Metric: "bytes", Base: 500, Head: 1500, Ratio: 3, Gated: true, Verdict: Same}
	grown := count
	grown.Verdict = Worse
	gone := func(transport, metric, why string, allowed bool) Comparison {
		return Comparison{Transport: transport, Metric: metric, Unjudged: true, Allowed: allowed, Verdict: Missing, Note: why}
	}
	for _, c := range []struct {
		r    Report
		want string
	}{
		{Report{Comparisons: []Comparison{timing(Worse, true), count}}, "A regression: p50 of sse 0.270 -> 0.410 ms (x1.52)."},
		{Report{Comparisons: []Comparison{grown, grown, grown, grown, grown}}, "A regression: bytes of sse 500 -> 1500 B/message (x3.00), bytes of sse 500 -> 1500 B/message (x3.00), bytes of sse 500 -> 1500 B/message (x3.00) and 2 more."},
		{Report{Comparisons: []Comparison{timing(Same, true), count}}, "No regression."},
		{Report{Comparisons: []Comparison{timing(Worse, false), count}}, "No regression in faults and counts; no timing could be judged."},
		{Report{Comparisons: []Comparison{timing(Same, true)}}, "No regression in faults and timings; no count could be judged."},
		{Report{Comparisons: []Comparison{timing(Same, true), count, gone("poll", "p50", "not in head", false)}}, "No regression in what was judged; not judged: poll (not in head)."},
		{Report{Comparisons: []Comparison{timing(Same, true), count, gone("poll", "p50", "not in head", true)}, Doubts: 1}, "No regression in what was judged; not judged, but allowed: poll (not in head); but the numbers are not to be believed."},
		{Report{Comparisons: []Comparison{count, gone("sse", "p50", "few", false), gone("sse", "p99", "few", false)}}, "No regression in faults and counts; not judged: p50 and p99 of sse (few)."},
		{Report{Comparisons: []Comparison{grown, gone("sse", "p50", "few", false)}}, "A regression: bytes of sse 500 -> 1500 B/message (x3.00); not judged: p50 of sse (few)."},
		{
			Report{Comparisons: []Comparison{
				gone("a", "p50", "few", false), count, gone("sse", "p50", "few", false), gone("sse", "p99", "fewer", false),
				gone("sse", "lost", "other", false), gone("b", "p50", "away", false), gone("c", "p50", "away", false),
			}},
			"No regression in faults and counts; not judged: a (few); b and c (away); p50 of sse (few) and 2 more.",
		},
		{Report{}, "No regression in faults; nothing else could be judged."},
		{Report{Comparisons: []Comparison{timing(Better, true), count}, Doubts: 1}, "No regression; better: p50 of sse 0.270 -> 0.410 ms (x1.52); but the numbers are not to be believed."},
	} {
		if got := c.r.Conclusion(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
