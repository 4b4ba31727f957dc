package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/web"
)

// serve serves the results in dir.
func serve(dir string) http.Handler {
	return (&web.Pages{Results: &web.Results{Dir: dir}}).Handler()
}

// get returns the answer of h to a GET request.
func get(t *testing.T, h http.Handler, target string) (answer *http.Response, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	answer = w.Result()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(data)
}

// whole returns a recorded result, as if it had started on that day of March 2026.
func whole(t *testing.T, day int) *result.Result {
	t.Helper()
	res, err := result.Open("../../testdata/results/chat")
	if err != nil {
		t.Fatal(err)
	}
	res.Run.Started = time.Date(2026, 3, day, 11, 6, 0, 0, time.UTC)
	return res
}

// recorded returns only the WebSocket's part of that result, which is read and drawn fast.
func recorded(t *testing.T, day int) *result.Result {
	t.Helper()
	res := whole(t, day)
	res.Windows = slices.DeleteFunc(res.Windows, func(w result.Window) bool { return w.Transport != "websocket" })
	res.Run.Scenario.Transports = []string{"websocket"}
	return res
}

// write writes res to a new directory.
func write(t *testing.T, res *result.Result, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := result.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Write(result.Line{Run: &res.Run}); err != nil {
		t.Fatal(err)
	}
	for _, window := range res.Windows {
		if err := w.Write(result.Line{Window: &window}); err != nil {
			t.Fatal(err)
		}
	}
}

// put writes a file in the place of a result.
func put(t *testing.T, dir, content string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, result.File), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

var heading = regexp.MustCompile(`<h2>(?:<a [^>]*>)?([^<]*)`)

