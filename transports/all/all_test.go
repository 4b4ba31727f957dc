package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/longpoll"
	"pushpull/transports/longpollscan"
	"pushpull/transports/shortpoll"
	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every transport on the list passes the suite, also with an interval that is not its default.
func TestTransports(t *testing.T) {
	specs := append(all.Names(), "short-poll@1s", "long-poll@1s", "long-poll-scan@1s")
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			transport, err := all.New(spec, transports.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			transporttest.Run(t, transport)
		})
	}
}

func TestNames(t *testing.T) {
	names := all.Names()
	for _, want := range []string{shortpoll.Name, longpoll.Name, longpollscan.Name, websocket.Name} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not on the list %q", want, names)
		}
	}
}

func TestNew(t *testing.T) {
	limits := transports.Limits{MessageBytes: 7}
	for spec, want := range map[string]transports.Transport{
		"short-poll":          shortpoll.Transport{Interval: shortpoll.DefaultInterval},
		"short-poll@5s":       shortpoll.Transport{Interval: 5 * time.Second},
		"short-poll@1ms":      shortpoll.Transport{Interval: time.Millisecond},
		"short-poll@1h":       shortpoll.Transport{Interval: time.Hour},
		"long-poll":           longpoll.Transport{Hold: longpoll.DefaultHold},
		"long-poll@1m30s":     longpoll.Transport{Hold: 90 * time.Second},
		"long-poll-scan":      longpollscan.Transport{Scan: longpollscan.DefaultScan},
		"long-poll-scan@10ms": longpollscan.Transport{Scan: 10 * time.Millisecond},
		"websocket":           websocket.Transport{},
	} {
		got, err := all.New(spec, limits)
		if err != nil {
			t.Errorf("New(%q): %v", spec, err)
			continue
		}
		switch made := got.(type) {
		case shortpoll.Transport:
			if w, ok := want.(shortpoll.Transport); !ok || made.Interval != w.Interval || made.Limits.MessageBytes != 7 {
				t.Errorf("New(%q) = %+v", spec, made)
			}
		case longpoll.Transport:
			if w, ok := want.(longpoll.Transport); !ok || made.Hold != w.Hold || made.Limits.MessageBytes != 7 {
				t.Errorf("New(%q) = %+v", spec, made)
			}
		case longpollscan.Transport:
			if w, ok := want.(longpollscan.Transport); !ok || made.Scan != w.Scan || made.Hold != w.Hold || made.Limits.MessageBytes != 7 {
				t.Errorf("New(%q) = %+v", spec, made)
			}
		case websocket.Transport:
			if _, ok := want.(websocket.Transport); !ok || made.Limits.MessageBytes != 7 {
				t.Errorf("New(%q) = %+v", spec, made)
			}
		}
	}
}

func TestInterval(t *testing.T) {
	for spec, want := range map[string]time.Duration{
		"short-poll": 5 * time.Second, "short-poll@250ms": 250 * time.Millisecond,
		"long-poll": 30 * time.Second, "long-poll@1m": time.Minute, "websocket": 0,
		"long-poll-scan": 50 * time.Millisecond, "long-poll-scan@1s": time.Second,
	} {
		if got, err := all.Interval(spec); got != want || err != nil {
			t.Errorf("Interval(%q) = %v, %v, want %v", spec, got, err, want)
		}
	}
	if _, err := all.Interval("websocket@5s"); err == nil {
		t.Error("a WebSocket has an interval")
	}
}

func TestNewRefuses(t *testing.T) {
	for spec, says := range map[string]string{
		"":                       "use short-poll, long-poll",
		"polling":                "use short-poll, long-poll",
		"Short-Poll":             "use short-poll, long-poll",
		" websocket":             "use short-poll, long-poll",
		"@5s":                    "use short-poll, long-poll",
		"short-poll@":            "like short-poll@5s",
		"short-poll@5":           "the poll interval must be",
		"short-poll@0s":          "from 1ms to 1h",
		"short-poll@-5s":         "from 1ms to 1h",
		"short-poll@999us":       "from 1ms to 1h",
		"short-poll@5s@5s":       "like short-poll@5s",
		"long-poll@2h":           "the hold must be",
		"long-poll@99999999999h": "the hold must be",
		"long-poll-scan@0s":      "the scan interval must be",
		"long-poll-scan@":        "like long-poll-scan@50ms",
		"websocket@5s":           "websocket takes no interval",
		"websocket@":             "websocket takes no interval",
	} {
		got, err := all.New(spec, transports.Limits{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("New(%q) = %v, %v, want an error that says %q", spec, got, err, says)
		}
	}
}

func FuzzNew(f *testing.F) {
	for _, spec := range []string{"short-poll", "short-poll@5s", "long-poll@30s", "websocket", "websocket@5s", "@", ""} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		transport, err := all.New(spec, transports.Limits{})
		if (transport == nil) == (err == nil) {
			t.Fatalf("New(%q) = %v, %v", spec, transport, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("New(%q): the error has several lines: %v", spec, err)
		}
		if p, ok := transport.(transports.Periodic); ok && (p.Period() < time.Millisecond || p.Period() > time.Hour) {
			t.Errorf("New(%q): a period of %v", spec, p.Period())
		}
	})
}
