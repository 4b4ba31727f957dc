// Package browsertest drives a real browser through pages, and says what is wrong with how they
// look.
//
// It judges what every page of pushpull must be: free of errors and of violations of its policy,
// nothing cut off or overlapping, text that can be read against what is behind it, a name for
// everything that can be used. What a page is for is its own tests' to check.
package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Patience is how long a page is waited for. Nothing takes so long that works.
const Patience = 30 * time.Second

// A Browser is one tab of a headless Chromium with user data of its own, which chromedp makes and
// removes. It is not safe for concurrent use.
type Browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

// Start starts a browser for t; without a Chromium it skips t, which CI forbids. When t ends the
// browser has ended, and t has failed if a page told of errors that Faults hasn't taken.
//
// A browser asks for more than a test waits for, a page's icon for one. The server of its pages has
// to outlive it: give its end to t.Cleanup before Start, and don't defer it. A browser keeps a
// processor busy: tests with one don't run in parallel.
func Start(t *testing.T) *Browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("PUSHPULL_CI") != "" {
			t.Fatal("CI needs Chromium")
		}
		t.Skip("no Chromium: install it to test the pages")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // the root of a container has none
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
	)
	allocated, free := chromedp.NewExecAllocator(context.Background(), options...)
	b := &Browser{t: t}
	ctx, _ := chromedp.NewContext(allocated, chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error("closing the browser:", err)
		}
		free()
		for _, fault := range b.Faults() {
			t.Error("the page says:", fault)
		}
	})
	// It starts with the first action, which must not be one with a time limit.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal("starting Chromium: ", err)
	}
	b.View(1280, 900, false)
	return b
}

func (b *Browser) listen(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			fault += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			fault = "console." + string(e.Type)
			for _, arg := range e.Args {
				fault += fmt.Sprintf(" %s%s", arg.Value, arg.Description)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			fault = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

// Faults returns the errors and violations that pages have told of, and forgets them.
func (b *Browser) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

// Do runs actions, all of them within Patience.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Open loads a page.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(url))
}

// Eval returns what a JavaScript expression yields, decoded into a T. A promise is awaited.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Until waits until a JavaScript expression is true.
func (b *Browser) Until(expression string) {
	b.t.Helper()
	begun := time.Now()
	for range time.Tick(20 * time.Millisecond) {
		if Eval[bool](b, "!!("+expression+")") {
			return
		}
		if time.Since(begun) > Patience {
			b.t.Fatalf("never true: %s; the page shows:\n%s", expression, Eval[string](b, "document.body.innerText"))
		}
	}
}

// Text returns what people read in the first element that a CSS selector finds.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	quoted, _ := json.Marshal(selector) // a string always marshals
	return Eval[string](b, fmt.Sprintf("document.querySelector(%s).innerText", quoted))
}

// View makes the window so many CSS pixels large, in light or in dark.
func (b *Browser) View(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.Do(chromedp.EmulateViewport(width, height),
		func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
			return chromedp.Void{}, err
		})
}

//go:embed looks.js
var looks string

// Looks holds the page to what every page must be, wide and narrow, light and dark, and saves what
// it saw as name-wide-light.png and so on where go test -artifacts says. It leaves the page wide and
// light.
func (b *Browser) Looks(name string) {
	b.t.Helper()
	for _, v := range []struct {
		width, height int64
		dark          bool
		kind          string
	}{
		{360, 740, false, "narrow-light"},
		{360, 740, true, "narrow-dark"},
		{768, 1024, false, "middle-light"},
		{1280, 900, true, "wide-dark"},
		{1280, 900, false, "wide-light"},
	} {
		b.View(v.width, v.height, v.dark)
		Eval[bool](b, "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
		for _, fault := range b.Judge() {
			b.t.Errorf("%s, %s: %s", name, v.kind, fault)
		}
		b.shoot(name + "-" + v.kind)
	}
}

// Judge returns what is wrong with the page as it stands, a line each.
func (b *Browser) Judge() []string {
	b.t.Helper()
	return Eval[[]string](b, looks)
}

// shoot saves the whole page as a picture.
func (b *Browser) shoot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.t.ArtifactDir(), strings.ReplaceAll(name, "/", "-")+".png")
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
