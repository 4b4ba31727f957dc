package fault

import (
	"testing"
	"time"

	"pushpull/loadgen/result"
)

const ms = time.Millisecond

// TestScore has a room of two, of whom user 0 sends to user 1: each case says what became of the messages.
func TestScore(t *testing.T) {
	for _, c := range []struct {
		name string
		does func(h *History)
		want result.Aftermath
	}{
		{"in time", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.Came(1, 0, 30*ms)
		}, result.Aftermath{InTime: 1, Hung: 2, HungUsers: 1}},
		{"late: it recovers when the last one has come", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.send(1, 60*ms, 900*ms)
			h.Came(1, 0, 30*ms)
			h.Came(1, 1, 950*ms)
		}, result.Aftermath{InTime: 1, Late: 1, Hung: 1, HungUsers: 1, RecoverS: .75}},
		{"not acknowledged and delivered, and an error and nothing delivered", func(h *History) {
			h.send(0, 10*ms, never)
			h.Answered(0, 20*ms, true)
			h.Came(1, 0, 30*ms)
			h.Begun(1, 60*ms)
			h.Answered(1, 250*ms, true)
		}, result.Aftermath{Unconfirmed: 1, Refused: 1, Hung: 1, HungUsers: 1, RecoverS: .05}},
		{"a later message came, so it is lost", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.send(1, 60*ms, 70*ms)
			h.Came(1, 1, 80*ms)
		}, result.Aftermath{InTime: 1, Lost: 1, Hung: 1, HungUsers: 1}},
		{"a message that began before the other was acknowledged need not be later", func(h *History) {
			h.send(0, 10*ms, 65*ms)
			h.send(1, 60*ms, 70*ms)
			h.Came(1, 1, 80*ms)
		}, result.Aftermath{InTime: 1, Hung: 2, HungUsers: 2}},
		{"a gap is told, and what comes after it is not in it", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.send(1, 60*ms, 70*ms)
			h.send(2, 110*ms, 120*ms)
			h.Told(1, 100*ms, true, false)
			h.Came(1, 1, 300*ms)
		}, result.Aftermath{InTime: 1, Told: 1, Hung: 1, HungUsers: 1, RecoverS: .1}},
		{"a gap doesn't cover a message that was passed before it", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.send(1, 60*ms, 70*ms)
			h.Came(1, 1, 80*ms)
			h.Told(1, 100*ms, true, false)
		}, result.Aftermath{InTime: 1, Lost: 1, Hung: 1, HungUsers: 1}},
		{"nor one that was stored after what came first after it", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.send(1, 60*ms, 70*ms)
			h.Told(1, 100*ms, true, false)
			h.Came(1, 0, 110*ms)
		}, result.Aftermath{InTime: 1, Hung: 2, HungUsers: 2}},
		{"an error ends the user's session for good", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.Told(1, 100*ms, false, true)
		}, result.Aftermath{Told: 1, Hung: 2, HungUsers: 1}},
		{"another error does not: it hangs", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.Told(1, 100*ms, false, false)
		}, result.Aftermath{Hung: 3, HungUsers: 2}},
		{"late although the fault came later", func(h *History) {
			h.Broke(700*ms, 800*ms)
			h.send(0, 10*ms, 20*ms)
			h.Came(1, 0, 600*ms)
		}, result.Aftermath{Late: 1, LateBefore: 1, Hung: 2, HungUsers: 1, BeganS: .7, EndedS: .8}},
		{"twice", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.Came(1, 0, 30*ms)
			h.Came(1, 0, 40*ms)
		}, result.Aftermath{InTime: 1, Doubled: 1, Hung: 2, HungUsers: 1}},
		{"a sender that is told again and again that it can't join", func(h *History) {
			h.send(0, 10*ms, 20*ms)
			h.Came(1, 0, 30*ms)
			h.Told(0, 900*ms, false, false)
		}, result.Aftermath{InTime: 1, Refused: 2}},
	} {
		var planned []Planned
		for _, at := range []time.Duration{10 * ms, 60 * ms, 110 * ms} {
			planned = append(planned, Planned{Sender: 0, Room: 0, At: at, Counts: true})
		}
		planned = append(planned, Planned{Sender: 0, Room: 0}) // of the warm-up
		h := NewHistory(planned, []int{0, 0}, 500*ms)
		h.Broke(50*ms, 200*ms)
		c.does(h)
		got := h.Score(1000 * ms)
		if c.want.EndedS == 0 {
			c.want.BeganS, c.want.EndedS = .05, .2
		}
		if got != c.want {
			t.Errorf("%s:\n%+v, want\n%+v", c.name, got, c.want)
		}
	}
}

func (h *History) send(i int, begun, answered time.Duration) {
	h.Begun(i, begun)
	if answered != never {
		h.Answered(i, answered, false)
	}
}

// TestOpen counts a message that waits for a connection as open, although its sender is told so.
func TestOpen(t *testing.T) {
	h := NewHistory([]Planned{{}, {Room: 1, Sender: 2}}, []int{0, 0, 1, 1}, 500*ms)
	h.Called(0, 10*ms)
	h.Told(0, 5*ms, false, false)
	if n := h.Open(20 * ms); n != 1 || h.Score(20*ms).Refused != 1 {
		t.Errorf("%d are open, score %+v", n, h.Score(20*ms))
	}
	h.send(0, 30*ms, 40*ms)
	h.Came(1, 0, 50*ms)
	if n := h.Open(60 * ms); n != 0 {
		t.Errorf("%d are open", n)
	}
}

// TestList checks that each fault can be told from the others, and says where it can't happen.
func TestList(t *testing.T) {
	nowhere, everywhere := Place{TLS: true}, Place{Own: true, Started: true, Servers: 2, Network: true, File: true, Signals: true, Polls: true}
	names := map[string]bool{}
	for _, f := range List() {
		if f.Name == "" || f.About == "" || f.Begin == nil || names[f.Name] {
			t.Errorf("%q lacks a name of its own, what happens, or how it begins", f.Name)
		}
		names[f.Name] = true
		if why := f.Lacks(everywhere); why != "" {
			t.Errorf("%s can't happen anywhere: %s", f.Name, why)
		}
		if why := f.Lacks(nowhere); (why == "") != (len(f.Needs) == 0) {
			t.Errorf("%s at a place that has nothing: %q", f.Name, why)
		}
		if len(f.Serve) > 0 && f.Lacks(Place{Started: true}) == "" {
			t.Errorf("%s needs flags of pushpull serve, which other servers don't have", f.Name)
		}
	}
}
