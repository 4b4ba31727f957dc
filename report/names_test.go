package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/image/font/sfnt"
	plotfont "gonum.org/v1/plot/font"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// runNamed returns a run with one window of one delivery.
func runNamed(name string) Run {
	w := result.Window{
		Transport: "websocket", Round: 1, Users: 2, DurationS: 1, Planned: 1, Sent: 1, Expected: 1, Delivered: 1,
		Latency: result.NewHistogram(), Way: result.Way{Title: "WebSocket", Stream: true, Duplex: true},
	}
	w.Latency.Record(time.Millisecond)
	w.Slices = []result.Slice{{WidthS: .5, Latency: w.Latency}, {AtS: .5, WidthS: .5, Latency: w.Latency}}
	scenario := result.Scenario{Name: "chat", Transports: []string{"websocket"}}
	return NewRun(name, &result.Result{Run: result.Run{Schema: result.Schema, Scenario: scenario}, Windows: []result.Window{w}})
}

func TestNamesOf(t *testing.T) {
	for _, test := range []struct{ given, names, labels []string }{
		{[]string{""}, []string{"chat"}, []string{"chat"}},
		{[]string{"a", "b"}, []string{"a", "b"}, []string{"a", "b"}},
		{[]string{"a", "a", "a"}, []string{"a", "a (2)", "a (3)"}, []string{"a", "a (2)", "a (3)"}},
		{[]string{"a", "a (2)", "a"}, []string{"a", "a (2)", "a (3)"}, []string{"a", "a (2)", "a (3)"}},
		{[]string{"", "chat"}, []string{"chat", "chat (2)"}, []string{"chat", "chat (2)"}},
		{[]string{"é", "e\u0301"}, []string{"é", "e\u0301 (2)"}, []string{"é", "e\u0301 (2)"}},
		{[]string{"日本", "中国"}, []string{"日本", "中国"}, []string{"日本", "中国"}},
		{[]string{"a\u200b", "a"}, []string{"a\u200b", "a"}, []string{"a[U+200B]", "a"}},
		{[]string{"\xff", "\xfe"}, []string{"[xFF]", "[xFE]"}, []string{"[xFF]", "[xFE]"}},
		{[]string{"\xff", "[xFF]"}, []string{"[xFF]", "[xFF] (2)"}, []string{"[xFF]", "[U+005B]xFF] (2)"}},
	} {
		var runs []Run
		for _, name := range test.given {
			runs = append(runs, runNamed(name))
		}
		names, labels := namesOf(runs)
		if !slices.Equal(names, test.names) || !slices.Equal(labels, test.labels) {
			t.Errorf("%q are named %q and labelled %q, want %q and %q", test.given, names, labels, test.names, test.labels)
		}
	}
}

// TestRunsStayApart gives runs the names that are most easily mistaken for one another, and looks for two
// that have the same one anywhere.
func TestRunsStayApart(t *testing.T) {
	pieces := []string{
		"", "a", " ", "[", "]", "U+65E5", "xFF", " (2)", "#2", "…", "\n", "\xff", "\u202e", "\u0301", "é", "日", "本", "👩", "\ufffd",
		"[U+65E5]", strings.Repeat("a", 30), strings.Repeat("日", 20),
	}
	distinct := func(what string, given, shown []string) {
		t.Helper()
		met := map[string]int{}
		for i, s := range shown {
			if k, twice := met[s]; twice || s == "" {
				t.Fatalf("%s: %q and %q are both %q", what, given[k], given[i], s)
			}
			met[s] = i
		}
	}
	narrow := func(name string) bool { return text.Width(name) <= longestName }
	bold := bold(10, black)
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var runs []Run
		var given []string
		for range 2 + random.IntN(8) {
			var name strings.Builder
			for range random.IntN(5) {
				name.WriteString(pieces[random.IntN(len(pieces))])
			}
			given = append(given, name.String())
			runs = append(runs, Run{Name: name.String(), Result: &result.Result{}})
		}
		names, labels := namesOf(runs)
		for _, name := range names {
			if !utf8.ValidString(name) {
				t.Fatalf("%q is named %q", given, name)
			}
		}
		short, fitted := shorten(labels, narrow), fit(bold, 100, labels...)
		var drawn []string
		for i, label := range fitted {
			drawn = append(drawn, drawable(label))
			if !narrow(short[i]) || bold.Width(label) > 100 {
				t.Fatalf("%q is too long: %q in the table, %q in the charts", label, short[i], drawn[i])
			}
		}
		var all []series
		for i, label := range labels {
			transport := []string{"short-poll@5s", "a-transport-with-a-very-long-name", "websocket"}[i%3]
			all = append(all, series{name: transport, run: label})
		}
		ends := fitLabels(bold, 150, all)
		for i, end := range ends {
			if bold.Width(end) > 150 {
				t.Fatalf("the label %q of %q is too long", end, labels[i])
			}
		}
		distinct("labels", given, ends)
		distinct("data", given, names)
		distinct("page", given, labels)
		distinct("table", given, short)
		distinct("charts", given, drawn)
	}
}

