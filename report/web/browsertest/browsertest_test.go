package browsertest_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

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
