package loadgen

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/process"
)

// A Team measures windows by several generators at the same time, each in a process of its own, on this machine or on
// others. Package agent has one.
type Team interface {
	// Measure has each generator measure a part of the window that t describes, and returns the parts as one, as
	// result.Join does. The team sets t's Part, Parts and Shares. If ctx ends, it ends the window early and returns it as
	// measured until then, marked as interrupted; nil if nothing was measured. Progress is that of all generators
	// together.
	Measure(ctx context.Context, t Task, progress func(Progress)) (*result.Window, error)
}

// A Task is a part of a window: what a generator has to know of it. It can be sent to another machine as JSON. The plan
// isn't part of it: each generator draws it, and takes its part.
//
// Latency is measured where sender and receiver are in the same part, by one clock. With more parts than rooms, each room
// has members in all of them: the generators then share which messages are stored, so that every copy is counted, and
// result.Window.Untimed is how many of them were not timed.
type Task struct {
	Scenario  Scenario `json:"scenario"` // resolved
	Transport string   `json:"transport"`
	Round     int      `json:"round"`

	Part  int `json:"part"`  // from 0
	Parts int `json:"parts"` // at most MostParts

	// Shares are the rooms of each part, in their order, as Among finds them; nil: the parts are as equal as can be. Parts
	// that have members of all rooms have none.
	Shares []int `json:"shares,omitempty"`

	Rooms       string          `json:"rooms"` // prefix of the names of all rooms, which no other window uses
	Servers     []Address       `json:"servers"`
	Spread      bool            `json:"spread,omitempty"` // each room is on one server, whose store the others don't share
	HTTP2       bool            `json:"http2,omitempty"`
	Authorities []byte          `json:"authorities,omitempty"` // certificates to accept besides those of the system, PEM
	Network     network.Profile `json:"network,omitzero"`      // that Through replays

	Progress Progress `json:"-"` // what the progress begins with
}

// An Address is where a server can be reached.
type Address struct {
	URL     string `json:"url"`
	Through string `json:"through,omitempty"` // host and port of a relay or a proxy before it that users connect to; empty: none
	Beside  string `json:"beside,omitempty"`  // host and port for what is not the users', and goes past the network; empty: those of the URL
}

// A Crew is the generators that measure the parts of one window at the same time, to one of them.
type Crew interface {
	// Meet waits until every generator of the window has called it as often. at says for what, to people. The error is
	// the reason why another one ended, or the cause of ctx.
	Meet(ctx context.Context, at string) error

	// Share hands what this generator knows to all of them, waits until every one has shared as often, and returns what all
	// know, this one too, in the order of the parts. Only generators whose rooms have members in several parts share. The
	// error is as that of Meet.
	Share(ctx context.Context, known []byte) (all [][]byte, err error)
}

// Beginning is what generators meet for when all users have joined, and are about to send.
const Beginning = "beginning"

// Check returns an error if the task can't be done by this process, as it is none, has no users, or needs more than the
// process may have.
func (t Task) Check() error {
	if t.Parts < 1 || t.Parts > MostParts || t.Part < 0 || t.Part >= t.Parts || len(t.Servers) == 0 {
		return fmt.Errorf("part %d of %d on %d servers is none", t.Part+1, t.Parts, len(t.Servers))
	}
	if _, err := Client(t.Transport); err != nil {
		return err
	}
	s := t.Scenario
	s.Transports = []string{t.Transport}
	if err := s.Validate(); err != nil {
		return err
	}
	rooms := s.Users / s.roomSize()
	if err := t.checkShares(rooms); err != nil {
		return err
	}
	if sizeOfPart(rooms, s.roomSize(), t.Part, t.Parts, t.Shares) == 0 {
		return fmt.Errorf("%d generators are more than %d rooms, or the %d members of one, can be divided among: use fewer of them", t.Parts, rooms, s.roomSize())
	}
	if needs, free := planBytes(s)>>20, freeMemory(); free > 0 && needs > free {
		return fmt.Errorf("the plan of %d users needs %d MB of memory and this machine has %d: use fewer users", s.Users, needs, free)
	}
	s.Network = network.Profile{} // the relay is another process
	if t.Shares == nil {
		return CheckLimits(s, Layout{Agents: t.Parts, Running: true, HTTP2: t.HTTP2})
	}
	own := t.Shares[t.Part]
	if files, most := t.layout().files(s, own), process.FileLimit(); most > 0 && files > most {
		return fmt.Errorf("a share of %d users needs %d open files and this agent may have %d: use fewer users, or more agents", own*s.roomSize(), files, most)
	}
	return nil
}

