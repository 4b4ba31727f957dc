package loadgen

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"pushpull/loadgen/result"
)

// TestMemoryWhileUsersJoin measures 20 users of each transport. One more of them takes more than a goroutine's
// stack, and less than a megabyte.
func TestMemoryWhileUsersJoin(t *testing.T) {
	t.Parallel()
	s := brief()
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range windows {
		var users []int
		for _, s := range w.Joining {
			users = append(users, s.Users)
			if s.InUseBytes < 1<<19 || s.RSSBytes < s.InUseBytes {
				t.Errorf("%s: %+v", w.Transport, s)
			}
		}
		if len(users) != 6 || users[0] != 0 || users[1] != 2 || users[5] != 20 {
			t.Errorf("%s: samples at %v users", w.Transport, users)
		}
		row := result.Rows([]result.Window{w})[0]
		if each := row.Server.BytesPerUser; each == nil || *each < 2048 || *each > 1e6 {
			t.Errorf("%s: %+v, %+v", w.Transport, row.Server, w.Joining)
		}
	}
}

// TestPollsToJoin counts the polls of users that have no place yet: each makes one, which is not held, and none on a
// stream. Nobody asks for /healthz, as calibrations are in the warm-up, which there isn't.
func TestPollsToJoin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport string
		noStats   bool
		want      int64
	}{
		"on a timer":                {"short-poll@50ms", false, 20},
		"held":                      {"long-poll", false, 20},
		"on a timer, without stats": {"short-poll@50ms", true, 20},
		"on a stream":               {"sse", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			base := proxiedTo(t, start(t), func(_ http.ResponseWriter, r *http.Request) bool {
				query := r.URL.Query()
				switch {
				case r.URL.Path == "/healthz":
					t.Error("asked for /healthz")
				case strings.HasSuffix(r.URL.Path, "-poll") && !query.Has("after"):
					asked.Add(1)
					if hold := query.Get("hold"); hold != "" && hold != "0s" {
						t.Errorf("held: %v", r.URL)
					}
				}
				return false
			})
			s := brief()
			w, err := aWindow(s, c.transport, NewPlan(s, 1))
			if err != nil {
				t.Fatal(err)
			}
			w.noStats = c.noStats
			out, err := w.measure(t.Context(), []*url.URL{base})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, s, *out)
			if n := asked.Load(); n != c.want {
				t.Errorf("%d polls to join, want %d", n, c.want)
			}
		})
	}
}

// TestMemoryUnknown measures targets that report no memory in use: none ever, one only until users join, and one
// that takes too long, whose other stats are there.
func TestMemoryUnknown(t *testing.T) {
	t.Parallel()
	const without, with = `{"process":{"cpu_s":5,"rss_bytes":1000000}}`, `{"process":{"cpu_s":5,"rss_bytes":1000000,"in_use_bytes":500000}}`
	const hangs = "hangs"
	for name, c := range map[string]struct {
		idle, joining string // empty: an error
		drop          string // empty: nothing is dropped
	}{
		"never":    {without, without, ""},
		"at first": {with, without, ""},
		"too late": {hangs, "", "a server did not report its memory while users joined (the server did not answer within 2s)"},
		"an error": {with, "", "a server did not report its memory while users joined (the server answered 418 I'm a teapot to GET /stats)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			var asked atomic.Int64
			base := proxiedTo(t, server, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/stats" {
					return false
				}
				stats := c.idle
				if stats == hangs {
					if stats = without; r.URL.Query().Has("in-use") {
						<-r.Context().Done()
						return true
					}
				}
				if n := asked.Add(1); n > 1 && r.URL.Query().Has("in-use") {
					stats = c.joining
				}
				if stats == "" {
					w.WriteHeader(http.StatusTeapot)
				}
				_, err := w.Write([]byte(stats))
				return err == nil
			})
			s := brief()
			w, err := aWindow(s, "long-poll", NewPlan(s, 1))
			if err != nil {
				t.Fatal(err)
			}
			out, err := w.measure(t.Context(), []*url.URL{base})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, s, *out)
			if out.Server == nil || out.Joining != nil {
				t.Errorf("server %+v, memory %+v", out.Server, out.Joining)
			}
			var dropped []string
			for _, d := range out.Dropped {
				dropped = append(dropped, d.What)
			}
			if got := strings.Join(dropped, "\n"); got != c.drop {
				t.Errorf("dropped %q, want %q", got, c.drop)
			}
		})
	}
}

// TestGrowthOfSeveralServers adds what all of them report, and needs it of all.
func TestGrowthOfSeveralServers(t *testing.T) {
	at := func(inUse ...int64) *inquiry {
		q := &inquiry{}
		for _, bytes := range inUse {
			s := &serverStats{}
			s.Process.InUseBytes, s.Process.RSSBytes = bytes, 2*bytes
			q.stats, q.errs = append(q.stats, s), append(q.errs, nil)
		}
		return q
	}
	var g growth
	g.add(0, at(3, 4))
	g.add(5, at(13, 24))
	if len(g.samples) != 2 || g.samples[1] != (result.MemorySample{Users: 5, InUseBytes: 37, RSSBytes: 74}) {
		t.Errorf("%+v", g)
	}
	g.add(10, at(23, 0))
	if g.known() || g.lost != nil {
		t.Errorf("with one that doesn't report it: %+v", g)
	}
	g.add(0, at(3, 4))
	broken := at(3, 4)
	broken.errs[1] = errors.New("refused")
	g.add(5, broken)
	if g.known() || g.lost == nil {
		t.Errorf("with one that reports nothing: %+v", g)
	}
}

// TestJoinSteps has users join at once, or in steps if memory is sampled; with other generators, always in as many.
func TestJoinSteps(t *testing.T) {
	sampled := growth{samples: make([]result.MemorySample, 1)}
	for all, want := range map[int]int{1: 1, 2: 2, 4: 4, 8: 5, 40: 5, 20_000: 5} {
		w := &window{users: make([]user, all)}
		if steps := w.steps(sampled); len(steps) != want || steps[len(steps)-1] != (joinStep{all, all}) {
			t.Errorf("%d users join in steps to %v", all, steps)
		}
		if steps := w.steps(growth{}); len(steps) != 1 || steps[0] != (joinStep{all, all}) {
			t.Errorf("%d users whose memory is not sampled join in steps to %v", all, steps)
		}
		w.crew, w.whole = &member{}, func(eighths int) int { return 10 * all * eighths / 8 }
		for _, memory := range []growth{sampled, {}} {
			if steps := w.steps(memory); len(steps) != 5 || steps[4] != (joinStep{all, 10 * all}) {
				t.Errorf("%d users of a part join in steps to %v", all, steps)
			}
		}
	}
}
