package loadgen

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"sync"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A Side is what is measured: a running server, or a command that starts one or more servers for each
// window. Several servers share the users.
type Side struct {
	Name    string     // distinguishes it from other sides; may be empty, except of those in Options.Against
	Target  *url.URL   // of a running server, as Reach returns it; nil: Command starts the servers
	Others  []*url.URL // running servers that share the users with Target, likewise
	NoStats bool       // Target is not asked for its stats, as when it shares its process with the generator
	Program *Program   // that Command starts, or that Target runs; nil: this binary, that of Command[0] with a Dialect, or the one that is running
	Command []string   // arguments, beginning with argv[0]; see StartServer
	Env     []string   // variables for Command's environment; see StartServer
	Servers int        // number of servers to start; 0: one
	CPUs    *Split     // divides the CPUs between Command's servers and this process; nil: they share all
	Spread  bool       // each room is on one server, which need not share its messages; else its members are spread over all
	Store   *Server    // keeps the messages of the servers, and was started by the caller; nil: no process of ours does

	Authorities    *x509.CertPool // whose certificates are accepted; nil: those of the system
	AuthoritiesPEM []byte         // the same without those of the system, for generators in other processes

	// Relay are the arguments, beginning with argv[0], that make this binary run a relay (package relay) between the
	// users and the servers of each window; nil: users connect to the servers.
	Relay []string

	// Team measures the windows, with generators in other processes; nil: this process does.
	Team Team

	// HTTP2 makes users speak HTTP/2, each on one connection: with prior knowledge, or as TLS agrees on it.
	HTTP2 bool

	// Network is what the relay puts between the users and the servers; the zero value is none. Its Relay must be set.
	Network network.Profile

	// Via are the arguments, beginning with argv[0], that make this binary run a proxy (package proxy) before a server, whose host
	// and port follow them; nil: users, or the relay, connect to the servers.
	Via []string

	// Dialect is what a foreign server speaks; nil: it is pushpull's own server. A foreign server needs no
	// GET /healthz or /stats. Command's first line of output is "listening on http://HOST:PORT", too, but it is
	// stopped by SIGTERM to its process group, as it may know nothing of standard input.
	Dialect dialect.Dialect

	// PID is that of the foreign server at Target, on this machine: CPU and memory of the server are those
	// of the process and of all that descend from it. 0: they are unknown.
	PID int
}

// targets returns the addresses of all running servers; none: Command starts the servers.
func (d Side) targets() []*url.URL {
	if d.Target == nil {
		return nil
	}
	return append([]*url.URL{d.Target}, d.Others...)
}

// secrets returns those of the addresses of the side's targets.
func (d Side) secrets() *transports.Secrets {
	var addresses []string
	for _, target := range d.targets() {
		addresses = append(addresses, target.String())
	}
	return transports.SecretsOf(addresses...)
}

// layout returns what carries a load on the side, beside those on which the scenario's foreign servers are.
func (d Side) layout(against []Side) Layout {
	l := Layout{
		Elsewhere: d.Team != nil, Servers: d.Servers, Spread: d.Spread, Running: d.Dialect != nil || d.Target != nil,
		Proxied: len(d.Via) > 0, HTTP2: d.HTTP2, Against: against,
	}
	if len(d.Relay) > 0 {
		l.Relay = 2
	}
	if at := d.targets(); len(at) > 0 {
		l.Servers = len(at)
		l.Far = slices.ContainsFunc(at, func(u *url.URL) bool { return !wire.Loopback(u) })
	}
	return l
}

// withPrograms gives each side without a Program one, for all its windows. The caller must call stop at
// the end.
func withPrograms(sides ...Side) (_ []*attempts, stop func(), err error) {
	opened := map[string]*Program{}
	stop = func() {
		for _, program := range opened {
			program.Close()
		}
	}
	var all []*attempts
	for _, side := range sides {
		switch {
		case side.Program != nil:
		case side.Target != nil:
			side.Program = new(Program)
		default:
			path := "" // this binary
			if side.Dialect != nil && len(side.Command) > 0 {
				if path, err = exec.LookPath(side.Command[0]); err != nil {
					stop()
					return nil, nil, fmt.Errorf("finding the program that starts %s: %w", side.Name, err)
				}
			}
			if opened[path] == nil {
				program, err := OpenProgram(path)
				if err != nil {
					stop()
					return nil, nil, err
				}
				opened[path] = program
			}
			side.Program = opened[path]
		}
		all = append(all, &attempts{Side: side})
	}
	return all, stop, nil
}

