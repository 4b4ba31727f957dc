//go:build !race

package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pushpull/loadgen/result"
	"pushpull/report/web"
	"pushpull/report/web/browsertest"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// allLanes are the lanes of all transports that the page can show; TestWays says which it can.
var allLanes = func() (lanes []web.Lane) {
	for _, name := range all.Names() {
		client, err := all.Client(name)
		if err != nil {
			panic(err)
		}
		lanes = append(lanes, web.Lane{Name: name, Way: wayOf(client.Way())})
	}
	page := httptest.NewRecorder()
	(&web.Pages{Results: &web.Results{}, Lanes: lanes}).Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/", nil))
	return slices.DeleteFunc(lanes, func(l web.Lane) bool {
		return !strings.Contains(page.Body.String(), `data-kind="`+l.Name+`"`)
	})
}()

// wayOf returns the same as loadgen.WayOf, which this package must not import.
func wayOf(w transports.Way) result.Way {
	return result.Way{
		Title: w.Title, EveryS: w.Every.Seconds(), HoldS: w.Hold.Seconds(), ScanS: w.Scan.Seconds(),
		Stream: w.Stream, Duplex: w.Duplex, HeartbeatS: w.Heartbeat.Seconds(),
		Engine: w.Engine,
	}
}

// A site is a server with the page of the lanes that can be stopped and started again.
type site struct {
	t       *testing.T
	address string
	lanes   []web.Lane
	store   transports.Store

	transports map[string]transports.Endpoint
	wrap       func(net.Listener) net.Listener
	token      string    // that clients must know; "": they need none
	log        io.Writer // nil: the server's own
	end        func()
}

// newSite returns a site that isn't started yet.
func newSite(t *testing.T, lanes ...web.Lane) *site {
	s := &site{
		t: t, address: "127.0.0.1:0", lanes: lanes, store: &memory.Store{},
		transports: all.Endpoints(transports.Limits{}),
	}
	t.Cleanup(func() { s.end() })
	return s
}

func startSite(t *testing.T, lanes ...web.Lane) *site {
	s := newSite(t, lanes...)
	s.start()
	return s
}

func (s *site) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = l.Addr().String()
	if s.wrap != nil {
		l = s.wrap(l)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	srv := server.Server{Store: s.store, Transports: s.transports, Token: s.token, Pages: (&web.Pages{Lanes: s.lanes}).Handler()}
	if s.log != nil {
		srv.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	go func() { served <- srv.Serve(ctx, l) }()
	s.end = sync.OnceFunc(func() {
		stop()
		if err := <-served; err != nil {
			s.t.Error("Serve:", err)
		}
	})
}

func (s *site) url(path string) string { return "http://" + s.address + path }

// post sends a text to a room as a user outside the page.
func (s *site) post(room, text string) {
	s.t.Helper()
	resp, err := http.Post(s.url("/rooms/"+room+"/messages"), "text/plain", strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		s.t.Fatal(resp.Status)
	}
}

// A view is a message as a user sees it in a lane.
type view struct {
	Text  string
	Delay float64 // ms; 0 if none is shown
}

type laneState struct {
	Name, State     string
	John, Mary      []view
	Requests, Empty int
	Bytes           int
	Who, Arrived    string
	DelayOf         string
	Waits           [2]string // of John and Mary, in words
	Wires           [2]string // the same in the drawing
}

// onPage is the page of the lanes in a browser.
type onPage struct {
	*browsertest.Browser
	t *testing.T
}

func openLanes(t *testing.T, s *site) onPage {
	t.Helper()
	p := onPage{browsertest.Start(t), t}
	p.Open(s.url("/"))
	p.until("all lanes are connected", func(l laneState) bool { return l.State == "connected" && l.Who == "John, Mary" })
	return p
}

func (p onPage) lanes() map[string]laneState {
	p.t.Helper()
	all := map[string]laneState{}
	for _, l := range browsertest.Eval[[]laneState](p.Browser, `Array.from(document.querySelectorAll(".lane"), lane => {
		const of = name => lane.querySelector('[data-of="' + name + '"]');
		const view = user => Array.from(lane.querySelectorAll('[data-view="' + user + '"] li'), li => ({
			Text: (li.querySelector(".text") || li).textContent, Delay: Number(li.querySelector("data")?.value || 0) }));
		return { Name: lane.dataset.kind, State: lane.querySelector(".state").dataset.state, John: view("John"), Mary: view("Mary"),
			Requests: Number(of("requests").value), Empty: Number(of("empty").value), Bytes: Number(of("bytes").value), Who: of("who").textContent,
			Arrived: of("arrived").textContent, DelayOf: of("delay-of").textContent,
			Waits: ["John", "Mary"].map(user => of("waits-" + user).textContent),
			Wires: ["John", "Mary"].map(user => lane.querySelector('[data-user="' + user + '"]').dataset.wait) };
	})`) {
		all[l.Name] = l
	}
	return all
}

// until waits until ok is true for every lane.
func (p onPage) until(what string, ok func(laneState) bool) {
	p.t.Helper()
	begun := time.Now()
	for range time.Tick(50 * time.Millisecond) { // reading all lanes takes the page a while
		all := p.lanes()
		wrong := 0
		for _, l := range all {
			if !ok(l) {
				wrong++
			}
		}
		if wrong == 0 && len(all) > 0 {
			return
		}
		if time.Since(begun) > browsertest.Timeout {
			p.t.Fatalf("never: %s; lanes: %+v", what, all)
		}
	}
}

// say enters and sends a text as John. Typing each letter would take long.
func (p onPage) say(text string) {
	p.t.Helper()
	p.Do(chromedp.Focus("#text"), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: text})
		return chromedp.Void{}, err
	}, chromedp.KeyEvent(kb.Enter))
}

