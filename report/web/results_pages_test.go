package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestResultsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "stores", "sqlite"))
	if err := os.WriteFile(filepath.Join(dir, "stores", "sqlite", "report.html"), []byte("somebody else's"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := serve(dir)
	const paper = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	for _, test := range []struct{ file, kind, begins string }{
		{"report.html", "text/html; charset=utf-8", "<!DOCTYPE html>"},
		{"latency.svg", "image/svg+xml", "<svg "},
		{"memory.png", "image/png", "\x89PNG"},
	} {
		answer, body := get(t, h, "/results/stores/sqlite/"+test.file)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != test.kind || !strings.HasPrefix(body, test.begins) {
			t.Errorf("%s: status %d, %s: %.40q", test.file, answer.StatusCode, answer.Header.Get("Content-Type"), body)
		}
		if got := answer.Header.Get("Content-Security-Policy"); got != paper {
			t.Errorf("%s: policy %q", test.file, got)
		}
		if test.file == "report.html" {
			holds(t, body, `<a href="/results">← Results</a>`, "<h1>stores/sqlite</h1>")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/results/stores/sqlite/"+test.file, nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != test.kind {
			t.Errorf("HEAD %s: status %d, %s", test.file, w.Code, w.Header().Get("Content-Type"))
		}
	}
	answer, _ := get(t, h, "/results/stores/sqlite/result.jsonl")
	if kind, as := answer.Header.Get("Content-Type"), answer.Header.Get("Content-Disposition"); kind != "application/jsonl" || as != "attachment; filename=stores-sqlite.jsonl" {
		t.Errorf("the result is %s, %s", kind, as)
	}
	for _, target := range []string{"/results/stores/sqlite", "/results/stores/sqlite/"} {
		answer, _ := get(t, h, target)
		if at := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || at != "/results/stores/sqlite/report.html" {
			t.Errorf("%s: status %d, to %q", target, answer.StatusCode, at)
		}
	}
	for _, target := range []string{
		"/results/stores", "/results/nothing/report.html", "/results/stores/sqlite/other.svg", "/results/stores/sqlite/report.html/x",
		"/results/%00", "/results/%ff/report.html", "/results/./report.html", "/results/stores%2fsqlite%2f..%2fsqlite/report.html",
		"/results/%2e%2e/report.html", "/results/..%2f..%2fetc/result.jsonl", "/results/%2fetc/result.jsonl", "/results/stores//sqlite//x",
	} {
		answer, body := get(t, h, target)
		if answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("%s: status %d", target, answer.StatusCode)
		}
		if answer.StatusCode == http.StatusNotFound {
			holds(t, body, "<h1>There is no such run</h1>", `<nav aria-label="Pages">`)
		}
	}
}

// Any name of a directory must be shown as text, and either lead to its run or be refused.
func TestResultsNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	worked := []string{
		"a b", `"quoted" 'too'`, "<img src=x onerror=alert(1)>", "100%", "%2e%2e", "#1", "why?", "a&run=b", "ünïcödé ☃ 漢字", "a+b;c:d",
		`back\slash`, "compare", "chat/report.html", "chat/latency.svg", "chat", "javascript:alert(1)", "{{.}}",
	}
	refused := []string{"new\nline", "escape\x1b[31m", "right\u202eleft"}
	const unread = "byte\xff" // not a path of io/fs
	for i, name := range slices.Concat(worked, refused, []string{unread}) {
		begun := recorded(t, 1+i)
		begun.Windows = nil // drawn fast
		write(t, begun, filepath.Join(dir, name))
	}
	h := serve(dir)
	_, page := get(t, h, "/results")
	for _, bad := range []string{"<img src=x", "\x1b", "\u202e", "\xff", `href="javascript`, "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page, "has characters that can&#39;t be shown"); n != len(refused) {
		t.Errorf("%d names are refused, want %d", n, len(refused))
	}
	holds(t, page, "Not searched: ", "byte\ufffd")
	href := regexp.MustCompile(`<h2><a href="(/results/[^"]*)/report.html">`)
	for _, match := range href.FindAllStringSubmatch(page, -1) {
		for _, file := range []string{"/report.html", "/result.jsonl", ""} {
			answer, _ := get(t, h, html.UnescapeString(match[1])+file)
			if answer.StatusCode != http.StatusOK && (file != "" || answer.StatusCode != http.StatusSeeOther) {
				t.Errorf("%s%s: status %d", match[1], file, answer.StatusCode)
			}
		}
	}
	if n := len(href.FindAllString(page, -1)); n != len(worked) {
		t.Errorf("%d runs can be opened, want %d", n, len(worked))
	}
	query := url.Values{"run": worked[:6]}
	answer, body := get(t, h, "/results?"+query.Encode())
	if answer.StatusCode != http.StatusOK {
		t.Errorf("side by side: status %d", answer.StatusCode)
	}
	holds(t, body, "&lt;img src=x onerror=alert(1)&gt;", "100%")
	if strings.Contains(body, "<img") {
		t.Error("a name is markup")
	}
}

func TestResultsSideBySide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "before"))
	write(t, recorded(t, 2), filepath.Join(dir, "after"))
	put(t, filepath.Join(dir, "broken"), "")
	h := serve(dir)
	answer, page := get(t, h, "/results?run=before&run=after")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	holds(t, page, "<h1>before · after</h1>", "← Results", "<svg")
	many := "/results?run=before"
	for i := range 16 {
		many += fmt.Sprintf("&run=%d", i)
	}
	for _, test := range []struct {
		target string
		status int
		words  string
	}{
		{"/results?", http.StatusBadRequest, "Tick two or more runs"},
		{"/results?run=before", http.StatusBadRequest, "Tick two or more runs"},
		{"/results?run=before&run=before", http.StatusBadRequest, `value="before" checked`},
		{many, http.StatusBadRequest, "Tick at most 16 runs"},
		{"/results?run=before&run=gone", http.StatusNotFound, "“gone”"},
		{"/results?run=before&run=../before", http.StatusNotFound, "“../before”"},
		{"/results?run=before&run=", http.StatusNotFound, "There is no such run"},
		{"/results?run=before&run=broken", http.StatusInternalServerError, "this is an empty file"},
		{"/results?else=1", http.StatusOK, "newest first"},
	} {
		answer, page := get(t, h, test.target)
		if answer.StatusCode != test.status {
			t.Errorf("%s: status %d", test.target, answer.StatusCode)
		}
		holds(t, page, test.words)
	}
}
