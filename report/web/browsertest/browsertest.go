// Package browsertest drives a real browser through pages in tests, and reports what is wrong with
// their appearance.
//
// It checks what all pages of pushpull have in common: no errors and no violations of their policy,
// nothing cut off or overlapping, enough contrast between text and background, a name for every
// control. It does not check what a page is for; that is left to the tests of the page.
package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
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

	"pushpull/transports/scratch"
)

// Timeout is the time limit for anything that a page must do; it is far more than a working page
// needs.
const Timeout = time.Minute

// A Browser is one tab of a headless Chromium, with cookies, storage and connections of its own. It is not safe for
// concurrent use.
type Browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

// Tests runs the tests of a package and then closes the Chromium that they shared. TestMain must run the tests through it.
type Tests struct{ M *testing.M }

// Run returns the exit code of the tests.
func (t Tests) Run() int {
	code := t.M.Run()
	if err := program.close(); err != nil {
		fmt.Fprintln(os.Stderr, "closing Chromium:", err)
		return max(code, 1)
	}
	return code
}

// program is the Chromium of all tests of a package, as starting one for each test takes long.
var program chromium

type chromium struct {
	ctx     context.Context // of its first tab, which stays empty; nil: it has not been started
	free    context.CancelFunc
	profile *scratch.Dir
}

// start starts the program at path, unless it runs.
func (c *chromium) start(path string) error {
	if c.ctx != nil {
		return nil
	}
	profile, err := scratch.Make("pushpull-chromium")
	if err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile.Path), // one of chromedp's own would stay when the tests are killed
		chromedp.NoSandbox,                 // root can't have one in a container
		chromedp.DisableGPU,
		chromedp.Flag("force-prefers-reduced-motion", true), // drawing what moves keeps a processor busy
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
	)
	allocated, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocated)
	// The program starts with the first action, and would end with that action's time limit.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		free()
		_ = profile.Remove()
		return fmt.Errorf("starting Chromium: %w", err)
	}
	c.ctx, c.free, c.profile = ctx, free, profile
	return nil
}

// close ends the program, if it runs.
func (c *chromium) close() error {
	if c.ctx == nil {
		return nil
	}
	err := chromedp.Cancel(c.ctx)
	c.free()
	_ = c.profile.Remove() // a process of the program may still write to it: then the next start removes it
	*c = chromium{}
	return err
}

// Start opens a tab for t and closes it when t ends. The first one starts Chromium; if there is none, Start skips t, or
// fails it in CI. t also fails if pages reported errors that Faults has not returned.
//
// A tab may send requests until it is closed, for a page's icon for example, so the server of the
// pages must be closed after it: pass its Close to t.Cleanup before calling Start, and don't defer
// it. A browser keeps a processor busy, so tests with one must not run in parallel. Pages are shown to a person who
// prefers reduced motion, until Move.
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
	if err := program.start(path); err != nil {
		t.Fatal(err)
	}
	b := &Browser{t: t}
	ctx, _ := chromedp.NewContext(program.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error("closing the tab:", err)
		}
		for _, fault := range b.Faults() {
			t.Error("the page says:", fault)
		}
	})
	// The tab opens with the first action, and would close with that action's time limit.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal("opening a tab: ", err)
	}
	b.View(1280, 900, false)
	return b
}

// guessedIcon is where Chromium looks for the icon of a document that names none, such as a plain text. It does so at a
// time of its own, up to seconds after the document has loaded, and an icon that isn't there is no fault of a page.
const guessedIcon = "/favicon.ico"

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
		if (e.Entry.Level == "error" || e.Entry.Level == "warning") && !strings.HasSuffix(e.Entry.URL, guessedIcon) {
			fault = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

// Faults returns the errors and policy violations that pages have reported since the last call.
func (b *Browser) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

// Do runs actions, all together within Timeout.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Timeout)
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

// Eval returns the value of a JavaScript expression, decoded into a T. It awaits a promise.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	value, err := eval[T](b, expression)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func eval[T any](b *Browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, Timeout)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Until waits until a JavaScript expression is true. An error may mean that another page is taking the place of
// this one, so the expression is tried again.
func (b *Browser) Until(expression string) {
	b.t.Helper()
	begun := time.Now()
	for range time.Tick(20 * time.Millisecond) {
		is, err := eval[bool](b, "!!("+expression+")")
		if is {
			return
		}
		if time.Since(begun) > Timeout {
			if err != nil {
				b.t.Fatalf("%s: %v", expression, err)
			}
			b.t.Fatalf("never true: %s; the page shows:\n%s", expression, Eval[string](b, "document.body.innerText"))
		}
	}
}

// Text returns the visible text of the first element that matches a CSS selector.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	quoted, _ := json.Marshal(selector) // a string always marshals
	return Eval[string](b, fmt.Sprintf("document.querySelector(%s).innerText", quoted))
}