// start starts the servers of a window.
func (d Side) start(ctx context.Context) (servers []*Server, err error) {
	number := max(1, d.Servers)
	env := slices.Concat(d.Env, d.CPUs.environment(number))
	for range number {
		server, err := startServer(ctx, d.Program, d.CPUs, d.Command, env, d.Dialect != nil)
		if err != nil {
			stopAll(servers) // their errors matter less than err
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// stopAll stops all servers at the same time and returns their errors.
func stopAll(servers []*Server) []error {
	errs := make([]error, len(servers))
	var stopping sync.WaitGroup
	for i, server := range servers {
		stopping.Go(func() { errs[i] = server.Stop() })
	}
	stopping.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// measure measures one window of a scenario on servers of its own, or on the target.
func (d Side) measure(ctx context.Context, s Scenario, w *window, at Progress, progress func(Progress)) (*result.Window, error) {
	w.target, w.noStats, w.authorities, w.ledger.secrets, w.store = d.Target != nil, d.NoStats, d.Authorities, d.secrets(), d.Store
	w.dialect, w.cores, w.http2 = d.Dialect, d.CPUs.cores(), d.HTTP2
	bases := d.targets()
	at.Targets = len(bases)
	if d.Target == nil {
		var err error
		if w.started, err = d.start(ctx); err != nil {
			return nil, &startError{err}
		}
		bases = nil
		for _, server := range w.started {
			bases = append(bases, server.Base)
			at.ServerPIDs = append(at.ServerPIDs, server.PID)
			switch {
			case d.Dialect != nil:
				w.watchTree(server.PID)
				w.nowhere = errors.New("a foreign server has no profiles")
			case w.profiling && w.nowhere == nil:
				w.nowhere = server.findProfiles()
			}
		}
	} else if d.PID > 0 {
		w.watchTree(d.PID)
	}
	fronts, places, bases, err := d.front(ctx, bases)
	if err != nil {
		stopAll(w.started) // their errors matter less than err
		return nil, &startError{err}
	}
	relayed, err := d.relay(ctx, places)
	if err != nil {
		fronts.stop()
		stopAll(w.started) // their errors matter less than err
		return nil, &startError{err}
	}
	w.network, w.spread = d.Network, d.Spread
	w.through, w.past = relayed.addresses(), make([]string, len(bases))
	if len(fronts) > 0 { // the servers themselves may not speak TLS
		for i, place := range places {
			w.past[i] = wire.HostPort(place)
		}
		if w.through == nil {
			w.through = w.past
		}
	}
	var out *result.Window
	if d.Team != nil {
		w.serve(bases)
		if out, err = d.Team.Measure(ctx, d.task(w, s, at, bases), progress); out != nil {
			out.Outages = append(out.Outages, w.outages()...)
		}
	} else {
		stop := watch(w, at, progress)
		out, err = w.measure(ctx, bases)
		stop()
	}
	if out != nil {
		other := slices.ContainsFunc(w.started, func(s *Server) bool { return s.Other })
		out.OtherProgram = other || d.Program.reports(w.programs)
	} else {
		err = w.explain(err)
	}
	for _, failed := range slices.Concat(relayed.stop(), fronts.stop(), stopAll(w.started)) {
		if out != nil {
			out.Errors = append(out.Errors, result.Failure{Text: failed.Error(), Count: 1})
		}
	}
	secrets := d.secrets()
	if out != nil {
		for i := range out.Dropped {
			out.Dropped[i].What = secrets.Redact(out.Dropped[i].What)
		}
		for i := range out.Outages {
			out.Outages[i].How = secrets.Redact(out.Outages[i].How)
		}
	}
	return out, secrets.RedactError(err)
}
