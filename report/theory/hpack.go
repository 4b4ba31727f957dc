package theory

import (
	"math"

	"pushpull/loadgen/result"
)

// A span is when a window was measured, in seconds since the Unix epoch.
type span struct{ from, to float64 }

func spanOf(w result.Window) span {
	from := float64(w.Started.UnixMicro()) / 1e6
	return span{from, from + w.DurationS}
}

// literals returns the bytes of the result.Literals, and their standard deviation with that of the number of full
// answers, of which there are full among requests. Both are 0 over HTTP/1.1.
func (m parameters) literals(requests, full float64) (bytes, sd float64) {
	if m.bytes == nil || m.bytes.Literals == nil {
		return 0, 0
	}
	l := m.bytes.Literals
	from, to := m.begun()
	all := m.users * m.windows
	add := func(size int64, count, together float64) {
		bytes += float64(size) * count
		sd = math.Hypot(sd, float64(size)*math.Sqrt(count*together))
	}
	add(l.Send, all*(m.silent(from)-m.silent(to)), 1)
	timer := ShortPoll{Interval: m.way.EveryS, Rate: m.rate()}
	switch m.way.Class() {
	case result.Timer:
		add(l.Answer, all*timer.firstAnswers(from, to), m.members)
		// A place is new in the poll after the answer that is charged for it, and the first poll has one, too.
		rest := float64(m.bytes.Answer - m.bytes.Empty - l.Poll)
		bytes += all*(timer.fullAnswers(from, to)*rest+timer.newPlaces(from, to)*float64(l.Poll)) - full*(rest+float64(l.Poll))
		more := float64(m.bytes.Answer - m.bytes.Empty)
		sd = math.Hypot(sd, more*math.Sqrt(m.members*requests*timer.shareVariance()))
		sd = math.Hypot(sd, more*timer.EmptyShare()*m.unbalanced())
	case result.Held, result.Scan:
		add(l.Answer, all*(math.Exp(-m.rate()*from)-math.Exp(-m.rate()*to)), m.members)
	}
	timeouts := (requests - full) / m.users / m.seconds
	quiet := func(t float64) float64 { return m.quiet(t, timeouts) }
	add(l.Date, m.users*m.dates(quiet), m.members*quiet(1))
	return bytes, sd
}

// silent returns the probability that a user sends nothing within a time.
func (m parameters) silent(t float64) float64 {
	return 1 - m.senders + m.senders*math.Exp(-m.sends/m.users/m.senders/m.seconds*t)
}

// quiet returns the probability that a user gets no answer within a time of at most a second: to a poll, or to a
// message of its own, whose acknowledgement comes with the answer that has it if a poll is held. Of polls that are
// held, timeouts are the answers without a message per second.
func (m parameters) quiet(t, timeouts float64) float64 {
	switch m.way.Class() {
	case result.Timer:
		return m.silent(t) * max(0, 1-t/m.way.EveryS)
	case result.Held, result.Scan:
		// A timeout is after no message for longer than t, and then there is none for the rest of it.
		rate := m.rate()
		if rate == 0 {
			return max(0, 1-timeouts*t)
		}
		return max(0, math.Exp(-rate*t)+timeouts*math.Expm1(-rate*t)/rate)
	}
	return m.silent(t)
}

// dates returns how many answers of a user have another Date than the one before, in all windows: the first one in each
// second of the clock, that of the machine with the users.
func (m parameters) dates(quiet func(t float64) float64) float64 {
	if len(m.spans) == 0 {
		return m.seconds * (1 - quiet(1))
	}
	sum := 0.
	for _, s := range m.spans {
		begun, ended := math.Floor(s.from), math.Floor(s.to)
		sum += (ended-begun)*(1-quiet(1)) + quiet(s.from-begun) - quiet(s.to-ended)
	}
	return sum
}

// emptyAnswers returns the mean number of polls without a message until t, in seconds since the first chance of a
// message, if the first poll is U(0, T) after that: the integral of e^(-λ min(t, T))/T.
func (s ShortPoll) emptyAnswers(t float64) float64 {
	return s.FreshPolls(0, min(t, s.Interval)) + max(0, t/s.Interval-1)*s.EmptyShare()
}

// fullAnswers returns the mean number of polls between two times that bring a message.
func (s ShortPoll) fullAnswers(from, to float64) float64 {
	return (to-from)/s.Interval - (s.emptyAnswers(to) - s.emptyAnswers(from))
}

// newPlaces returns the mean number of polls between two times whose place is not that of the poll before: the first
// poll, and each one after an answer with a message.
func (s ShortPoll) newPlaces(from, to float64) float64 {
	return (to-from)/s.Interval - (s.emptyAnswers(max(0, to-s.Interval)) - s.emptyAnswers(max(0, from-s.Interval)))
}

// firstAnswers returns the mean number of polls between two times that bring a user its first message: none was there
// at the poll before, if there was one.
func (s ShortPoll) firstAnswers(from, to float64) float64 {
	first := (min(to, s.Interval) - min(from, s.Interval)) / s.Interval // polls
	return first + s.FreshPolls(max(0, from-s.Interval), max(0, to-s.Interval)) - s.FreshPolls(from, to)
}

// shareVariance returns the variance of the number of answers with a message, for each poll: messages at random occupy
// e^(-α)(1-(1+α)e^(-α)) as unevenly, α = λT (Feller, An Introduction to Probability Theory I, 1968, section IV.2).
func (s ShortPoll) shareVariance() float64 {
	n := s.Rate * s.Interval
	return math.Exp(-n) * (1 - (1+n)*math.Exp(-n))
}
