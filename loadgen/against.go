package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/dialect"
	"pushpull/transports/process"
	"pushpull/transports/typo"
)

// foreignName splits the name of a transport of a foreign server, like "nchan/short-poll@5s". foreign is false for
// one of pushpull's own server.
func foreignName(name string) (server, spec string, foreign bool) {
	server, spec, foreign = strings.Cut(name, "/")
	if !foreign || strings.Contains(server, "@") { // a setting may hold anything
		return "", name, false
	}
	return server, spec, true
}

// valid returns an error for a name that no transport can have, whichever servers there are.
func valid(name string) error {
	server, spec, foreign := foreignName(name)
	switch {
	case !foreign:
		_, err := all.Client(name)
		return err
	case server == "" || spec == "" || strings.HasPrefix(spec, "@"):
		return fmt.Errorf("bad transport %q: write SERVER/TRANSPORT, like nchan/long-poll", name)
	}
	return nil
}

// Client returns the user's side of the transport with that name on the command line: one of pushpull's own
// server, like "short-poll@5s", or one of the foreign server against with the name before the slash, like
// "nchan/long-poll". The error is a *dialect.LackingError if that server has no such transport.
func Client(name string, against ...Side) (transports.Client, error) {
	server, _, foreign := foreignName(name)
	if !foreign {
		return all.Client(name)
	}
	var names []string
	for _, side := range against {
		if side.Name == server {
			return side.client(name)
		}
		names = append(names, side.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("bad transport %q: say where %s is, as in --against %s=URL", name, server, server)
	}
	return nil, fmt.Errorf("bad transport %q: %w", name, typo.Unknown("server", server, names))
}

// client returns the user's side of a transport of the side. Before its name may stand that of the side.
func (d *Side) client(name string) (transports.Client, error) {
	if d.Dialect == nil {
		return all.Client(name)
	}
	_, spec, _ := foreignName(name)
	client, err := dialect.Client(d.Dialect, spec)
	if _, lacking := errors.AsType[*dialect.LackingError](err); err != nil && !lacking {
		return nil, fmt.Errorf("bad transport %q: %w", name, err)
	}
	return client, err
}

// Measured returns the transports that are measured: all but those that their servers lack.
func (s Scenario) Measured() []string {
	return slices.DeleteFunc(slices.Clone(s.Transports), func(name string) bool {
		return slices.ContainsFunc(s.Lacking, func(l result.Lack) bool { return l.Transport == name })
	})
}

// Resolved returns the scenario as Run measures it, and as a result keeps it: Against are the foreign servers, and
// Lacking the transports that their server lacks, which Run leaves out. A *FieldError says what is wrong with the
// scenario, or that nothing is left to be measured.
func (o Options) Resolved() (Scenario, error) {
	s := o.Scenario
	if err := s.Validate(); err != nil {
		return s, err
	}
	s.Against = nil
	for i, side := range o.Against {
		switch {
		case side.Dialect == nil:
			return s, fmt.Errorf("the server %q has no dialect", side.Name)
		case side.Name == "" || strings.ContainsAny(side.Name, "/@, "):
			return s, fmt.Errorf("a server can't be called %q: use letters, digits and dashes", side.Name)
		case slices.ContainsFunc(o.Against[:i], func(other Side) bool { return other.Name == side.Name }):
			return s, fmt.Errorf("two servers are called %s: give one another name", side.Name)
		}
		if err := side.checkPID(); err != nil {
			return s, err
		}
		s.Against = append(s.Against, side.kept())
	}
	return s.lacking(func(name string) error {
		if _, _, foreign := foreignName(name); !foreign && len(o.Sides) == 0 {
			return errors.New("it is of pushpull's own server, which is not measured")
		}
		_, err := Client(name, o.Against...)
		return err
	})
}

// Resolved returns the scenario as Duet measures it, and as the results of the two sides keep it: see
// Options.Resolved.
func (o DuetOptions) Resolved() (base, head Scenario, err error) {
	if err := o.Scenario.Validate(); err != nil {
		return o.Scenario, o.Scenario, err
	}
	base, err = o.Scenario.lacking(func(name string) error {
		_, baseErr := o.Base.client(name)
		_, headErr := o.Head.client(name)
		if why := cmp.Or(o.Base.lacks(name), o.Head.lacks(name)); why != "" && cmp.Or(baseErr, headErr) == nil {
			return unspokenError(why)
		}
		return cmp.Or(baseErr, headErr)
	})
	head = base
	for _, of := range []struct {
		s    *Scenario
		side Side
	}{{&base, o.Base}, {&head, o.Head}} {
		of.s.Against = nil
		if of.side.Dialect != nil {
			of.s.Against = []result.ForeignServer{of.side.kept()}
			err = cmp.Or(err, of.side.checkPID())
		}
	}
	return base, head, err
}

// lacking returns s with the transports whose servers lack them, as find says, in Lacking.
func (s Scenario) lacking(find func(name string) error) (Scenario, error) {
	s.Lacking = nil
	for _, name := range s.Transports {
		err := find(name)
		_, lacking := errors.AsType[*dialect.LackingError](err)
		if _, unspoken := errors.AsType[unspokenError](err); lacking || unspoken {
			s.Lacking = append(s.Lacking, result.Lack{Transport: name, Why: result.Shorten(err.Error())})
		} else if err != nil {
			return s, &FieldError{"transports", fmt.Sprintf("can't be used: %v", err)}
		}
	}
	if n := len(s.Lacking); n == len(s.Transports) {
		return s, &FieldError{"transports", fmt.Sprintf("can't be used, as none is left to be measured: %s", s.Lacking[n-1].Why)}
	}
	return s, nil
}

// An unspokenError is why a transport can't be measured because of how users speak.
type unspokenError string

func (e unspokenError) Error() string { return string(e) }

// Lacking returns those of the scenario's transports that can't be measured because of how users speak: those of side i
// of o.Sides, and those of the foreign servers.
func (o Options) Lacking(i int, s Scenario) []result.Lack {
	var all []result.Lack
	for _, name := range s.Measured() {
		server, _, foreign := foreignName(name)
		sides := o.Against
		if !foreign {
			server, sides = "", o.Sides[min(i, len(o.Sides)):min(i+1, len(o.Sides))]
		}
		for _, side := range sides {
			if why := side.lacks(name); why != "" && (!foreign || side.Name == server) {
				all = append(all, result.Lack{Transport: name, Why: why})
			}
		}
	}
	return all
}

// lacks returns why a transport can't be measured on the side; "": it can.
func (d *Side) lacks(name string) string {
	if client, err := d.client(name); err == nil && d.HTTP2 && client.Way().Duplex {
		return wire.ErrUpgrade.Error()
	}
	return ""
}

// checkPID returns an error if the processes of the side's server can't be read: there is no such process, or the
// server is on another machine.
func (d *Side) checkPID() error {
	if d.PID == 0 {
		return nil
	}
	if d.Target == nil {
		return fmt.Errorf("a server that a command starts needs no process ID, but %d is given for %s: leave it out", d.PID, d.Name)
	}
	if host := d.Target.Hostname(); !onThisMachine(host) {
		return fmt.Errorf("process %d is one of this machine, but %s is at %s: leave the process ID out", d.PID, cmp.Or(d.Name, "the server"), host)
	}
	if _, err := process.OpenTree(d.PID); err != nil {
		return fmt.Errorf("finding the process of %s: %w", cmp.Or(d.Name, "the server"), err)
	}
	return nil
}

// onThisMachine reports whether a host is an address of this machine, or a name of one.
func onThisMachine(host string) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return true // nobody knows
	}
	ips := []net.IP{net.ParseIP(host)}
	if ips[0] == nil {
		if ips, err = net.LookupIP(host); err != nil {
			return true // reaching it says more
		}
	}
	return slices.ContainsFunc(ips, func(ip net.IP) bool {
		return ip.IsLoopback() || slices.ContainsFunc(addresses, func(a net.Addr) bool {
			own, ok := a.(*net.IPNet)
			return ok && own.IP.Equal(ip)
		})
	})
}

// kept returns what a result keeps of a side with a foreign server.
func (d *Side) kept() result.ForeignServer {
	about := d.Dialect.About()
	kept := result.ForeignServer{
		Name: cmp.Or(d.Name, about.Name), Title: about.Title, Text: about.Text, Untried: about.Untried,
		Started: d.Target == nil, PID: d.PID > 0,
	}
	if d.Target != nil {
		kept.Address = transports.Redacted(d.Target.String())
	}
	return kept
}