// maryHas waits until Mary has exactly these texts in every lane.
func (p onPage) maryHas(texts ...string) {
	p.t.Helper()
	p.until(fmt.Sprintf("Mary has %q", texts), func(l laneState) bool { return len(l.Mary) >= len(texts) })
	for name, l := range p.lanes() {
		var got []string
		for _, m := range l.Mary {
			got = append(got, m.Text)
		}
		if !slices.Equal(got, texts) {
			p.t.Errorf("%s: Mary has %q, want %q", name, got, texts)
		}
	}
}

// rooms returns the rooms of the lanes.
func (p onPage) rooms() []string {
	p.t.Helper()
	return browsertest.Eval[[]string](p.Browser, `fetch("/stats").then(r => r.json()).then(s => Object.values(s.connected).flatMap(c => Object.keys(c.names)))`)
}

// slide moves a slider with the keyboard.
func (p onPage) slide(id string, keys string) {
	p.t.Helper()
	p.Do(chromedp.SendKeys("#"+id, keys))
}

// polled waits until a short poll has just been answered.
func (p onPage) polled() {
	p.t.Helper()
	before := p.lanes()["short-poll"].Empty
	p.Until(fmt.Sprintf(`Number(document.querySelector('[data-kind="short-poll"] [data-of="empty"]').value) > %d`, before))
}

// still waits until a lane has carried nothing for a second, and returns it.
func (p onPage) still(name string) laneState {
	p.t.Helper()
	begun := time.Now()
	for last := p.lanes()[name]; ; {
		time.Sleep(time.Second)
		now := p.lanes()[name]
		if now.Bytes == last.Bytes && now.Requests == last.Requests {
			return now
		}
		last = now
		if time.Since(begun) > browsertest.Timeout {
			p.t.Fatalf("the lane is never still: %+v", now)
		}
	}
}

