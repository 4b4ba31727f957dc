package selftest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/network"
	"pushpull/loadgen/relay"
)

// The networks of the cases.
var (
	farAway = network.Profile{RTTS: .05}
	uneven  = network.Profile{RTTS: .04, JitterS: .04}
	narrow  = network.Profile{RTTS: .01, DownBPS: 8e6}
	lossy   = network.Profile{RTTS: .02, Loss: .05}
)

// networkCases returns the cases of servers behind a relay. They need no transport: what is judged is the relay.
func networkCases() []Case {
	return []Case{
		{
			Name: "far-away", About: fmt.Sprintf("is behind a network with a %s", farAway.Words()), network: delays,
		},
		{
			Name: "jitter", About: fmt.Sprintf("is behind a network with a %s", uneven.Words()), network: jitters,
		},
		{
			Name: "bandwidth", About: fmt.Sprintf("is behind a network with a %s", narrow.Words()), network: bandwidth,
		},
		{
			Name: "packet-loss", About: fmt.Sprintf("is behind a network with a %s", lossy.Words()), network: stalls,
		},
	}
}

// measureNetwork runs a case on a relay of its own.
func (c Case) measureNetwork(ctx context.Context, argv []string) (line Line, err error) {
	process, err := loadgen.StartServer(ctx, nil, argv)
	if err != nil {
		return line, err
	}
	defer func() {
		if stopping := process.Stop(); err == nil {
			err = stopping
		}
	}()
	line = Line{Case: c.Name, Verdict: OK}
	if line.Figures, err = c.network(ctx, relay.Control(process.Base)); err != nil {
		return line, err
	}
	if slices.ContainsFunc(line.Figures, func(f Figure) bool { return !f.agrees() }) {
		line.Verdict = Differs
	}
	return line, nil
}

// known returns a figure that may be off by so much.
func known(name, unit string, value, off, measured float64) Figure {
	return Figure{Name: name, Unit: unit, Known: &Known{value, off, off}, Measured: measured}
}

// near is how far a time in milliseconds may be from the known one.
func near(ms float64) float64 { return max(1, .03*ms) }

// chance is how many standard deviations a figure may be off by chance.
const chance = 4

// crowd opens connections over a network to a server that serve serves, and calls use for each of them. It returns the
// first error.
func crowd(ctx context.Context, r *relay.Relay, p network.Profile, n int, serve, use func(i int, conn net.Conn) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	route, err := r.Route("server", listener.Addr().String())
	if err != nil {
		return err
	}
	if err := route.Distance(p); err != nil {
		return err
	}
	const limit = 30 * time.Second // much longer than any case takes
	errs := make(chan error, 2*n)
	var all sync.WaitGroup
	do := func(i int, conn net.Conn, of func(int, net.Conn) error) {
		all.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			conn.SetDeadline(time.Now().Add(limit))
			errs <- of(i, conn)
		})
	}
	var failed error
	for i := range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", route.Address())
		if err != nil {
			failed = err
			break
		}
		do(i, conn, use)
		taken, err := listener.Accept()
		if err != nil {
			failed = err
			break
		}
		do(i, taken, serve)
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if failed == nil && err != nil {
			failed = err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return failed
}

