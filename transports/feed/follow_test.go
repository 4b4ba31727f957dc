package feed_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// A follower takes messages until deliver says otherwise.
type follower struct {
	deliver func(*transports.Bundle) bool // nil: take all

	mu   sync.Mutex
	got  []string
	fell int
}

func (f *follower) Deliver(b *transports.Bundle) bool {
	f.mu.Lock()
	for _, m := range b.Messages {
		f.got = append(f.got, fmt.Sprint(m.Seq, string(m.Body)))
	}
	f.mu.Unlock()
	return f.deliver == nil || f.deliver(b)
}

func (f *follower) Fall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fell++
}

// has checks what the follower has got, like "1one 2two", and how often it fell.
func (f *follower) has(t *testing.T, fell int, want string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := strings.Join(f.got, " "); got != want || f.fell != fell {
		t.Errorf("a follower got %q and fell %d times, want %q and %d", got, f.fell, want, fell)
	}
}

// follow makes a reader follow the room from seq on, which must not be refused.
func follow(t *testing.T, f *feed.Feed, seq uint64, reader transports.Follower) (stop func()) {
	t.Helper()
	stop, ok := f.Follow("room", seq, reader)
	if !ok {
		t.Fatalf("following from %d is refused", seq)
	}
	return stop
}

// entries checks how many followers the room lists, and how many readers it counts.
func entries(t *testing.T, f *feed.Feed, followers, readers int) {
	t.Helper()
	if got, _, all := f.Followers("room"); got != followers || all != readers {
		t.Errorf("the room lists %d followers and counts %d readers, want %d and %d", got, all, followers, readers)
	}
}

// Followers get each message once, as it comes, until they stop or refuse.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		say := func(bodies ...string) {
			store.say(bodies...)
			synctest.Wait()
		}
		var all, stopped, refusing follower
		refusing.deliver = func(b *transports.Bundle) bool { return b.Messages[0].Seq < 2 }
		follow(t, f, 0, &all)
		stop := follow(t, f, 0, &stopped)
		follow(t, f, 0, &refusing)
		entries(t, f, 3, 3)
		say("one")
		entries(t, f, 3, 3)
		var late follower
		follow(t, f, 1, &late)
		stop()
		stop()
		entries(t, f, 3, 3)
		say("two")
		entries(t, f, 2, 2)
		say("three", "four")
		all.has(t, 0, "1one 2two 3three 4four")
		stopped.has(t, 0, "1one")
		refusing.has(t, 0, "1one 2two")
		late.has(t, 0, "2two 3three 4four")
		stop()
		entries(t, f, 2, 2)
	})
}

// Only a reader that is at the end of what the room's reader has read can follow: the others have to read on
// first. One that is refused counts no longer.
func TestFollowIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		store.say("one", "two")
		f := opened(t, store)
		stop, ok := f.Follow("room", 0, new(follower)) // nothing is read yet
		if !ok {
			t.Fatal("the first reader of a room is refused")
		}
		synctest.Wait()
		entries(t, f, 1, 1)
		for _, seq := range []uint64{0, 1, 3, 9} {
			if _, ok := f.Follow("room", seq, new(follower)); ok {
				t.Errorf("a room that is read up to 2 can be followed from %d", seq)
			}
		}
		entries(t, f, 1, 1)
		stop()
		entries(t, f, 0, 0)
		if _, ok := f.Follow("room", 1, new(follower)); ok {
			t.Error("a room that is read up to 2 can be followed from 1")
		}
		time.Sleep(11 * time.Second)
		if store.Watched() {
			t.Error("a room without readers is still watched")
		}
		f.Close()
		if _, ok := f.Follow("room", 2, new(follower)); ok {
			t.Error("a closed feed can be followed")
		}
		entries(t, f, 0, 0)
	})
}

// While a room is written to, its followers may stop, themselves or one another, and others may join.
func TestChangesDuringADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		var first, second, third, fourth, joined follower
		var stop [5]func()
		first.deliver = func(b *transports.Bundle) bool {
			if b.Messages[0].Seq == 1 {
				stop[1]() // of the second, which has not got the message yet
				stop[4] = follow(t, f, 1, &joined)
			}
			return true
		}
		third.deliver = func(*transports.Bundle) bool {
			stop[2]() // itself
			stop[0]() // one that has got it
			return true
		}
		for i, r := range []*follower{&first, &second, &third, &fourth} {
			stop[i] = follow(t, f, 0, r)
		}
		store.say("one")
		synctest.Wait()
		entries(t, f, 2, 2) // the fourth, and the one that has joined
		store.say("two")
		synctest.Wait()
		first.has(t, 0, "1one")
		second.has(t, 0, "")
		third.has(t, 0, "1one")
		fourth.has(t, 0, "1one 2two")
		joined.has(t, 0, "2two")
		stop[3]()
		stop[4]()
		entries(t, f, 0, 0)
	})
}

