package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// claimed returns the claims about transits, whose windows are synthetic, and about streams in a browser with that name.
func claimed(t *testing.T, browser string) Claims {
	t.Helper()
	index := result.Index{
		Schema: result.Schema, Kind: result.KindClaims, Started: time.Unix(1.7e9, 0), Command: "pushpull claims", Note: "a <quiet> evening",
		Scenario: result.Scenario{Rounds: 1}, Claims: &result.Claims{Names: []string{"transits", "six-streams", "of-the-future"}},
	}
	for _, b := range []result.Browsed{{By: result.ByEventSource, HTTP: "1.1", Received: 6}, {By: result.ByEventSource, HTTP: "2", Received: 250}, {By: result.ByWebSocket, HTTP: "1.1", Received: 255}} {
		b.Browser, b.Asked, b.Opened = browser, 300, b.Received
		index.Claims.Browsed = append(index.Claims.Browsed, b)
	}
	var results []*result.Result
	for name, rate := range map[string]float64{"transits-seldom": .1, "transits-often": 4, "transits-flood": 20} {
		res := &result.Result{Run: result.Run{Schema: result.Schema, Scenario: result.Scenario{
			Name: name, About: "Pairs <far> away.", Users: 40, RoomSize: 2, Senders: 2, Rate: rate, Size: 100, Duration: 10, Rounds: 1, Seed: 1,
			Transports: []string{"long-poll", "websocket"}, Network: network.Profile{RTTS: .1},
		}}}
		for transport, way := range map[string]result.Way{"long-poll": {Title: "long polling", HoldS: 30}, "websocket": {Title: "WebSocket", Stream: true, Duplex: true}} {
			w := result.Window{Transport: transport, Round: 1, Way: way, Users: 40, DurationS: 10, Planned: 1000, Sent: 1000, Expected: 1000, Delivered: 1000, Latency: result.NewHistogram(), SendDelay: result.NewHistogram(), Accept: result.NewHistogram(), Late: result.NewHistogram()}
			for i := range 1000 { // of long polls, a share waits for up to two transits
				d := 100 * time.Millisecond
				if share := 200 * rate / (1 + .1*rate) / 2; transport == "long-poll" && float64(i) < share {
					d += time.Duration(float64(i) / share * 1e8)
				}
				w.Latency.Record(d)
			}
			res.Windows = append(res.Windows, w)
		}
		index.Points = append(index.Points, result.Point{Dir: name, Values: []string{}})
		results = append(results, res)
	}
	return NewClaims(index, results)
}

// TestClaims prints and draws claims. What others have written into a result is text and nothing else.
func TestClaims(t *testing.T) {
	c := claimed(t, "Chromium <b>1\x1b[31m")
	if why := c.Unjudged(); why != "" {
		t.Errorf("%s", why)
	}
	var out bytes.Buffer
	if err := c.Table(&out, text.Screen{UTF8: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Of 2 claims, 1 holds in direction (six-streams) and 1 holds in part (transits).\n",
		"+ streams over HTTP/1.1: 6, claimed 6\n", "- streams over HTTP/2: 250, claimed 100\n", "\nWhy: ",
		"S. Loreto, P. Saint-Andre, S. Salsano and G. Wilkins, \"RFC 6202",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if text.Width(strings.TrimSuffix(line, "\n")) > 80 || strings.ContainsRune(line, '\x1b') {
			t.Errorf("%q is too long, or not plain", line)
		}
	}

	out.Reset()
	if err := c.Markdown(&out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 4 || !strings.Contains(lines[3], "|holds in direction|6 over HTTP/1.1, 250 over HTTP/2; 255 WebSockets|") {
		t.Errorf("%s", out.String())
	}

	out.Reset()
	if err := c.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var data struct {
		Claims []struct {
			Name, Verdict string
			Source        struct{ Address string }
			Rows          []struct {
				What, Kind string
				Value      float64
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &data); err != nil || len(data.Claims) != 2 || data.Claims[1].Rows[1].Value != 250 || data.Claims[0].Source.Address == "" {
		t.Errorf("%v: %s", err, out.String())
	}

	dir := t.TempDir()
	if err := c.Write(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, Page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<a href="https://www.rfc-editor.org/rfc/rfc6202">`, "a &lt;quiet&gt; evening", "Chromium &lt;b&gt;1", "Pairs &lt;far&gt; away.", `<figure id="claims-transits">`} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if bytes.Contains(page, []byte("<b>1")) || bytes.ContainsRune(page, '\x1b') {
		t.Error("the page holds markup, or control characters, of a result")
	}
	for _, name := range []string{"claims-transits.svg", "claims-transits.png"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// A chart whose claim was not judged says so itself.
func TestUnjudgedClaim(t *testing.T) {
	c := claimed(t, "Chromium 1")
	c.index.Claims.Quick = true
	var results []*result.Result
	for _, p := range c.index.Points {
		results = append(results, c.measured.Results[p.Dir])
	}
	c = NewClaims(c.index, results)
	if why := c.Unjudged(); !strings.HasPrefix(why, "not judged: transits and six-streams; transits: a quick measurement") {
		t.Errorf("%s", why)
	}
	if f := c.figures()["transits"]; len(f) != 1 || !strings.HasPrefix(f[0].doubt, "Not judged: a quick") {
		t.Errorf("%+v", f)
	}
	results[0] = nil
	c.index.Claims.Quick = false
	if c = NewClaims(c.index, results); !strings.Contains(c.Unjudged(), "was not measured with the load "+c.index.Points[0].Dir) {
		t.Errorf("%s", c.Unjudged())
	}
}
