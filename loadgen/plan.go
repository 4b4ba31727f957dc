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
	User   int32         // its sender
	Number int32         // of the sender's messages, from 0
	Index  int32         // of the room's messages, from 0
}

// A Plan is the load of a window: which room each user is in, and when each user sends. The same
// scenario, seed and round give the same plan, for every transport and on every machine.
//
// A part of a plan that has some members of each room holds the sends of all, so that its members know what
// comes from elsewhere.
type Plan struct {
	Users    int // of rooms whose members are spread over several parts, all users of all parts
	RoomSize int
	Talkers  int // members of each room that send: the first ones
	Warmup   time.Duration
	End      time.Duration // of the measured part, from the start of the window
	Sends    []Send        // in the order of their times
	Phases   []float64     // per user, in [0, 1): the part of a poll interval that passes before the first poll

	byUser [][]int32 // per user, indexes in Sends
	inRoom []int32   // per room, the number of messages

	// Of a part that has some members of each room: it has the one with the number first, and from there on each
	// step-th. step is 0 if a part has all members of its rooms.
	first, step int
}

// NewPlan draws the plan of one round. The messages are a Poisson process whose number is not left to chance:
// the warm-up and the measured part each have as many as the rate makes on average. Given their number, the
// messages of a Poisson process are independent of each other and uniform in time (Kingman, Poisson Processes,
// 1993, section 2.4), and each has a random sender. So users see the gaps and bursts of independent senders,
// but rounds don't differ in what they share a cost among.
func NewPlan(s Scenario, round int) *Plan {
	random := rand.New(rand.NewPCG(s.Seed, uint64(round)))
	p := &Plan{
		Users: s.Users, RoomSize: s.roomSize(), Talkers: s.talkers(), Warmup: s.Warmup.Duration(), End: (s.Warmup + s.Duration).Duration(),
		Phases: make([]float64, s.Users),
		byUser: make([][]int32, s.Users),
		inRoom: make([]int32, s.Users/s.roomSize()),
	}
	for user := range p.Phases {
		p.Phases[user] = random.Float64()
	}
	p.Sends = make([]Send, 0, int(s.sends())+2)
	senders := len(p.inRoom) * p.Talkers
	for _, part := range []struct{ from, to time.Duration }{{0, p.Warmup}, {p.Warmup, p.End}} {
		mean := s.Rate * float64(senders) * (part.to - part.from).Seconds()
		number := int(mean)
		if random.Float64() < mean-float64(number) {
			number++
		}
		for range number {
			sender := random.IntN(senders)
			p.Sends = append(p.Sends, Send{
				At:   part.from + time.Duration(random.Int64N(int64(part.to-part.from))),
				User: int32(sender/p.Talkers*p.RoomSize + sender%p.Talkers),
			})
		}
	}
	slices.SortStableFunc(p.Sends, func(a, b Send) int { return cmp.Compare(a.At, b.At) })
	p.number()
	return p
}

// planBytes returns the memory of a scenario's plan, with what is kept for each user and each message.
func planBytes(s Scenario) int {
	const ofUser, ofSend = 8 + 24 + 4, 24 + 2*4 // a phase, a slice and a room; a Send, and its index in a slice with room to grow
	return s.Users*ofUser + int(s.sends())*ofSend
}

// number numbers the messages of each user and of each room.
func (p *Plan) number() {
	for i := range p.Sends {
		s := &p.Sends[i]
		s.Number = int32(len(p.byUser[s.User]))
		p.byUser[s.User] = append(p.byUser[s.User], int32(i))
		s.Index = p.inRoom[p.Room(int(s.User))]
		p.inRoom[p.Room(int(s.User))]++
	}
}

// WithCalls returns a plan with a message in each room at the very start, so that every member has a place in its log, and
// one of each user that sends at the end. Neither is in the measured part. The last calls of its Sends are those at the
// end.
func (p *Plan) WithCalls() (called *Plan, calls int) {
	c := *p
	c.byUser, c.inRoom = make([][]int32, len(p.byUser)), make([]int32, len(p.inRoom))
	var first, last []Send
	for room := range p.inRoom {
		for talker := range p.Talkers {
			user := int32(room*p.RoomSize + talker)
			if talker == 0 {
				first = append(first, Send{User: user})
			}
			last = append(last, Send{At: p.End, User: user})
		}
	}
	c.Sends = slices.Concat(first, p.Sends, last)
	c.number()
	return &c, len(last)
}

// membersHere returns how many members of each room the part has.
func (p *Plan) membersHere() int {
	if p.step == 0 {
		return p.RoomSize
	}
	return (p.RoomSize - p.first + p.step - 1) / p.step
}

// usersHere returns how many users the part has. They are numbered from 0 by place.
func (p *Plan) usersHere() int { return len(p.inRoom) * p.membersHere() }

// userAt returns the user at a place in the part.
func (p *Plan) userAt(place int) int {
	if p.step == 0 {
		return place
	}
	here := p.membersHere()
	return place/here*p.RoomSize + p.first + place%here*p.step
}

// placeOf returns the place of a user in the part, or false if another part has it.
func (p *Plan) placeOf(user int) (place int, here bool) {
	if p.step == 0 {
		return user, true
	}
	member := user%p.RoomSize - p.first
	return user/p.RoomSize*p.membersHere() + member/p.step, member >= 0 && member%p.step == 0
}

// copiesOf returns how many members of the part get the messages of a user.
func (p *Plan) copiesOf(user int) int {
	if _, here := p.placeOf(user); here {
		return p.membersHere() - 1
	}
	return p.membersHere()
}

// Room returns the number of a user's room.
func (p *Plan) Room(user int) int { return user / p.RoomSize }

// Measured reports whether a message is planned for the measured part. Others are not counted.
func (p *Plan) Measured(s Send) bool { return s.At >= p.Warmup && s.At < p.End }

// Find returns the index in Sends of a user's message, or false if there is none.
func (p *Plan) Find(user, number int) (int, bool) {
	if user < 0 || user >= p.Users || number < 0 || number >= len(p.byUser[user]) {
		return 0, false
	}
	return int(p.byUser[user][number]), true
}
