package loadgen

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// herd returns the recovery of a window of 200 users of a transport on two servers, all of whom are joined.
func herd(way transports.Way) *recovery {
	w := &window{way: way, plan: &Plan{Users: 2 * result.Herd, RoomSize: 2}}
	w.users = make([]user, w.plan.Users)
	for i := range w.users {
		w.users[i].place, w.users[i].window, w.users[i].server = i, w, i%2
	}
	w.recovery = newRecovery(w)
	return w.recovery
}

// TestRecovery cuts users off and lets them come back, in time that is virtual.
func TestRecovery(t *testing.T) {
	for _, c := range []struct {
		name      string
		way       transports.Way
		comeBack  func(r *recovery, users []user)
		cut, back int
		half, all float64 // in milliseconds, from the end of the fault
	}{
		{
			"streams",
			transports.Way{Stream: true},
			func(r *recovery, users []user) {
				for i := range users {
					u := &users[i]
					r.lost(u)
					time.Sleep(time.Millisecond)
					r.lost(u) // an attempt has failed
					r.joined(u)
				}
			},
			200, 200, 0, 100,
		},
		{
			"a server that was killed",
			transports.Way{Stream: true},
			func(r *recovery, users []user) {
				r.killed(1)
				time.Sleep(150 * time.Millisecond)
				for i := range users {
					if i%2 == 1 {
						time.Sleep(time.Millisecond)
						r.joined(&users[i])
					}
				}
			},
			100, 100, 100, 150,
		},
		{
			"held polls",
			transports.Way{Hold: time.Minute},
			func(r *recovery, users []user) {
				for i := range users[:100] {
					r.lost(&users[i])
				}
				time.Sleep(200 * time.Millisecond)
				for i := range users[:99] {
					r.joined(&users[i])
				}
				time.Sleep(50 * time.Millisecond)
				r.lost(&users[0]) // its poll was not held
			},
			100, 98, 100, 0,
		},
		{
			"no fault",
			transports.Way{Stream: true},
			func(*recovery, []user) {},
			0, 0, 0, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := herd(c.way)
				ctx, stop := context.WithCancel(t.Context())
				var watching sync.WaitGroup
				watching.Go(func() { r.watch(ctx) })
				time.Sleep(time.Second)
				began := time.Now()
				c.comeBack(r, r.window.users)
				time.Sleep(2 * time.Second)
				stop()
				watching.Wait()
				got := r.fill(began.Add(-time.Second), began, began.Add(100*time.Millisecond))
				if c.cut == 0 {
					if got != nil {
						t.Errorf("%+v", got)
					}
					return
				}
				if got.Cut != c.cut || got.Back != c.back || got.HalfS != c.half/1e3 || got.AllS != c.all/1e3 {
					t.Fatalf("%d of %d are back, half in %v s, all in %v s; want %d of %d, %v and %v ms", got.Back, got.Cut, got.HalfS, got.AllS, c.back, c.cut, c.half, c.all)
				}
				n := len(got.Steps)
				if n < 5 || n > 20 || got.Steps[0].AtS < .4 || got.Steps[0].Reached != 200 || got.Steps[n-1].Reached != 200-c.cut+c.back {
					t.Errorf("%d steps: %+v", n, got.Steps)
				}
				fewest := slices.MinFunc(got.Steps, func(a, b result.RecoveryStep) int { return a.Reached - b.Reached })
				if c.name != "streams" && fewest.Reached != 200-c.cut {
					t.Errorf("%d users were reached at the worst time", fewest.Reached)
				}
			})
		})
	}
}
