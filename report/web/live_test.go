package web_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/web"
)

// A reader is a client whose writes block until the test receives from sent.
type reader struct {
	header http.Header
	sent   chan string
	gone   <-chan struct{}
}

func (r *reader) Header() http.Header { return r.header }
func (r *reader) WriteHeader(int)     {}
func (r *reader) Flush()              {}

func (r *reader) Write(p []byte) (int, error) {
	select {
	case r.sent <- string(p):
		return len(p), nil
	case <-r.gone:
		return 0, net.ErrClosed
	}
}

// watch reads the states of live until ctx ends. The channel is closed when the stream has ended.
func watch(ctx context.Context, live *web.Live) (*reader, <-chan struct{}) {
	r := &reader{http.Header{}, make(chan string), ctx.Done()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		live.ServeHTTP(r, httptest.NewRequestWithContext(ctx, http.MethodGet, "/live/states", nil))
	}()
	return r, ended
}

// stateOf decodes an event.
func stateOf(t *testing.T, event string) web.State {
	t.Helper()
	_, data, ok := strings.Cut(event, "data: ")
	var sent struct{ State web.State }
	if err := json.Unmarshal([]byte(data), &sent); !ok || err != nil {
		t.Fatalf("%q: %v", event, err)
	}
	return sent.State
}

func window(n int) web.State { return web.State{Status: web.Running, Window: n} }

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		var live web.Live
		early, left := watch(ctx, &live)
		if got := <-early.sent; got != "retry: 1000\n\n" {
			t.Errorf("before the run: %q", got)
		}
		live.Set(window(1))
		if got := stateOf(t, <-early.sent); got.Window != 1 {
			t.Errorf("window %d, want 1", got.Window)
		}
		live.Set(window(1)) // the same state is not sent again
		begun := time.Now()
		if got := <-early.sent; got != ":\n\n" || time.Since(begun) != 15*time.Second {
			t.Errorf("%q after %v of silence, want a comment after 15s", got, time.Since(begun))
		}
		late, ended := watch(t.Context(), &live)
		if got := stateOf(t, <-late.sent); got.Window != 1 {
			t.Errorf("a late reader gets window %d, want 1", got.Window)
		}
		if kind := late.header.Get("Content-Type"); kind != "text/event-stream" {
			t.Errorf("the content type is %s", kind)
		}

		// Set must not block while both readers are stuck.
		for n := range 100 {
			live.Set(window(n))
			synctest.Wait()
		}
		leave()
		<-left
		live.Set(web.State{Status: web.Done, Window: 100})
		var got web.State
		for got.Status != web.Done {
			got = stateOf(t, <-late.sent)
		}
		<-ended
		again, ended := watch(t.Context(), &live)
		if got := stateOf(t, <-again.sent); got.Status != web.Done || got.Window != 100 {
			t.Errorf("afterwards: %+v", got)
		}
		<-ended
	})
}

// Names of runs and texts of servers may contain anything.
func TestLiveShowsText(t *testing.T) {
	const hostile = "</script><img src=x onerror=alert(1)>\u202e\n\ndata: {}"
	var live web.Live
	live.Set(web.State{
		Verdict: hostile, Answer: []string{hostile, hostile},
		Scenario: hostile, About: hostile, Command: hostile, Transport: hostile, Side: hostile, Phase: hostile,
		Status: web.Running,
		Standings: []web.Standing{{
			Transport: hostile, Side: hostile, Windows: 1, Rounds: 1,
			Doubts: []result.Doubt{{Text: hostile, Fatal: true}},
		}},
	})
	pages := (&web.Pages{Live: &live}).Handler()
	answer := httptest.NewRecorder()
	pages.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/live", nil))
	if body := answer.Body.String(); answer.Code != http.StatusOK || strings.Contains(body, "<img") || !strings.Contains(body, "&lt;img src=x") {
		t.Errorf("status %d, %s", answer.Code, body)
	}

	ctx, leave := context.WithCancel(t.Context())
	r, ended := watch(ctx, &live)
	event := <-r.sent
	leave()
	<-ended
	if got := stateOf(t, event); got.Scenario != hostile || strings.Count(event, "\n") != 4 || strings.Contains(event, "<") {
		t.Errorf("the event is %q", event)
	}
}

func TestLiveSays(t *testing.T) {
	measuring := web.State{Status: web.Running, Round: 1, Rounds: 2, Window: 3, Windows: 10, Transport: "websocket", Side: "sqlite", Phase: "measuring", LeftS: 64.7}
	for _, c := range []struct {
		state web.State
		want  []string
	}{
		{web.State{}, []string{">No run has started yet.<"}},
		{web.State{Status: web.Running}, []string{">The run is starting.<"}},
		{measuring, []string{">Round 1 of 2, window 3 of 10: websocket on sqlite, measuring.<", ">about 1:05 left<"}},
		{web.State{Status: web.Running, Phase: "drawing the report"}, []string{">All windows are measured: drawing the report.<"}},
		{web.State{Status: web.Done, Windows: 10, Dir: "results/chat-1"}, []string{">Done: 10 windows were measured.<", ">The server of this page has ended with the run. Its result is in results/chat-1.<", `href="" hidden>`}},
		{web.State{Status: web.Done, Windows: 10, Dir: "r", File: "r/report.html"}, []string{">The server of this page has ended with the run: open the file r/report.html. "}},
		{web.State{Status: web.Done, Windows: 10, Standings: []web.Standing{{Transport: "sse", Failed: 2, Rounds: 2}, {Transport: "websocket", Failed: 1, Windows: 1, Rounds: 2}}}, []string{">Done: 7 windows were measured.<", ">0/2<", ">1/2<"}},
		{web.State{Status: web.Done, Windows: 1, Report: "/results/a%20b/report.html", Dir: "a b"}, []string{">Done: 1 window was measured.<", `href="/results/a%20b/report.html">Open the report<`, ">It is served until the command is ended with Ctrl-C. The files are in a b.<"}},
		{web.State{Status: web.Interrupted, Error: "interrupted: 1 of 10 windows were measured and are in r", Dir: "r", File: "r/report.html"}, []string{">Interrupted: 1 of 10 windows were measured and are in r.<", "open the file r/report.html. "}},
		{web.State{Status: web.Failed, Error: "the disk is full"}, []string{">The run failed: the disk is full.<", `data-text="place"></span>`}},
		{web.State{Status: web.Failed, Error: "no server", Dir: "r", Report: "/results/r/report.html"}, []string{">The run failed: no server.<", `href="/results/r/report.html">Open the report<`}},
	} {
		var live web.Live
		live.Set(c.state)
		answer := httptest.NewRecorder()
		(&web.Pages{Live: &live}).Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/live", nil))
		for _, want := range c.want {
			if !strings.Contains(answer.Body.String(), want) {
				t.Errorf("%+v: no %q in %s", c.state, want, answer.Body)
			}
		}
	}
}
