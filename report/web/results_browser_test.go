//go:build !race

package web_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/web/browsertest"
)

// press presses keys on the keyboard.
func press(b *browsertest.Browser, keys string) { b.Do(chromedp.KeyEvent(keys)) }

// tabTo presses Tab until an element that matches a CSS selector has the focus.
func tabTo(t *testing.T, b *browsertest.Browser, selector string) {
	t.Helper()
	for range 100 {
		press(b, kb.Tab)
		if browsertest.Eval[bool](b, "document.activeElement.matches(`"+selector+"`)") {
			return
		}
	}
	t.Fatalf("Tab never reaches %s", selector)
}

// arrive waits until a page is loaded completely.
func arrive(b *browsertest.Browser, heading string) {
	b.Until(fmt.Sprintf("document.readyState === 'complete' && document.querySelector('h1')?.innerText === %q", heading))
}

// TestResultsInBrowser goes from the list to two runs side by side and back, by keyboard.
func TestResultsInBrowser(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"broadcast", "game", "idle", "stores/sqlite"} { // all of them take long with the race detector
		res, err := result.Open(filepath.Join("../../results", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, res, filepath.Join(dir, name))
	}
	server := httptest.NewServer(serve(dir))
	t.Cleanup(server.Close)
	b := browsertest.Start(t)
	b.Open(server.URL + "/results")
	b.Looks("results")
	if !browsertest.Eval[bool](b, "document.querySelector('time').title.endsWith(', your time')") {
		t.Error("no time is shown in the reader's own zone")
	}

	const button = "#runs button"
	if got := b.Text(button); got != "Tick two or more to lay them side by side" {
		t.Errorf("with nothing ticked the button says %q", got)
	}
	tabTo(t, b, `input[value="idle"]`)
	press(b, " ")
	if !browsertest.Eval[bool](b, "document.querySelector('#runs button').disabled") {
		t.Error("one run can be laid beside itself")
	}
	tabTo(t, b, `input[value="game"]`)
	press(b, " ")
	if got := b.Text(button); got != "Lay 2 runs side by side" {
		t.Errorf("with two ticked the button says %q", got)
	}
	browsertest.Eval[any](b, "scrollTo(0, 0)")
	if bottom := browsertest.Eval[float64](b, "innerHeight - document.querySelector('.bar').getBoundingClientRect().bottom"); bottom != 0 {
		t.Errorf("the bar is %v px above the bottom of the window", bottom)
	}
	b.View(360, 740, true)
	for _, fault := range b.Judge() {
		t.Error("with two ticked:", fault)
	}
	tabTo(t, b, button)
	press(b, kb.Enter)
	arrive(b, "idle · game")
	if got := browsertest.Eval[string](b, "location.pathname + location.search"); got != "/results?run=idle&run=game" {
		t.Errorf("side by side is at %s", got)
	}
	const drawn = `[...document.querySelectorAll("figure svg")].filter(svg =>
		svg.getBoundingClientRect().height > 100 &&
		[...svg.querySelectorAll("text")].every(text => text.textContent.trim() === "" || text.getBoundingClientRect().width > 0 && getComputedStyle(text).fontFamily.includes("Liberation Sans")) &&
		[...svg.querySelectorAll("path")].some(path => path.getBoundingClientRect().width > 100 && getComputedStyle(path).stroke !== "none")).length`
	if n := browsertest.Eval[int](b, drawn); n != len(report.Charts()) {
		t.Errorf("%d of %d charts are drawn", n, len(report.Charts()))
	}
	press(b, kb.Tab)
	press(b, kb.Enter) // back
	arrive(b, "Results")
	b.Until("document.querySelector('#runs button').disabled")

	tabTo(t, b, `a[href="/results/game/report.html"]`)
	press(b, kb.Enter)
	arrive(b, "game")
	b.Looks("report")
	browsertest.Eval[any](b, "history.back()")
	arrive(b, "Results")
	if n := browsertest.Eval[int](b, `Promise.all(["requests.svg", "requests.png"].map(name => new Promise(done => {
		const chart = new Image();
		chart.onload = chart.onerror = () => done(chart.naturalWidth);
		chart.src = "/results/game/" + name;
		document.body.append(chart);
	}))).then(widths => widths.filter(width => width > 500).length)`); n != 2 {
		t.Errorf("%d of 2 charts load as images", n)
	}
	b.Open(server.URL + "/results/game/requests.svg")
	if fonts := browsertest.Eval[string](b, "getComputedStyle(document.querySelector('text')).fontFamily"); !strings.Contains(fonts, "Arial") {
		t.Errorf("a chart opened on its own has the fonts %s", fonts)
	}
	b.Open(server.URL + "/results/game/requests.png")
	if width := browsertest.Eval[int](b, "document.images[0].naturalWidth"); width != 1152 {
		t.Errorf("a chart opened on its own is %d px wide, want 1152", width)
	}
}

// The list must show what is wrong with a run, and keep its layout.
func TestOddResultsInBrowser(t *testing.T) {
	dir := t.TempDir()
	lost := whole(t, 1)
	for i := range lost.Windows {
		lost.Windows[i].Errors = []result.Failure{{Text: "<b>refused</b> " + strings.Repeat("x", 100), Count: 3}}
	}
	lost.Windows[1].Delivered -= 3
	lost.Windows[1].Lost = 3
	lost.Windows = lost.Windows[:3] // of three transports
	lost.Windows[2].Transport = "a-transport-that-someone-gave-a-very-long-name-for-no-good-reason@1500ms"
	write(t, lost, filepath.Join(dir, "stores", strings.Repeat("a long name ", 12)+strings.Repeat("x", 80)))
	begun := recorded(t, 2)
	begun.Windows = nil
	write(t, begun, filepath.Join(dir, "<img src=x onerror=alert(1)>"))
	put(t, filepath.Join(dir, "broken"), "no result\n")
	server := httptest.NewServer(serve(dir))
	t.Cleanup(server.Close)
	b := browsertest.Start(t)
	b.Open(server.URL + "/results")
	browsertest.Eval[any](b, "document.querySelector('#runs').submit()") // as the button does without the script
	b.Until("document.querySelector('[role=alert]')?.innerText === 'Tick two or more runs to lay them side by side.'")
	b.Faults() // the browser logs the status 400
	browsertest.Eval[any](b, "document.querySelectorAll('details').forEach(d => d.open = true)")
	b.Looks("results-odd")
	if browsertest.Eval[bool](b, "!!document.querySelector('img:not(.trend img), b')") {
		t.Error("a name is markup")
	}
	b.Open(server.URL + "/results/gone")
	b.Faults()
	for _, fault := range b.Judge() {
		t.Error("the page for a deleted run:", fault)
	}
	if err := os.RemoveAll(filepath.Join(dir, "stores")); err != nil {
		t.Fatal(err)
	}
	b.Open(server.URL + "/results")
	if browsertest.Eval[bool](b, "!!document.querySelector('button')") {
		t.Error("there is a button although only one run can be read")
	}
}
