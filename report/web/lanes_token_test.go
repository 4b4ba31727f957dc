//go:build !race

package web_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pushpull/report/web/browsertest"
)

// TestLanesBehindAToken opens the page of a server that asks for a token: with the token once, in its address, which then
// shows it no longer. WebSockets and event streams of a page without the cookie bring it in their own addresses.
func TestLanesBehindAToken(t *testing.T) {
	const token = "s3cret-of-the-page"
	var log bytes.Buffer
	s := newSite(t, allLanes...)
	s.token, s.log = token, &log
	s.start()
	t.Cleanup(func() { // after the tab is closed, which may ask for an icon until then
		s.end()
		if strings.Contains(log.String(), token) {
			t.Errorf("the log shows the token: %s", log.String())
		}
	})

	p := onPage{browsertest.Start(t), t}
	opened := func(scheme, path string) bool {
		of := fmt.Sprintf(`new Promise(done => { const c = %s("%s://" + location.host + %q); c.onopen = () => { done(true); c.close(); }; c.onerror = () => { done(false); c.close(); }; })`,
			map[string]string{"ws": "new WebSocket", "http": "new EventSource"}[scheme], scheme, path)
		return browsertest.Eval[bool](p.Browser, of)
	}
	p.Open(s.url("/healthz")) // whoever asks whether the server is there gets no cookie
	for _, c := range []struct{ scheme, path string }{{"ws", "/rooms/r/websocket?after=0"}, {"ws", "/rooms/r/websocket-lean?after=0"}, {"http", "/rooms/r/sse?after=0"}} {
		if opened(c.scheme, c.path) {
			t.Errorf("%s is served without the token", c.path)
		}
		if !opened(c.scheme, c.path+"&token="+token) {
			t.Errorf("%s is not served with the token in its address", c.path)
		}
	}
	p.Faults() // a browser logs each request that is refused

	p.Open(s.url("/?token=" + token))
	p.share()
	shown := browsertest.Eval[string](p.Browser, `location.href + " " + document.referrer + " " + document.cookie + document.documentElement.outerHTML +
		performance.getEntriesByType("resource").map(e => e.name).join(" ")`)
	if strings.Contains(shown, token) {
		t.Errorf("the page shows the token: %.300q", shown)
	}
	p.Faults()
	p.Open(s.url("/results")) // the page before it is its referrer
	if referrer := browsertest.Eval[string](p.Browser, `document.referrer`); strings.Contains(referrer, token) {
		t.Errorf("the referrer is %s", referrer)
	}
	p.Faults()
}
