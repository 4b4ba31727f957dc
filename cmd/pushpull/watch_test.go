package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
)

// recordOf returns a record with a result for each directory, in memory only.
func recordOf(names []string, dirs ...string) *record {
	rec := &record{names: names}
	for _, dir := range dirs {
		one := &recorder{dir: dir}
		one.result.Run = result.Run{Scenario: result.Scenario{Name: "chat", Rounds: 2, Transports: []string{"long-poll", "websocket"}}}
		one.result.Windows = []result.Window{{
			Transport: "websocket", Round: 1, Sent: 1, Planned: 1, Expected: 1, Delivered: 1,
			Latency: result.NewHistogram(), SendDelay: result.NewHistogram(), Accept: result.NewHistogram(), Late: result.NewHistogram(),
		}}
		rec.results = append(rec.results, one)
	}
	return rec
}

func TestReportURL(t *testing.T) {
	for _, c := range []struct {
		root, dir string
		names     []string
		want      string
	}{
		{"results", "results/chat-1", []string{""}, "/results/chat-1/report.html"},
		{"my run", "my run", []string{""}, "/results/my%20run/report.html"},
		{"results", "results/chat-1", []string{"memory", "sqlite"}, "/results?run=chat-1%2Fmemory&run=chat-1%2Fsqlite"},
		{"r", "r", []string{"memory", "sqlite"}, "/results?run=memory&run=sqlite"},
	} {
		dirs := []string{c.dir}
		if len(c.names) > 1 {
			dirs = []string{filepath.Join(c.dir, c.names[0]), filepath.Join(c.dir, c.names[1])}
		}
		if got := reportURL(c.root, recordOf(c.names, dirs...)); got != c.want {
			t.Errorf("%s below %s: %s, want %s", dirs, c.root, got, c.want)
		}
	}
	t.Chdir(t.TempDir())
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := runName(".", "."), filepath.Base(here); got != want {
		t.Errorf("the run in . is named %s, want %s", got, want)
	}
}

func TestWords(t *testing.T) {
	first, rest := words([]report.Paragraph{
		{Sentences: []string{"Choose a.", "It is fast."}},
		{Run: "memory", Sentences: []string{"Choose a.", "It is cheap."}},
		{Run: "sqlite", Sentences: []string{"Choose b."}},
	})
	if want := []string{"It is fast.", "memory: Choose a. It is cheap.", "sqlite: Choose b."}; first != "Choose a." || !slices.Equal(rest, want) {
		t.Errorf("%q, %q, want %q", first, rest, want)
	}
	first, rest = words([]report.Paragraph{{Run: "memory", Sentences: []string{"Choose a."}}})
	if first != "memory: Choose a." || len(rest) != 0 {
		t.Errorf("%q, %q", first, rest)
	}
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", "[::1]:80": "[::1]:80", "192.0.2.1:80": "192.0.2.1:80"} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(tcp); got != want {
			t.Errorf("%s is reachable at %s, want %s", address, got, want)
		}
	}
}

func watcherOf(t *testing.T, rec *record) (w *watcher, l net.Listener, said *strings.Builder) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said = &strings.Builder{}
	return newWatcher(said, l, "box.example", nil, rec), l, said
}

// TestWatcher follows a run on two stores.
func TestWatcher(t *testing.T) {
	rec := recordOf([]string{"memory", "sqlite"}, "memory", "sqlite")
	w, _, said := watcherOf(t, rec)
	// io.ReadAll below returns, as the stream ends with the run.
	resp, err := http.Get(w.base + "/live/states")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for host, status := range map[string]int{
		"evil.example": http.StatusMisdirectedRequest, "127.0.0.1.evil.example:80": http.StatusMisdirectedRequest,
		"localhost:80": http.StatusOK, "box.example": http.StatusOK,
	} {
		for _, path := range []string{"/live", "/page/live.js"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			got, body, err := ask(req)
			if err != nil || got != status || status != http.StatusOK && !strings.Contains(string(body), "open "+w.base+"/") {
				t.Errorf("%s for %s: %d %s, %v, want %d", path, host, got, body, err, status)
			}
		}
	}
	w.update(loadgen.Progress{
		Transport: "long-poll", Side: "sqlite", Round: 1, Rounds: 2, Window: 2, Windows: 8, Phase: "measuring",
		Delivered: 3, Expected: 4, Left: time.Minute,
		Latency: func() (p50, p99 time.Duration) { return time.Millisecond, 2 * time.Millisecond },
	})
	w.window(rec)
	w.drawing(rec.runs())
	w.end(t.Context(), "r", "", nil)
	stream, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	last := string(stream)[strings.LastIndex(string(stream), "data: "):]
	for _, want := range []string{
		`"status":"done"`, `"dir":"r"`, `"verdict":"Websocket is the choice in both runs."`, `"answer":["`,
		`"standings":[{"transport":"long-poll","way":"held","side":"memory","windows":0,"rounds":2,`,
		`{"transport":"long-poll","way":"held","side":"sqlite","windows":0,`,
		`{"transport":"websocket","way":"duplex","side":"memory","windows":1,"rounds":2,"delivered":1,"expected":1,`,
	} {
		if !strings.Contains(last, want) {
			t.Errorf("no %s in %s", want, last)
		}
	}
	if said.Len() > 0 {
		t.Errorf("the watcher printed %s", said)
	}
}

// A run continues if its page can't be served, and then ends without waiting for Ctrl-C, as its report
// isn't served either.
func TestWatcherBroken(t *testing.T) {
	rec := recordOf([]string{""}, "r")
	w, l, said := watcherOf(t, rec)
	l.Close()
	for said.Len() == 0 {
		w.update(loadgen.Progress{Left: time.Minute})
	}
	w.update(loadgen.Progress{Left: time.Minute})
	w.end(t.Context(), "r", "/results/r/report.html", errors.New("another error"))
	w, l, again := watcherOf(t, rec)
	l.Close()
	<-w.served
	w.end(t.Context(), "r", "/results/r/report.html", nil)
	for _, said := range []string{said.String(), again.String()} {
		if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "pushpull: warning: the pages of the run are no longer served: ") {
			t.Errorf("the watcher printed %q", said)
		}
	}
}