// View sets the size of the window, in CSS pixels, and the light or dark colour scheme.
func (b *Browser) View(width, height int64, dark bool) {
	b.t.Helper()
	b.emulate(width, height, "screen", scheme(dark))
}

// scheme returns the name of a colour scheme.
func scheme(dark bool) string {
	if dark {
		return "dark"
	}
	return "light"
}

// Paper shows the page as it is printed on a sheet of paper with that size, in CSS pixels and without
// margins, by somebody who prefers the dark colour scheme.
func (b *Browser) Paper(width, height int64) {
	b.t.Helper()
	b.emulate(width, height, "print", scheme(true))
}

// Move shows the page to a person who has nothing against motion, until the next View.
func (b *Browser) Move() {
	b.t.Helper()
	b.Do(prefer("", &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "no-preference"}))
}

// prefer sets the medium, if it isn't empty, and what the person in front of it prefers.
func prefer(media string, feature *emulation.MediaFeature) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{feature}})
		return chromedp.Void{}, err
	}
}

func (b *Browser) emulate(width, height int64, media, scheme string) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height),
		prefer(media, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme}))
}

//go:embed looks.js
var looks string

// Looks runs Judge on the page, wide and narrow, light and dark, and fails the test for each fault.
// With go test -artifacts it saves screenshots as name-wide-light.png and so on. It leaves the page wide and light.
func (b *Browser) Looks(name string) {
	b.t.Helper()
	b.look(name, []look{
		{360, 740, false, "narrow-light"},
		{360, 740, true, "narrow-dark"},
		{768, 1024, false, "middle-light"},
		{1280, 900, true, "wide-dark"},
		{1280, 900, false, "wide-light"},
	})
}

// LooksEverywhere is Looks for a page that is opened anywhere: on a larger screen and on paper too.
func (b *Browser) LooksEverywhere(name string) {
	b.t.Helper()
	b.Paper(700, 1000) // A4 with margins of 12 mm
	b.judge(name, "paper")
	b.look(name, []look{
		{390, 844, false, "phone-light"},
		{390, 844, true, "phone-dark"},
		{768, 1024, true, "middle-dark"},
		{2000, 1200, true, "huge-dark"},
		{1280, 900, false, "wide-light"},
	})
}

// A look is one way to look at a page.
type look struct {
	width, height int64
	dark          bool
	kind          string // of its screenshot
}

func (b *Browser) look(name string, all []look) {
	b.t.Helper()
	for _, v := range all {
		b.View(v.width, v.height, v.dark)
		b.judge(name, v.kind)
	}
}

// judge fails the test for each fault of the page as it is now, and saves a screenshot if artifacts are kept: a long
// page takes long to draw.
func (b *Browser) judge(name, kind string) {
	b.t.Helper()
	Eval[bool](b, "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
	for _, fault := range b.Judge() {
		b.t.Errorf("%s, %s: %s", name, kind, fault)
	}
	if kept := flag.Lookup("test.artifacts"); kept != nil && kept.Value.String() == "true" {
		b.shoot(name + "-" + kind)
	}
}

// Judge returns what is wrong with the appearance of the page as it is now, one line per fault.
func (b *Browser) Judge() []string {
	b.t.Helper()
	return Eval[[]string](b, looks)
}

// Picture returns a screenshot of the whole page, as PNG.
func (b *Browser) Picture() []byte {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Timeout)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}

// shoot saves a screenshot of the whole page.
func (b *Browser) shoot(name string) {
	b.t.Helper()
	file := filepath.Join(b.t.ArtifactDir(), strings.ReplaceAll(name, "/", "-")+".png")
	if err := os.WriteFile(file, b.Picture(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}
