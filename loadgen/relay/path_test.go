package relay

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pushpull/loadgen/network"
)

// epoch is when the paths of the tests begin.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func pathOf(p network.Profile, up bool) *path {
	way := newPath(network.Profile{}, false, epoch)
	random := rand.New(rand.NewPCG(1, 2))
	way.draw, way.network, way.bps = random.Float64, p, p.DownBPS
	if up {
		way.bps, way.open = p.UpBPS, epoch.Add(seconds(p.Opening(way.draw)))
	}
	return way
}

// deliver takes what has arrived at a time off the path.
func (p *path) deliver(at time.Time) (all []*segment) {
	for first := p.next(); first != nil && !first.due.After(at); first = p.next() {
		all = append(all, first)
		p.take()
	}
	return all
}

// travels returns how long messages of some bytes take that are sent one by one.
func travels(p *path, every time.Duration, bytes, n int) (times []time.Duration) {
	at := epoch.Add(time.Hour)
	var sent []time.Time
	note := func(arrived []*segment) {
		for _, s := range arrived {
			for range len(s.data) / bytes {
				came := s.due
				if last := len(times); last > 0 && sent[last-1].Add(times[last-1]).After(came) {
					came = sent[last-1].Add(times[last-1]) // it waited for the one before it
				}
				times = append(times, came.Sub(sent[len(times)]))
			}
		}
	}
	for range n {
		note(p.deliver(at))
		p.add(make([]byte, bytes), at)
		sent = append(sent, at)
		at = at.Add(every)
	}
	note(p.deliver(at.Add(time.Hour)))
	return times
}

func TestDelay(t *testing.T) {
	p := pathOf(network.Profile{RTTS: .1}, true)
	p.add([]byte("first"), epoch) // it has to wait for the handshake
	p.add([]byte("second"), epoch.Add(time.Second))
	p.end(epoch.Add(2 * time.Second))
	for _, want := range []time.Duration{150 * time.Millisecond, 1050 * time.Millisecond, 2050 * time.Millisecond} {
		if got := p.next().due.Sub(epoch); got != want {
			t.Errorf("it arrives after %v, want %v", got, want)
		}
		p.take()
	}
	if p.next() != nil || p.held != 0 || !p.takes().IsZero() {
		t.Error("the path isn't at its end")
	}
}

// TestJitter checks that the delay is uniform, and that the order is kept.
func TestJitter(t *testing.T) {
	times := travels(pathOf(network.Profile{RTTS: .1, JitterS: .04}, false), time.Second, 100, 20_000)
	uniform(t, times, 30*time.Millisecond, 70*time.Millisecond)

	p := pathOf(network.Profile{RTTS: .1, JitterS: .04}, false)
	for i := range 1000 {
		p.add([]byte{byte(i)}, epoch.Add(time.Duration(i)*time.Microsecond))
	}
	for i, s := range p.deliver(epoch.Add(time.Hour)) {
		if s.data[0] != byte(i) {
			t.Fatalf("segment %d came before its turn", i)
		}
	}
}

// TestBandwidth sends a large message, whose segments leave one after another, and checks when the sender has to wait.
func TestBandwidth(t *testing.T) {
	p := pathOf(network.Profile{RTTS: .01, DownBPS: 8e6}, false) // a byte takes a microsecond
	data := make([]byte, 1_000_000)
	for i := range data {
		data[i] = byte(i / network.Segment)
	}
	p.add(data, epoch)
	if got := p.next().due.Sub(epoch); got != 5*time.Millisecond+network.Segment*time.Microsecond {
		t.Errorf("the first segment arrives after %v", got)
	}
	if got := p.takes().Sub(epoch); got != 900*time.Millisecond {
		t.Errorf("the sender may go on after %v, want 900 ms", got)
	}
	all := p.deliver(epoch.Add(time.Hour))
	n := 0
	for i, s := range all {
		if s.data[0] != byte(i) || len(s.data) > network.Segment {
			t.Fatalf("segment %d begins with %d and has %d bytes", i, s.data[0], len(s.data))
		}
		n += len(s.data)
	}
	if last := all[len(all)-1].due.Sub(epoch); n != len(data) || last != 1005*time.Millisecond {
		t.Errorf("%d bytes arrive after %v", n, last)
	}
}

