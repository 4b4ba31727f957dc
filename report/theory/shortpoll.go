package theory

import "math"

// A ShortPoll is one user who asks on a fixed timer and is answered at once with everything that is
// new.
//
// The timer doesn't wait for answers. One that starts with the answer would make the interval longer
// by a round trip and the service; one of random intervals C would make the mean wait E[C²]/(2E[C])
// (the inspection paradox: a message rather falls into a long interval).
type ShortPoll struct {
	Interval float64 // T, seconds from one question to the next
	Rate     float64 // λ, messages per second that the user is to get
}

// Wait returns the distribution of the time from a message's being stored to the next question,
// U(0, T): a Poisson message finds the timer at a random place (PASTA; Wolff 1982).
func (s ShortPoll) Wait() Distribution { return Uniform(0, s.Interval) }

// MeanWait returns the mean of Wait, T/2, in seconds.
func (s ShortPoll) MeanWait() float64 { return s.Interval / 2 }

// WaitQuantile returns the p-quantile of Wait, pT, in seconds.
func (s ShortPoll) WaitQuantile(p float64) float64 { return p * s.Interval }

// EmptyShare returns the share of the answers that bring nothing, e^(-λT): that of no Poisson
// event in T.
func (s ShortPoll) EmptyShare() float64 { return math.Exp(-s.Rate * s.Interval) }

// MessagesPerAnswer returns how many messages an answer brings that brings any, λT/(1-e^(-λT)): the
// mean of a Poisson number, given that it isn't 0.
func (s ShortPoll) MessagesPerAnswer() float64 {
	n := s.Rate * s.Interval
	if n == 0 {
		return 1 // the limit
	}
	return n / -math.Expm1(-n)
}

// RequestsPerSecond returns the rate of the questions, 1/T, whatever is said in the room.
func (s ShortPoll) RequestsPerSecond() float64 { return 1 / s.Interval }

// ReadsPerSecond returns the rate of reads of the store: one for each question. A share EmptyShare
// of them finds nothing.
func (s ShortPoll) ReadsPerSecond() float64 { return s.RequestsPerSecond() }

// RequestsPerMessage returns the questions for each message that came, 1/(λT); +Inf where none come.
func (s ShortPoll) RequestsPerMessage() float64 { return s.RequestsPerSecond() / s.Rate }