func TestLanesDeliver(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	if got := p.Text(`output[for="interval"]`); got != "5 s" {
		t.Errorf("the polling interval is %q at first, want 5 s", got)
	}
	p.polled()
	p.say("hello")
	p.maryHas("hello")
	delay := func(name string) float64 { return p.lanes()[name].Mary[0].Delay }
	if d := delay("short-poll"); d < 1600 || d > 9000 {
		t.Errorf("just after a poll, short polling took %.0f ms, want almost 5 s", d)
	}
	for _, lane := range allLanes {
		if d := delay(lane.Name); lane.Way.EveryS == 0 && (d <= 0 || d > 1500) {
			t.Errorf("%s took %.1f ms, want far less than a polling interval", lane.Name, d)
		}
	}
	p.until("John's message is stored", func(l laneState) bool { return len(l.John) == 1 && l.John[0].Text == "hello" })
	p.Until(fmt.Sprintf(`document.querySelectorAll('[data-view="John"] li[data-sent="stored"]').length === %d`, len(allLanes)))
	p.Until(`document.getElementById("said").textContent.startsWith("Mary got “hello”: ")`)
	p.until("both are connected", func(l laneState) bool { return l.Who == "John, Mary" })

	// Another user joins another room, and leaves.
	elsewhere, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(elsewhere, http.MethodGet, s.url("/rooms/elsewhere/long-poll"), nil)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	p.Until(`document.querySelector('[data-kind="long-poll"] [data-of="who"]').textContent === "John, Mary, 1 more"`)
	cancel()
	<-asked
	p.Until(`document.querySelector('[data-kind="long-poll"] [data-of="who"]').textContent === "John, Mary"`)
}

func TestLanesCount(t *testing.T) {
	p := openLanes(t, startSite(t, allLanes...))
	p.slide("interval", kb.Home) // 0.1 s
	if got := p.Text(`output[for="interval"]`); got != "0.1 s" {
		t.Fatalf("the slider says %q at its start, want 0.1 s", got)
	}
	before := p.lanes()
	begun := time.Now()
	p.Until(fmt.Sprintf(`Number(document.querySelector('[data-kind="short-poll"] [data-of="requests"]').value) >= %d`, before["short-poll"].Requests+40))
	// Two users poll every 0.1 s.
	if took := time.Since(begun); took < 1500*time.Millisecond || took > 20*time.Second {
		t.Errorf("40 polls of two users took %v, want about 2 s", took)
	}
	after := p.lanes()
	if polls, empty := after["short-poll"].Requests-before["short-poll"].Requests, after["short-poll"].Empty-before["short-poll"].Empty; empty < polls-2 {
		t.Errorf("%d of %d polls were empty, want all", empty, polls)
	}
	for _, lane := range allLanes {
		// A request held for 30 s gets an empty answer and is followed by another one.
		if got := after[lane.Name]; lane.Way.EveryS == 0 && (got.Requests-got.Empty != 2 || lane.Way.Stream && got.Empty != 0) {
			t.Errorf("%s: %d requests, %d empty answers, want one pending request per user", lane.Name, got.Requests, got.Empty)
		}
	}
	p.slide("interval", kb.End) // 10 s: puts the next request off at once
	p.still("short-poll")

	// A long poll takes one more request per user for a message, a stream takes none.
	p.slide("interval", kb.Home)
	p.say("hello")
	p.maryHas("hello")
	p.until("John has his own message", func(l laneState) bool { return l.Name != "long-poll" || l.Requests-l.Empty == 4 })
	got := p.lanes()
	for _, lane := range allLanes {
		if got := got[lane.Name]; lane.Way.Stream && (got.Requests != 2 || got.Bytes <= after[lane.Name].Bytes) {
			t.Errorf("%s: %+v, want no more requests and more bytes", lane.Name, got)
		}
	}

	// "Talk" makes the two chat.
	p.slide("rate", kb.Home) // every 0.2 s
	p.Do(chromedp.SendKeys("#talk", " "))
	p.until("they chat", func(l laneState) bool { return len(l.John) > 5 && len(l.Mary) > 5 })
	p.slide("interval", kb.ArrowRight+kb.ArrowRight+kb.ArrowRight)
	p.until("they chat on", func(l laneState) bool { return len(l.John) > 14 })
	p.Do(chromedp.SendKeys("#talk", " "))
	p.Until(`Array.from(document.querySelectorAll(".views ol")).every(v => v.scrollHeight - v.scrollTop - v.clientHeight < 2)`)
	p.Looks("lanes")
}

