package fault

import (
	"context"
	"errors"
	"time"

	"pushpull/loadgen/relay"
)

// List returns all faults, in the order in which reports show them.
func List() []Fault {
	return []Fault{
		{
			Name: "reset", About: "all connections are cut, and new ones reset, for 300 ms",
			Lasts: 300 * time.Millisecond,
			Begin: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error { return errors.Join(add(r, "reset_peer", nil), r.Close(), r.Open()) })
			},
			End: func(_ context.Context, s *Scene) error { return every(s.Routes, mend) },
		},
		{
			Name: "silent", About: "connections go silent for good, and so do new ones for 500 ms: half-open, as behind a firewall that forgot them",
			Lasts: silence,
			Begin: func(_ context.Context, s *Scene) error { return every(s.Routes, hush) },
		},
		{
			Name: "cut-answer", About: "for 600 ms each connection ends after a drawn number of bytes from the server",
			Lasts: 600 * time.Millisecond,
			Begin: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error {
					return r.Add(string(relay.Down), "limit_data", relay.Down, relay.Attributes{"bytes": 1 + s.Random.IntN(300)})
				})
			},
			End: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error { return r.Remove(string(relay.Down)) })
			},
		},
		{
			Name: "cut-request", About: "for 600 ms each connection ends after a drawn number of bytes from the user",
			Lasts: 600 * time.Millisecond,
			Begin: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error {
					return r.Add(string(relay.Up), "limit_data", relay.Up, relay.Attributes{"bytes": 1 + s.Random.IntN(300)})
				})
			},
			End: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error { return r.Remove(string(relay.Up)) })
			},
		},
		{
			Name: "abort", About: "for 1 s users close each connection after some bytes of answers: 0, 1, 2 and so on",
			Lasts: time.Second, Aborts: true,
			Begin: func(_ context.Context, s *Scene) error { s.Aborts.Abort(true); return nil },
			End:   func(_ context.Context, s *Scene) error { s.Aborts.Abort(false); return nil },
		},
		{
			Name: "retry", About: "for 1 s a proxy loses the answer to each request, and makes the request again",
			Lasts: time.Second, Hop: true, Needs: []Need{requests, readable},
			Begin: func(ctx context.Context, s *Scene) error { return play(ctx, s, relay.Retry) },
			End:   func(ctx context.Context, s *Scene) error { return play(ctx, s, relay.None) },
		},
		{
			Name: "answer-twice", About: "for 1 s a proxy sends each answer twice",
			Lasts: time.Second, Hop: true, Needs: []Need{requests, readable, ordered},
			Begin: func(ctx context.Context, s *Scene) error { return play(ctx, s, relay.Twice) },
			End:   func(ctx context.Context, s *Scene) error { return play(ctx, s, relay.None) },
		},
		restart("restart", "a server is killed, and started again on the same address after 300 ms", 300*time.Millisecond),
		restart("outage", "a server is killed, and started again on the same address after 3 s", 3*time.Second),
		{
			Name: "kill", About: "one of several servers is killed for good",
			Needs: []Need{started, several},
			Begin: func(_ context.Context, s *Scene) error { return s.one().Kill() },
		},
		{
			Name: "freeze", About: "all servers stand still for 2 s (SIGSTOP)",
			Lasts: 2 * time.Second, Needs: []Need{started, signals},
			Begin: func(_ context.Context, s *Scene) error {
				return s.sufferers(func(one Sufferer) error { return one.Freeze(true) })
			},
			End: func(_ context.Context, s *Scene) error {
				return s.sufferers(func(one Sufferer) error { return one.Freeze(false) })
			},
		},
		{
			Name: "proxy-restart", About: "the proxy before the servers is killed, and started again after 300 ms",
			Lasts: 300 * time.Millisecond,
			Begin: func(_ context.Context, s *Scene) error { return s.Relay.Kill() },
			End:   func(ctx context.Context, s *Scene) error { return s.Relay.Start(ctx) },
		},
		{
			Name: "slow-reader", About: "answers trickle at 1 KB/s for 1.2 s",
			Lasts: 1200 * time.Millisecond,
			Begin: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error {
					return r.Add(string(relay.Down), "bandwidth", relay.Down, relay.Attributes{"rate": 1})
				})
			},
			End: func(_ context.Context, s *Scene) error {
				return every(s.Routes, func(r *relay.Route) error { return r.Remove(string(relay.Down)) })
			},
		},
		{
			Name: "user-restart", About: "half of the users are restarted, and read on from their cursor",
			Begin: func(_ context.Context, s *Scene) error { return away(s, 0) },
		},
		{
			Name: "log-passed", About: "half of the users are away for 1.5 s, and rooms keep 2 messages: the log moves past them",
			Lasts: 1500 * time.Millisecond, Needs: []Need{own, started}, Serve: []string{"--retention", "2"},
			Begin: func(_ context.Context, s *Scene) error { return away(s, 1500*time.Millisecond) },
		},
		{
			Name: "store-reset", About: "the connections of the servers to their store are cut",
			Needs: []Need{own, network},
			Begin: func(_ context.Context, s *Scene) error { return errors.Join(s.Store.Close(), s.Store.Open()) },
		},
		{
			Name: "store-silent", About: "the connections of the servers to their store go silent for good, and so do new ones for 500 ms",
			Lasts: silence, Needs: []Need{own, network},
			Begin: func(_ context.Context, s *Scene) error { return hush(s.Store) },
		},
		{
			Name: "store-away", About: "the store refuses connections for 1 s",
			Lasts: time.Second, Needs: []Need{own, network},
			Begin: func(_ context.Context, s *Scene) error { return s.Store.Close() },
			End:   func(_ context.Context, s *Scene) error { return s.Store.Open() },
		},
		{
			Name: "disk-full", About: "the disk under the store is full for 1 s",
			Lasts: time.Second, Needs: []Need{own, started, file, signals},
			Begin: func(_ context.Context, s *Scene) error {
				return s.sufferers(func(one Sufferer) error { return one.Fill(true) })
			},
			End: func(_ context.Context, s *Scene) error {
				return s.sufferers(func(one Sufferer) error { return one.Fill(false) })
			},
		},
	}
}

