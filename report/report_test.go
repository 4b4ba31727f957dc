package report_test

import (
	"bytes"
	"errors"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata/report/golden")

const goldens = "../testdata/report/golden"

// drawnAsGolden are the cases whose charts are goldens too. The others keep only the text.
var drawnAsGolden = []string{"chat", "two-runs", "eight-transports", "foreign-server", "nothing-delivered", "recorded", "few", "two-engines", "stores", "servers", "names"}

var (
	inlineSVG = regexp.MustCompile(`(?s)<svg.*?</svg>\n`)
	styles    = regexp.MustCompile(`(?s)<style>.*?</style>`)
)

// bare returns a page without its charts, which are separate goldens, and without its style, which is the
// same in all pages.
func bare(page []byte) []byte {
	return styles.ReplaceAll(inlineSVG.ReplaceAll(page, []byte("<svg/>\n")), []byte("<style/>"))
}

// recorded returns a run that was really measured. Old results must stay readable, so a failure to read
// this one means that the format has changed incompatibly.
func recorded(t *testing.T) report.Run {
	t.Helper()
	res, err := result.Open("../testdata/results/chat")
	if err != nil {
		t.Fatal(err)
	}
	return report.NewRun("", res)
}

func TestGolden(t *testing.T) {
	all := cases()
	all["recorded"] = []report.Run{recorded(t)}
	noted := synthetic("", 1, four...)
	noted.Run.Note = "After the pool was made <b>larger</b>."
	noted.Run.Tags = map[string]string{"commit": "1a2b3c4", "branch": "\u202emain"}
	all["noted"] = []report.Run{ranged(noted)}
	for name, runs := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := report.Write(dir, runs...); err != nil {
				t.Fatal(err)
			}
			charts := files(t, dir, "*.svg")
			for _, chart := range charts {
				svg := read(t, filepath.Join(dir, chart))
				report.CheckSVG(t, svg)
				checkPNG(t, filepath.Join(dir, strings.TrimSuffix(chart, ".svg")+".png"))
				if slices.Contains(drawnAsGolden, name) {
					golden(t, filepath.Join(name, chart), svg)
				}
			}
			for _, svg := range report.Drawings(runs...) {
				report.CheckSVG(t, svg)
			}
			page := read(t, filepath.Join(dir, report.Page))
			checkPage(t, page)
			if n := len(inlineSVG.FindAll(page, -1)); n != 2*len(charts) {
				t.Errorf("the page has %d charts, want %d for wide windows and as many for phones", n, len(charts))
			}
			golden(t, filepath.Join(name, report.Page), bare(page))

			var words bytes.Buffer
			on := text.Screen{UTF8: true}
			if err := errors.Join(report.Table(&words, on, runs...), report.Details(&words, on, runs...)); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(name, "table.txt"), words.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(goldens, name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := read(t, path)
	if bytes.Equal(got, want) {
		return
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("%s:%d:\n got %s\nwant %s\n(go test ./report -update rewrites it)", path, i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", path, len(gotLines), len(wantLines))
}

func checkPNG(t *testing.T, path string) {
	t.Helper()
	config, err := png.DecodeConfig(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	if config.Width != 1152 || config.Height < 300 {
		t.Errorf("%s is %d by %d", path, config.Width, config.Height)
	}
}

// checkPage checks that a page loads nothing, that hostile names are escaped, that its ids are unique and its
// links lead somewhere, and that tables and figures have captions.
func checkPage(t *testing.T, page []byte) {
	t.Helper()
	for _, unwanted := range []string{
		"<script", "<img", "<b>", "<link", "<iframe", "<svg onload", " src=", "@import", "url(", "href=\"http", "\x1b", "\x00", "ZgotmplZ",
	} {
		// In the escaped name of a hostile case " src=" is plain text.
		if i := bytes.Index(page, []byte(unwanted)); i >= 0 && !bytes.HasSuffix(page[:i], []byte("&lt;img")) {
			t.Errorf("the page contains %q: %s", unwanted, page[i:min(i+80, len(page))])
		}
	}
	checkParts(t, page)
}

var (
	ids     = regexp.MustCompile(` id="([^"]*)"`)
	anchors = regexp.MustCompile(`href="#([^"]*)"`)
)

func checkParts(t *testing.T, page []byte) {
	t.Helper()
	met := map[string]bool{}
	for _, id := range ids.FindAllSubmatch(page, -1) {
		if met[string(id[1])] {
			t.Errorf("two elements have the id %s", id[1])
		}
		met[string(id[1])] = true
	}
	for _, anchor := range anchors.FindAllSubmatch(page, -1) {
		if !met[string(anchor[1])] {
			t.Errorf("a link leads to #%s, which isn't there", anchor[1])
		}
	}
	for part, caption := range map[string]string{"<table": "<caption>", "<figure": "<figcaption>"} {
		if n := bytes.Count(page, []byte(part)); n == 0 || n != bytes.Count(page, []byte(caption)) {
			t.Errorf("%d %s> have %d %s", n, part, bytes.Count(page, []byte(caption)), caption)
		}
	}
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, report.Page)
	if err := os.WriteFile(page, []byte("an old page"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.Write(dir, synthetic("", 1, webSocket)); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(read(t, page), []byte("an old page")) {
		t.Error("the old page is still there")
	}
	want := []string{report.Page}
	for _, chart := range report.Charts() {
		want = append(want, chart.Name+".png", chart.Name+".svg")
	}
	slices.Sort(want)
	if got := files(t, dir, "*"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteFails(t *testing.T) {
	run := synthetic("", 1, webSocket)
	if err := report.Write(t.TempDir()); err == nil {
		t.Error("no error without a run")
	}
	if err := report.Write(filepath.Join(t.TempDir(), "missing"), run); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, report.Page), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := report.Write(dir, run); err == nil || !strings.Contains(err.Error(), report.Page) {
		t.Errorf("a directory with the name of the page: %v", err)
	}
	if left := files(t, dir, ".*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestDrawnAlone checks that HTML, SVG and PNG write the same bytes as Write.
func TestDrawnAlone(t *testing.T) {
	run := synthetic("", 1, webSocket)
	dir := t.TempDir()
	if err := report.Write(dir, run); err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := report.HTML(&page, report.Link{}, run); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page.Bytes(), read(t, filepath.Join(dir, report.Page))) {
		t.Error("the page differs")
	}
	page.Reset()
	if err := report.HTML(&page, report.Link{Text: "<back>", URL: "/runs?a&b"}, run); err != nil {
		t.Fatal(err)
	}
	if link := `<a href="/runs?a&amp;b">&lt;back&gt;</a>`; !strings.Contains(page.String(), link) {
		t.Errorf("the page has no %s", link)
	}
	var charts []string
	for _, chart := range report.Charts() {
		charts = append(charts, chart.Name)
	}
	want := []string{"latency", "latency-over-time"}
	for _, m := range result.Metrics() {
		if m.Chart != nil {
			want = append(want, m.Chart.Name)
		}
	}
	if !slices.Equal(charts, want) {
		t.Errorf("the charts are %q, want %q", charts, want)
	}
	for format, draw := range map[string]func(io.Writer, string, ...report.Run) error{".svg": report.SVG, ".png": report.PNG} {
		var got bytes.Buffer
		if err := draw(&got, "memory", run); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), read(t, filepath.Join(dir, "memory"+format))) {
			t.Errorf("memory%s differs", format)
		}
		if err := draw(&got, "memories", run); err == nil {
			t.Errorf("no error for the unknown chart memories%s", format)
		}
	}
}

func TestSummarize(t *testing.T) {
	run := cases()["servers"][0]
	got := report.Summarize(run)
	if want := "200 users, 2 rounds of 20 s"; got.Load != want {
		t.Errorf("the load is %q, want %q", got.Load, want)
	}
	if !strings.HasPrefix(got.Setup, "3 servers, store postgres") {
		t.Errorf("the setup is %q", got.Setup)
	}
	var heads []string
	for _, cell := range got.Headlines.Head {
		heads = append(heads, cell.Text)
	}
	want := []string{"transport"}
	for _, m := range result.MetricsIn(result.InHeadlines) {
		want = append(want, m.Heading(true))
	}
	if !slices.Equal(heads, want) || !slices.Contains(heads, "CPU of all") {
		t.Errorf("the columns are %q, want %q", heads, want)
	}
	if n := len(got.Headlines.Rows); n != len(four) {
		t.Errorf("%d rows", n)
	}
	if way := got.Headlines.Rows[0].Way; way != result.Timer {
		t.Errorf("the first transport's way is %q", way)
	}
	if !slices.ContainsFunc(got.Remarks, func(r report.Remark) bool { return strings.Contains(r.Text, "join again") }) {
		t.Errorf("the remarks are %v", got.Remarks)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestFullDisk(t *testing.T) {
	run := synthetic("", 1, webSocket)
	for what, err := range map[string]error{
		"the table": report.Table(fullDisk{}, text.Screen{}, run),
		"details":   report.Details(fullDisk{}, text.Screen{}, run),
		"the page":  report.HTML(fullDisk{}, report.Link{}, run),
		"a chart":   report.SVG(fullDisk{}, "memory", run),
	} {
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths
}
