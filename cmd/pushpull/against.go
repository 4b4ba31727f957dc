package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
	"pushpull/transports/dialect/servers"
	"pushpull/transports/typo"
)

// aboutForeign is the part of a command's help on servers other than pushpull's own.
const aboutForeign = `--against NAME=WHERE measures another server beside pushpull's own, with the same users and
messages. NAME is what the server speaks: one of pushpull dialect, or the name in a file of
--dialect. WHERE is the URL of a running server, or a command that is started for each window: it
prints "listening on http://HOST:PORT" as its first line, and is ended with SIGTERM. CPU and memory
are known of a command, and of the process of ,pid=N behind a URL, together with those that they
have started. --transports are measured on each server that has them; nchan/long-poll is one of
that server alone. Without --transports, a server is measured on those of the scenario that it has,
or on all of its own. Two servers that speak the same are nchan and nchan-2.`

// againstOptions are the flags that name foreign servers, which are those other than pushpull's own.
type againstOptions struct {
	named    []string // NAME=WHERE
	dialects dialectOptions
	only     bool
}

func (o *againstOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.named, "against", nil, "`NAME=WHERE` measure another server too, like nchan=http://127.0.0.1:8900 or socketio=./start.sh; may be repeated")
	o.dialects.addFlags(f)
	f.BoolVar(&o.only, "only-against", false, "leave out pushpull's own server")
}

// urls reports whether a server is named by its URL.
func (o *againstOptions) urls() bool { return slices.ContainsFunc(o.named, isURL) }

// dialectOptions are the flags that add dialects to the built-in ones.
type dialectOptions struct{ files []string }

func (o *dialectOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.files, "dialect", nil, "`FILE` what another server speaks, for its name in --against; may be repeated")
}

// open reads the files.
func (o *dialectOptions) open() (*dialects, error) {
	d := &dialects{names: servers.Names()}
	for _, file := range o.files {
		read, err := rules.Load(file)
		if errors.Is(err, fs.ErrNotExist) && slices.Contains(d.names, file) {
			return nil, fmt.Errorf("bad --dialect: there is no file %s, and what has that name is built in: leave out --dialect", file)
		}
		if err != nil {
			return nil, fmt.Errorf("bad --dialect: %w", err)
		}
		name := read.About().Name
		if slices.Contains(d.names, name) {
			return nil, fmt.Errorf("bad --dialect: %s has the name %s, which is taken: give it another one", file, name)
		}
		d.names, d.read = append(d.names, name), append(d.read, read)
	}
	return d, nil
}

// dialects are those that a command line can name.
type dialects struct {
	names []string
	read  []dialect.Dialect // from files
}

// has reports whether a dialect has the name.
func (d *dialects) has(name string) bool { return slices.Contains(d.names, name) }

func (d *dialects) find(name string) (dialect.Dialect, error) {
	for _, read := range d.read {
		if read.About().Name == name {
			return read, nil
		}
	}
	if !d.has(name) {
		return nil, typo.Unknown("server", transports.Redacted(name), d.names)
	}
	return servers.Find(name)
}

// isPlace reports whether a text is a NAME=WHERE, rather than a path or a URL.
func isPlace(named string) bool {
	name, _, ok := strings.Cut(named, "=")
	return ok && !strings.ContainsAny(name, `/\:.@?`)
}

// locate enters where a server is into its side: WHERE is its URL, or the command that starts it. The error holds no
// secret.
func locate(side *loadgen.Side, where string) (err error) {
	address, number, hasPID := cutPID(where)
	if !isURL(address) {
		if hasPID {
			return errors.New("a pid is that of a running server: write it behind a URL, as in http://127.0.0.1:8900,pid=4711")
		}
		side.Command, err = parseCommand(where)
		return err
	}
	if side.Target, err = loadgen.ParseTarget(address); err != nil || !hasPID {
		return err
	}
	if side.PID, err = strconv.Atoi(number); err != nil || side.PID < 1 {
		return fmt.Errorf("a pid is a whole number, like ,pid=4711, not %.20q", number)
	}
	if !isHere(side.Target.Hostname()) {
		return fmt.Errorf("the process %d is one of this machine, and the server is on another: leave out ,pid=%[1]d", side.PID)
	}
	return nil
}

// pidSign stands before the pid of a running server.
const pidSign = ",pid="

// cutPID cuts the pid off the end of WHERE.
func cutPID(where string) (address, number string, found bool) {
	if i := strings.LastIndex(where, pidSign); i >= 0 {
		return where[:i], where[i+len(pidSign):], true
	}
	return where, "", false
}

