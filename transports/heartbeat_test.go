package transports

import (
	"testing"
	"testing/synctest"
	"time"
)

// The signs of life of many streams come at few times, spread over a heartbeat, and each stream's a heartbeat
// apart.
func TestBeats(t *testing.T) {
	for _, heartbeat := range []time.Duration{Heartbeat, time.Second, 200 * time.Millisecond, 7*time.Second + 13, time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			const streams = 10_000
			times := map[time.Time]int{}
			begun := time.Now()
			var firsts []time.Time
			for range streams {
				time.Sleep(1234 * time.Nanosecond)
				now := time.Now()
				first := FirstBeat(now, heartbeat)
				if wait := first.Sub(now); wait <= 0 || wait > heartbeat {
					t.Fatalf("the first of %v comes after %v", heartbeat, wait)
				}
				firsts = append(firsts, first)
			}
			step := max(heartbeat/beatsAside, 1)
			for _, first := range firsts {
				beat := first
				for beat.Before(begun.Add(10 * heartbeat)) {
					last := beat
					if beat = NextBeat(beat, beat.Add(heartbeat/beatsAside/2), heartbeat); beat.Sub(last) > heartbeat || beat.Sub(last) <= heartbeat-step {
						t.Fatalf("after a heartbeat of %v the next one comes after %v", heartbeat, beat.Sub(last))
					}
				}
				times[beat]++
			}
			spread := time.Duration(streams)*1234 + heartbeat // of the streams' first ones
			if most := int(spread/step) + 2; len(times) > most {
				t.Errorf("the heartbeats of %v come at %d times, want at most %d", heartbeat, len(times), most)
			}
			if len(times) < min(beatsAside, int(heartbeat))*9/10 {
				t.Errorf("the heartbeats of %v come at %d times only", heartbeat, len(times))
			}
		})
	}
}

// After a sign of life that was held up, the other side has its time to answer before the next one.
func TestNextBeatAfterAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := FirstBeat(time.Now(), Heartbeat)
		for _, late := range []time.Duration{Heartbeat / 100, Heartbeat - time.Millisecond, 10*Heartbeat + time.Second} {
			now := first.Add(late)
			if wait := NextBeat(first, now, Heartbeat).Sub(now); wait <= Heartbeat-Heartbeat/beatsAside || wait > Heartbeat {
				t.Errorf("the one after one that was %v late comes after %v, want about %v", late, wait, Heartbeat)
			}
		}
	})
}