// restart is a fault in which a server is killed, and started again after a time.
func restart(name, about string, after time.Duration) Fault {
	return Fault{
		Name: name, About: about, Lasts: after, Needs: []Need{started},
		Begin: func(_ context.Context, s *Scene) error {
			i := s.Random.IntN(len(s.Servers))
			s.Servers[0], s.Servers[i] = s.Servers[i], s.Servers[0] // for End
			return s.Servers[0].Kill()
		},
		End: func(ctx context.Context, s *Scene) error { return s.Servers[0].Start(ctx) },
	}
}

// silence is how long new connections are silent, too.
const silence = 500 * time.Millisecond

// add puts a toxic of a kind on a route, in both directions.
func add(r *relay.Route, kind string, a relay.Attributes) error {
	return errors.Join(r.Add(string(relay.Up), kind, relay.Up, a), r.Add(string(relay.Down), kind, relay.Down, a))
}

// mend takes away what add has put on a route.
func mend(r *relay.Route) error {
	return errors.Join(r.Remove(string(relay.Up)), r.Remove(string(relay.Down)))
}

// hush makes the connections of a route silent.
func hush(r *relay.Route) error {
	return add(r, relay.KindSilent, relay.Attributes{"until": time.Now().Add(silence).UnixMilli()})
}

// play makes all proxies play a trick.
func play(ctx context.Context, s *Scene, trick relay.Trick) error {
	var errs []error
	for _, hop := range s.Hops {
		errs = append(errs, hop.Play(ctx, trick))
	}
	return errors.Join(errs...)
}

// away makes half of the users leave for a time.
func away(s *Scene, d time.Duration) error {
	for _, i := range s.Random.Perm(len(s.Users))[:len(s.Users)/2] {
		s.Users[i].Restart(d)
	}
	return nil
}
