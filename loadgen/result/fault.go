package result

import (
	"errors"
	"fmt"
	"slices"
)

// An Aftermath is what broke in a window, and what became of the copies of its messages: one for each member of the room but
// the sender. Times are from the start of the window, its warm-up included.
type Aftermath struct {
	Fault  string  `json:"fault"` // its name
	BeganS float64 `json:"began_s,omitzero"`
	EndedS float64 `json:"ended_s,omitzero"` // equal to BeganS if it was mended at once, or never

	InTime      int `json:"in_time"`               // acknowledged, and delivered as fast as usual
	Late        int `json:"late,omitempty"`        // acknowledged, and delivered later
	Unconfirmed int `json:"unconfirmed,omitempty"` // delivered, although the sender got an error, or no answer
	Refused     int `json:"refused,omitempty"`     // not delivered, and the sender got an error
	Told        int `json:"told,omitempty"`        // acknowledged and not delivered, and the member was told: of a gap, or by an error that ended its session
	Lost        int `json:"lost,omitempty"`        // acknowledged and not delivered, and the member was not told, but got later messages
	Hung        int `json:"hung,omitempty"`        // neither delivered nor told when the time limit had passed
	Doubled     int `json:"doubled,omitempty"`     // delivered more than once
	LateBefore  int `json:"late_before,omitempty"` // of all copies, those that were late although the fault came later: the machine was busy
	HungUsers   int `json:"hung_users,omitempty"`  // users that waited in vain for those that hung

	Recovery *Recovery `json:"recovery,omitempty"` // nil: nobody was cut off, or the result is older than the figure

	RecoverS float64 `json:"recover_s"` // from the end of the fault until the last message that it held up came, or the last gap was told
}

// A Recovery is how the users came back that a fault cut off. A user is cut off from the end of its session, or, if its
// server was killed, from then on. It is back once its next stream is open or a poll is answered, or when the poll began
// that is held. Connections and requests are those of all users; a request is a poll, a handshake or a message.
type Recovery struct {
	Back  int     `json:"back"` // of the users that were cut off, those that came back
	Cut   int     `json:"cut"`
	HalfS float64 `json:"half_s"` // from the end of the fault until half were back; 0: they were before, or never
	AllS  float64 `json:"all_s"`  // the same of all of them

	// From the beginning of the fault until all were back.
	Connections int64   `json:"connections"`
	Requests    int64   `json:"requests"`
	CPUS        float64 `json:"server_cpu_s"` // of the servers, as far as they run on this machine

	Steps []RecoveryStep `json:"steps,omitempty"` // empty with fewer than Herd users, or more than MostRecoverySteps
}

// A RecoveryStep is a part of a recovery. What its users did is what they did since the step before.
type RecoveryStep struct {
	AtS         float64 `json:"at_s"`    // its end, from the start of the window
	WidthS      float64 `json:"width_s"` // its length
	Reached     int     `json:"reached"` // users that messages could reach at its end, of all users
	Connections int64   `json:"connections"`
	Requests    int64   `json:"requests"`
	CPUS        float64 `json:"server_cpu_s"`
}

// Limits of the steps of a recovery.
const (
	Herd              = 100 // users; fewer are no herd
	MostRecoverySteps = 400 // a run takes ten in a second
)

// settle returns an error if nothing can have measured r.
func (r *Recovery) settle() error {
	bad := r.Cut <= 0 || r.Back < 0 || r.Back > r.Cut || !heads.holds(float64(r.Cut)) || !spans.holds(r.HalfS) || !spans.holds(r.AllS) ||
		!tallies.holds(float64(r.Connections)) || !tallies.holds(float64(r.Requests)) || !spans.holds(r.CPUS) || len(r.Steps) > MostRecoverySteps
	for i, s := range r.Steps {
		bad = bad || !spans.holds(s.AtS) || i > 0 && s.AtS <= r.Steps[i-1].AtS || s.WidthS == 0 || !divisors.holds(s.WidthS) || s.Reached < 0 || !heads.holds(float64(s.Reached)) ||
			!tallies.holds(float64(s.Connections)) || !tallies.holds(float64(s.Requests)) || !spans.holds(s.CPUS)
	}
	if bad {
		return errors.New("how users came back can't have been measured")
	}
	return nil
}