// checkShares returns an error unless the parts' shares are those of so many rooms.
func (t Task) checkShares(rooms int) error {
	if t.Shares == nil {
		return nil
	}
	left := rooms
	for _, share := range t.Shares {
		if share < 1 || share > left {
			left = -1
			break
		}
		left -= share
	}
	if len(t.Shares) != t.Parts || left != 0 {
		return fmt.Errorf("%d shares of %d parts don't add up to %d rooms", len(t.Shares), t.Parts, rooms)
	}
	return nil
}

// Measure measures a part of a window: users join in steps, at each of which the generators meet, and begin to send when
// all have joined. The first part asks the servers for their stats. It returns as Team.Measure does. progress may be nil.
func (t Task) Measure(ctx context.Context, crew Crew, progress func(Progress)) (*result.Window, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	client, err := Client(t.Transport)
	if err != nil {
		return nil, err
	}
	whole := NewPlan(t.Scenario, t.Round)
	w, err := newWindow(client, t.Scenario, t.Transport, t.Round, whole.Part(t.Part, t.Parts, t.Shares))
	if err != nil {
		return nil, err
	}
	w.crew, w.whole = crew, whole.joinedOf(t.Parts, t.Shares)
	w.part, w.parts = t.Part, t.Parts
	if w.rooms = t.Rooms; w.plan.step == 0 { // each part numbers its rooms from 0
		w.rooms = fmt.Sprintf("%s-%d", t.Rooms, t.Part)
		w.firstRoom, _ = roomsOfPart(len(whole.inRoom), t.Part, t.Parts, t.Shares)
	}
	w.noStats, w.target = t.Part > 0, t.Part > 0 // to all but one of the generators the servers are somebody else's
	w.http2, w.network, w.spread = t.HTTP2, t.Network, t.Spread
	if len(t.Authorities) > 0 {
		if w.authorities, err = x509.SystemCertPool(); err != nil {
			w.authorities = x509.NewCertPool() // the system has none
		}
		if !w.authorities.AppendCertsFromPEM(t.Authorities) {
			return nil, errors.New("the certificates to accept are not in PEM")
		}
	}
	w.ledger.secrets = transports.SecretsOf(t.Servers[0].URL)
	bases, err := w.reach(t.Servers)
	if err != nil {
		return nil, err
	}
	stop := watch(w, t.Progress, progress)
	defer stop()
	return w.measure(ctx, bases)
}

// task describes a window on the servers at bases to the generators of the side's team.
func (d Side) task(w *window, s Scenario, at Progress, bases []*url.URL) Task {
	return Task{
		Scenario: s, Transport: w.name, Round: w.round, Rooms: w.rooms, Servers: w.addresses(bases), Spread: d.Spread, HTTP2: d.HTTP2,
		Authorities: d.AuthoritiesPEM, Network: d.Network, Progress: at,
	}
}

// reach sets the ways to the servers, and returns their addresses.
func (w *window) reach(servers []Address) (bases []*url.URL, err error) {
	for _, server := range servers {
		base, err := url.Parse(server.URL)
		if err != nil {
			return nil, err
		}
		bases = append(bases, base)
		w.through = append(w.through, server.Through)
		w.past = append(w.past, server.Beside)
	}
	return bases, nil
}

// addresses returns where users of another process reach the servers at bases.
func (w *window) addresses(bases []*url.URL) (all []Address) {
	for i, base := range bases {
		a := Address{URL: base.String()}
		if w.through != nil {
			a.Through, a.Beside = w.through[i], w.past[i]
		}
		all = append(all, a)
	}
	return all
}

// joinedOf returns how many users of all parts have joined when each of n parts has joined k eighths of its users, by k.
// shares is as in Part.
func (p *Plan) joinedOf(n int, shares []int) func(eighths int) int {
	rooms, size := len(p.inRoom), p.RoomSize // the plan may be large, and is not kept
	return func(eighths int) (sum int) {
		for i := range n {
			sum += sizeOfPart(rooms, size, i, n, shares) * eighths / 8
		}
		return sum
	}
}

// share learns from the other generators which messages are stored, if the window's rooms have members there.
func (w *window) share(ctx context.Context) error {
	if w.crew == nil || w.plan.step == 0 {
		return nil
	}
	if ctx.Err() != nil { // an interrupted window counts what has come, too
		var done context.CancelFunc
		ctx, done = context.WithTimeout(context.WithoutCancel(ctx), 2*interruptDrain)
		defer done()
	}
	all, err := w.crew.Share(ctx, w.ledger.known())
	for _, known := range all {
		err = cmp.Or(err, w.ledger.tell(known))
	}
	return err
}

// meet waits for the other generators of the window, if there are any.
func (w *window) meet(ctx context.Context, at string) error {
	if w.crew == nil {
		return nil
	}
	return w.crew.Meet(ctx, at)
}
