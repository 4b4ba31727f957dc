package fault

import (
	"slices"
	"sync"
	"time"

	"pushpull/loadgen/result"
)

// never is the time of what has not happened.
const never = time.Duration(-1)

// A History is what users have sent and received, and the errors and gaps they got, in a window in which a fault
// happens. All times are from the start of the window. It is safe for concurrent use.
type History struct {
	usual time.Duration

	mu           sync.Mutex
	began, ended time.Duration // of the fault
	messages     []message
	users        []member
}

// A message is one that was planned, and what became of its sending.
type message struct {
	Planned
	begun, answered time.Duration
	failed          bool // the answer is an error
}

// A Planned is a message that is to be sent.
type Planned struct {
	Sender, Room int
	At           time.Duration // its intended time
	Counts       bool          // it is part of the score; others are those of the warm-up
}

// A member is a user, and what it has seen.
type member struct {
	room  int
	came  []arrival
	gaps  []time.Duration // when it got an error that messages are missing
	error time.Duration   // when it got the last error
	left  bool            // it has given up, with an error
}

type arrival struct {
	message int
	at      time.Duration
}

// NewHistory returns the history of a window with those messages, and a user in each of rooms. A message that comes
// later than usual after its intended time is late.
func NewHistory(planned []Planned, rooms []int, usual time.Duration) *History {
	h := &History{usual: usual, began: never, ended: never}
	for _, p := range planned {
		h.messages = append(h.messages, message{p, never, never, false})
	}
	for _, room := range rooms {
		h.users = append(h.users, member{room: room, error: never})
	}
	return h
}

// Broke sets when the fault began and ended.
func (h *History) Broke(began, ended time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.began, h.ended = began, ended
}

// Called sets the intended time of message i, which was not planned for any.
func (h *History) Called(i int, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages[i].At, h.messages[i].Counts = at, true
}

// Begun takes note that the sender begins to send message i.
func (h *History) Begun(i int, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := &h.messages[i]; m.begun == never {
		m.begun = at
	}
}

// Answered takes note that the sender knows that message i is stored, or, if failed, that it may not be.
func (h *History) Answered(i int, at time.Duration, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages[i].answered, h.messages[i].failed = at, failed
}

// Came takes note that a user has received message i.
func (h *History) Came(user, i int, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[user].came = append(h.users[user].came, arrival{i, at})
}

// Told takes note that a user has got an error: a gap, one that makes it give up, or another one.
func (h *History) Told(user int, at time.Duration, gap, left bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := &h.users[user]
	u.error, u.left = at, u.left || left
	if gap {
		u.gaps = append(u.gaps, at)
	}
}

// Open returns how many copies have neither come nor been reported missing, at a time when no more messages are sent.
func (h *History) Open(at time.Duration) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	score, waiting := h.score(at)
	return score.Hung + score.Lost + waiting
}

// errorsEvery is how often a user that can't join gets an error, at least: it waits up to two seconds between two tries,
// and an answer takes up to ten.
const errorsEvery = 12 * time.Second

// Score returns what became of each copy of the messages that count: one for each member of the room but the sender.
// What is still to come at that time hangs.
func (h *History) Score(at time.Duration) result.Aftermath {
	h.mu.Lock()
	defer h.mu.Unlock()
	score, _ := h.score(at)
	return score
}

// score is Score. waiting are the copies that count as refused, but may still be sent.
func (h *History) score(at time.Duration) (score result.Aftermath, waiting int) {
	score = result.Aftermath{BeganS: h.began.Seconds(), EndedS: h.ended.Seconds()}
	recovered := h.ended
	for _, u := range h.users {
		for _, gap := range u.gaps {
			recovered = max(recovered, gap)
		}
	}
	hangs := map[int]bool{}
	for id := range h.users {
		u := &h.users[id]
		came := map[int][]time.Duration{}
		for _, a := range u.came {
			came[a.message] = append(came[a.message], a.at)
		}
		for i, m := range h.messages {
			if m.Room != u.room || m.Sender == id || !m.Counts {
				continue
			}
			times := came[i]
			if len(times) > 1 {
				score.Doubled++
			}
			switch acknowledged := m.answered != never && !m.failed; {
			case len(times) > 0:
				late := times[0]-m.At > h.usual
				if late && h.began != never && m.At+h.usual < h.began {
					score.LateBefore++
				}
				switch {
				case !acknowledged:
					score.Unconfirmed++
				case late:
					score.Late++
				default:
					score.InTime++
				}
				if times[0] > h.ended && (late || m.At <= h.ended) {
					recovered = max(recovered, times[0])
				}
			case acknowledged && (u.left || h.reported(u, m)):
				score.Told++
			case acknowledged && h.passed(u, m):
				score.Lost++
			case acknowledged:
				score.Hung++
				hangs[id] = true
			case m.failed:
				score.Refused++
				if m.At <= h.ended {
					recovered = max(recovered, m.answered)
				}
			case h.users[m.Sender].error != never && at-h.users[m.Sender].error < errorsEvery && m.begun == never:
				score.Refused++ // its sender knows that there is no connection
				waiting++
			default:
				score.Hung++
				hangs[m.Sender] = true
			}
		}
	}
	score.HungUsers = len(hangs)
	if h.ended != never {
		score.RecoverS = (recovered - h.ended).Seconds()
	}
	return score, waiting
}

// passed reports whether u has received a message that was stored after m, so that m can't come any more.
func (h *History) passed(u *member, m message) bool {
	return slices.ContainsFunc(u.came, func(a arrival) bool { return h.messages[a.message].begun > m.answered })
}

// reported reports whether m can be among the missing messages of a gap that was reported to u. A gap lies between the messages
// that came before it and those that came after it. Of two messages, the one whose sending began when the other was
// acknowledged is later in the log.
func (h *History) reported(u *member, m message) bool {
	return slices.ContainsFunc(u.gaps, func(gap time.Duration) bool {
		if m.begun > gap {
			return false
		}
		return !slices.ContainsFunc(u.came, func(a arrival) bool {
			other := h.messages[a.message]
			if a.at < gap {
				return other.begun > m.answered
			}
			return other.answered != never && !other.failed && m.begun > other.answered
		})
	})
}