// names returns the names of the runs in the list, in its order.
func names(page string) []string {
	var all []string
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

// entry returns the part of the list about one run.
func entry(t *testing.T, page, name string) string {
	t.Helper()
	for _, part := range strings.Split(page, `<div class="about">`)[1:] {
		if slices.Equal(names(part), []string{name}) {
			return part
		}
	}
	t.Fatalf("%q is not listed: %q", name, names(page))
	return ""
}

func holds(t *testing.T, page string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %q in\n%s", want, page)
		}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, lost := recorded(t, 1), recorded(t, 3)
	old.Run.Scenario.Store, old.Run.Scenario.Servers = "sqlite", 2
	lost.Run.Scenario.Name, lost.Run.Scenario.About = "<b>mine</b>", ""
	lost.Windows[0].Lost, lost.Windows[0].Delivered = 3, lost.Windows[0].Delivered-3
	write(t, old, filepath.Join(dir, "stores", "sqlite"))
	write(t, whole(t, 2), filepath.Join(dir, "chat"))
	write(t, lost, filepath.Join(dir, "stores"))
	write(t, recorded(t, 4), filepath.Join(dir, ".hidden"))
	write(t, recorded(t, 4), filepath.Join(dir, "1", "2", "3", "4"))
	write(t, recorded(t, 5), filepath.Join(dir, "1", "2", "3", "4", "5"))

	h := serve(dir)
	answer, page := get(t, h, "/results")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	if got, want := names(page), []string{"1/2/3/4", "stores", "chat", "stores/sqlite"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	holds(t, entry(t, page, "chat"),
		`<a href="/results/chat/report.html">chat</a>`,
		`<time class="soft" datetime="2026-03-02T11:06:00Z">2 March 2026, 11:06 UTC</time>`,
		`value="chat"`,
		"<p>Pairs of people talk, like John and Mary; each sends a short message every four seconds.</p>",
		"Scenario chat: 200 users, 2 rounds of 5 s.",
		`<th scope="col">server CPU <small>µs/message</small></th>`,
		`<tr data-way="timer"><th scope="row"><span class="swatch"></span>short-poll@5s</th><td>507/507</td><td>2.25 s</td>`,
		`<td>4.93 s</td><td>0.789</td><td>308</td></tr>`,
		`href="/results/chat/latency-over-time.svg"`, `href="/results/chat/memory.png"`, `href="/results/chat/result.jsonl"`,
	)
	holds(t, entry(t, page, "stores/sqlite"), "200 users, 2 rounds of 5 s; 2 servers, store sqlite", `href="/results/stores/sqlite/report.html"`)
	holds(t, entry(t, page, "stores"), "Scenario &lt;b&gt;mine&lt;/b&gt;.",
		`<p class="bad">Not to be believed: `+lost.Windows[0].Transport+": 3 of ")
	if strings.Contains(entry(t, page, "chat"), "ot to be believed") {
		t.Error("a run has the doubts of another one")
	}
}

// An unreadable result must be reported, and must not hide the others.
func TestResultsOdd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "good"))
	good, err := os.ReadFile(filepath.Join(dir, "good", result.File))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "truncated"), string(good[:len(good)-200]))
	put(t, filepath.Join(dir, "broken"), "<script>alert(1)</script>\n")
	put(t, filepath.Join(dir, "empty"), "")
	begun := recorded(t, 2)
	begun.Windows = nil
	write(t, begun, filepath.Join(dir, "begun"))
	put(t, filepath.Join(dir, "senseless"), strings.Replace(string(good), `"users":200,`, `"users":-5,`, 1))
	odd := recorded(t, 1)
	for i := range odd.Windows {
		odd.Windows[i].Server.CPUS = -5
	}
	write(t, odd, filepath.Join(dir, "odd"))
	out := filepath.Join(t.TempDir(), "elsewhere")
	put(t, out, string(good))
	for _, name := range []string{"link", "folder"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(out, result.File), filepath.Join(dir, "link", result.File)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(out, filepath.Join(dir, "outside")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(dir, "folder", result.File)); err != nil {
		t.Fatal(err)
	}

	h := serve(dir)
	_, page := get(t, h, "/results")
	got := names(page)
	slices.Sort(got)
	if want := []string{"begun", "broken", "empty", "folder", "good", "link", "odd", "senseless", "truncated"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	holds(t, entry(t, page, "truncated"), "2 doubts", "the last line is not whole", "samples are few", "websocket</th>")
	holds(t, entry(t, page, "odd"), "server CPU -5 s can&#39;t have been measured", "websocket</th>")
	holds(t, entry(t, page, "begun"), "Nothing measured yet.", `value="begun"`)
	if strings.Contains(entry(t, page, "begun"), "doubt") {
		t.Error("a run without measurements has doubts")
	}
	for name, why := range map[string]string{
		"broken": "broken/result.jsonl: this is an XML file, not a pushpull result", "empty": "this is an empty file", "senseless": "users is -5: no scenario has that",
		"link": "escapes", "folder": "not a regular file",
	} {
		part := entry(t, page, name)
		holds(t, part, "Can’t be read: ", why)
		if strings.Contains(part, "checkbox") || strings.Contains(part, "report.html") {
			t.Errorf("%s can be ticked or opened", name)
		}
		answer, page := get(t, h, "/results/"+name+"/report.html")
		if answer.StatusCode != http.StatusInternalServerError || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("the report of %s: status %d, %s", name, answer.StatusCode, answer.Header.Get("Content-Type"))
		}
		holds(t, page, why, `<a href="/results">All results</a>`)
	}
	if _, raw := get(t, h, "/results/broken/result.jsonl"); raw != "<script>alert(1)</script>\n" {
		t.Errorf("a broken result is served as %q", raw)
	}
	for _, name := range []string{"link", "outside", "folder"} {
		if answer, body := get(t, h, "/results/"+name+"/result.jsonl"); answer.StatusCode < 400 || strings.Contains(body, "schema") {
			t.Errorf("%s is served with %d: %s", name, answer.StatusCode, body)
		}
	}
	if answer, _ := get(t, h, "/results/begun/report.html"); answer.StatusCode != http.StatusOK {
		t.Errorf("the report of a run without measurements: status %d", answer.StatusCode)
	}
}

func TestResultsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, missing := range []string{dir, filepath.Join(dir, "later")} {
		h := serve(missing)
		answer, page := get(t, h, "/results")
		if answer.StatusCode != http.StatusOK {
			t.Errorf("status %d", answer.StatusCode)
		}
		holds(t, page, "There are no runs in", "<code>pushpull run</code>")
		if answer, _ := get(t, h, "/results/chat/report.html"); answer.StatusCode != http.StatusNotFound {
			t.Errorf("a run in %s: status %d", missing, answer.StatusCode)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	answer, page := get(t, serve(file), "/results")
	if answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("a file instead of the directory: status %d", answer.StatusCode)
	}
	holds(t, page, "The runs can’t be listed")
}

