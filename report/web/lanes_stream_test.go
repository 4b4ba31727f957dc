//go:build !race

package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"pushpull/report/web/browsertest"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
)

// TestLanesStream shows the lanes of streams that go one way, beside all others: the requests that stay open must
// leave connections for those that don't. Heartbeats come every second, and count for nothing. The page reports a gap in a stream and reads on after it.
func TestLanesStream(t *testing.T) {
	s := newSite(t, allLanes...)
	store := &losing{log: new(memory.Store)}
	s.store = store
	s.transports = all.Endpoints(transports.Limits{Heartbeat: time.Second})
	s.start()
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	p.say("hello")
	p.maryHas("hello")
	p.say("größer")
	p.maryHas("hello", "größer")
	streams := 0
	for _, lane := range allLanes {
		if !lane.Way.Stream || lane.Way.Duplex {
			continue
		}
		streams++
		if got := p.lanes()[lane.Name]; got.Requests != 2 || got.Empty != 0 {
			t.Errorf("%s: %d requests and %d empty answers, want one request for each user", lane.Name, got.Requests, got.Empty)
		}
		for _, user := range []string{"John", "Mary"} {
			p.Until(fmt.Sprintf(`document.querySelector('[data-kind="%s"] [data-of="waits-%s"]').textContent.startsWith("answer open for ")`, lane.Name, user))
		}
	}
	colours := browsertest.Eval[[]string](p.Browser, `Array.from(document.querySelectorAll(".lane"), lane => getComputedStyle(lane).borderTopColor)`)
	slices.Sort(colours)
	if different := slices.Compact(slices.Clone(colours)); len(different) < len(allLanes) {
		t.Errorf("%d lanes have the colours %q", len(allLanes), different)
	}
	if streams == 0 {
		t.Error("no lane is a stream that goes one way")
	}
	p.Looks("lanes-stream")

	store.lose()
	p.say("after the gap")
	p.maryHas("hello", "größer", "the server has lost messages of this room", "after the gap")
	p.Faults() // a browser logs each request that fails
}

// TestLanesBehindAPassword has a proxy that answers no request without credentials, so that all share six connections.
// Lanes whose requests stay open must leave some of them, and say so if there is none for them.
func TestLanesBehindAPassword(t *testing.T) {
	s := startSite(t, allLanes...)
	to, err := url.Parse(s.url(""))
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }, FlushInterval: -1}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("password"); err != nil && r.URL.Path != "/" {
			http.Error(w, "no password", http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/" {
			http.SetCookie(w, &http.Cookie{Name: "password", Value: "known", Path: "/"})
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	t.Cleanup(func() { s.end() }) // answers held requests

	p := onPage{browsertest.Start(t), t}
	p.Open(proxy.URL + "/")
	p.share()
	p.Faults() // a browser logs each request that is refused
}

// share says hello in all lanes, which share six connections, as the page's cookie is that of one address. Of those whose
// requests stay open two get one.
func (p onPage) share() {
	p.t.Helper()
	const full = "no connection is left"
	p.slide("interval", kb.Home)
	p.Until(`document.querySelectorAll('.state[data-state="connected"]').length >= ` + fmt.Sprint(len(allLanes)-1))
	p.Until(`document.querySelectorAll('.state[data-state="lost"]').length >= 1`)
	p.say("hello")
	lasting, open := 0, 0
	for _, lane := range allLanes {
		of := `document.querySelector('[data-kind="` + lane.Name + `"]')`
		if !lane.Way.Duplex && lane.Way.EveryS == 0 {
			lasting++
			p.Until(of + `.querySelector(".state").dataset.state !== "joining"`)
			if strings.Contains(p.Text(`[data-kind="`+lane.Name+`"] .state`), full) {
				continue
			}
			open++
		}
		p.Until(of + `.querySelector('[data-view="Mary"]').textContent.includes("hello")`)
		p.Until(of + `.querySelector('[data-of="who"]').textContent === "John, Mary"`)
		p.Until(of + `.querySelector('[data-of="bytes"]').value > 0`)
	}
	if open != 2 || lasting <= open {
		p.t.Errorf("%d of %d lanes whose requests stay open are connected, want 2 of more", open, lasting)
	}
}

// A losing store can lose its log while it serves, as when somebody empties a database.
type losing struct {
	transports.Bell
	mu  sync.Mutex
	log *memory.Store
}

func (l *losing) current() *memory.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log
}

func (l *losing) lose() {
	l.mu.Lock()
	l.log = new(memory.Store)
	l.mu.Unlock()
	l.RingAll()
}

func (l *losing) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	defer l.Ring(room)
	return l.current().Append(ctx, room, body, key)
}

func (l *losing) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	return l.current().After(ctx, room, seq, limit)
}