func TestShorten(t *testing.T) {
	fits := func(most int) func(string) bool {
		return func(s string) bool { return utf8.RuneCountInString(s) <= most }
	}
	for _, test := range []struct {
		most        int
		names, want []string
	}{
		{10, []string{"short", "too long to fit"}, []string{"short", "too l… fit"}},
		{10, []string{"chat-before-redis", "chat-after-redis"}, []string{"…-bef…edis", "…-aft…edis"}},
		{10, []string{"before-memory-run", "before-sqlite-run"}, []string{"…-mem…-run", "…-sql…-run"}},
		{10, []string{"a very long name", "a very…ong name"}, []string{"…y lo…name", "…y…on…name"}},
		{10, []string{"one-aaaaaa-X-aaaaaa-one", "one-aaaaaa-Y-aaaaaa-one"}, []string{"…-X-a…-one", "…-Y-a…-one"}},
		{5, []string{"aaaaaaaaaa", "aaaaaaaaaaa"}, []string{"…a", "…aa"}},
		{8, []string{"aaaaaa-1-bbbbbb-1-cccccc", "aaaaaa-1-bbbbbb-2-cccccc", "aaaaaa-2-bbbbbb-1-cccccc"}, []string{"…-1-…ccc", "aa…cc #2", "…-2-…ccc"}},
		{5, []string{"twice the same", "twice the same"}, []string{"tw…me", "tw…me"}},
	} {
		got := shorten(test.names, fits(test.most))
		if !slices.Equal(got, test.want) {
			t.Errorf("%q are shortened to %q, want %q", test.names, got, test.want)
		}
	}
}

// Every character has a glyph in the fonts of the charts, or is spelled with characters that have one.
func TestDrawable(t *testing.T) {
	for _, weight := range []string{"regular", "bold"} {
		f := regular(10, black).Font
		if weight == "bold" {
			f = bold(10, black).Font
		}
		face := plotfont.DefaultCache.Lookup(f, f.Size).Face
		var buffer sfnt.Buffer
		for r := range rune(unicode.MaxRune) {
			if !unicode.IsPrint(r) {
				continue
			}
			for _, c := range drawable(text.Name(string(r))) {
				if glyph, err := face.GlyphIndex(&buffer, c); glyph == 0 || err != nil {
					t.Fatalf("%s: %U of %q has no glyph: %v", weight, c, r, err)
				}
			}
		}
	}
	for name, want := range map[string]string{
		"short-poll@5s · Größe – Київ": "short-poll@5s · Größe – Київ",
		"日本 v2":                        "[U+65E5 672C] v2",
		"a👩":                           "a[U+1F469]",
	} {
		if got := drawable(text.Name(name)); got != want {
			t.Errorf("%q is drawn as %q, want %q", name, got, want)
		}
	}
}

// Charts of runs with other names are other pictures, although the fonts lack all their characters.
func TestChartsShowNames(t *testing.T) {
	one, other := runNamed("日本"), runNamed("👩")
	for _, chart := range Charts()[:3] { // the third and later ones are drawn by the same code
		var before, after bytes.Buffer
		if err := PNG(&before, chart.Name, one, other); err != nil {
			t.Fatal(err)
		}
		if err := PNG(&after, chart.Name, other, one); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(before.Bytes(), after.Bytes()) {
			t.Errorf("%s shows 日本 and 👩 alike", chart.Name)
		}
	}
}

// The numbers of a table stand below one another on a terminal, whatever the names consist of.
func TestTableAligns(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out, text.Screen{UTF8: true}, runNamed("a"), runNamed("日本"), runNamed("e\u0301"), runNamed("👩"), runNamed(strings.Repeat("語", 40))); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "transport")
	lines := strings.Split(table, "\n")
	end := func(line, upTo string) string {
		before, _, found := strings.Cut(line, upTo)
		if !found {
			t.Fatalf("no %s in %q", upTo, line)
		}
		return fmt.Sprint(text.Width(before + upTo))
	}
	for _, line := range lines[2:7] {
		if got, want := end(line, " ms"), end("transport"+lines[0], "within"); got != want {
			t.Errorf("the numbers end in column %s, the heading in %s:\n%s", got, want, out.String())
		}
	}
}

// A name that is written from right to left must not turn the numbers behind it around.
func TestIsolated(t *testing.T) {
	for name, want := range map[string]string{
		"chat 日本": "chat 日本",
		"שלום":    "\u2068שלום\u2069",
		"a/سلام":  "\u2068a/سلام\u2069",
	} {
		if got := isolated(name); got != want {
			t.Errorf("isolated(%q) is %q, want %q", name, got, want)
		}
	}
	var page bytes.Buffer
	if err := HTML(&page, Link{}, runNamed("שלום"), runNamed("b")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h1>\u2068שלום\u2069 · b</h1>", "<li>\u2068websocket · שלום\u2069: "} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("there is no %q in the page", want)
		}
	}
}