// A result in the directory itself is a run, too, with a name that no run below it has.
func TestResultsItself(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "chat")
	write(t, recorded(t, 2), dir)
	h := serve(dir)
	if _, page := get(t, h, "/results"); !slices.Equal(names(page), []string{"chat"}) {
		t.Errorf("got %q", names(page))
	}
	write(t, recorded(t, 1), filepath.Join(dir, "chat"))
	_, page := get(t, h, "/results")
	if !slices.Equal(names(page), []string{"chat itself", "chat"}) {
		t.Errorf("got %q", names(page))
	}
	for _, name := range []string{"chat itself", "chat"} {
		want, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(name, "chat itself"), result.File))
		if err != nil {
			t.Fatal(err)
		}
		if _, raw := get(t, h, "/results/"+url.PathEscape(name)+"/result.jsonl"); raw != string(want) {
			t.Errorf("%s serves another run's result", name)
		}
	}
}

func TestResultsMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 1003 {
		put(t, filepath.Join(dir, fmt.Sprint(i)), "")
	}
	_, page := get(t, serve(dir), "/results")
	if n := len(names(page)); n != 1000 {
		t.Errorf("%d runs are listed, want 1000", n)
	}
	holds(t, page, "The 1000 newest are listed; there are 3 more.")
}

// A file must be read again when its size or time has changed, and only then.
func TestResultsCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "chat"))
	file := filepath.Join(dir, "chat", result.File)
	h := serve(dir)
	shows := func(want string) {
		t.Helper()
		_, page := get(t, h, "/results")
		holds(t, page, want)
		_, report := get(t, h, "/results/chat/report.html")
		holds(t, report, want)
	}
	shows("Pairs of people talk")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(data), "Pairs", "Pears", 1)
	put(t, filepath.Join(dir, "chat"), other)
	if err := os.Chtimes(file, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	shows("Pairs of people talk")
	if err := os.Chtimes(file, time.Time{}, info.ModTime().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	shows("Pears of people talk")
	put(t, filepath.Join(dir, "chat"), strings.Replace(other, "Pears", "Peers who", 1))
	shows("Peers who of people talk")
	if err := os.RemoveAll(filepath.Join(dir, "chat")); err != nil {
		t.Fatal(err)
	}
	_, page := get(t, h, "/results")
	holds(t, page, "There are no runs")
	if answer, _ := get(t, h, "/results/chat/report.html"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the report of a deleted run: status %d", answer.StatusCode)
	}
}

// A result that can't be read must not be read again until it has changed.
func TestResultsBadOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "chat"))
	file := filepath.Join(dir, "chat", result.File)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	then := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for what, bad := range map[string]string{
		"garbage": strings.Repeat("?", len(good)), "a window without users": strings.Replace(string(good), `"users":200,"cores"`, `"users":  0,"cores"`, 1),
	} {
		put(t, filepath.Join(dir, "chat"), bad)
		if err := os.Chtimes(file, time.Time{}, then); err != nil {
			t.Fatal(err)
		}
		h := serve(dir)
		bad := func(want bool) {
			t.Helper()
			if _, page := get(t, h, "/results"); strings.Contains(entry(t, page, "chat"), "Can’t be read: chat/result.jsonl:") != want {
				t.Errorf("%s: it is listed as bad: %t", what, !want)
			}
			if answer, _ := get(t, h, "/results/chat/report.html"); (answer.StatusCode == http.StatusInternalServerError) != want {
				t.Errorf("%s: its report has the status %d", what, answer.StatusCode)
			}
		}
		bad(true)
		// The content is good now, which only reading it again would show.
		put(t, filepath.Join(dir, "chat"), string(good))
		if err := os.Chtimes(file, time.Time{}, then); err != nil {
			t.Fatal(err)
		}
		bad(true)
		if err := os.Chtimes(file, time.Time{}, then.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		bad(false)
	}
}

// A result of a gigabyte must be refused without being read, and be listed.
func TestResultsHuge(t *testing.T) { // not parallel, as it measures memory
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "huge"))
	if err := os.Truncate(filepath.Join(dir, "huge", result.File), 1<<30); err != nil {
		t.Fatal(err)
	}
	h := serve(dir)
	get(t, h, "/results/none") // whatever is allocated once
	for _, page := range []string{"/results", "/results", "/results/huge/report.html"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, body := get(t, h, page)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s takes %d bytes", page, n)
		}
		holds(t, body, "huge/result.jsonl: not a pushpull result: it is larger than 256 MB")
	}
}

// Concurrent requests must all succeed.
func TestResultsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, recorded(t, 1), filepath.Join(dir, "chat"))
	h := serve(dir)
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			target := []string{"/results", "/results/chat/memory.svg"}[i%2]
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
			if w.Code != http.StatusOK {
				t.Errorf("%s: status %d", target, w.Code)
			}
		})
	}
	asking.Wait()
}
