package transports

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Heartbeat is the default of Limits.Heartbeat. The WHATWG recommends about as much for comments (HTML,
// section 9.2.7).
const Heartbeat = 15 * time.Second

// HeartbeatHeader is the header with the seconds between two signs of life that a server promises when it
// opens a stream: see Limits.Heartbeat.
const HeartbeatHeader = "Heartbeat"

// PromiseHeartbeat sets the HeartbeatHeader of the response that opens a stream.
func PromiseHeartbeat(h http.Header, limits Limits) {
	h.Set(HeartbeatHeader, strconv.FormatFloat(limits.WithDefaults().Heartbeat.Seconds(), 'f', -1, 64))
}

// beatsAside is how many times within a heartbeat there are at which streams get their signs of life. To wake
// up a server that is idle costs more than to write one, so the streams of a time share that: of 10,000, with
// the usual heartbeat, 39 every 59 ms.
const beatsAside = 256

// FirstBeat returns the time of the first sign of life on a stream: a random one within a heartbeat from now, so
// that those of users that join together don't come together.
func FirstBeat(now time.Time, heartbeat time.Duration) time.Time {
	aside := max(heartbeat/beatsAside, 1)
	return shared(now, heartbeat).Add(aside + rand.N[time.Duration](beatsAside)*aside)
}

// NextBeat returns the time of the sign of life after the one of last, a heartbeat later. If that one was held up,
// it is a heartbeat from now, as the other side needs its time to answer.
func NextBeat(last, now time.Time, heartbeat time.Duration) time.Time {
	if now.Sub(last) > heartbeat/beatsAside {
		last = now
	}
	return shared(last.Add(heartbeat), heartbeat)
}

// shared returns the latest time up to t that streams share.
func shared(t time.Time, heartbeat time.Duration) time.Time {
	return t.Add(-time.Duration(t.UnixNano()) % max(heartbeat/beatsAside, 1)) // Truncate would lose the monotonic clock
}

// A Silence notices that the server of a stream has gone without a word. It counts while a read waits, so
// a user may take its time. Instead of a deadline that each read would set, it compares the number of reads at
// each heartbeat. The zero value expects nothing.
type Silence struct {
	reads atomic.Uint64 // begun and ended: an odd number means that one waits

	mu     sync.Mutex
	ticks  *time.Timer
	due    time.Time // of the next tick
	missed int       // in a row
	last   uint64    // number of reads at the last tick
}

// MissedHeartbeats is how many signs of life of the other side in a row must be missing before a connection
// ends.
const MissedHeartbeats = 2

// Expect calls gone with a *TimeoutError once the server has missed two of the signs of life that it
// promised in the header of the response, and at the third at the latest. It does nothing if there is no
// such promise.
func (s *Silence) Expect(h http.Header, gone func(error)) {
	if beat := PromisedHeartbeat(h); beat > 0 {
		s.ExpectEvery(beat, gone)
	}
}

// PromisedHeartbeat returns the time between two signs of life that the server has promised in the header of the response
// that opens a stream; 0 if it has promised none, or one that makes no sense.
func PromisedHeartbeat(h http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(h.Get(HeartbeatHeader), 64)
	if err != nil || !(0 < seconds && seconds <= 3600) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// ExpectEvery is Expect for a server that is known to give a sign of life every beat, which must be more than 0.
func (s *Silence) ExpectEvery(beat time.Duration, gone func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.due = NextBeat(now, now, beat) // so that the users of a process share wake-ups
	s.ticks = time.AfterFunc(s.due.Sub(now), func() {
		if s.tick(beat) {
			gone(&TimeoutError{Part: "give a sign of life", Limit: MissedHeartbeats * beat})
		}
	})
}

// tick returns whether the server is taken for gone.
func (s *Silence) tick(beat time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticks == nil {
		return false
	}
	n := s.reads.Load()
	if waits := n%2 == 1; waits && n == s.last {
		s.missed++
	} else {
		s.missed = 0
	}
	if s.last = n; s.missed < MissedHeartbeats {
		now := time.Now()
		s.due = NextBeat(s.due, now, beat)
		s.ticks.Reset(s.due.Sub(now))
		return false
	}
	s.ticks = nil
	return true
}

// Listen returns a reader of r, all of whose reads are taken note of.
func (s *Silence) Listen(r io.Reader) io.Reader { return listening{r, s} }

type listening struct {
	io.Reader
	silence *Silence
}

func (l listening) Read(p []byte) (int, error) {
	l.silence.reads.Add(1)
	defer l.silence.reads.Add(1)
	return l.Reader.Read(p)
}

// Stop ends the wait for signs of life.
func (s *Silence) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticks != nil {
		s.ticks.Stop()
		s.ticks = nil
	}
}
