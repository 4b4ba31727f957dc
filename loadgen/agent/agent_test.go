package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// TestSameCounts measures the same seed with 1, 2 and 5 agents: the counts are those of the plan, and each agent is listed
// with its users.
func TestSameCounts(t *testing.T) {
	t.Parallel()
	s := small
	b := newBroker(t)
	b.agents(t, 5, Options{Name: "a"})
	plan := loadgen.NewPlan(s, 1)
	planned := 0
	for _, send := range plan.Sends {
		if plan.Measured(send) {
			planned++
		}
	}
	for _, n := range []int{1, 2, 5} {
		team := b.gather(t, n)
		var seen loadgen.Progress
		var windows []result.Window
		err := loadgen.Run(t.Context(), loadgen.Options{
			Scenario: s, Sides: []loadgen.Side{side(team)},
			Progress: func(now loadgen.Progress) { seen = now },
		}, func(_ int, w *result.Window) error {
			windows = append(windows, *w)
			return nil
		})
		team.Close()
		if err != nil || len(windows) != 1 {
			t.Fatalf("%d agents: %d windows, %v", n, len(windows), err)
		}
		if seen.Agents != n || seen.Joined != s.Users || seen.Users != s.Users || seen.Planned != len(plan.Sends) || seen.Sent != len(plan.Sends) || seen.Delivered != 3*planned {
			t.Errorf("%d agents: progress %+v", n, seen)
		}
		for _, w := range windows {
			if w.Failed != "" || w.Users != s.Users || w.Planned != planned || w.Sent != planned || w.Expected != 3*planned || w.Delivered != 3*planned ||
				w.Lost+w.Duplicated+w.Reordered+w.Misdelivered != 0 || w.Latency.Count() != int64(3*planned) {
				t.Errorf("%d agents: %d planned, want %d: %+v", n, w.Planned, planned, w)
			}
			if w.Server == nil || len(w.Joining) < 5 || w.Joining[len(w.Joining)-1].Users != s.Users {
				t.Errorf("%d agents: the servers were not asked: %+v", n, w.Joining)
			}
			users := 0
			for i, a := range w.Agents {
				users += a.Users
				if i > 0 && a.Name <= w.Agents[i-1].Name || a.Machine == "" || a.PID != os.Getpid() || a.Cores < 1 || a.RoundTripS <= 0 || a.Process.RSSBytes == 0 {
					t.Errorf("%d agents: %#v", n, a)
				}
			}
			if len(w.Agents) != n || users != s.Users {
				t.Errorf("%d agents: %d with %d users", n, len(w.Agents), users)
			}
		}
	}
}

// TestUnequal has agents that may use different amounts: one with more cores has more users, one with few open files has no
// more than they are enough for, and agents that can't hold the users together measure nothing.
func TestUnequal(t *testing.T) {
	t.Parallel()
	const few = 64 + 2*8 // files: those that are reserved, and the connections of two rooms
	for name, c := range map[string]struct {
		may  []loadgen.Capacity
		want []int // users
		err  string
	}{
		"cores": {[]loadgen.Capacity{{Cores: 6}, {Cores: 3}}, []int{24, 16}, ""},
		"files": {[]loadgen.Capacity{{Cores: 6, Files: few}, {Cores: 3}}, []int{8, 32}, ""},
		"both":  {[]loadgen.Capacity{{Cores: 6, Files: few}, {Cores: 3, Files: few}}, nil, "measuring long-poll: 2 agents hold 16 of 40 users, as open files or local ports are too few for more: start more agents, or use --users 16"},
	} {
		b := newBroker(t)
		for i, may := range c.may {
			b.agents(t, 1, Options{Name: string(rune('a' + i)), may: may})
		}
		team := b.gather(t, 2)
		windows, err := run(t.Context(), small, team, nil)
		if c.err != "" {
			if err == nil || err.Error() != c.err || len(windows) > 0 {
				t.Errorf("%s: %d windows, %v", name, len(windows), err)
			}
			continue
		}
		if err != nil || len(windows) != 1 {
			t.Fatalf("%s: %d windows, %v", name, len(windows), err)
		}
		w := windows[0]
		if w.Users != small.Users || w.Sent != w.Planned || w.Delivered != 3*w.Sent || w.Delivered == 0 || w.Lost+w.Duplicated+w.Misdelivered != 0 ||
			len(w.Agents) != 2 || w.Agents[0].Users != c.want[0] || w.Agents[1].Users != c.want[1] {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// TestRefused claims agents that can't be claimed.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	gather := func(n int, version string) error {
		team, err := Gather(t.Context(), b.connect(t), TeamOptions{Agents: n, Version: version, More: "magic", patience: silent / 4})
		if err == nil {
			team.Close()
		}
		return err
	}
	want := func(err error, text string) {
		t.Helper()
		if err == nil || err.Error() != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
	want(gather(1, "1"), "no agent is there: start more, each by: magic")
	b.agents(t, 2, Options{})
	want(gather(3, "1"), "2 of 3 agents are there: start more, each by: magic")
	if err := gather(2, "1"); err != nil {
		t.Errorf("the agents of a run that had too few are not free: %v", err)
	}
	want(gather(1, "2"), "no agent is there, 2 can't be used as it is pushpull 1 and the run is 2: use the same on both sides: start more, each by: magic")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	team := b.gather(t, 1)
	want(gather(2, "1"), fmt.Sprintf("1 of 2 agents is there, 1 can't be used as it is claimed by a run of process %d on %s: start more, each by: magic", os.Getpid(), host))
	team.Close()
	if err := gather(2, "1"); err != nil {
		t.Errorf("a released agent is not free: %v", err)
	}
}

// TestRooms has fewer rooms than agents: each has members of all rooms, and every copy is counted.
func TestRooms(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 3, Options{})
	team := b.gather(t, 3)
	s := small
	s.Users, s.RoomSize = 8, 0
	windows, err := run(t.Context(), s, team, nil)
	if err != nil || len(windows) != 1 {
		t.Fatal(err)
	}
	w := windows[0]
	if w.Planned == 0 || w.Sent != w.Planned || w.Expected != 7*w.Planned || w.Delivered != w.Expected || w.Lost+w.Misdelivered+w.Duplicated != 0 ||
		w.Untimed == 0 || w.Latency.Count() != int64(w.Delivered-w.Untimed) || len(w.Agents) != 3 {
		t.Errorf("%+v", w)
	}
	s.Users = 2
	if _, err := run(t.Context(), s, team, nil); err == nil || !strings.Contains(err.Error(), "3 generators are more than 1 rooms, or the 2 members of one, can be divided among") {
		t.Error(err)
	}
}

// TestInterruptShared ends a run in which rooms have members in two agents: what they know is shared, so nothing is lost.
func TestInterruptShared(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 2, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough")
	s := endless()
	s.Users, s.RoomSize = 8, 0
	windows, err := run(ctx, s, b.gather(t, 2), func(loadgen.Progress) { cancel(why) })
	if !errors.Is(err, why) || len(windows) != 1 || !windows[0].Interrupted || windows[0].Delivered == 0 || windows[0].Lost != 0 {
		t.Errorf("%+v, %v", windows, err)
	}
}

// TestCannotJoin has users that can't join: the reason is theirs, and the agents are there for the next window.
func TestCannotJoin(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 2, Options{})
	team := b.gather(t, 2)
	task := loadgen.Task{Scenario: small, Transport: "long-poll", Round: 1, Servers: []loadgen.Address{{URL: "http://127.0.0.1:1"}}}
	for range 2 {
		w, err := team.Measure(t.Context(), task, nil)
		if w != nil || err == nil || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "(agent ") {
			t.Errorf("%v, %v", w, err)
		}
	}
	if windows, err := run(t.Context(), small, team, nil); err != nil || len(windows) != 1 || windows[0].Lost != 0 {
		t.Error(err)
	}
}

