package browsertest_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/report/web/browsertest"
)

// ugly is a page with every kind of fault.
const ugly = `<!DOCTYPE html><html lang="en"><title>ugly</title>
<style>body{margin:0;background:#fff} .on{position:absolute;top:0;left:0} .pale{color:#ccc}</style>
<body><h1>One</h1><p class="on">two</p><p class="pale">pale</p><div style="width:2000px">wide</div>
<button id="b"></button><button id="b">b</button><table><td>1</td></table><figure>1</figure><script>throw new Error("thrown")</script>`

func TestMain(m *testing.M) { os.Exit(browsertest.Tests{M: m}.Run()) }

func TestStart(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(ugly))
	}))
	t.Cleanup(server.Close)
	b := browsertest.Start(t)
	b.Open(server.URL)
	faults := b.Judge()
	for _, want := range []string{"the page is 2000 px wide", "overlap by", "has a contrast of 1.6", "has no name", "two elements have the id b", "<table>", "<figure>"} {
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("no fault like %q in %q", want, faults)
		}
	}
	if faults := b.Faults(); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, "thrown") }) {
		t.Errorf("a thrown error is not reported: %q", faults)
	}
}

// TestIcon holds that an icon that isn't there is no fault, as the browser looks for one at a time of its own, and that
// anything else that isn't there is one.
func TestIcon(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte("a text"))
	}))
	t.Cleanup(server.Close)
	b := browsertest.Start(t)
	b.Open(server.URL)
	for _, path := range []string{"/favicon.ico", "/missing"} {
		if got := browsertest.Eval[int](b, `fetch("`+path+`").then(response => response.status)`); got != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got)
		}
	}
	var faults []string
	for begun := time.Now(); len(faults) == 0 && time.Since(begun) < browsertest.Timeout; time.Sleep(time.Millisecond) {
		faults = b.Faults()
	}
	if len(faults) != 1 || !strings.HasSuffix(faults[0], "/missing") {
		t.Errorf("faults %q", faults)
	}
}