// Followers that stop while another one is being written to are gone, and the room forgets them.
func TestStopWhileAnotherIsWrittenTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		release := make(chan struct{})
		slow := &follower{deliver: func(*transports.Bundle) bool { <-release; return false }}
		var before, after, late follower
		stopBefore := follow(t, f, 0, &before)
		follow(t, f, 0, slow)
		stopAfter := follow(t, f, 0, &after)
		store.say("one")
		synctest.Wait()
		stopLate := follow(t, f, 1, &late)
		stopBefore()
		stopAfter()
		stopLate()
		close(release)
		synctest.Wait()
		entries(t, f, 0, 0)
		store.say("two")
		synctest.Wait()
		before.has(t, 0, "1one")
		after.has(t, 0, "")
		slow.has(t, 0, "1one")
		late.has(t, 0, "")
	})
}

// A room in which nothing happens doesn't grow, however many followers come and go.
func TestFollowersOfAQuietRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		const stay = 10
		var stops []func()
		for range stay {
			stops = append(stops, follow(t, f, 0, new(follower)))
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range 10_000 {
			i := random.IntN(stay)
			next := follow(t, f, 0, new(follower))
			stops[i]()
			stops[i] = next
		}
		entries(t, f, stay, stay)
		if _, array, _ := f.Followers("room"); array > 4*stay {
			t.Errorf("%d followers are kept in an array of %d", stay, array)
		}
		var last follower
		stop := follow(t, f, 0, &last)
		store.say("one")
		synctest.Wait()
		last.has(t, 0, "1one")
		stop()
		for _, stop := range stops {
			stop()
		}
		entries(t, f, 0, 0)
	})
}

// A room is watched for as long as it has followers.
func TestWatchOfFollowers(t *testing.T) {
	for name, refuses := range map[string]bool{"stop": false, "refuse": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newWatched()
				f := opened(t, store)
				stop := follow(t, f, 0, &follower{deliver: func(*transports.Bundle) bool { return !refuses }})
				time.Sleep(time.Hour)
				if !store.Watched() {
					t.Fatal("a room with a follower is not watched")
				}
				store.say("one")
				synctest.Wait()
				if !refuses {
					stop()
				}
				time.Sleep(9 * time.Second)
				if !store.Watched() {
					t.Error("a room is watched for less than 10 s after its last follower")
				}
				time.Sleep(2 * time.Second)
				if store.Watched() {
					t.Error("a room without followers is still watched")
				}
			})
		})
	}
}

// When the room's reader ends, each follower falls once, and gets nothing more. Then it can read on.
func TestFall(t *testing.T) {
	for name, end := range map[string]func(*late, *feed.Feed){
		"the store fails": func(store *late, _ *feed.Feed) {
			ill := errors.New("the disk is on fire")
			store.ill.Store(&ill)
			store.bell.RingAll()
		},
		"a gap": func(store *late, _ *feed.Feed) {
			var gap error = &transports.GapError{Oldest: 9}
			store.ill.Store(&gap)
			store.bell.RingAll()
		},
		"Close": func(_ *late, f *feed.Feed) { f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &late{watched: watched{Store: memory.Store{First: 1}}}
				f := opened(t, store)
				var followers [10]follower
				var stops [10]func()
				for i := range followers {
					stops[i] = follow(t, f, 0, &followers[i])
				}
				synctest.Wait()
				stops[7]()
				end(store, f)
				synctest.Wait()
				entries(t, f, 0, 0)
				for i := range followers {
					stops[i]()
				}
				store.ill.Store(nil)
				store.say("one")
				if name != "Close" {
					expect(t, f, 0, 1, "one")
					var again follower
					follow(t, f, 1, &again)
					store.say("two")
					store.bell.Ring("room")
					synctest.Wait()
					again.has(t, 0, "2two")
				}
				for i := range followers {
					fell := 1
					if i == 7 {
						fell = 0
					}
					followers[i].has(t, fell, "")
				}
			})
		})
	}
}