// TestWindow checks that a path without a limit of bandwidth holds no more than a window, and splits nothing.
func TestWindow(t *testing.T) {
	p := pathOf(network.Profile{RTTS: 1}, false)
	sends := 0
	for ; !p.takes().IsZero(); sends++ {
		p.add(make([]byte, 32<<10), epoch)
	}
	if sends != 32 || len(p.queue) != 32 {
		t.Errorf("%d sends of 32 KiB make %d segments", sends, len(p.queue))
	}
	if p.take(); p.takes().IsZero() {
		t.Error("the path takes nothing although there is room")
	}
}

// TestLostAlone loses segments that none follow soon: they are late by the timeout.
func TestLostAlone(t *testing.T) {
	const n = 100_000
	late, twice := 0, 0
	for _, took := range travels(pathOf(network.Profile{RTTS: .1, Loss: .05}, false), 10*time.Second, 100, n) {
		switch {
		case took == 50*time.Millisecond:
		case took == 350*time.Millisecond:
			late++
		default:
			twice++
		}
	}
	share(t, "late", float64(late)/n, .05*.95, n)
	share(t, "lost twice", float64(twice)/n, .05*.05, n)
}

// TestLostAmong loses segments that others follow: these wait behind the lost one, which is sent again a round trip
// after the third of them.
func TestLostAmong(t *testing.T) {
	const n, every = 200_000, 20 * time.Millisecond
	times := travels(pathOf(network.Profile{RTTS: .1, Loss: .002}, false), every, 100, n)
	longest := 50*time.Millisecond + 3*every + 100*time.Millisecond
	lost, late := 0, 0
	for _, took := range times {
		if took > 50*time.Millisecond {
			late++
		}
		if took == longest {
			lost++
		}
	}
	share(t, "late by a fast retransmission", float64(lost)/n, .002, n)
	share(t, "late", float64(late)/n, .002*8, n/8) // the lost one, and those of the next 160 ms
}

// TestLostByTheory compares the stalls of a Poisson stream whose segments are too rare for a fast retransmission with
// the formula 1-(1-p)e^(-λpL) for the share of the delayed ones.
func TestLostByTheory(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	profile := network.Profile{RTTS: .1, Loss: .01}
	p := pathOf(profile, false)
	const n, rate = 200_000, 2.
	at, late, worst := epoch, 0, time.Duration(0)
	var sent []time.Time
	var last time.Time
	i := 0
	note := func(arrived []*segment) {
		for _, s := range arrived {
			last = slices.MaxFunc([]time.Time{last, s.due}, time.Time.Compare)
			if extra := last.Sub(sent[i]) - 50*time.Millisecond; extra > 0 {
				late++
				worst = max(worst, extra)
			}
			i++
		}
	}
	for range n {
		at = at.Add(seconds(random.ExpFloat64() / rate))
		note(p.deliver(at))
		p.add([]byte("x"), at)
		sent = append(sent, at)
	}
	note(p.deliver(at.Add(time.Hour)))
	want := 1 - (1-profile.Loss)*math.Exp(-rate*profile.Loss*profile.RTO())
	share(t, "delayed", float64(late)/n, want, n/2)
	if worst < 300*time.Millisecond {
		t.Errorf("the worst stall is %v", worst)
	}
}

// share fails the test if a share of n is further from what is known than chance explains.
func share(t *testing.T, what string, got, want float64, n int) {
	t.Helper()
	if off := 4 * math.Sqrt(want*(1-want)/float64(n)); math.Abs(got-want) > off {
		t.Errorf("a share of %.5f is %s, want %.5f ± %.5f", got, what, want, off)
	}
}

// uniform fails the test if the times are not uniform from lo to hi (Kolmogorov and Smirnov).
func uniform(t *testing.T, times []time.Duration, lo, hi time.Duration) {
	t.Helper()
	times = slices.Sorted(slices.Values(times))
	worst := 0.
	for i, x := range times {
		p := float64(x-lo) / float64(hi-lo)
		worst = max(worst, math.Abs(p-float64(i)/float64(len(times))), math.Abs(p-float64(i+1)/float64(len(times))))
	}
	if limit := 2 / math.Sqrt(float64(len(times))); worst > limit {
		t.Errorf("%d times from %v to %v are not uniform from %v to %v: off by %.4f, more than %.4f", len(times), times[0], times[len(times)-1], lo, hi, worst, limit)
	}
}
