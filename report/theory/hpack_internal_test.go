package theory

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pushpull/loadgen/result"
)

// A tableUser is a user of a simulation, and what HPACK has in the tables of its connection.
type tableUser struct {
	from, to float64 // when bytes count
	bytes    int64

	second          float64 // of the latest Date
	sent, got, path bool    // there was a message, an answer that has one, and a poll of the present place
}

// literal returns size unless the header is known, which it is from now on.
func literal(size int64, known *bool) int64 {
	if *known {
		return 0
	}
	*known = true
	return size
}

// answer counts an exchange that is answered at a time.
func (u *tableUser) answer(at, epoch float64, bytes int64) {
	if second := math.Floor(epoch + at); second != u.second {
		u.second = second
		bytes += tableBytes.Literals.Date
	}
	if at >= u.from && at < u.to {
		u.bytes += bytes
	}
}

func (u *tableUser) send(at, epoch float64) {
	u.answer(at, epoch, tableBytes.Send+literal(tableBytes.Literals.Send, &u.sent))
}

// poll polls for so many messages.
func (u *tableUser) poll(at, epoch float64, messages int) {
	b, l := tableBytes, tableBytes.Literals
	bytes := literal(l.Poll, &u.path)
	if messages == 0 {
		bytes += b.Empty
	} else {
		bytes += b.Answer - l.Poll + int64(messages)*b.Message + literal(l.Answer, &u.got)
		u.path = false // the next one is of another place
	}
	u.answer(at, epoch, bytes)
}

var tableBytes = result.Bytes{Send: 171, Empty: 26, Answer: 94, Message: 134, Literals: &result.Literals{Send: 50, Poll: 41, Answer: 18, Date: 23}}

// TestLiterals simulates users in pairs whose connections begin with the window's warm-up.
func TestLiterals(t *testing.T) {
	const users, rate = 4000, .25 // messages of a user
	const epoch = 1000.3          // the start of the warm-up, on the clock
	for _, c := range []struct {
		way             result.Way
		warmup, seconds float64
	}{
		{result.Way{EveryS: 1}, 1, 4},
		{result.Way{EveryS: .2}, .4, 1.5},
		{result.Way{EveryS: 3}, .4, 1.5},
		{result.Way{EveryS: 3}, 2, 20},
		{result.Way{HoldS: 30}, .4, 1.5},
		{result.Way{HoldS: 30}, 3, 40},
		{result.Way{HoldS: 1}, 3, 10},
		{result.Way{Stream: true}, 1, 4},
	} {
		t.Run(fmt.Sprintf("%s of %v s, %v s after %v s", c.way.Class(), c.way.EveryS+c.way.HoldS, c.seconds, c.warmup), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			total, sends := 0., 0.
			for range users / 2 {
				bytes, sent := simulatePair(random, c.way, rate, epoch, c.warmup, c.warmup+c.seconds)
				total += float64(bytes)
				sends += float64(sent)
			}
			m := parameters{
				way: c.way, users: users, servers: 1, windows: 1, warmup: c.warmup, seconds: c.seconds, sends: sends, members: 2, copies: 2,
				senders: 1, processors: 1, bytes: &tableBytes, spans: []span{{epoch + c.warmup, epoch + c.warmup + c.seconds}},
			}
			p := predict(m)
			sd := p.bytes*p.requests.sd/p.requests.mean + p.strays
			t.Logf("%.0f bytes simulated, theory %+.2f%% ± %.2f%%", total, 100*(p.bytes/total-1), 100*sd/total)
			if math.Abs(p.bytes-total) > chance*sd {
				t.Errorf("%.0f bytes, theory says %.0f ± %.0f", total, p.bytes, sd)
			}
			if sd > .03*total {
				t.Errorf("theory allows for ± %.0f of %.0f", sd, total)
			}
		})
	}
}

// simulatePair returns the bytes of a pair, and its messages, from one time to another, in seconds since the start.
func simulatePair(random *rand.Rand, way result.Way, rate, epoch, from, to float64) (bytes int64, sends int) {
	pair := [2]tableUser{{from: from, to: to}, {from: from, to: to}}
	type event struct {
		at   float64
		user int
		poll bool
	}
	var events []event
	for i := range pair {
		for at := random.ExpFloat64() / rate; at < to; at += random.ExpFloat64() / rate {
			events = append(events, event{at, i, false})
		}
		if way.EveryS > 0 {
			for at := way.EveryS * random.Float64(); at < to; at += way.EveryS {
				events = append(events, event{at, i, true})
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	waiting, answered := [2]int{}, 0.
	timeouts := func(until float64) {
		for way.HoldS > 0 && answered+way.HoldS < until {
			answered += way.HoldS
			for i := range pair {
				pair[i].poll(answered, epoch, 0)
			}
		}
	}
	for _, e := range events {
		if e.poll {
			pair[e.user].poll(e.at, epoch, waiting[e.user])
			waiting[e.user] = 0
			continue
		}
		timeouts(e.at)
		answered = e.at
		pair[e.user].send(e.at, epoch)
		if e.at >= from {
			sends++
		}
		for i := range pair {
			switch way.Class() {
			case result.Timer:
				waiting[i]++
			case result.Held:
				pair[i].poll(e.at, epoch, 1)
			default:
				if e.at >= from {
					pair[i].bytes += tableBytes.Message
				}
			}
		}
	}
	timeouts(to)
	return pair[0].bytes + pair[1].bytes, sends
}
