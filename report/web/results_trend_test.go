package web_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"pushpull/report"
)

func TestTrend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const odd = "<img src=x>/trend.html"
	write(t, recorded(t, 1), filepath.Join(dir, "first"))
	write(t, recorded(t, 2), filepath.Join(dir, odd))
	other := recorded(t, 3)
	other.Run.Scenario.Users = 400
	write(t, other, filepath.Join(dir, "other"))
	put(t, filepath.Join(dir, "broken"), "no result\n")
	h := serve(dir)

	_, list := get(t, h, "/results")
	holds(t, list, "Trend of 2 runs", `href="/results/%3Cimg%20src=x%3E/trend.html/trend.html"`, `/trend-p50.svg" loading="lazy"`)
	if n := strings.Count(list, `class="trend"`); n != 1 {
		t.Errorf("the list has %d trends, want 1", n)
	}
	for _, of := range []string{"/results/first", "/results/%3Cimg%20src=x%3E/trend.html"} {
		answer, page := get(t, h, of+"/trend.html")
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: status %d, %s", of, answer.StatusCode, answer.Header.Get("Content-Type"))
		}
		holds(t, page, "<h1>Trend of 2 runs</h1>", `<a href="/results">← Results</a>`, "2026-03-01 11:06", "2026-03-02 11:06")
		if strings.Contains(page, "<img") || strings.Contains(page, "2026-03-03") {
			t.Errorf("%s: a name is markup, or another load is in the trend", of)
		}
	}
	for _, chart := range report.TrendCharts() {
		for end, begins := range map[string]string{".svg": "<svg", ".png": "\x89PNG"} {
			if answer, body := get(t, h, "/results/first/"+chart.Name+end); answer.StatusCode != http.StatusOK || !strings.HasPrefix(body, begins) {
				t.Errorf("%s%s: status %d: %.40q", chart.Name, end, answer.StatusCode, body)
			}
		}
	}
	for target, words := range map[string]string{
		"/results/other/trend.html":       "No other run measured the same load as “other”",
		"/results/other/trend-p50.svg":    "There is no trend",
		"/results/first/trend-2-p50.svg":  "There is no such run",
		"/results/broken/trend.html":      "There is no such run",
		"/results/nothing/trend-p50.html": "There is no such run",
	} {
		answer, page := get(t, h, target)
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", target, answer.StatusCode)
		}
		holds(t, page, words)
	}

	// A new run of the same load joins the trend.
	next := recorded(t, 4)
	next.Run.Tags = map[string]string{"commit": "1a2b3c4"}
	next.Run.Note = "after <b>it</b>"
	write(t, next, filepath.Join(dir, "next"))
	_, page := get(t, h, "/results/first/trend.html")
	holds(t, page, "<h1>Trend of 3 runs</h1>", "1a2b3c4")
	_, list = get(t, h, "/results")
	holds(t, list, "Trend of 3 runs", "<li>commit=1a2b3c4</li>", "<p>after &lt;b&gt;it&lt;/b&gt;</p>")
	begun := recorded(t, 5)
	begun.Windows = nil
	write(t, begun, filepath.Join(dir, "begun"))
	if answer, page := get(t, h, "/results/begun/trend.html"); answer.StatusCode != http.StatusNotFound || !strings.Contains(page, "There is no trend") {
		t.Errorf("a run that has only begun: status %d", answer.StatusCode)
	}
}