// delays measures round trips.
func delays(ctx context.Context, r *relay.Relay) ([]Figure, error) {
	const users, exchanges = 10, 20
	trips := make([][]time.Duration, users)
	err := crowd(ctx, r, farAway, users, func(_ int, conn net.Conn) error {
		_, err := io.Copy(conn, conn)
		return err
	}, func(i int, conn net.Conn) error {
		for range exchanges + 1 {
			begun := time.Now()
			if _, err := conn.Write([]byte{1}); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				return err
			}
			trips[i] = append(trips[i], time.Since(begun))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var first, later []time.Duration
	for _, t := range trips {
		first, later = append(first, t[0]), append(later, t[1:]...)
	}
	slices.Sort(first)
	slices.Sort(later)
	rtt := 1e3 * farAway.RTTS
	return []Figure{
		known("round trip", "ms", rtt, near(rtt), ms(quantile(later, .5))),
		known("with connecting", "ms", 2*rtt, near(2*rtt), ms(quantile(first, .5))),
	}, nil
}

// oneWay returns how long messages take from users to the server, sorted. Each user sends some, one at a time.
func oneWay(ctx context.Context, r *relay.Relay, p network.Profile, users, messages int, every time.Duration) ([]time.Duration, error) {
	start := time.Now()
	took := make([][]time.Duration, users)
	err := crowd(ctx, r, p, users, func(i int, conn net.Conn) error {
		var sent [8]byte
		for n := range messages + 1 {
			if _, err := io.ReadFull(conn, sent[:]); err != nil {
				return err
			}
			took[i] = append(took[i], time.Since(start)-time.Duration(binary.BigEndian.Uint64(sent[:])))
			if n == 0 || n == messages {
				if _, err := conn.Write(sent[:1]); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(_ int, conn net.Conn) error {
		for i := range messages + 1 {
			if i > 0 {
				select {
				case <-time.After(every):
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Since(start)))); err != nil {
				return err
			}
			if i == 0 || i == messages { // until it is connected, which takes seconds if that is lost; until the server has all
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, t := range took {
		all = append(all, t[1:]...) // the first one waits for the connection
	}
	slices.Sort(all)
	return all, nil
}

// jitters measures the distribution of the delay, which is uniform.
func jitters(ctx context.Context, r *relay.Relay) ([]Figure, error) {
	took, err := oneWay(ctx, r, uneven, 40, 20, 60*time.Millisecond)
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, q := range []float64{.1, .5, .9} {
		want := 1e3 * (uneven.RTTS/2 + uneven.JitterS*(q-.5))
		off := near(want) + chance*1e3*uneven.JitterS*math.Sqrt(q*(1-q)/float64(len(took)))
		all = append(all, known(fmt.Sprintf("p%.0f one way", 100*q), "ms", want, off, ms(quantile(took, q))))
	}
	return all, nil
}

// bandwidth measures how long a large answer takes.
func bandwidth(ctx context.Context, r *relay.Relay) ([]Figure, error) {
	const bytes = 500_000
	var took time.Duration
	err := crowd(ctx, r, narrow, 1, func(_ int, conn net.Conn) error {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return err
		}
		_, err := conn.Write(make([]byte, bytes))
		return err
	}, func(_ int, conn net.Conn) error {
		if _, err := conn.Write([]byte{1}); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, make([]byte, network.Segment)); err != nil {
			return err
		}
		begun := time.Now()
		_, err := io.ReadFull(conn, make([]byte, bytes-network.Segment))
		took = time.Since(begun)
		return err
	})
	want := narrow.DownBPS / 1e6
	return []Figure{known("down", "Mbit/s", want, .05*want, 8*(bytes-network.Segment)/took.Seconds()/1e6)}, err
}

// stalls measures how many messages are lost and sent again, and how late those are. No message follows soon.
func stalls(ctx context.Context, r *relay.Relay) ([]Figure, error) {
	took, err := oneWay(ctx, r, lossy, 400, 4, 700*time.Millisecond)
	if err != nil {
		return nil, err
	}
	usual := time.Duration(lossy.RTTS / 2 * float64(time.Second))
	first, _ := slices.BinarySearch(took, usual+time.Duration(lossy.RTO()/2*float64(time.Second)))
	late := took[first:]
	if len(late) == 0 {
		return []Figure{known("stalled", "%", 100*lossy.Loss, 0, 0)}, nil
	}
	stalled := float64(len(late)) / float64(len(took))
	off := chance * math.Sqrt(lossy.Loss*(1-lossy.Loss)/float64(len(took)))
	rto := 1e3 * lossy.RTO()
	return []Figure{
		known("stalled", "%", 100*lossy.Loss, 100*off, 100*stalled),
		known("stall", "ms", rto, near(rto), ms(quantile(late, .25)-usual)),
	}, nil
}
