package loadgen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// A rehearsal measures turns without servers. It writes down each window: its transport, b or h for its
// side, and ! if the generator is late.
type rehearsal struct {
	late     map[string]int // by transport and side, like "websocket h": how often the generator is late
	fails    string         // the window that ends with an error
	spare    int
	measured []string
	emitted  []string // with the number of windows that each replaces
}

func (r *rehearsal) measure(t turn, head bool) (*result.Window, error) {
	name := t.transport + " " + "bh"[sideOf(head):][:1]
	w := &result.Window{Transport: t.transport, Latency: result.NewHistogram(), Late: result.NewHistogram()}
	if r.late[name] > 0 {
		r.late[name]--
		w.Late.Record(6 * time.Millisecond)
	}
	r.measured = append(r.measured, name)
	if name == r.fails {
		return w, errors.New("interrupted")
	}
	return w, nil
}

func (r *rehearsal) again() bool {
	r.spare--
	return r.spare >= 0
}

func (r *rehearsal) emit(head bool, w *result.Window) error {
	r.emitted = append(r.emitted, fmt.Sprint(w.Transport, " ", "bh"[sideOf(head):][:1], w.Spoiled))
	return nil
}

func TestTurns(t *testing.T) {
	for _, c := range []struct {
		name              string
		rehearsal         rehearsal
		headFirst         bool
		measured, emitted string
		fails             bool
	}{
		{
			name:     "quiet",
			measured: "long-poll b, long-poll h, websocket b, websocket h",
			emitted:  "long-poll b0, long-poll h0, websocket b0, websocket h0",
		},
		{
			name: "head first", headFirst: true,
			measured: "long-poll h, long-poll b, websocket h, websocket b",
			emitted:  "long-poll h0, long-poll b0, websocket h0, websocket b0",
		},
		{
			name:      "one side late",
			rehearsal: rehearsal{spare: 5, late: map[string]int{"long-poll h": 2}},
			measured:  "long-poll b, long-poll h, websocket b, websocket h, long-poll b, long-poll h, long-poll b, long-poll h",
			emitted:   "websocket b0, websocket h0, long-poll b0, long-poll h2",
		},
		{
			name:      "both sides late",
			rehearsal: rehearsal{spare: 5, late: map[string]int{"long-poll h": 1, "long-poll b": 1}},
			measured:  "long-poll b, long-poll h, websocket b, websocket h, long-poll b, long-poll h",
			emitted:   "websocket b0, websocket h0, long-poll b1, long-poll h1",
		},
		{
			name:      "nothing to spare",
			rehearsal: rehearsal{spare: 1, late: map[string]int{"websocket b": 9}},
			measured:  "long-poll b, long-poll h, websocket b, websocket h, websocket b, websocket h",
			emitted:   "long-poll b0, long-poll h0, websocket b1, websocket h0",
		},
		{
			name:      "interrupted in the middle of a turn",
			rehearsal: rehearsal{spare: 5, fails: "long-poll h", late: map[string]int{"long-poll b": 1}},
			measured:  "long-poll b, long-poll h",
			emitted:   "long-poll b0, long-poll h0",
			fails:     true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.rehearsal
			err := takeTurns([]turn{{transport: "long-poll"}, {transport: "websocket"}}, c.headFirst, r.measure, r.again, r.emit)
			if (err != nil) != c.fails {
				t.Error(err)
			}
			if got := strings.Join(r.measured, ", "); got != c.measured {
				t.Errorf("measured\n     %s\nwant %s", got, c.measured)
			}
			if got := strings.Join(r.emitted, ", "); got != c.emitted {
				t.Errorf("emitted\n     %s\nwant %s", got, c.emitted)
			}
		})
	}
}

// A turn of which one window can't be kept still hands over the other.
func TestTurnThatCannotBeKept(t *testing.T) {
	var r rehearsal
	full := errors.New("the disk is full")
	var kept []bool
	err := takeTurns([]turn{{transport: "long-poll"}, {transport: "websocket"}}, false, r.measure, r.again,
		func(head bool, _ *result.Window) error {
			kept = append(kept, head)
			return full
		})
	if !errors.Is(err, full) || !slices.Equal(kept, []bool{false, true}) || len(r.measured) != 2 {
		t.Errorf("%v, handed over %v, measured %v", err, kept, r.measured)
	}
}

func TestSpare(t *testing.T) {
	for turns, want := range map[int]int{1: 1, 4: 1, 5: 2, 48: 12, 150: 38} {
		if got := spare(turns); got != want {
			t.Errorf("%d of %d turns, want %d", got, turns, want)
		}
	}
}
