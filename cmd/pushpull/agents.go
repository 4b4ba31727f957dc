package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/agent"
	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
	storenats "pushpull/transports/store/nats"
)

// aboutAgents is the part of a command's help on agents.
const aboutAgents = `--agents has that many other processes simulate the users, as one process ends at its open files, its
memory or its cores. Each takes whole rooms, by the cores of its machine and the agents there, and no more than its open
files are enough for; with fewer rooms than agents each takes members of all rooms, as many as the others, and only
messages between members of the same agent are timed. Without --nats they are started for the measurement, on this
machine, with a NATS server on loopback. With --nats they are processes "pushpull agent" that wait at a NATS
server, on this machine and on others. Servers that are started listen on loopback, so agents on other machines
need --target. The agents begin together, and the report says how far apart at most; no clock of one
machine is compared with another's. A window of which an agent is lost is not measured.

` + aboutNATS

// agentsOptions are the flags of a measuring command that say which agents have the users.
type agentsOptions struct {
	number int  // 0: this process has them
	auto   bool // as many as fit
	place  placeOptions
}

func (o *agentsOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&value[int]{&o.number, o.read, func(int) string { return o.String() }, "agents"}, "agents", "`N` how many processes have the users; auto starts as many as it takes, and servers; without it this one has them")
	o.place.addFlags(f)
}

// String returns the value of --agents; "" if it is not given.
func (o *agentsOptions) String() string {
	switch {
	case o.auto:
		return result.AgentsAuto
	case o.number == 0:
		return ""
	}
	return strconv.Itoa(o.number)
}

func (o *agentsOptions) read(text string) (int, error) {
	if o.auto = text == result.AgentsAuto; o.auto {
		return 0, nil
	}
	n, err := input.Int(text)
	if err == nil && (n < 1 || n > result.MostAgents) {
		err = fmt.Errorf("must be 1 to %d, or %s", result.MostAgents, result.AgentsAuto)
	}
	return n, err
}

// describe enters the agents into the index of a sweep.
func (o *agentsOptions) describe(x *result.Index) {
	x.Agents, x.AgentsElsewhere = o.String(), o.place.URL != ""
}

// resume sets the agents to those of an index. Where they wait must be given again.
func (o *agentsOptions) resume(x result.Index) (err error) {
	switch elsewhere := o.place.URL != ""; {
	case elsewhere && !x.AgentsElsewhere:
		return errors.New("the agents of the sweep did not wait at NATS: leave out --nats")
	case x.AgentsElsewhere && !elsewhere:
		return errors.New("the agents of the sweep wait at NATS: give its address with --nats again")
	case x.Agents != "":
		o.number, err = o.read(x.Agents)
	}
	return err
}

// used reports whether agents have the users.
func (o *agentsOptions) used() bool { return o.number > 0 }

// settle finds out how many agents and servers --agents auto is, if it is given; servers that are named, or run already, stay
// as they are. If one process is enough for the users, it is this one.
func (o *agentsOptions) settle(s loadgen.Scenario, servers *serversOptions, running bool) error {
	if !o.auto {
		return nil
	}
	if o.place.URL != "" {
		return usageError(errors.New("--agents auto starts agents on this machine: name their number with --nats"))
	}
	agents, needed, err := loadgen.Crowd(s)
	if err != nil {
		return err
	}
	if o.number = agents; agents == 1 {
		o.number = 0
	}
	if !running && !servers.placed() && needed > 1 {
		servers.n, servers.by = needed, spreadRooms
	}
	return nil
}

// validate checks the flags for a scenario. without are flags that were given and can't be used with agents, each with the reason.
func (o *agentsOptions) validate(s loadgen.Scenario, without map[string]string) error {
	if !o.used() {
		if o.place.URL != "" {
			return errors.New("--nats and --nats-context are where agents wait: add --agents N")
		}
		return o.place.validate()
	}
	for _, flag := range []string{"against", "profile", "pprof"} {
		if why := without[flag]; why != "" {
			return fmt.Errorf("--%s can't be used with --agents: %s", flag, why)
		}
	}
	kept := s.Result()
	if most := max(kept.Users/kept.RoomSize, kept.RoomSize); o.number > most {
		return fmt.Errorf("--agents %d are more than there are rooms, and than a room has members: use --agents %d, or fewer", o.number, most)
	}
	return o.place.validate()
}

// withoutAgainst is why foreign servers can't be measured with agents.
const withoutAgainst = "agents don't speak with other servers yet: leave out one of them"

