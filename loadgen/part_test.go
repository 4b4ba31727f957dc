package loadgen

import (
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// drawn returns a random scenario with 1 to 12 rooms.
func drawn(random *rand.Rand) Scenario {
	s := rooms10
	s.Seed = random.Uint64()
	s.RoomSize = 2 + random.IntN(6)
	s.Users = s.RoomSize * (1 + random.IntN(12))
	s.Senders = random.IntN(s.RoomSize + 1)
	s.Rate = 10 * random.Float64()
	s.Warmup, s.Duration = result.Seconds(random.IntN(2)), 1
	return s
}

// TestParts divides random plans into parts, equal ones and others. The parts put together, with the users renumbered,
// are the plan.
func TestParts(t *testing.T) {
	random, unequal := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
	for range 100 {
		s := drawn(random)
		plan := NewPlan(s, 1)
		for _, n := range []int{1, 2, 3, s.Users / s.RoomSize} {
			n = min(n, s.Users/s.RoomSize)
			var shares []int
			if unequal.IntN(2) == 0 {
				shares = slices.Repeat([]int{1}, n)
				for range s.Users/s.RoomSize - n {
					shares[unequal.IntN(n)]++
				}
			}
			whole := &Plan{RoomSize: plan.RoomSize, Talkers: plan.Talkers, Warmup: plan.Warmup, End: plan.End}
			least, most := s.Users, 0
			for i := range n {
				part := plan.Part(i, n, shares)
				if size := sizeOfPart(len(plan.inRoom), plan.RoomSize, i, n, shares); size != part.Users {
					t.Errorf("part %d of %d has %d users, not %d", i, n, part.Users, size)
				}
				least, most = min(least, part.Users), max(most, part.Users)
				stands(t, part)
				for _, send := range part.Sends {
					send.User += int32(whole.Users)
					whole.Sends = append(whole.Sends, send)
				}
				whole.Users += part.Users
				whole.Phases = append(whole.Phases, part.Phases...)
				whole.inRoom = append(whole.inRoom, part.inRoom...)
			}
			slices.SortStableFunc(whole.Sends, func(a, b Send) int { return int(a.At - b.At) })
			whole.byUser = make([][]int32, whole.Users)
			for i, send := range whole.Sends {
				whole.byUser[send.User] = append(whole.byUser[send.User], int32(i))
			}
			if !reflect.DeepEqual(whole, plan) {
				t.Fatalf("%d parts of %+v together are not the plan", n, s)
			}
			if shares == nil && most-least > plan.RoomSize {
				t.Errorf("parts have %d to %d users in rooms of %d", least, most, plan.RoomSize)
			}
		}
	}
}

// TestSpreadParts divides random plans into more parts than there are rooms: each user, with its sends, is in one of them,
// and each knows how many of its members get a message.
func TestSpreadParts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		s := drawn(random)
		plan := NewPlan(s, 1)
		n := s.Users/s.RoomSize + 1 + random.IntN(5)
		in := make([]int, s.Users) // parts that have the user
		copies := make([]int, len(plan.Sends))
		for i := range n {
			part := plan.Part(i, n, nil)
			if !slices.Equal(part.Sends, plan.Sends) || part.usersHere() != sizeOfPart(len(plan.inRoom), plan.RoomSize, i, n, nil) {
				t.Fatalf("part %d of %d of %+v has %d users and %d sends", i, n, s, part.usersHere(), len(part.Sends))
			}
			for place := range part.usersHere() {
				user := part.userAt(place)
				in[user]++
				if at, here := part.placeOf(user); !here || at != place {
					t.Fatalf("part %d of %d of %+v has user %d at %d, not at %d, %t", i, n, s, user, place, at, here)
				}
			}
			for i, send := range part.Sends {
				copies[i] += part.copiesOf(int(send.User))
			}
		}
		if slices.ContainsFunc(in, func(parts int) bool { return parts != 1 }) {
			t.Errorf("%d parts of %+v have the users %v times", n, s, in)
		}
		if slices.ContainsFunc(copies, func(c int) bool { return c != s.RoomSize-1 }) {
			t.Errorf("%d parts of %+v expect %v copies", n, s, copies)
		}
	}
}

// stands checks that a part can be measured on its own.
func stands(t *testing.T, p *Plan) {
	t.Helper()
	if p.Users%p.RoomSize != 0 || len(p.Phases) != p.Users || len(p.byUser) != p.Users || len(p.inRoom)*p.RoomSize != p.Users {
		t.Fatalf("%d users in rooms of %d have %d phases, %d lists of sends and %d rooms",
			p.Users, p.RoomSize, len(p.Phases), len(p.byUser), len(p.inRoom))
	}
	inRoom := make([]int32, len(p.inRoom))
	var before time.Duration
	for i, send := range p.Sends {
		room := p.Room(int(send.User))
		at, ok := p.Find(int(send.User), int(send.Number))
		if !ok || at != i || send.At < before || send.Index != inRoom[room] {
			t.Fatalf("send %d is %+v, found at %d", i, send, at)
		}
		before = send.At
		inRoom[room]++
	}
	if !slices.Equal(inRoom, p.inRoom) {
		t.Fatalf("rooms have %v messages, want %v", inRoom, p.inRoom)
	}
}

// TestPartsAreMeasured measures the two parts of a plan at the same time, on one server. Their joined
// window counts the messages of the whole plan.
func TestPartsAreMeasured(t *testing.T) {
	for _, transport := range []string{"long-poll", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			s := small
			s.Users, s.RoomSize = 15, 3 // five rooms: the parts differ
			plan := NewPlan(s, 1)
			base := start(t)
			parts := make([]result.Window, 2)
			var measuring sync.WaitGroup
			for i := range parts {
				w, err := aWindow(s, transport, plan.Part(i, len(parts), nil))
				if err != nil {
					t.Fatal(err)
				}
				measuring.Go(func() {
					out, err := w.measure(t.Context(), []*url.URL{base})
					if err != nil {
						t.Error(err)
						return
					}
					parts[i] = *out
				})
			}
			measuring.Wait()
			if t.Failed() {
				return
			}
			w, err := result.Join(parts...)
			if err != nil {
				t.Fatal(err)
			}
			whole(t, s, w)
			if w.Users != s.Users || parts[0].Users != 6 || parts[1].Users != 9 {
				t.Errorf("%d users of %d and %d", w.Users, parts[0].Users, parts[1].Users)
			}
			if w.Store == nil || w.Server == nil {
				t.Fatal("the server's stats are missing")
			}
			// The stats that each part read hold the appends of both parts, so they are not added.
			if want := max(parts[0].Store.Appends, parts[1].Store.Appends); w.Store.Appends != want {
				t.Errorf("%d appends, want %d", w.Store.Appends, want)
			}
		})
	}
}
