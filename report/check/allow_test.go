package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// omissions returns what a report does not judge and nobody allows, as "transport metric".
func omissions(r *Report) []string {
	var all []string
	for _, c := range r.Unjudged() {
		all = append(all, c.Transport+" "+c.Metric)
	}
	return all
}

// on returns each metric on a transport, as omissions does.
func on(transport string, metrics ...string) []string {
	for i, m := range metrics {
		metrics[i] = transport + " " + m
	}
	return metrics
}

// TestUnjudged spoils one side, mostly the head, of two results of one server, and names all that can't
// be judged then. Nothing of it may pass.
func TestUnjudged(t *testing.T) {
	only := func(transport string, spoil func(*result.Window)) func(base, head *result.Result) {
		return func(_, head *result.Result) {
			for i := range head.Windows {
				if transport == "" || head.Windows[i].Transport == transport {
					spoil(&head.Windows[i])
				}
			}
		}
	}
	faults := []string{"lost", "duplicated", "reordered", "misdelivered"}
	counts := []string{"requests", "store-reads", "bytes"}
	timings := []string{"p50", "p99", "server-cpu"}
	ofBoth := func(metrics ...string) []string {
		return append(on("long-poll", slices.Clone(metrics)...), on("websocket", slices.Clone(metrics)...)...)
	}
	for _, c := range []struct {
		name  string
		spoil func(base, head *result.Result)
		o     Options
		want  []string
		why   string // in the note of the last one
	}{
		{name: "nothing", spoil: func(_, _ *result.Result) {}},
		{
			name: "a transport is not in head",
			spoil: func(_, head *result.Result) {
				head.Windows = slices.DeleteFunc(head.Windows, func(w result.Window) bool { return w.Transport == "websocket" })
			},
			want: on("websocket", slices.Concat(faults, counts, timings)...), why: "not in head",
		},
		{
			name: "a transport is not in base", // nothing of base is left out
			spoil: func(base, _ *result.Result) {
				base.Windows = slices.DeleteFunc(base.Windows, func(w result.Window) bool { return w.Transport == "websocket" })
			},
		},
		{
			name:  "every window of a transport was stopped in head",
			spoil: only("websocket", func(w *result.Window) { w.Interrupted = true }),
			want:  on("websocket", slices.Concat(faults, counts, timings)...), why: "head has no window that was measured to its end",
		},
		{
			name: "every window of a transport was stopped in base",
			spoil: func(base, head *result.Result) {
				only("websocket", func(w *result.Window) { w.Interrupted = true })(head, base)
			},
			want: on("websocket", slices.Concat(counts, timings)...), why: "base has no window that was measured to its end",
		},
		{
			name:  "one window was stopped",
			spoil: func(_, head *result.Result) { head.Windows[3].Interrupted = true },
		},
		{
			name: "head has too few rounds",
			spoil: func(_, head *result.Result) {
				head.Windows = slices.DeleteFunc(head.Windows, func(w result.Window) bool { return w.Round > 3 })
			},
			want: ofBoth(timings...), why: "3 rounds are too few to tell a change from noise, 7 are needed: measure head with pushpull run chat --rounds=7, or in turns with pushpull duet",
		},
		{
			name: "base has too few rounds, and head's are others",
			spoil: func(base, head *result.Result) {
				base.Windows = slices.DeleteFunc(base.Windows, func(w result.Window) bool { return w.Round > 3 })
				head.Windows = slices.DeleteFunc(head.Windows, func(w result.Window) bool { return w.Round <= 3 })
			},
			want: ofBoth(slices.Concat(counts, timings)...), why: "base and head have no round in common",
		},
		{
			name:  "head does not know its server's use",
			spoil: only("", func(w *result.Window) { w.Server, w.Store = nil, nil }),
			want:  ofBoth("store-reads", "server-cpu"), why: "head has no value",
		},
		{
			name: "head has a server that pushpull did not start",
			spoil: func(_, head *result.Result) {
				head.Run.Scenario.Target = "http://there"
				only("", func(w *result.Window) { w.Server, w.Store = nil, nil })(nil, head)
			},
			o:    Options{AllowMissing: []string{"servers", "store"}},
			want: ofBoth("store-reads", "server-cpu"), why: "head has no value, as pushpull did not start its server",
		},
		{
			name:  "head does not know its servers and store, but their use",
			spoil: func(_, head *result.Result) { head.Run.Scenario.Target = "http://there" },
			want:  ofBoth(slices.Concat(counts, timings)...), why: "only base knows its servers and store: measure both alike, or allow it with --allow-missing servers,store",
		},
		{
			name:  "head does not know its servers and store, and one of them is allowed",
			spoil: func(_, head *result.Result) { head.Run.Scenario.Target = "http://there" },
			o:     Options{AllowMissing: []string{"servers"}},
			want:  ofBoth(slices.Concat(counts, timings)...), why: "only base knows its store: measure both alike, or allow it with --allow-missing store",
		},
		{
			name:  "head does not know its servers and store, which is allowed",
			spoil: func(_, head *result.Result) { head.Run.Scenario.Target = "http://there" },
			o:     Options{AllowMissing: []string{"store", "servers"}},
		},
		{
			name: "neither knows its servers and store",
			spoil: func(base, head *result.Result) {
				base.Run.Scenario.Target, head.Run.Scenario.Target = "http://here", "http://there"
			},
		},
		{
			name:  "base does not know its servers and store", // base gates what it knows
			spoil: func(base, _ *result.Result) { base.Run.Scenario.Target = "http://here" },
		},
		{
			name: "neither knows its server's use",
			spoil: func(base, head *result.Result) {
				spoil := only("", func(w *result.Window) { w.Server = nil })
				spoil(nil, base)
				spoil(nil, head)
			},
		},
		{
			name: "neither knows a timing that is named",
			spoil: func(base, head *result.Result) {
				spoil := only("", func(w *result.Window) { w.Server = nil })
				spoil(nil, base)
				spoil(nil, head)
			},
			o:    Options{Gate: []string{"server-cpu"}},
			want: ofBoth("server-cpu"), why: "base has no value of what --metric names",
		},
		{
			name: "head has too few deliveries for a p99",
			spoil: func(_, head *result.Result) {
				*head = *made{rounds: 8, deliveries: 299}.result()
			},
			want: ofBoth("p99"), why: "299 deliveries in a round are too few for a p99: 300 are needed, by more users or a longer --duration",
		},
		{
			name: "neither has enough deliveries for a p99",
			spoil: func(base, head *result.Result) {
				spoil := only("", func(w *result.Window) { w.Delivered, w.Expected = 299, 299 })
				spoil(nil, base)
				spoil(nil, head)
			},
		},
		{
			name: "neither has enough deliveries for a p99 that is named",
			spoil: func(base, head *result.Result) {
				spoil := only("", func(w *result.Window) { w.Delivered, w.Expected = 299, 299 })
				spoil(nil, base)
				spoil(nil, head)
			},
			o:    Options{Gate: []string{"p50", "p99"}},
			want: ofBoth("p99"), why: "299 deliveries in a round are too few",
		},
		{
			name: "head has nothing to deliver",
			spoil: only("websocket", func(w *result.Window) {
				w.Planned, w.Sent, w.Expected, w.Delivered, w.Latency = 0, 0, 0, 0, result.NewHistogram()
			}),
			want: on("websocket", slices.Concat(faults, counts, timings)...), why: "head has no value",
		},
		{
			name:  "another processor",
			spoil: func(_, head *result.Result) { head.Run.Environment.CPU = "M4" },
			want:  ofBoth(timings...), why: "base and head ran on different machines: measure both on one, as pushpull duet does",
		},
		{
			name: "another processor, and other timings are named",
			spoil: func(_, head *result.Result) {
				head.Run.Environment.CPU = "M4"
			},
			o:    Options{Gate: []string{"p95"}},
			want: ofBoth("p95", "p99"), why: "base and head ran on different machines: ",
		},
		{
			name: "another processor, and head does not know its server's use",
			spoil: func(_, head *result.Result) {
				head.Run.Environment.CPU = "M4"
				only("", func(w *result.Window) { w.Server = nil })(nil, head)
			},
			want: ofBoth(timings...), why: "head has no value", // which no processor mends
		},
		{
			name: "another processor, and base has few deliveries in rounds that head lacks",
			spoil: func(base, head *result.Result) {
				base.Windows = append(base.Windows, made{rounds: 24, deliveries: 100}.result().Windows[16:]...)
				head.Run.Environment.CPU = "M4"
			},
			want: ofBoth(timings...), why: "base and head ran on different machines: ",
		},
		{
			name:  "a processor that is unknown",
			spoil: func(_, head *result.Result) { head.Run.Environment.CPU = "" },
			want:  ofBoth(timings...), why: "base and head ran on different machines: ",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base, head := made{rounds: 8}.result(), made{rounds: 8}.result()
			c.spoil(base, head)
			r := compare(t, base, head, c.o)
			got, want := omissions(r), slices.Clone(c.want)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("not judged: %q, want %q", got, want)
			}
			if found := regressions(r); found != nil {
				t.Errorf("regressions %q", found)
			}
			if len(c.want) == 0 {
				return
			}
			unjudged := r.Unjudged()
			if last := unjudged[len(unjudged)-1]; !strings.Contains(last.Note, c.why) || last.Gated {
				t.Errorf("%+v, want the note %q", last, c.why)
			}
			if said := r.Conclusion(); !strings.Contains(said, "; not judged: ") || !strings.Contains(said, c.why) {
				t.Errorf("the conclusion is %q", said)
			}

			// What is missing may be allowed, by each kind of name.
			var transports, metrics, pairs []string
			for _, u := range unjudged {
				transports, metrics = append(transports, u.Transport), append(metrics, u.Metric)
				pairs = append(pairs, u.Transport+"/"+u.Metric)
			}
			already := c.o.AllowMissing
			for _, names := range [][]string{transports, metrics, pairs} {
				c.o.AllowMissing = slices.Concat(already, names)
				r := compare(t, base, head, c.o)
				if left := omissions(r); left != nil || len(r.Allowed()) != len(unjudged) || warned(r, "nothing needed") {
					t.Errorf("with %q allowed, %q is not; warnings %q", names, left, r.Warnings)
				}
			}
			c.o.AllowMissing = slices.Concat(already, pairs[1:])
			if left := omissions(compare(t, base, head, c.o)); !slices.Equal(left, omissions(r)[:1]) {
				t.Errorf("all but the first are allowed, and not judged is %q", left)
			}
		})
	}
}

