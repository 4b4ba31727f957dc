//go:build !race

package web_test

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/web/browsertest"
)

// TestReportsInBrowser looks at reports and a trend on screens of all sizes and on paper: a usual run with a
// note, one with all kinds of trouble and odd names, both side by side, and their trend.
func TestReportsInBrowser(t *testing.T) {
	dir := t.TempDir()
	usual, odd := whole(t, 1), whole(t, 2)
	usual.Run.Note = "After the pool of buffers was made larger."
	usual.Run.Tags = map[string]string{"commit": "1a2b3c4", "branch": strings.Repeat("long", 40)}
	odd.Run.Note = "<b>" + strings.Repeat("x", 500)
	odd.Run.Scenario.Name = "<img src=x onerror=alert(1)>"
	odd.Run.Environment.Cores++
	const oddly = "a-transport-that-someone-gave-a-very-long-name-for-no-good-reason@1500ms"
	for i := range odd.Windows {
		switch w := &odd.Windows[i]; w.Transport {
		case "websocket":
			w.Failed = "joining: <refused>"
			if err := w.Settle(); err != nil {
				t.Fatal(err)
			}
		case "long-poll":
			w.Transport = oddly
			w.Delivered -= 3
			w.Lost = 3
			w.Errors = []result.Failure{{Text: "<b>refused</b> " + strings.Repeat("x", 100), Count: 3}}
		}
	}
	write(t, usual, filepath.Join(dir, "usual"))
	write(t, odd, filepath.Join(dir, "odd"))
	server := httptest.NewServer(serve(dir))
	t.Cleanup(server.Close)
	b := browsertest.Start(t)
	for name, path := range map[string]string{
		"usual": "/results/usual/report.html", "odd": "/results/odd/report.html",
		"together": "/results?run=usual&run=odd", "trend": "/results/odd/trend.html",
	} {
		b.Open(server.URL + path)
		b.LooksEverywhere("report-" + name)
		if browsertest.Eval[bool](b, "!!document.querySelector('b, img')") {
			t.Errorf("%s: a name or a note is markup", name)
		}
	}

	// One of the two drawings of each chart is shown.
	for _, width := range []int64{390, 1280} {
		b.View(width, 900, false)
		shown := browsertest.Eval[[]int](b, `[...document.querySelectorAll("figure")].map(f => [...f.querySelectorAll("svg")].filter(svg => svg.checkVisibility()).length)`)
		for _, n := range shown {
			if n != 1 {
				t.Errorf("at %d px a figure shows %d drawings", width, n)
			}
		}
	}

	// Every chart has a link to itself that can be followed with the keyboard.
	b.Open(server.URL + "/results/usual/report.html")
	tabTo(t, b, "figcaption a")
	press(b, "\r")
	b.Until("location.hash === '#latency'")

	// On paper a closed part is open, colours stay, and nothing scrolls.
	browsertest.Eval[any](b, "document.querySelector('details').open = false")
	b.Paper(700, 1000)
	b.Until("document.querySelector('dd').getBoundingClientRect().height > 0")
	if got := browsertest.Eval[string](b, "getComputedStyle(document.querySelector('.swatch')).printColorAdjust"); got != "exact" {
		t.Errorf("on paper the colours of transports are %s", got)
	}
	if got := browsertest.Eval[string](b, "getComputedStyle(document.body).backgroundColor"); got != "rgb(255, 255, 255)" {
		t.Errorf("the paper is %s", got)
	}
}

// TestTrendsInBrowser looks at the list with trends.
func TestTrendsInBrowser(t *testing.T) {
	dir := t.TempDir()
	for day := range 3 {
		res := recorded(t, 1+day)
		write(t, res, filepath.Join(dir, fmt.Sprint("day", day)))
		res.Run.Scenario.Name, res.Run.Scenario.Users = "more", 400
		res.Run.Started = res.Run.Started.Add(-time.Hour)
		write(t, res, filepath.Join(dir, "more", fmt.Sprint("day", day)))
	}
	server := httptest.NewServer(serve(dir))
	t.Cleanup(server.Close)
	b := browsertest.Start(t)
	b.Open(server.URL + "/results")
	b.Until("document.querySelector('.trend img').naturalWidth > 500")
	b.Looks("results-trend")
	if n := browsertest.Eval[int](b, "document.querySelectorAll('.trend').length"); n != 2 {
		t.Errorf("%d trends, want 2", n)
	}
	if got := b.Text(".trend[open] summary"); !strings.HasPrefix(got, "Trend of 3 runs of ") {
		t.Errorf("the first trend is called %q", got)
	}
	browsertest.Eval[any](b, "document.querySelector('.trend a').click()")
	arrive(b, "Trend of 3 runs")
}