// However many followers a room has, each message is read once, and spelled once in each spelling.
func TestManyFollowers(t *testing.T) {
	const n, messages = 1000, 10
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		var spelled [2]int
		var spellings [2]*transports.Spelling
		for i := range spellings {
			spellings[i] = &transports.Spelling{Append: func(buf []byte, m []transports.Message) []byte {
				spelled[i] += len(m)
				return fmt.Append(buf, i, string(m[0].Body))
			}}
		}
		got := 0
		for i := range n {
			follow(t, f, 0, &follower{deliver: func(b *transports.Bundle) bool {
				if text := string(b.Spelled(spellings[i%2])); text == fmt.Sprint(i%2, "hello") {
					got++
				}
				return true
			}})
		}
		synctest.Wait() // for the read that looks for earlier messages
		for range messages {
			store.say("hello")
			synctest.Wait()
		}
		if got != n*messages {
			t.Errorf("%d deliveries, want %d", got, n*messages)
		}
		if reads := store.reads.Load(); reads != messages+1 {
			t.Errorf("%d reads for %d messages, want %d", reads, messages, messages+1)
		}
		if want := [2]int{messages, messages}; spelled != want {
			t.Errorf("%d messages are spelled %d times", messages, spelled)
		}
	})
}

// A roaming reader follows while it can, and reads on with Next else. It refuses, stops and comes back at
// random.
type roaming struct {
	t *testing.T

	mu     sync.Mutex
	random *rand.Rand
	at     uint64 // seq of the last message it has
	pushed int
	rides  bool          // it follows, and takes what is delivered
	ended  chan struct{} // closed when rides becomes false
}

// take takes messages, which must be those that come next. It must be called with mu held.
func (r *roaming) take(messages []transports.Message) {
	for _, m := range messages {
		if m.Seq != r.at+1 {
			r.t.Errorf("message %d follows %d", m.Seq, r.at)
		}
		r.at = m.Seq
	}
}

func (r *roaming) leave() {
	if r.rides {
		r.rides = false
		close(r.ended)
	}
}

func (r *roaming) Deliver(b *transports.Bundle) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.rides {
		return false // stopped meanwhile
	}
	switch r.random.IntN(20) {
	case 0: // refuse
		r.leave()
		return false
	case 1: // take these, and no more
		r.take(b.Messages)
		r.leave()
		return false
	}
	r.take(b.Messages)
	r.pushed += len(b.Messages)
	return true
}

func (r *roaming) Fall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave()
}

// run reads until it has all messages up to last.
func (r *roaming) run(f *feed.Feed, last uint64) {
	for {
		r.mu.Lock()
		at, wait := r.at, time.Duration(1+r.random.IntN(1e6))
		r.rides, r.ended = true, make(chan struct{})
		ended := r.ended
		r.mu.Unlock()
		if at >= last {
			return
		}
		stop, ok := f.Follow("room", at, r)
		switch {
		case ok && wait%2 == 0: // stop while others work
			for range wait % 64 {
				runtime.Gosched()
			}
			stop()
		case ok: // stop once nothing else happens, or when it is over
			timer := time.NewTimer(wait)
			select {
			case <-ended:
			case <-timer.C:
				stop()
			}
			timer.Stop()
		}
		r.mu.Lock()
		r.leave()
		at = r.at
		r.mu.Unlock()
		if ok || at >= last {
			continue
		}
		messages, err := f.Next(r.t.Context(), "room", at, 1+int(wait)%7)
		if err != nil {
			r.t.Error(err)
			return
		}
		r.mu.Lock()
		r.take(messages)
		r.mu.Unlock()
	}
}

// Readers that follow, refuse, stop, join and read on at random, while several goroutines append, get each
// message once and in order.
func TestRoamingFollowers(t *testing.T) {
	const readers, senders, each = 30, 3, 700
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		var all []*roaming
		var running sync.WaitGroup
		for i := range readers {
			r := &roaming{t: t, random: rand.New(rand.NewPCG(uint64(i), 7))}
			all = append(all, r)
			running.Go(func() { r.run(f, senders*each) })
		}
		var sent atomic.Int64
		for range senders {
			running.Go(func() {
				for range each {
					store.say("hello")
					if sent.Add(1)%50 == 0 {
						time.Sleep(time.Millisecond) // lets followers catch up
					}
				}
			})
		}
		running.Wait()
		pushed := 0
		for i, r := range all {
			if r.at != senders*each {
				t.Errorf("reader %d has %d messages, want %d", i, r.at, senders*each)
			}
			pushed += r.pushed
		}
		if pushed == 0 {
			t.Error("no message was delivered to a follower")
		}
		entries(t, f, 0, 0)
	})
}