// TestNothingAllows has allowances that hide no regression, and that nothing needs.
func TestNothingAllows(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 8, noise: 1}.result(), made{rounds: 8, noise: 2, slower: 1.3}.result()
	r := compare(t, base, head, Options{AllowMissing: []string{"websocket", "p50", "long-poll/p50", "store"}})
	if got := regressions(r); !slices.Equal(got, []string{"long-poll p50", "websocket p50"}) {
		t.Errorf("regressions %q", got)
	}
	for _, name := range []string{"websocket", "p50", "long-poll/p50", "store"} {
		if !warned(r, "nothing needed --allow-missing "+name+": ") {
			t.Errorf("no warning of %s: %q", name, r.Warnings)
		}
	}
	if r.Doubts != 0 {
		t.Errorf("%d doubts: %q", r.Doubts, r.Warnings)
	}
	head.Run.Scenario.Target = "http://there" // an unknown store excuses no regression either
	if got := regressions(compare(t, base, head, Options{})); !slices.Equal(got, []string{"long-poll p50", "websocket p50"}) {
		t.Errorf("regressions %q", got)
	}
}

// TestNothingJudged shares only a transport of which head has no complete window: no allowance makes that a
// check.
func TestNothingJudged(t *testing.T) {
	t.Parallel()
	base := made{rounds: 8, transports: []string{"websocket"}}.result()
	head := made{rounds: 8, transports: []string{"websocket", "sse"}}.result()
	for i := range head.Windows {
		head.Windows[i].Interrupted = head.Windows[i].Transport == "websocket"
	}
	r := compare(t, base, head, Options{AllowMissing: []string{"websocket"}})
	if len(r.Unjudged()) != 10 || r.Allowed() != nil || !warned(r, "nothing was judged, so --allow-missing allows nothing") {
		t.Errorf("not judged %q, allowed %v, warnings %q", omissions(r), r.Allowed(), r.Warnings)
	}
	if got, want := r.Conclusion(), "Nothing was judged: websocket (head has no window that was measured to its end)."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestValidateNames(t *testing.T) {
	transports := []string{"long-poll", "short-poll@1s", "a/b"}
	for name, known := range map[string]bool{
		"long-poll": true, "short-poll@1s": true, "p50": true, "lost": true, "bytes": true, "server-memory": true,
		"store": true, "servers": true, "long-poll/p50": true, "a/b": true, "a/b/p99": true,
		"": false, "websocket": false, "p42": false, "mean": false, "long-poll/": false, "/p50": false,
		"long-poll/p42": false, "p50/long-poll": false, "a": false, " p50": false, "long-poll/store": false, "users": false, "kernel": false,
	} {
		err := Options{AllowMissing: []string{"p50", name}}.ValidateNames(transports)
		if (err == nil) != known {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"sse":           `unknown transport or metric "sse": use long-poll, short-poll@1s, a/b, lost, duplicated, `,
		"lnog-poll":     `unknown transport or metric "lnog-poll": did you mean "long-poll"?`,
		"server-memroy": `did you mean "server-memory"?`,
		"long-poll/p42": `unknown metric "p42": use lost, duplicated, `,
		"long-poll/los": `did you mean "lost"?`,
	} {
		err := Options{AllowMissing: []string{name}}.ValidateNames(transports)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ", mean") {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	planned := &result.Result{Run: result.Run{Scenario: result.Scenario{Transports: []string{"sse", "long-poll"}}}}
	if got := Transports(made{rounds: 1}.result(), planned); !slices.Equal(got, []string{"long-poll", "websocket", "sse"}) {
		t.Errorf("transports %q", got)
	}
}

// TestAdvice has commands as they are recorded. The advice can be copied to a shell.
func TestAdvice(t *testing.T) {
	few, enough := made{rounds: 2}.result(), made{rounds: 8}.result()
	with := func(r *result.Result, command string) *result.Result {
		other := *r
		other.Run.Command = command
		return &other
	}
	const turns = ", or in turns with pushpull duet"
	for _, c := range []struct {
		base, head *result.Result
		want       string
	}{
		{few, few, "measure both with pushpull run chat --rounds=8" + turns},
		{enough, with(few, "pushpull run chat --users=500 --rounds=2 --quiet=true"), "measure head with pushpull run chat --users=500 --rounds=8" + turns},
		{with(few, "pushpull run 'my chat.yaml' '--out=a '\\''b'\\'' c' --seed=3"), enough, "measure base with pushpull run 'my chat.yaml' --seed=3 --rounds=8" + turns},
		{with(few, "pushpull duet --base=./main --out=x"), with(few, "pushpull duet --base=./main --out=x"), "measure both with pushpull duet --base=./main --rounds=8"},
		{with(few, ""), few, "measure both with pushpull run chat --rounds=8" + turns},
		{with(few, "pushpull run \x1b[2J"), few, "measure both with pushpull run \uFFFD[2J --rounds=8" + turns},
		{enough, enough, "measure both with pushpull run chat --rounds=8" + turns}, // windows were stopped
	} {
		if got := (advice{c.base, c.head, 8}).String(); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// TestEnoughRounds measures as many rounds as the advice asks for, and one less. The missing transport has
// gated timings, too: once it is there, the advice must still be right.
func TestEnoughRounds(t *testing.T) {
	t.Parallel()
	of := func(rounds int) *result.Result {
		return made{rounds: rounds, transports: []string{"a", "b", "c"}}.result() // 9 timings: p < .0056
	}
	short := of(2)
	without := of(2)
	without.Windows = slices.DeleteFunc(without.Windows, func(w result.Window) bool { return w.Transport == "c" })
	for _, head := range []*result.Result{short, without} {
		if c := compare(t, short, head, Options{}).find("a", "p50"); !strings.Contains(c.Note, " --rounds=8, ") {
			t.Errorf("%+v", c)
		}
	}
	if got := omissions(compare(t, of(7), of(7), Options{})); len(got) != 9 {
		t.Errorf("in 7 rounds, not judged is %q", got)
	}
	if got := omissions(compare(t, of(8), of(8), Options{})); got != nil {
		t.Errorf("in 8 rounds, not judged is %q", got)
	}
}

// TestConfirmUnjudged has timings that were worse and not judged again, and what the first run did not judge.
func TestConfirmUnjudged(t *testing.T) {
	t.Parallel()
	base, slow := made{rounds: 10, noise: 1}.result(), made{rounds: 10, noise: 2, slower: 1.3}.result()
	o := Options{AllowMissing: []string{"long-poll/p50"}}
	first := compare(t, base, slow, o)
	short := made{rounds: 2, noise: 1}.result()
	again := compare(t, short, short, o)
	r := Confirm(first, again)
	if got := omissions(r); !slices.Equal(got, []string{"websocket p50"}) || len(r.Allowed()) != 1 || r.Regressions() != nil {
		t.Errorf("not judged %q, allowed %v, regressions %q", got, r.Allowed(), regressions(r))
	}
	if c := r.find("websocket", "p50"); c.Verdict != Unsure || c.Note != "worse at first, and not judged in the fresh run" {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "p95"); c.Verdict != Unsure || c.Unjudged {
		t.Errorf("%+v", c)
	}

	// The fresh run does not know its store.
	unknown := *base
	unknown.Run.Scenario.Target = "http://there"
	if got := omissions(Confirm(first, compare(t, base, &unknown, o))); !slices.Equal(got, []string{"websocket p50"}) {
		t.Errorf("not judged %q", got)
	}

	slow.Windows = slices.DeleteFunc(slow.Windows, func(w result.Window) bool { return w.Transport == "websocket" })
	first = compare(t, base, slow, Options{})
	calm := compare(t, base, made{rounds: 10, noise: 3}.result(), Options{})
	if got := omissions(Confirm(first, calm)); len(got) != 10 || got[0] != "websocket lost" {
		t.Errorf("not judged %q", got)
	}
}

// TestLargeEffect has a limit that hardly any regression exceeds, which must not go unnoticed.
func TestLargeEffect(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 8}.result(), made{rounds: 8, slower: 2.5, after: time.Hour}.result()
	for effect, want := range map[float64]bool{2: false, 2.1: true, 1000: true} {
		r := compare(t, base, head, Options{MinEffect: effect})
		if warned(r, "a smaller regression passes") != want {
			t.Errorf("%v: warnings %q", effect, r.Warnings)
		}
	}
}
