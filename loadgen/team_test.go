package loadgen

import (
	"context"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"pushpull/loadgen/result"
)

// A group is a team of generators in this process. One of them may break at its nth meeting.
type group struct {
	parts  int
	shares []int // of the parts; nil: equal
	breaks int   // the number of the meeting, from 1; 0: never
}

// Measure implements Team.
func (g group) Measure(ctx context.Context, t Task, progress func(Progress)) (*result.Window, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	here := &meeting{of: g.parts, next: make(chan struct{}), known: make([][]byte, g.parts)}
	windows, errs := make([]*result.Window, g.parts), make([]error, g.parts)
	var measuring sync.WaitGroup
	for i := range g.parts {
		measuring.Go(func() {
			part := t
			part.Part, part.Parts, part.Shares = i, g.parts, g.shares
			breaks := 0
			if i == 1 {
				breaks = g.breaks
			}
			if windows[i], errs[i] = part.Measure(ctx, &member{here, i, breaks}, nil); errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	measuring.Wait()
	var all []result.Window
	for i, w := range windows {
		if w == nil {
			return nil, errs[i]
		}
		all = append(all, *w)
	}
	w, err := result.Join(all...)
	return &w, err
}

// A meeting is where the generators of a group meet.
type meeting struct {
	of int

	mu    sync.Mutex
	here  int
	next  chan struct{}
	known [][]byte
}

// A member is the crew of one generator of a group.
type member struct {
	*meeting
	part   int
	breaks int
}

// Share implements Crew.
func (m *member) Share(ctx context.Context, known []byte) ([][]byte, error) {
	m.mu.Lock()
	m.known[m.part] = known
	m.mu.Unlock()
	if err := m.Meet(ctx, "sharing"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	all := slices.Clone(m.known)
	m.mu.Unlock()
	return all, m.Meet(ctx, "sharing")
}

// Meet implements Crew.
func (m *member) Meet(ctx context.Context, _ string) error {
	if m.breaks > 0 {
		if m.breaks--; m.breaks == 0 {
			return errors.New("this one breaks")
		}
	}
	m.mu.Lock()
	next := m.next
	if m.here++; m.here == m.of {
		m.here, m.next = 0, make(chan struct{})
		close(next)
	}
	m.mu.Unlock()
	select {
	case <-next:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestTeam measures a run with 1, 2 and 5 generators, on one server, or on three that share nothing: the counts are those of
// the plan, and the memory of the servers is sampled for the users of all.
func TestTeam(t *testing.T) {
	t.Parallel()
	s := small
	s.Users, s.RoomSize, s.Transports = 40, 4, []string{"long-poll", "websocket"}
	for _, c := range []struct {
		parts  int
		spread bool
	}{{1, false}, {2, true}, {5, false}} {
		side := Side{Command: []string{os.Args[0], "serve"}, Spread: c.spread, Team: group{parts: c.parts}}
		if c.spread {
			side.Servers = 3
		}
		windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{side}})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range windows {
			whole(t, s, w)
			if n := len(w.Joining); n != 6 || w.Joining[0].Users != 0 || w.Joining[5].Users != s.Users {
				t.Errorf("%d parts: the memory of the servers was sampled at %+v", c.parts, w.Joining)
			}
			if w.Server == nil || w.Store == nil || w.Store.Appends < int64(w.Sent)/2 {
				t.Errorf("%d parts: %+v, %+v", c.parts, w.Server, w.Store)
			}
		}
	}
}

// TestLargeRooms measures rooms that have members in all parts, on a server that shares nothing: all copies are counted, and
// those are timed whose sender and receiver are in the same part.
func TestLargeRooms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ users, size, talkers, parts, untimed, reached int }{
		{30, 30, 4, 3, 20, 30}, // of the 29 copies, 9 are in a part that has the sender
		{30, 10, 0, 5, 8, 30},  // two members of each room are in each part
		{6, 3, 1, 3, 2, 4},     // one in each part; who sends alone gets nothing
	} {
		s := small
		s.Users, s.RoomSize, s.Senders, s.Transports = c.users, c.size, c.talkers, []string{"long-poll", "websocket-lean"}
		windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: []string{os.Args[0], "serve"}, Team: group{parts: c.parts}}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range windows {
			whole(t, s, w)
			if w.Reached != c.reached {
				t.Errorf("%+v: %d users got a message", c, w.Reached)
			}
			if want := w.Sent * c.untimed; w.Untimed != want || w.Latency.Count() != int64(w.Delivered-want) {
				t.Errorf("%+v: %d of %d copies of %d messages are untimed, want %d; %d are timed", c, w.Untimed, w.Delivered, w.Sent, want, w.Latency.Count())
			}
		}
	}
}

// TestTeamBreaks has one of three generators fail as users join, or as they are about to begin: the window fails with its
// reason, and no generator waits for it.
func TestTeamBreaks(t *testing.T) {
	t.Parallel()
	s := small
	s.Transports = []string{"websocket"}
	for _, breaks := range []int{1, 2, 11} {
		side := Side{Command: []string{os.Args[0], "serve"}, Team: group{parts: 3, breaks: breaks}}
		if _, err := run(t.Context(), Options{Scenario: s, Sides: []Side{side}}); err == nil || !strings.Contains(err.Error(), "this one breaks") {
			t.Errorf("meeting %d: %v", breaks, err)
		}
	}
}

// TestNoTask has tasks that nobody can do.
func TestNoTask(t *testing.T) {
	base, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	here := []Address{{URL: base.String()}}
	for want, task := range map[string]Task{
		"part 1 of 0 on 1 servers is none":             {Scenario: small, Transport: "sse", Servers: here},
		"part 3 of 2 on 1 servers is none":             {Scenario: small, Transport: "sse", Part: 2, Parts: 2, Servers: here},
		"part 1 of 2 on 0 servers is none":             {Scenario: small, Transport: "sse", Parts: 2},
		"not in PEM":                                   {Scenario: small, Transport: "sse", Parts: 1, Servers: here, Authorities: []byte("x")},
		"part 1 of 1001 on 1 servers is none":          {Scenario: small, Transport: "sse", Parts: 1001, Servers: here},
		"2 shares of 2 parts don't add up to 10 rooms": {Scenario: small, Transport: "sse", Parts: 2, Shares: []int{1, 1}, Servers: here},
		"1 shares of 2 parts don't add up to 10 rooms": {Scenario: small, Transport: "sse", Parts: 2, Shares: []int{1}, Servers: here},
		"3 shares of 3 parts don't add up to 10 rooms": {Scenario: small, Transport: "sse", Parts: 3, Shares: []int{1, -1, 1}, Servers: here},
		`unknown transport "x"`:                        {Scenario: small, Transport: "x", Parts: 1, Servers: here},
	} {
		if _, err := task.Measure(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