// TestInterrupt ends a run in the middle: what was measured is kept, and soon.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 2, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough")
	var ended time.Time
	windows, err := run(ctx, endless(), b.gather(t, 2), func(loadgen.Progress) {
		ended = time.Now()
		cancel(why)
	})
	if !errors.Is(err, why) || len(windows) != 1 || !windows[0].Interrupted || windows[0].Delivered == 0 || len(windows[0].Agents) != 2 {
		t.Errorf("%+v, %v", windows, err)
	}
	if took := time.Since(ended); took > soon {
		t.Errorf("it took %v to end", took)
	}
}

// TestInterruptEarly ends a run before anything is measured.
func TestInterruptEarly(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 2, Options{})
	s := endless()
	s.Warmup = 60
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	windows, err := run(ctx, s, b.gather(t, 2), nil)
	if !errors.Is(err, context.DeadlineExceeded) || len(windows) != 0 {
		t.Errorf("%+v, %v", windows, err)
	}
}

// TestAgentEnds ends the agents in order: the window fails at once, with that reason.
func TestAgentEnds(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	end := b.agents(t, 2, Options{})
	team := b.gather(t, 2)
	_, err := run(t.Context(), endless(), team, func(loadgen.Progress) { go end() })
	if err == nil || !strings.Contains(err.Error(), "was ended") {
		t.Error(err)
	}
	if names := team.Names(); len(names) != 0 {
		t.Errorf("%q are still there", names)
	}
}

// TestReplaced has an agent that ends take no more than one window: another one takes its place.
func TestReplaced(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 1, Options{Name: "stays"})
	end := b.agents(t, 1, Options{Name: "ends"})
	team := b.gather(t, 2)
	if _, err := run(t.Context(), endless(), team, func(loadgen.Progress) {
		go end()
	}); err == nil {
		t.Fatal("it was measured")
	}
	b.agents(t, 1, Options{Name: "comes"})
	windows, err := run(t.Context(), small, team, nil)
	if err != nil || len(windows) != 1 || windows[0].Agents[0].Name != "comes1" || windows[0].Agents[1].Name != "stays1" {
		t.Errorf("%+v, %v", windows, err)
	}
}

// TestNATSRestarts restarts NATS in the middle of a window: it goes on.
func TestNATSRestarts(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.agents(t, 2, Options{})
	team := b.gather(t, 2)
	s := small
	s.Duration = 2
	windows, err := run(t.Context(), s, team, func(loadgen.Progress) {
		b.stop()
		b.start(t)
	})
	if err != nil || len(windows) != 1 || windows[0].Lost != 0 || windows[0].Delivered == 0 || windows[0].Failed != "" {
		t.Errorf("%+v, %v", windows, err)
	}
}

// TestNATSEnds stops NATS for good: the window fails with that reason, and the agents give up.
func TestNATSEnds(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	end := b.agents(t, 2, Options{silence: silent})
	team := b.gatherFor(t, 2, silent)
	var stopped time.Time
	_, err := run(t.Context(), endless(), team, func(loadgen.Progress) {
		b.stop()
		stopped = time.Now()
	})
	if err == nil || !strings.Contains(err.Error(), "has been out of reach for 2s") {
		t.Error(err)
	}
	end()
	if took := time.Since(stopped); took > soon {
		t.Errorf("it took %v", took)
	}
}
