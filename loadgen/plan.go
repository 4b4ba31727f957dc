package loadgen

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// A Send is one planned message.
type Send struct {
	At     time.Duration // intended time, from the start of the window, warm-up included
	User   int32         // who sends it
	Number int32         // of the sender's messages, from 0
	Index  int32         // of the room's messages, from 0
}

// A Plan says who is in which room and who sends when. It is drawn from a scenario and a seed
// alone: the same ones give the same plan, for every transport and on every machine.
type Plan struct {
	Users    int
	RoomSize int
	Talkers  int // members of each room who talk: the first ones
	Warmup   time.Duration
	End      time.Duration // of the measured part, from the start of the window
	Sends    []Send        // in the order of their times
	Phases   []float64     // per user, in [0, 1): when within a period a user of a periodic transport starts to ask

	byUser [][]int32 // per user, places in Sends
	inRoom []int32   // per room, how many messages
}

// NewPlan draws the plan of one round. Each sender's messages come at random (a Poisson process),
// independent of everybody else's.
func NewPlan(s Scenario, round int) *Plan {
	random := rand.New(rand.NewPCG(s.Seed, uint64(round)))
	p := &Plan{
		Users: s.Users, RoomSize: s.roomSize(), Talkers: s.talkers(), Warmup: s.Warmup, End: s.Warmup + s.Duration,
		Phases: make([]float64, s.Users),
		byUser: make([][]int32, s.Users),
		inRoom: make([]int32, s.Users/s.roomSize()),
	}
	p.Sends = make([]Send, 0, int(1.1*s.sends())+16)
	for user := range s.Users {
		p.Phases[user] = random.Float64()
		if user%p.RoomSize >= p.Talkers {
			continue
		}
		for at := 0.0; ; {
			at += random.ExpFloat64() / s.Rate
			if at >= p.End.Seconds() {
				break // before it is a time.Duration, which a low rate overflows
			}
			p.Sends = append(p.Sends, Send{At: time.Duration(at * float64(time.Second)), User: int32(user)})
		}
	}
	slices.SortStableFunc(p.Sends, func(a, b Send) int { return cmp.Compare(a.At, b.At) })
	for i := range p.Sends {
		s := &p.Sends[i]
		s.Number = int32(len(p.byUser[s.User]))
		p.byUser[s.User] = append(p.byUser[s.User], int32(i))
		s.Index = p.inRoom[p.Room(int(s.User))]
		p.inRoom[p.Room(int(s.User))]++
	}
	return p
}

// Room returns the number of the room that a user is in.
func (p *Plan) Room(user int) int { return user / p.RoomSize }

// Measured says whether a message counts, or belongs to the warm-up.
func (p *Plan) Measured(s Send) bool { return s.At >= p.Warmup && s.At < p.End }

// Find returns the place in Sends of a user's message.
func (p *Plan) Find(user, number int) (int, bool) {
	if user < 0 || user >= p.Users || number < 0 || number >= len(p.byUser[user]) {
		return 0, false
	}
	return int(p.byUser[user][number]), true
}