func TestLanesSurviveARestart(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	p.say("before")
	p.maryHas("before")
	s.end()
	p.until("the lanes say so", func(l laneState) bool {
		return l.State == "lost" && l.Who == "–" && slices.Contains(l.Wires[:], "retry") == strings.Contains(l.Waits[0]+l.Waits[1], "cut off: tries again in ")
	})
	p.Looks("lanes-lost")
	p.say("meanwhile")
	asked := p.lanes()
	p.until("the lanes try again, in vain", func(l laneState) bool { return l.Requests > asked[l.Name].Requests+3 })
	s.start()
	p.until("all are back", func(l laneState) bool { return l.State == "connected" })
	p.say("after")
	p.maryHas("before", "meanwhile", "after")
	p.until("the counts agree", func(l laneState) bool { return l.Arrived == "3 of 3" })

	// If the server has lost its log, the lanes say so and read on.
	s.end()
	s.store = &memory.Store{}
	p.until("the lanes say so", func(l laneState) bool { return l.State == "lost" })
	s.start()
	p.until("all are back", func(l laneState) bool { return l.State == "connected" })
	p.say("anew")
	p.maryHas("before", "meanwhile", "after", "the server has lost messages of this room", "anew")
	p.Faults() // a browser logs each request that fails
}

func TestLanesShowTextAsText(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	const hostile = `<img src=x onerror="document.title='owned'"><b>&amp;</b>`
	p.say(hostile)
	p.maryHas(hostile)
	rooms := p.rooms()
	if len(rooms) != len(allLanes) {
		t.Fatalf("rooms %q", rooms)
	}
	others := []string{
		hostile,
		`{"id":1,"from":"John","text":"x"}`,
		`{"id":"1","from":"<script>alert(1)</script>","text":"\u202e` + strings.Repeat("long", 500) + `"}`,
		`null`, `[]`, ``,
	}
	for _, text := range others {
		for _, room := range rooms {
			s.post(room, text)
		}
	}
	p.maryHas(hostile, hostile, others[1], "\u202e"+strings.Repeat("long", 500), "null", "[]", "")
	if n := browsertest.Eval[int](p.Browser, `document.querySelectorAll("img, b, main script").length`); n != 0 {
		t.Errorf("%d elements were made of texts", n)
	}
	if got := browsertest.Eval[string](p.Browser, "document.title"); got != "See the difference · pushpull" {
		t.Errorf("the title is %q", got)
	}
	p.Looks("lanes-hostile")
}

// Only one page at a time uses the browser's connections.
func TestLanesGiveWay(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	browsertest.Eval[bool](p.Browser, `(() => { const c = new BroadcastChannel("pushpull"); c.postMessage("another page"); c.close(); return true; })()`)
	p.until("the lanes pause", func(l laneState) bool { return l.State == "paused" })
	p.until("the lanes say nothing else", func(l laneState) bool {
		return l.Waits == [2]string{"paused", "paused"} && l.Wires == [2]string{"pause", "pause"} && l.Who == "–" && l.DelayOf == "no message yet"
	})
	p.Looks("lanes-paused")
	p.say("kept")
	p.Do(chromedp.Click("#paused button"))
	p.until("the lanes go on", func(l laneState) bool { return l.State == "connected" })
	p.maryHas("kept")

	// A hidden page does not use them either, as browsers slow its timers down.
	hide := func(hidden bool) {
		browsertest.Eval[bool](p.Browser, fmt.Sprintf(`(() => {
			Object.defineProperty(document, "hidden", { value: %v, configurable: true });
			return document.dispatchEvent(new Event("visibilitychange"));
		})()`, hidden))
	}
	hide(true)
	p.until("the lanes pause", func(l laneState) bool { return l.State == "paused" })
	hide(false)
	p.until("the lanes go on", func(l laneState) bool { return l.State == "connected" })
	p.say("seen")
	p.maryHas("kept", "seen")
}

// The browser must enforce the policy and report violations.
func TestPolicy(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	ran := browsertest.Eval[bool](p.Browser, `(() => {
		const script = document.createElement("script");
		try { script.textContent = "window.ran = true"; } catch { return false; }
		document.body.append(script);
		return !!window.ran;
	})()`)
	if ran {
		t.Error("an inline script runs")
	}
	if faults := p.Faults(); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, "TrustedScript") }) {
		t.Errorf("the browser reports no violation: %q", faults)
	}
}
