package shortpoll_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/shortpoll"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTransport(t *testing.T) { transporttest.Run(t, shortpoll.Transport{}) }

// A message is delivered at the next tick: after one interval at most, half of it on average.
func TestLatency(t *testing.T) {
	const interval, n = 5 * time.Second, 1000
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		u := transporttest.Serve(t, shortpoll.Transport{Interval: interval}, store).Join("room", "")
		synctest.Wait() // for the first poll
		start := time.Now()
		var sent []time.Time
		for range n {
			time.Sleep(interval * 618 / 1000) // spreads evenly over the interval
			sent = append(sent, time.Now())
			store.Append(t.Context(), "room", []byte("hello"), "")
		}
		var sum, longest time.Duration
		for i, d := range u.Wait(n) {
			if phase := d.At.Sub(start) % interval; phase != 0 {
				t.Fatalf("message %d came %v after a tick", i, phase)
			}
			latency := d.At.Sub(sent[i])
			sum += latency
			longest = max(longest, latency)
		}
		if mean := sum / n; mean < 2450*time.Millisecond || mean > 2550*time.Millisecond {
			t.Errorf("mean latency %v, want about %v", mean, interval/2)
		}
		if longest > interval || longest < interval*95/100 {
			t.Errorf("longest latency %v, want almost %v", longest, interval)
		}
		asked, ticks := u.Conns.Answers(http.MethodGet, 0), int(time.Since(start)/interval)+1
		if asked != 1+ticks {
			t.Errorf("%d polls, want one to join and %d, one at each tick", asked, ticks)
		}
	})
}

func TestPeriod(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Second: time.Second} {
		if got := (shortpoll.Transport{Interval: interval}).Way().Every; got != want {
			t.Errorf("period %v, want %v", got, want)
		}
	}
}

// A reader that is behind polls again at once: on the timer alone it would not keep up with a busy room.
func TestCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		for range 100 {
			store.Append(t.Context(), "room", []byte("hello"), "")
		}
		transport := shortpoll.Transport{Limits: transports.Limits{Batch: 10}}
		start := time.Now()
		u := transporttest.Serve(t, transport, store).Join("room", "")
		u.Wait(100)
		synctest.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("reading 100 messages, 10 at a time, took %v", took)
		}
		full, empty := u.Conns.Answers(http.MethodGet, http.StatusOK), u.Conns.Answers(http.MethodGet, http.StatusNoContent)
		if full != 10 || empty != 1 {
			t.Errorf("%d responses with messages and %d empty ones, want 10 and 1", full, empty)
		}
	})
}

// A poll that takes longer than the interval skips ticks, but doesn't shift them.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{Store: new(memory.Store), first: 12 * time.Second}
		start := time.Now()
		u := transporttest.Serve(t, shortpoll.Transport{}, store).Join("room", "")
		time.Sleep(31 * time.Second)
		if _, err := u.Leave(); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 0, 15 * time.Second, 20 * time.Second, 25 * time.Second, 30 * time.Second}
		for i, at := range store.reads {
			if i >= len(want) || at.Sub(start) != want[i] {
				t.Fatalf("poll %d at %v, want polls at %v", i, at.Sub(start), want)
			}
		}
		if len(store.reads) != len(want) {
			t.Errorf("%d polls, want %d", len(store.reads), len(want))
		}
	})
}
