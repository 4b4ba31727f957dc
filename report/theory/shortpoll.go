package theory

import "math"

// A ShortPoll is one user that sends requests on a fixed timer and gets all new messages at once in
// the answer.
//
// The timer does not wait for answers. If it started with the answer, the interval would be longer
// by a round trip and the service time. With random intervals C the mean wait would be E[C²]/(2E[C])
// (the inspection paradox: a message is more likely to fall into a long interval).
type ShortPoll struct {
	Interval float64 // T, seconds from one request to the next
	Rate     float64 // λ, messages per second for this user
	Batch    float64 // B, most messages in an answer, after which the user asks again at once; 0: no limit
}

// Wait returns the distribution of the time from the storing of a message to the next request,
// U(0, T): a Poisson arrival finds the timer in a random phase (PASTA; Wolff 1982).
func (s ShortPoll) Wait() Distribution { return Uniform(0, s.Interval) }

// MeanWait returns the mean of Wait, T/2, in seconds.
func (s ShortPoll) MeanWait() float64 { return s.Interval / 2 }

// WaitQuantile returns the p-quantile of Wait, pT, in seconds.
func (s ShortPoll) WaitQuantile(p float64) float64 { return p * s.Interval }

// EmptyShare returns the share of the answers without a message, e^(-λT): the probability of no
// Poisson event in T. With a Batch the last answer of an interval with N messages is empty if B divides N.
func (s ShortPoll) EmptyShare() float64 {
	if s.Batch <= 0 {
		return math.Exp(-s.Rate * s.Interval)
	}
	empty := s.mean(func(n float64) float64 {
		if math.Mod(n, s.Batch) == 0 {
			return 1
		}
		return 0
	})
	return empty / (1 + s.Asked())
}

// Asked returns the mean number of requests in an interval besides that of the timer, E[⌊N/B⌋] for a Poisson number N
// of messages with mean λT: the user asks again at once after each full answer.
func (s ShortPoll) Asked() float64 {
	switch {
	case s.Batch <= 0:
		return 0
	case s.Batch == 1:
		return s.Rate * s.Interval
	}
	return s.mean(func(n float64) float64 { return math.Floor(n / s.Batch) })
}

// mean returns the mean of f(N), where N is the number of messages in an interval.
func (s ShortPoll) mean(f func(n float64) float64) float64 {
	mean := s.Rate * s.Interval
	if mean <= 0 {
		return f(0)
	}
	spread := 10*math.Sqrt(mean) + 10 // beyond which a Poisson variable is practically never
	sum, n := 0.0, math.Floor(max(0, mean-spread))
	for range int(min(2*spread, 1e6)) {
		logGamma, _ := math.Lgamma(n + 1)
		sum += math.Exp(n*math.Log(mean)-mean-logGamma) * f(n)
		n++
	}
	return sum
}

// FreshPolls returns the number of polls in the seconds from until to, counted from the first chance of a message,
// that are made before there was any: the integral of e^(-λt)/T.
func (s ShortPoll) FreshPolls(from, to float64) float64 {
	if s.Rate == 0 {
		return (to - from) / s.Interval
	}
	return (math.Exp(-s.Rate*from) - math.Exp(-s.Rate*to)) / (s.Rate * s.Interval)
}

// MessagesPerAnswer returns the mean number of messages in an answer that has any, λT/(1-e^(-λT)):
// the mean of a Poisson variable, given that it is not 0.
func (s ShortPoll) MessagesPerAnswer() float64 {
	n := s.Rate * s.Interval
	if n == 0 {
		return 1 // the limit for n to 0
	}
	return n / -math.Expm1(-n)
}

// RequestsPerSecond returns the rate of requests, 1/T, which does not depend on the messages. With a Batch those
// of Asked come on top.
func (s ShortPoll) RequestsPerSecond() float64 { return (1 + s.Asked()) / s.Interval }

// ReadsPerSecond returns the rate of store reads: one for each request. A share EmptyShare of them
// finds nothing.
func (s ShortPoll) ReadsPerSecond() float64 { return s.RequestsPerSecond() }

// RequestsPerMessage returns the number of requests per message, 1/(λT); +Inf if Rate is 0.
func (s ShortPoll) RequestsPerMessage() float64 { return s.RequestsPerSecond() / s.Rate }
