package theory_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pushpull/report/theory"
)

// longPollScanUser simulates a user from start on. Its request is answered by the read when it
// arrives or by one of the scans after it, at the latest by the last one, and the next request
// arrives a gap later. p counts what happens between from and to.
func longPollScanUser(l theory.LongPollScan, random *rand.Rand, start, from, to float64, p *part) {
	most := int(l.Hold/l.Scan + .5)
	next := start + random.ExpFloat64()/l.Rate // the first message after the cursor
	count := func(what string, at float64) {
		if at >= from && at < to {
			p.counts[what]++
		}
	}
	for asked := start; asked < to; asked += l.Gap {
		came := asked
		count("reads", asked)
		for scan := 1; next > asked && scan <= most; scan++ {
			asked = came + float64(scan)*l.Scan
			count("reads", asked)
		}
		count("requests", asked)
		if next > asked {
			count("timeouts", asked)
		}
		for ; next <= asked; next += random.ExpFloat64() / l.Rate {
			if asked >= from && asked < to {
				p.waits = append(p.waits, asked-next)
				if next <= came {
					p.counts["in the gap"]++
				}
			}
		}
	}
}

func TestLongPollScan(t *testing.T) {
	for _, l := range []theory.LongPollScan{
		{Gap: .03, Rate: 2, Hold: 3, Scan: .05},
		{Gap: .05, Rate: 3, Hold: .4, Scan: .1},
		{Gap: .3, Rate: 1, Hold: 1, Scan: .5},
		{Gap: .2, Rate: 5, Hold: .05, Scan: .05},
		{Gap: .05, Rate: 30, Hold: 30, Scan: .1},
	} {
		t.Run(fmt.Sprintf("%+v", l), func(t *testing.T) {
			seconds := 6000 * l.Cycle()
			all := simulate(func(random *rand.Rand) part {
				p := part{counts: map[string]float64{}, seconds: seconds}
				longPollScanUser(l, random, 0, 20*l.Cycle(), seconds+20*l.Cycle(), &p)
				p.counts["messages"] = float64(len(p.waits))
				return p
			})
			agrees(t, "mean wait", l.MeanWait(), all, meanWait)
			agrees(t, "mean of the distribution", l.Wait().Mean(), all, meanWait)
			quantilesAgree(t, l.WaitQuantile, all)
			quantilesAgree(t, l.Wait().Quantile, all)
			agrees(t, "cycle", l.Cycle(), all, func(p part) float64 { return p.seconds / p.counts["requests"] })
			agrees(t, "requests per second", l.RequestsPerSecond(), all, perSecond("requests"))
			agrees(t, "reads per second", l.ReadsPerSecond(), all, perSecond("reads"))
			agrees(t, "scans", l.Scans(), all, func(p part) float64 { return p.counts["reads"]/p.counts["requests"] - 1 })
			agrees(t, "requests per message", l.RequestsPerMessage(), all, ratio("requests", "messages"))
			agrees(t, "share in the gap", l.GapShare(), all, ratio("in the gap", "messages"))
			if l.TimeoutShare() > .01 {
				agrees(t, "share of timeouts", l.TimeoutShare(), all, ratio("timeouts", "requests"))
			}
		})
	}
}

// TestLongPollScanBeginning counts the answers and the reads of users that send their first requests
// one after the other, within a scan interval.
func TestLongPollScanBeginning(t *testing.T) {
	for _, l := range []theory.LongPollScan{
		{Rate: .5, Hold: 2, Scan: .1},
		{Rate: .04, Hold: 30, Scan: .5},
		{Rate: 2, Hold: 1, Scan: .05, Gap: .002},
	} {
		for _, window := range [][2]float64{{.1, .9}, {.5, 1.5}, {.9, 4.6}, {20.3, 25.7}} { // in holds
			from, to := window[0]*l.Hold, window[1]*l.Hold
			t.Run(fmt.Sprintf("%+v from %v to %v", l, from, to), func(t *testing.T) {
				const users = 500
				all := simulate(func(random *rand.Rand) part {
					p := part{counts: map[string]float64{"users": users}}
					for range users {
						longPollScanUser(l, random, -random.Float64()*l.Scan, from, to, &p)
					}
					p.waits = nil // they are not used, and sorting them takes time
					return p
				})
				agrees(t, "answers", l.Requests(from, to), all, ratio("requests", "users"))
				agrees(t, "reads", l.Reads(from, to), all, ratio("reads", "users"))
			})
		}
	}
	// In the long run Requests and Reads grow by RequestsPerSecond and ReadsPerSecond.
	l := theory.LongPollScan{Rate: .3, Hold: 5, Scan: .7, Gap: .01}
	for what, rates := range map[string][2]float64{
		"requests": {l.Requests(1e4, 2e4) / 1e4, l.RequestsPerSecond()},
		"reads":    {l.Reads(1e4, 2e4) / 1e4, l.ReadsPerSecond()},
	} {
		if math.Abs(rates[0]/rates[1]-1) > 5e-3 {
			t.Errorf("%v %s per second in the long run, want %v", rates[0], what, rates[1])
		}
	}
}

// TestLongPollScanLimits has rates at which a formula that cancels would lose all its digits.
func TestLongPollScanLimits(t *testing.T) {
	for _, test := range []struct {
		l               theory.LongPollScan
		requests, reads float64
	}{
		{theory.LongPollScan{Gap: .1, Hold: 30, Scan: .1}, 1 / 30.1, 301 / 30.1},
		{theory.LongPollScan{Gap: .1, Rate: 1e-300, Hold: 30, Scan: .1}, 1 / 30.1, 301 / 30.1},
		{theory.LongPollScan{Gap: .1, Rate: 1e-15, Hold: 30, Scan: .1}, 1 / 30.1, 301 / 30.1},
		{theory.LongPollScan{Gap: .1, Rate: 1e9, Hold: 30, Scan: .1}, 10, 10},
		{theory.LongPollScan{Rate: 1e9, Hold: 30, Scan: .1}, 10, 20},
		{theory.LongPollScan{Hold: .3, Scan: .1}, 1 / .3, 4 / .3}, // .3/.1 is less than 3
		{theory.LongPollScan{Gap: .1, Hold: 7, Scan: 2}, 1 / 6.1, 4 / 6.1},
		{theory.LongPollScan{Rate: 2, Hold: math.Inf(1), Scan: .5}, 2 * -math.Expm1(-1), 2 * (1 - math.Expm1(-1))},
	} {
		requests, reads := test.l.RequestsPerSecond(), test.l.ReadsPerSecond()
		if math.Abs(requests/test.requests-1) > 1e-9 || math.Abs(reads/test.reads-1) > 1e-9 {
			t.Errorf("%+v: %v requests and %v reads per second, want %v and %v", test.l, requests, reads, test.requests, test.reads)
		}
		if wait := test.l.WaitQuantile(.999); !(wait >= 0 && wait <= max(test.l.Gap, test.l.Scan)) {
			t.Errorf("%+v: p99.9 of the wait is %v", test.l, wait)
		}
	}
}