// withoutAgents returns the flags that were given and can't be used with agents, each with the reason.
func (o *runOptions) withoutAgents() map[string]string {
	without := map[string]string{}
	if len(o.against.named) > 0 {
		without["against"] = withoutAgainst
	}
	if o.profile {
		without["profile"] = "the generators are other processes: leave out one of them"
	}
	if o.pprof.address != "" {
		without["pprof"] = "the users are not in this process: leave out one of them"
	}
	return without
}

// A crowd is the agents of a measurement, and what was started for them.
type crowd struct {
	team   *agent.Team // nil: this process has the users
	done   func()      // closes the connection
	broker *storenats.Embedded
	launch func(ctx context.Context, name string) (*loadgen.Server, error)
	close  func()

	mu        sync.Mutex
	processes map[int]*launched // by their ids
}

// A launched is a process that was started as an agent.
type launched struct {
	*loadgen.Server
	name string
	mu   sync.Mutex // of Ended and Stop
}

// gather claims the agents, and starts those that don't wait elsewhere. here says that servers listen on loopback. The
// caller must call close; it may do so twice.
func (o *agentsOptions) gather(ctx context.Context, here bool) (_ *crowd, err error) {
	c := &crowd{processes: map[int]*launched{}}
	c.close = sync.OnceFunc(c.end)
	if !o.used() {
		return c, nil
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	place, wanted := o.place.Place, agent.TeamOptions{Agents: o.number, Version: revision(), Here: here}
	if place.URL == "" {
		if c.broker, err = storenats.EmbedPlain(rand.Text()); err != nil {
			return nil, err
		}
		place.URL = c.broker.URL()
		if err := c.start(ctx, o.number, place.URL); err != nil {
			return nil, err
		}
		wanted.Ended, wanted.Replace = c.ended, c.replace
	} else {
		wanted.More = "pushpull agent " + o.place.flags()
	}
	var conn *nats.Conn
	if conn, c.done, err = agent.Connect(place, "pushpull"); err != nil {
		return nil, err
	}
	if c.team, err = agent.Gather(ctx, conn, wanted); err != nil {
		return nil, err
	}
	return c, nil
}

// where returns a line that says which agents have the users, if they are not only those that were started.
func (c *crowd) where() string {
	if c.team == nil || c.broker != nil {
		return ""
	}
	return fmt.Sprintf("the users are at %s\n", strings.Join(c.team.Names(), ", "))
}

// start starts agents on this machine.
func (c *crowd) start(ctx context.Context, n int, address string) error {
	program, err := loadgen.OpenProgram("")
	if err != nil {
		return err
	}
	c.launch = func(ctx context.Context, name string) (*loadgen.Server, error) {
		argv := []string{os.Args[0], "agent", "--until-eof", "--nats-from", natsVariable, "--name", name}
		return loadgen.StartServer(ctx, program, argv, natsVariable+"="+address)
	}
	errs := make([]error, n)
	var starting sync.WaitGroup
	for i := range n {
		starting.Go(func() { errs[i] = c.add(ctx, fmt.Sprintf("%0*d", len(strconv.Itoa(n)), i+1)) })
	}
	starting.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("an agent: %w", err)
		}
	}
	return nil
}

// add starts an agent.
func (c *crowd) add(ctx context.Context, name string) error {
	s, err := c.launch(ctx, name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.processes[s.PID] = &launched{Server: s, name: name}
	return nil
}

// process returns the agent with a process id; nil if there is none.
func (c *crowd) process(pid int) *launched {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.processes[pid]
}

// ended returns how an agent ended, with its last words; "" if it has not.
func (c *crowd) ended(pid int) string {
	p := c.process(pid)
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	how, last, ended := p.Ended(0)
	if ended && last != "" {
		how += ": " + last
	}
	return how
}

// replace starts an agent in place of another one, which it kills if it has not ended.
func (c *crowd) replace(ctx context.Context, pid int) error {
	p := c.process(pid)
	if p == nil {
		return nil // it is none of ours
	}
	c.mu.Lock()
	delete(c.processes, pid)
	c.mu.Unlock()
	p.stop(true)
	return c.add(ctx, p.name)
}

// stop ends the process. kill says that it does not do so by itself.
func (p *launched) stop(kill bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kill {
		if process, err := os.FindProcess(p.PID); err == nil {
			_ = process.Kill() // it may have ended
		}
	}
	_ = p.Stop() // the windows say what became of it
}

// end releases the agents, and ends those that were started.
func (c *crowd) end() {
	if c.team != nil {
		c.team.Close()
	}
	var stopping sync.WaitGroup
	for _, p := range c.processes {
		stopping.Go(func() { p.stop(false) })
	}
	stopping.Wait()
	if c.done != nil {
		c.done()
	}
	if c.broker != nil {
		_ = c.broker.Close() // it keeps nothing
	}
}