// An Outcome is what can become of copies, the best first. A cell of the matrix is as good as its worst.
type Outcome struct {
	Name  string // in a table
	About string
	Bad   bool // a fault of the server
	Count func(*Aftermath) int
}

// Outcomes returns all outcomes, the best first.
func Outcomes() []Outcome {
	return []Outcome{
		{"in time", "delivered as if nothing had happened", false, func(f *Aftermath) int { return f.InTime }},
		{"late", "delivered later than usual", false, func(f *Aftermath) int { return f.Late }},
		{"unconfirmed", "delivered, but the sender got an error or no answer", false, func(f *Aftermath) int { return f.Unconfirmed }},
		{"refused", "not delivered, and the sender got an error", false, func(f *Aftermath) int { return f.Refused }},
		{"told", "not delivered, and the receiver was told that messages are missing", false, func(f *Aftermath) int { return f.Told }},
		{"doubled", "delivered more than once", false, func(f *Aftermath) int { return f.Doubled }},
		{"HUNG", "neither a message nor an error came within the time limit", true, func(f *Aftermath) int { return f.Hung }},
		{"LOST", "acknowledged, but not delivered, and nobody was told", true, func(f *Aftermath) int { return f.Lost }},
	}
}

// Worst returns the worst outcome of any copy.
func (f *Aftermath) Worst() Outcome {
	all := Outcomes()
	for _, o := range slices.Backward(all) {
		if o.Count(f) > 0 {
			return o
		}
	}
	return all[0]
}

// Expected returns the number of all copies.
func (f *Aftermath) Expected() int {
	return f.InTime + f.Late + f.Unconfirmed + f.Refused + f.Told + f.Lost + f.Hung
}

// Add adds the copies of another window with the same fault, and takes the longer time to recover.
func (f *Aftermath) Add(other *Aftermath) {
	f.InTime += other.InTime
	f.Late += other.Late
	f.Unconfirmed += other.Unconfirmed
	f.Refused += other.Refused
	f.Told += other.Told
	f.Lost += other.Lost
	f.Hung += other.Hung
	f.Doubled += other.Doubled
	f.LateBefore += other.LateBefore
	f.HungUsers += other.HungUsers
	f.RecoverS = max(f.RecoverS, other.RecoverS)
}

// settle shortens f, and returns an error if nothing can have measured f.
func (f *Aftermath) settle() error {
	f.Fault = Shorten(f.Fault)
	for _, o := range Outcomes() {
		if n := o.Count(f); n < 0 || !tallies.holds(float64(n)) {
			return fmt.Errorf("%d copies %s can't have been measured", n, o.Name)
		}
	}
	switch {
	case f.LateBefore < 0 || !tallies.holds(float64(f.LateBefore)):
		return fmt.Errorf("%d copies that were late before the fault can't have been measured", f.LateBefore)
	case f.HungUsers < 0 || !heads.holds(float64(f.HungUsers)):
		return fmt.Errorf("%d users that hung can't have been measured", f.HungUsers)
	case f.BeganS < 0 || f.RecoverS < 0 || !spans.holds(f.RecoverS) || !spans.holds(f.BeganS) || !spans.holds(f.EndedS) || !(f.EndedS >= f.BeganS):
		return errors.New("the times of a fault can't have been measured")
	}
	return nil
}

// Faults are those that were made to happen in the windows of a run, each in some.
type Faults struct {
	All     []FaultAbout `json:"all"`
	LeftOut []LeftOut    `json:"left_out,omitempty"`
}

// A FaultAbout is a fault, and what happens in it, in one line.
type FaultAbout struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// A LeftOut is a fault that was not made to happen.
type LeftOut struct {
	Fault     string `json:"fault"`
	Transport string `json:"transport"`
	Why       string `json:"why"`
}
