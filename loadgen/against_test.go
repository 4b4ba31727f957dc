package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// strangers starts a foreign server in this process.
func strangers(t *testing.T, s *stranger) *url.URL {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// foreignWays are the transports of a stranger in a test.
var foreignWays = []string{"odd/short-poll@100ms", "odd/long-poll", "odd/sse"}

// TestAgainst measures a foreign server beside pushpull's own: each transport on its side, and the one that the
// server lacks not at all.
func TestAgainst(t *testing.T) {
	t.Parallel()
	odd := &stranger{}
	s := small
	s.Warmup = 3 // a starved machine calibrates slowly
	s.Transports = append(slices.Clone(foreignWays), "websocket", "odd/websocket")
	o := Options{
		Scenario: s, Sides: []Side{{Command: command()}},
		Against: []Side{{Name: "odd", Dialect: strange{}, Target: strangers(t, odd), PID: os.Getpid()}},
	}
	windows, err := run(t.Context(), o)
	if err != nil || len(windows) != 4 {
		t.Fatalf("%d windows and %v", len(windows), err)
	}
	for _, w := range windows {
		if w.Failed != "" {
			t.Fatalf("%s: %s", w.Transport, w.Failed)
		}
		whole(t, s, w)
		foreign := w.Transport != "websocket"
		if (w.Way.Server == "Stranger") != foreign || (w.Store == nil) != foreign || w.Way.Lacks.Replay != foreign {
			t.Errorf("%s: %+v, store %+v", w.Transport, w.Way, w.Store)
		}
		if w.Server == nil || w.Server.CPUS <= 0 || w.Server.RSSBytes < 1<<20 || (len(w.Joining) < 3) != (w.Way.EveryS > 0) {
			t.Errorf("%s: the server used %+v, and %+v as users joined", w.Transport, w.Server, w.Joining)
		}
		if foreign && (!w.Calibration.Connects || w.Calibration.RoundTrip.Count() == 0 || len(w.Joining) > 1 && w.Joining[1].InUseBytes != 0) {
			t.Errorf("%s: %+v, %+v", w.Transport, w.Calibration, w.Joining)
		}
		sends := int64(len(NewPlan(s, 1).Sends))
		early := int64(20) // sends near the start of the measured part
		if foreign && (w.Traffic.Posts > sends || w.Traffic.Posts < int64(w.Planned)-early) || w.Traffic.Handshakes != 20 {
			t.Errorf("%s: %+v", w.Transport, w.Traffic)
		}
		if w.Transport == "odd/short-poll@100ms" && (w.Traffic.EmptyResponses == 0 || w.Traffic.Requests < 150) {
			t.Errorf("%s: %+v", w.Transport, w.Traffic)
		}
		if w.Transport != "websocket" && w.Transport != "odd/short-poll@100ms" && w.Calibration.Delivery.Count() == 0 {
			t.Errorf("%s: no delivery was calibrated", w.Transport)
		}
		if w.Transport == "odd/sse" && w.Calibration.Bytes != nil && (w.Calibration.Bytes.Message < 100 || w.Calibration.Bytes.Send < 200) { // nil: there was no time
			t.Errorf("%s: bytes %+v", w.Transport, w.Calibration.Bytes)
		}
	}
	odd.mu.Lock()
	defer odd.mu.Unlock()
	for path := range odd.paths {
		if !slices.Contains([]string{"/join", "/say", "/poll", "/events"}, path) {
			t.Errorf("the foreign server was asked for %s", path)
		}
	}
	kept, err := o.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	res := result.Result{Run: result.Run{Scenario: kept.Result()}, Windows: windows}
	rows := res.Rows()
	last := rows[len(rows)-1]
	if len(rows) != 5 || last.Transport != "odd/websocket" || last.Measured() || !strings.Contains(last.Lacking, "Stranger has no websocket") || result.Fatal(rows[4:]) {
		t.Errorf("%d rows, the last one is %+v", len(rows), last)
	}
	if against := res.Run.Scenario.Against; len(against) != 1 || against[0].Started || against[0].Untried == "" {
		t.Errorf("the header says of the foreign servers %+v", against)
	}
}

// TestAgainstStarted starts the foreign server for each window, and no server of ours.
func TestAgainstStarted(t *testing.T) {
	t.Parallel()
	s := small
	s.Transports = []string{"odd/long-poll", "odd/sse"}
	s.Duration, s.Warmup = .5, .3
	o := Options{Scenario: s, Against: []Side{{Name: "odd", Dialect: strange{}, Command: []string{os.Args[0], "strange"}}}}
	windows, err := run(t.Context(), o)
	if err != nil || len(windows) != 2 {
		t.Fatalf("%d windows and %v", len(windows), err)
	}
	for _, w := range windows {
		if w.Failed != "" {
			t.Fatal(w.Failed)
		}
		whole(t, s, w)
		if w.Server == nil || w.Server.CPUS <= 0 || len(w.Joining) < 3 || w.Store != nil || len(w.Outages)+len(w.Dropped) > 0 {
			t.Errorf("%s: %+v, %+v, %+v", w.Transport, w.Server, w.Outages, w.Dropped)
		}
		if row := result.Rows([]result.Window{w})[0]; row.Server == nil || row.Server.BytesPerUser != nil && !row.Server.Resident {
			t.Errorf("%+v", row.Server)
		}
	}
}

// TestForgotten measures a server that forgets conversations, which it says by 400: users begin other ones, and miss
// what was sent meanwhile.
func TestForgotten(t *testing.T) {
	t.Parallel()
	s := small
	s.Transports, s.Drain = []string{"odd/short-poll@50ms"}, 1
	odd := &stranger{forgets: 8}
	windows, err := run(t.Context(), Options{Scenario: s, Against: []Side{{Name: "odd", Dialect: strange{}, Target: strangers(t, odd)}}})
	if err != nil || windows[0].Failed != "" {
		t.Fatal(err, windows)
	}
	w := windows[0]
	if w.Rejoins < 20 || w.Server != nil || w.Joining != nil || w.Delivered < w.Expected/3 {
		t.Errorf("%d rejoins, %d of %d delivered, server %+v", w.Rejoins, w.Delivered, w.Expected, w.Server)
	}
	row := result.Rows(windows)[0]
	if !slices.ContainsFunc(row.Doubts, func(d result.Doubt) bool {
		return d.Code == "rejoins" && (row.Lost == 0 || strings.Contains(d.Text, "doesn't resume"))
	}) {
		t.Errorf("%+v", row.Doubts)
	}
}

// TestForeignSteps has a foreign server answer 4xx in a conversation that has begun: the user begins another one,
// which it does not before any answer, nor with a server of ours, nor if that is refused as well.
func TestForeignSteps(t *testing.T) {
	refused := &transports.StatusError{Code: 401, Status: "401"}
	for _, c := range []struct {
		foreign, served bool
		request         transports.Request
		want            transports.Step
	}{
		{true, true, transports.Poll, transports.Rejoin},
		{true, false, transports.Poll, transports.Stop},
		{false, true, transports.Poll, transports.Stop},
		{true, true, transports.Handshake, transports.Stop},
	} {
		w := &window{way: held}
		if c.foreign {
			w.dialect = strange{}
		}
		u := &user{window: w, served: c.served}
		if got := u.step(c.request, fmt.Errorf("polling: %w", refused)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		if got := u.step(transports.Poll, &transports.StatusError{Code: 404}); (got == transports.Rejoin) != c.served {
			t.Errorf("%+v: %v after 404", c, got)
		}
	}
}

// TestForeignRefusals has servers that refuse their users, each in one line that names how.
func TestForeignRefusals(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"401 Unauthorized\r\nContent-Length: 13\r\n\r\ntoken expired": "the server answered 401: token expired",
		"413 Content Too Large":                                          "the server answered 413",
		"302 Found\r\nLocation: /login":                                  "the server answered 302",
		"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx": "encoded the body of its answer as \"gzip\"",
		"HELLO": "no answer of HTTP/1.1",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Users, s.Transports = 2, []string{"odd/short-poll"}
			s.Duration, s.Warmup = .1, 0
			at := answering(t, "HTTP/1.1 "+answer+"\r\n\r\n")
			windows := []result.Window{}
			err := Run(t.Context(), Options{Scenario: s, Against: []Side{{Name: "odd", Dialect: strange{}, Target: at}}}, func(_ int, w *result.Window) error {
				windows = append(windows, *w)
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestResolved names what can't be measured.
func TestResolved(t *testing.T) {
	far, _ := url.Parse("http://192.0.2.7/")
	near, _ := url.Parse("http://127.0.0.1:1/")
	odd := Side{Name: "odd", Dialect: strange{}, Target: near}
	with := func(change func(*Side)) []Side {
		other := odd
		change(&other)
		return []Side{other}
	}
	for name, c := range map[string]struct {
		transports []string
		sides      []Side
		against    []Side
		want       string
	}{
		"no sides":              {[]string{"odd/sse"}, nil, nil, "say where odd is, as in --against odd=URL"},
		"another side":          {[]string{"od/sse"}, nil, []Side{odd}, `unknown server "od": did you mean "odd"?`},
		"no way":                {[]string{"odd/"}, nil, []Side{odd}, "write SERVER/TRANSPORT"},
		"no server":             {[]string{"/sse"}, nil, []Side{odd}, "write SERVER/TRANSPORT"},
		"a bad setting":         {[]string{"odd/short-poll@x"}, nil, []Side{odd}, "the interval must be a time"},
		"nothing is left":       {[]string{"odd/websocket"}, nil, []Side{odd}, "none is left to be measured: Stranger has no websocket"},
		"no server of ours":     {[]string{"sse", "odd/sse"}, nil, []Side{odd}, "pushpull's own server, which is not measured"},
		"no dialect":            {[]string{"odd/sse"}, nil, with(func(d *Side) { d.Dialect = nil }), "no dialect"},
		"a bad name":            {[]string{"odd/sse"}, nil, with(func(d *Side) { d.Name = "o/d" }), "can't be called"},
		"the same name twice":   {[]string{"odd/sse"}, nil, []Side{odd, odd}, "two servers are called odd"},
		"a process elsewhere":   {[]string{"odd/sse"}, nil, with(func(d *Side) { d.Target, d.PID = far, os.Getpid() }), "is at 192.0.2.7: leave the process ID out"},
		"no process":            {[]string{"odd/sse"}, nil, with(func(d *Side) { d.PID = 1 << 30 }), "finding the process of odd: there is no process"},
		"a process and command": {[]string{"odd/sse"}, nil, with(func(d *Side) { d.Target, d.PID = nil, 1 }), "needs no process ID"},
	} {
		s := small
		s.Transports = c.transports
		if _, err := (Options{Scenario: s, Sides: c.sides, Against: c.against}).Resolved(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	s := small
	s.Transports = []string{"sse", "odd/sse", "odd/websocket"}
	got, err := Options{Scenario: s, Sides: make([]Side, 1), Against: []Side{odd}}.Resolved()
	if err != nil || !slices.Equal(got.Measured(), s.Transports[:2]) || len(got.Against) != 1 || got.Against[0].Address != "http://127.0.0.1:1/" || got.Against[0].Untried == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if way := WayOfTransport("odd/short-poll@3s", odd); way.EveryS != 3 || way.Server != "Stranger" {
		t.Errorf("%+v", way)
	}
	if way := WayOfTransport("odd/short-poll@3s"); way.Known() {
		t.Errorf("without its server a way is %+v", way)
	}
	base, head, err := DuetOptions{Scenario: Scenario{
		Name: "x", Users: 2, Rate: 1, Size: 100, Duration: 1, Rounds: 1, Transports: []string{"sse", "websocket"},
	}, Head: odd}.Resolved()
	if err != nil || !slices.Equal(base.Measured(), []string{"sse"}) || len(base.Against) != 0 || len(head.Against) != 1 {
		t.Errorf("%+v, %+v, %v", base, head, err)
	}
}

// TestReachForeign reaches a server that has no /healthz, and one that isn't there.
func TestReachForeign(t *testing.T) {
	at := strangers(t, &stranger{})
	side := Side{Name: "odd", Dialect: strange{}, Target: at}
	if got, err := side.Reach(t.Context()); err != nil || got != at {
		t.Errorf("%v, %v", got, err)
	}
	nowhere, _ := url.Parse("http://user:s3cr3t@127.0.0.1:1/")
	side.Target = nowhere
	if _, err := side.Reach(t.Context()); err == nil || !strings.HasSuffix(err.Error(), ": start it, or check the URL") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%v", err)
	}
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	if _, err := side.Reach(canceled); err == nil {
		t.Error("it was reached")
	}
}
