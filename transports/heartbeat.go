package transports

import (
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

// FirstHeartbeat returns a random time up to limits.Heartbeat, after which a stream gets its first sign of
// life: so those of users that join together don't come together.
func FirstHeartbeat(limits Limits) time.Duration {
	return time.Millisecond + rand.N(limits.WithDefaults().Heartbeat)
}

// A Silence notices that the server of a stream has gone without a word. It starts no goroutine, and
// costs a message next to nothing. The zero value expects nothing.
type Silence struct {
	heard atomic.Bool // something was read since the last tick

	mu     sync.Mutex
	ticks  *time.Timer
	missed int
}

// silentTicks is how many times of the heartbeat in a row nothing must come: two signs of life are missing
// then, wherever the ticks fall between them.
const silentTicks = 3

// Expect calls gone with a *TimeoutError once the server has missed two of the signs of life that it
// promised in the header of the response. It does nothing if there is no such promise.
func (s *Silence) Expect(h http.Header, gone func(error)) {
	seconds, err := strconv.ParseFloat(h.Get(HeartbeatHeader), 64)
	if err != nil || !(0 < seconds && seconds <= 3600) {
		return
	}
	beat := time.Duration(seconds * float64(time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticks = time.AfterFunc(beat, func() {
		if s.tick(beat) {
			gone(&TimeoutError{Part: "give a sign of life", Limit: silentTicks * beat})
		}
	})
}

// tick returns whether the server is taken for gone.
func (s *Silence) tick(beat time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ticks == nil:
		return false
	case s.heard.Swap(false):
		s.missed = 0
	default:
		s.missed++
	}
	if s.missed < silentTicks {
		s.ticks.Reset(beat)
		return false
	}
	s.ticks = nil
	return true
}

// Heard takes note that something has come. It may be called at any time.
func (s *Silence) Heard() {
	if !s.heard.Load() { // a store costs more when another processor holds the line
		s.heard.Store(true)
	}
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