// isHere reports whether a host is this machine. A name that can't be resolved isn't judged.
func isHere(host string) bool {
	found, err := net.LookupIP(host)
	if err != nil {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(found, func(ip net.IP) bool {
		return ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
			network, ok := a.(*net.IPNet)
			return ok && network.IP.Equal(ip)
		})
	})
}

// parseCommand returns the words of a command. A program whose path has blanks stands alone.
func parseCommand(text string) ([]string, error) {
	if _, err := exec.LookPath(text); err == nil {
		return []string{text}, nil
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, errors.New("write a URL like http://127.0.0.1:8900, or a command like ./start.sh")
	}
	_, err := exec.LookPath(words[0])
	if err == nil {
		return words, nil
	}
	if failed, ok := errors.AsType[*exec.Error](err); ok {
		err = failed.Err // without the name, which may be meant as an address, and hold secrets
	}
	info, missing := os.Stat(words[0])
	_, port, address := strings.Cut(words[0], ":")
	switch {
	case address && missing != nil && strings.Trim(strings.SplitN(port, "/", 2)[0], "0123456789") == "":
		return nil, errors.New("an address begins with http:// or https://, as in http://127.0.0.1:8900")
	case missing == nil && info.Mode().IsRegular() && !strings.ContainsAny(words[0], `/\`):
		return nil, fmt.Errorf("it is no command: write ./%s for the file", words[0])
	case errors.Is(err, fs.ErrPermission) && missing == nil && !info.IsDir():
		return nil, fmt.Errorf("it can't be executed: use chmod +x %s", words[0])
	case missing == nil && info.IsDir():
		return nil, errors.New("it is a directory: name a program, or a URL like http://127.0.0.1:8900")
	}
	return nil, fmt.Errorf("%w: name a program, or a URL like http://127.0.0.1:8900", transports.SecretsOf(text).RedactError(err))
}

// foreigns are the foreign servers of a command line. A nil one has none.
type foreigns struct {
	sides []loadgen.Side
	only  bool // pushpull's own server isn't measured
}

// parse reads the flags. All of its errors are those of usage.
func (o *againstOptions) parse(authorities *x509.CertPool) (*foreigns, error) {
	known, err := o.dialects.open()
	if err != nil {
		return nil, err
	}
	if o.only && len(o.named) == 0 {
		return nil, errors.New("--only-against leaves no server to measure: name one with --against NAME=WHERE")
	}
	f := &foreigns{only: o.only}
	for _, named := range o.named {
		side, err := known.side("against", named)
		if err != nil {
			return nil, err
		}
		if side.Target != nil {
			side.Authorities = authorities
		}
		name := side.Name
		for n := 2; slices.ContainsFunc(f.sides, func(other loadgen.Side) bool { return other.Name == side.Name }); n++ {
			side.Name = fmt.Sprintf("%s-%d", name, n)
		}
		f.sides = append(f.sides, side)
	}
	return f, nil
}

// side returns the side that the NAME=WHERE of a flag names.
func (d *dialects) side(flag, named string) (side loadgen.Side, err error) {
	name, where, ok := strings.Cut(named, "=")
	if !ok || !isPlace(named) {
		return side, fmt.Errorf("bad --%s %q: write it like nchan=http://127.0.0.1:8900", flag, shownPlace(named))
	}
	side.Name = name
	if side.Dialect, err = d.find(name); err == nil {
		err = locate(&side, where)
	}
	if err != nil {
		return side, fmt.Errorf("bad --%s %q: %w", flag, shownPlace(named), err)
	}
	return side, nil
}

// all returns the sides; none of a nil f.
func (f *foreigns) all() []loadgen.Side {
	if f == nil {
		return nil
	}
	return f.sides
}

// client returns the user's side of a transport of pushpull's own server or of a foreign one.
func (f *foreigns) client(spec string) (transports.Client, error) {
	return loadgen.Client(spec, f.all()...)
}

// way returns how the users of a transport get the next message; the zero Way if there is no such transport.
func (f *foreigns) way(spec string) transports.Way {
	client, err := f.client(spec)
	if err != nil {
		return transports.Way{}
	}
	return client.Way()
}

// lacks reports whether the server of a transport has none like it.
func (f *foreigns) lacks(spec string) bool {
	_, err := f.client(spec)
	_, lacking := errors.AsType[*dialect.LackingError](err)
	return lacking
}

// unset reports whether the server of a transport has it, but without its setting.
func (f *foreigns) unset(spec string) bool {
	_, err := f.client(spec)
	if err == nil || f.lacks(spec) {
		return false
	}
	_, err = f.client(result.Kind(spec))
	return err == nil
}

// isForeign reports whether a transport is one of a foreign server, like "nchan/long-poll".
func isForeign(spec string) bool {
	server, _, found := strings.Cut(spec, "/")
	return found && !strings.Contains(server, "@")
}

// expand returns the transports to measure: specs on every server, except that one like "nchan/long-poll" is that of
// a server alone. wanted: they were asked for, so those that a server lacks are among them. Otherwise these are left
// out, and so are settings that a server lacks; of a server that has none of them, everything that it has is measured.
func (f *foreigns) expand(specs []string, wanted bool) []string {
	if f == nil || len(f.sides) == 0 {
		return specs
	}
	shared := slices.DeleteFunc(slices.Clone(specs), isForeign)
	expanded := slices.DeleteFunc(slices.Clone(specs), func(spec string) bool { return f.only && !isForeign(spec) })
	for _, side := range f.sides {
		chosen := slices.ContainsFunc(specs, func(spec string) bool { return strings.HasPrefix(spec, side.Name+"/") })
		add := func(spec string) {
			if !slices.Contains(expanded, spec) {
				expanded = append(expanded, spec)
			}
			chosen = true
		}
		for _, spec := range shared {
			on := side.Name + "/" + spec
			if plain := side.Name + "/" + result.Kind(spec); !wanted && f.unset(on) {
				on = plain
			}
			if wanted || !f.lacks(on) {
				add(on)
			}
		}
		if chosen {
			continue
		}
		for _, way := range side.Dialect.Ways() {
			add(side.Name + "/" + way.Transport)
		}
	}
	return expanded
}

// resolved returns a scenario as loadgen.Run measures it, and the error that it would have.
func (f *foreigns) resolved(s loadgen.Scenario) (loadgen.Scenario, error) {
	o := loadgen.Options{Scenario: s, Against: f.all()}
	if f == nil || !f.only {
		o.Sides = []loadgen.Side{{}}
	}
	resolved, err := o.Resolved()
	for _, name := range resolved.Measured() {
		server, spec, _ := strings.Cut(name, "/")
		for _, side := range f.all() {
			if err == nil && side.Name == server && isForeign(name) {
				err = speaks(side.Dialect, spec)
			}
		}
	}
	return resolved, err
}

// speaks returns an error if users can't speak to a server on a transport that it has: a variable of the environment
// may be missing.
func speaks(d dialect.Dialect, spec string) error {
	for _, way := range d.Ways() {
		if way.Transport != result.Kind(spec) {
			continue
		}
		if _, err := d.Speak(way, "room", ""); err != nil {
			return fmt.Errorf("%s: %w", d.About().Name, err)
		}
	}
	return nil
}

// measuresOwn reports whether a transport of pushpull's own server is among specs.
func measuresOwn(specs []string) bool {
	return slices.ContainsFunc(specs, func(spec string) bool { return !isForeign(spec) })
}

// remark warns of dialects that were never tried.
func (f *foreigns) remark(warnings io.Writer) {
	var said []string
	for _, side := range f.all() {
		about := side.Dialect.About()
		if about.Untried == "" || slices.Contains(said, about.Name) {
			continue
		}
		said = append(said, about.Name)
		fmt.Fprintf(warnings, "pushpull: warning: what %s speaks was never tried on the real server: %s\n", text.Clean(about.Title), text.Clean(about.Untried))
	}
}

// reach asks the servers that run whether they are there.
func (f *foreigns) reach(ctx context.Context) error {
	for i := range f.all() {
		if err := reachForeign(ctx, &f.sides[i]); err != nil {
			return err
		}
	}
	return nil
}

// reachForeign asks the server of a side whether it is there, if it runs, and enters where it leads to.
func reachForeign(ctx context.Context, side *loadgen.Side) (err error) {
	if side.Target != nil {
		side.Target, err = side.Reach(ctx)
	}
	return err
}

// shownPlace returns a NAME=WHERE as it may be shown.
func shownPlace(named string) string {
	name, where, ok := strings.Cut(named, "=")
	if !ok || !isPlace(named) {
		return shown(named)
	}
	return name + "=" + shownWhere(where)
}

// shownWhere returns a WHERE as it may be shown.
func shownWhere(where string) string {
	address, number, hasPID := cutPID(where)
	if !isURL(address) || !hasPID {
		return shown(where)
	}
	return shown(address) + pidSign + number
}
