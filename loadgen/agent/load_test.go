package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"pushpull/loadgen"
)

// using returns the CPU time of a machine on which programs use a share of the CPU.
func using(share float64) func() (loadgen.CPUTime, error) {
	begun := time.Now()
	return func() (loadgen.CPUTime, error) {
		took := float64(time.Since(begun))
		return loadgen.CPUTime{Programs: time.Duration(share * took), Idle: time.Duration((1 - share) * took)}, nil
	}
}

// TestWatchLoad watches a machine that is three quarters busy, by a process that is late once.
func TestWatchLoad(t *testing.T) {
	for name, c := range map[string]struct {
		read func() (loadgen.CPUTime, error)
		want float64
	}{
		"known":   {nil, .75},
		"unknown": {func() (loadgen.CPUTime, error) { return loadgen.CPUTime{}, errors.New("unknown") }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			read := c.read
			if read == nil {
				read = using(.75)
			}
			var all []load
			watchLoad(ctx, read, func(l load) {
				switch all = append(all, l); len(all) {
				case 1:
					time.Sleep(loadTick + 300*time.Millisecond)
				case 3:
					cancel()
				}
			})
			for i, late := range []time.Duration{0, 300 * time.Millisecond, 0} {
				if all[i].Late != late || all[i].CPU < c.want-1e-6 || all[i].CPU > c.want+1e-6 {
					t.Errorf("%s: %+v", name, all)
				}
			}
		})
	}
}

// TestShort says why an agent does not answer by what is known of its machine, and when it was heard.
func TestShort(t *testing.T) {
	now := time.Now()
	before, since := now.Add(-3*time.Second), now.Add(-time.Second)
	on := func(machine string, seen time.Time, l load) *member {
		return &member{name: "1", machine: machine, seen: seen, status: status{Load: l}}
	}
	busy, idle := load{CPU: .98}, load{CPU: .3}
	for name, c := range map[string]struct {
		agent *member
		here  load // of the coordinator's machine, since the agent fell silent
		other *member
		want  string
	}{
		"nothing known":            {on("there", before, load{}), load{}, nil, ""},
		"idle":                     {on("there", before, idle), idle, nil, ""},
		"before":                   {on("there", before, busy), idle, nil, "there used 98% of its CPU when it last did"},
		"another agent there":      {on("there", before, idle), idle, on("there", since, busy), "there uses 98% of its CPU"},
		"another that is idle":     {on("there", before, busy), idle, on("there", since, idle), ""},
		"another elsewhere":        {on("there", before, idle), idle, on("nowhere", since, busy), ""},
		"here":                     {on("here", before, idle), busy, nil, "here uses 98% of its CPU"},
		"here no longer":           {on("here", before, busy), idle, nil, ""},
		"the coordinator":          {on("there", before, idle), busy, nil, "here uses 98% of its CPU"},
		"late":                     {on("there", before, load{CPU: .5, Late: 1310 * time.Millisecond}), idle, nil, "it ran 1.3s late when it last did"},
		"a little late":            {on("there", before, load{CPU: .5, Late: 200 * time.Millisecond}), idle, nil, ""},
		"late on a busy machine":   {on("there", before, load{CPU: .98, Late: 2 * time.Second}), idle, nil, "there used 98% of its CPU when it last did"},
		"the other agent is older": {on("there", before, busy), idle, on("there", before.Add(-time.Second), idle), "there used 98% of its CPU when it last did"},
	} {
		team := &Team{machine: "here", members: []*member{c.agent}, load: c.here, loadAt: since}
		if c.other != nil {
			team.members = append(team.members, c.other)
		}
		if got := team.short(c.agent); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestLateAnswer has an agent that answers each request only after it was made again, as one that is short of CPU does.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	team := b.gatherFor(t, 0, patient)
	conn := b.connect(t)
	requests := make(chan *nats.Msg, 10)
	subscribed, err := conn.ChanSubscribe(subjectOfAgent("slow")+".renew", requests)
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = subscribed.Unsubscribe() })
	ended := make(chan error, 1)
	go func() {
		s, err := team.once(t.Context(), &member{id: "slow"}, "renew", message{}, patient)
		if err == nil && s.Window != 7 {
			err = errors.New("it is another answer")
		}
		ended <- err
	}()
	first := receive(t, requests)
	receive(t, requests)
	if err := first.Respond([]byte(`{"window":7}`)); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, ended); err != nil {
		t.Error(err)
	}
}
