package result

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen/input"
	"pushpull/loadgen/network"
)

// A Scenario describes what the simulated users do. A result keeps it as it was run, with the flags
// applied, and the numbers of members and senders in place of 0.
//
// Knobs lists its keys in YAML. The fields that a run adds have no key.
type Scenario struct {
	Name       string   `json:"name" yaml:"name"`
	About      string   `json:"about,omitempty" yaml:"about"`
	Users      int      `json:"users" yaml:"users"`
	RoomSize   int      `json:"room_size" yaml:"room_size"`       // members of a room, the sender among them; 0: everyone in one room
	Senders    int      `json:"senders" yaml:"senders"`           // members of each room that send; 0: all of them
	Rate       float64  `json:"rate" yaml:"rate"`                 // messages per second of each sender, on average: a Poisson process
	Size       int      `json:"size" yaml:"size"`                 // bytes of a message's body, with its stamp
	Warmup     Seconds  `json:"warmup_s" yaml:"warmup"`           // its messages are sent and delivered, but not counted
	Duration   Seconds  `json:"duration_s" yaml:"duration"`       // of the measured part of each window
	Drain      Seconds  `json:"drain_s" yaml:"drain"`             // longest wait for messages under way; a poll interval is added to it
	Rounds     int      `json:"rounds" yaml:"rounds"`             // each round measures every transport once
	Resend     bool     `json:"resend,omitempty" yaml:"resend"`   // a message whose acknowledgement was lost is sent again, with a key by which the servers store it once
	Backoff    string   `json:"backoff,omitempty" yaml:"backoff"` // how long users wait before they try again, as package backoff reads it; empty: as this version does by default
	Slices     int      `json:"slices,omitempty" yaml:"-"`        // windows of each transport in a round; 0: one
	Seed       uint64   `json:"seed" yaml:"seed"`                 // of all random numbers
	Transports []string `json:"transports" yaml:"transports"`

	Network network.Profile `json:"network,omitzero" yaml:"network"` // between users and servers, as a relay replays it; none: there is no relay

	Target     string `json:"target,omitempty" yaml:"-"`     // address of a server that the run did not start, without secrets, or several with commas; empty: it starts servers for each window
	Redirected string `json:"redirected,omitempty" yaml:"-"` // address that Target led to before the run, which was measured, likewise; empty: Target itself
	Store      string `json:"store,omitempty" yaml:"-"`      // kind of the store of the servers that the run starts, like "sqlite"; empty: unknown, or in memory
	Servers    int    `json:"servers,omitempty" yaml:"-"`    // number of servers that the run starts, which share the users; 0: one
	Spread     string `json:"spread,omitempty" yaml:"-"`     // what is spread over several servers: SpreadRooms; empty: the members of each room, so they share a store

	Heartbeat Seconds `json:"heartbeat_s,omitempty" yaml:"-"` // between two signs of life of the servers that the run starts, on each stream; 0: their default

	TLS  bool   `json:"tls,omitempty" yaml:"-"`  // users speak TLS with the servers that the run starts, or with the proxies before them
	Via  string `json:"via,omitempty" yaml:"-"`  // the proxy before each server that the run starts, like "nginx"; empty: none
	HTTP string `json:"http,omitempty" yaml:"-"` // version that users speak, like "2"; empty: 1.1

	Against []ForeignServer `json:"against,omitempty" yaml:"-"` // the other servers that transports like "nchan/long-poll" are measured on
	Lacking []Lack          `json:"lacking,omitempty" yaml:"-"` // those of Transports that are not measured, as their servers lack them
}

// SpreadRooms is the value of Scenario.Spread by which each room is on one of several servers.
const SpreadRooms = "rooms"

// OverTLS reports whether users speak TLS with the servers that the run starts, or with the target.
func (s Scenario) OverTLS() bool {
	return s.TLS || strings.HasPrefix(cmp.Or(s.Redirected, s.Target), "https:")
}

// defaultStore is the kind of the store of servers that a run starts, unless it names another one.
const defaultStore = "memory"

// StoreKind returns the kind of the servers' store: "memory" by default, or "", unknown, for a target.
func (s Scenario) StoreKind() string {
	if s.Store == "" && s.Target == "" {
		return defaultStore
	}
	return s.Store
}

// NotableStore returns the kind of the servers' store if a report must mention it, or "" if it is the
// default one or unknown.
func (s Scenario) NotableStore() string {
	if s.Store == defaultStore {
		return ""
	}
	return s.Store
}

// Seconds is a length of time: a number of seconds in JSON, and a text with a unit, like 500ms, in
// YAML and on the command line (it is a flag.Value).
type Seconds float64

// SecondsOf returns d as the nearest number of seconds, so that 300ms is .3.
func SecondsOf(d time.Duration) Seconds { return Seconds(float64(d) / float64(time.Second)) }

// Duration returns s, rounded to the nanosecond.
func (s Seconds) Duration() time.Duration {
	return time.Duration(math.Round(float64(s) * float64(time.Second)))
}

// String writes s like 500ms, 1m30s or 24h.
func (s Seconds) String() string {
	text := s.Duration().String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Set parses a text like those of String.
func (s *Seconds) Set(text string) error {
	d, err := input.Duration(text)
	if err == nil {
		*s = SecondsOf(d)
	}
	return err
}

// Type returns the name of the type in a flag's help.
func (*Seconds) Type() string { return "duration" }

// MarshalYAML writes s as String does.
func (s Seconds) MarshalYAML() (any, error) { return s.String(), nil }

// A Knob is a property of a scenario that its author chooses: its key in YAML, its flag, its bounds,
// and how reports and comparisons treat it.
type Knob struct {
	Key   string                // in YAML
	Field func(s *Scenario) any // a pointer to its value: *bool, *int, *uint64, *float64, *Seconds, *string, *[]string or *network.Profile

	Group string // heading of its flag in help
	Usage string // help of its flag, after what stands for the value, in backquotes, unless it is on or off; empty: it has no flag
	Title string // in reports; empty: Key in words
	Unit  string // of a number, written after it; empty: none, or s for Seconds

	// Bounds of a number, in seconds for Seconds. If Max is 0, Wrong doesn't check the number: any is
	// valid, or its bounds depend on other knobs.
	Min, Max  float64
	Exclusive bool   // Min itself is too small
	Why       string // reason for the bounds, which follows them in an error; may be empty

	// How facts and comparisons treat it. The zero values are those of the load: two runs that differ in
	// it are not compared.
	Scope      Scope
	Difference Difference
}

// Headings of flags in help, for Knob.Group.
const (
	GroupTransports  = "Transports and servers"
	GroupLoad        = "Load, in place of the scenario's"
	GroupMeasurement = "Measurement"
)

// Knobs returns the knobs of a scenario, in the order of every list of them.
func Knobs() []Knob {
	const day = 24 * 60 * 60
	return []Knob{
		{
			Key: "name", Field: func(s *Scenario) any { return &s.Name },
			Title: "scenario", Scope: SetUp, Difference: Warned, // scenarios of different names may be the same load
		},
		{
			Key: "about", Field: func(s *Scenario) any { return &s.About },
			Scope: Remark,
		},
		{
			Key: "users", Field: func(s *Scenario) any { return &s.Users },
			Group: GroupLoad, Usage: "`N` simulated users, all rooms together",
			Min: 2, Max: 1e6, Why: "one sends and one receives",
		},
		{
			Key: "room_size", Field: func(s *Scenario) any { return &s.RoomSize },
			Group: GroupLoad, Usage: "`N` members of a room; 0: everyone in one room",
		},
		{
			Key: "senders", Field: func(s *Scenario) any { return &s.Senders },
			Group: GroupLoad, Usage: "`N` members of each room that send; 0: all of them",
			Title: "senders per room",
		},
		{
			Key: "rate", Field: func(s *Scenario) any { return &s.Rate },
			Group: GroupLoad, Usage: "`PER-SECOND` messages of each sender, on average, like 0.25",
			Title: "rate per sender", Unit: "messages per second",
			Max: 1e4, Exclusive: true,
		},
		{
			Key: "size", Field: func(s *Scenario) any { return &s.Size },
			Group: GroupLoad, Usage: "`BYTES` size of a message",
			Title: "message size", Unit: "bytes",
			Min: 64, Max: 64 << 10, Why: "a message carries its stamp",
		},
		{
			Key: "resend", Field: func(s *Scenario) any { return &s.Resend },
			Group: GroupLoad, Usage: "a message whose acknowledgement was lost is sent again, with a key by which the servers store it once",
		},
		{
			Key: "backoff", Field: func(s *Scenario) any { return &s.Backoff },
			Group: GroupLoad, Usage: "`WAITS` of a user before it tries again, like 100ms..10s/full: the first, the longest and the jitter, which is none, half, full or decorrelated",
		},
		{
			Key: "warmup", Field: func(s *Scenario) any { return &s.Warmup },
			Group: GroupMeasurement, Usage: "`TIME` warm-up before the measured part of each window, like 3s",
			Title: "warm-up", Max: day,
		},
		{
			Key: "duration", Field: func(s *Scenario) any { return &s.Duration },
			Group: GroupMeasurement, Usage: "`TIME` measured part of each window, like 20s",
			Title: "measured part", Min: .1, Max: day,
		},
		{
			Key: "drain", Field: func(s *Scenario) any { return &s.Drain },
			Group: GroupMeasurement, Usage: "`TIME` longest wait for messages under way, like 10s; a poll interval is added to it",
			Title: "drain limit", Max: day,
			Scope: SetUp, Difference: Warned, // a shorter drain may lose more messages
		},
		{
			Key: "rounds", Field: func(s *Scenario) any { return &s.Rounds },
			Group: GroupMeasurement, Usage: "`N` how many times every transport is measured",
			Min: 1, Max: 1e4,
			Scope: SetUp, Difference: Ignored, // the rounds that both runs have are compared
		},
		{
			Key: "seed", Field: func(s *Scenario) any { return &s.Seed },
			Group: GroupMeasurement, Usage: "`N` number that determines everything random",
			Scope: SetUp, Difference: Redrawn,
		},
		{
			Key: "transports", Field: func(s *Scenario) any { return &s.Transports },
			Group: GroupTransports, Usage: "`LIST` which transports, like short-poll@5s,websocket; after the @: poll interval, hold time or scan interval",
			Scope: SetUp, Difference: Ignored, // the transports that both runs have are compared
		},
		{
			Key: "network", Field: func(s *Scenario) any { return &s.Network },
			Group: GroupTransports, Usage: "`NETWORK` between users and servers: a name like 4g, or one like {rtt: 80ms, loss: 1%}",
		},
	}
}

// Flag returns the name of the knob's flag. A knob without Usage has no flag.
func (k Knob) Flag() string { return strings.ReplaceAll(k.Key, "_", "-") }

// Name returns the knob's name in reports.
func (k Knob) Name() string {
	if k.Title != "" {
		return k.Title
	}
	return strings.ReplaceAll(k.Key, "_", " ")
}

// Wrong returns "" if the knob's value in s is within its bounds. Otherwise it returns the end of an
// error that begins with the knob: what is wrong, and which values are valid.
func (k Knob) Wrong(s *Scenario) string {
	if p, ok := k.Field(s).(*network.Profile); ok {
		if err := p.Validate(); err != nil {
			return err.Error()
		}
		return ""
	}
	x, ok := k.number(s)
	if !ok || k.Max == 0 || (x > k.Min || x == k.Min && !k.Exclusive) && x <= k.Max {
		return ""
	}
	_, time := k.Field(s).(*Seconds)
	write := func(x float64) string {
		if time {
			return Seconds(x).String()
		}
		return plain(x)
	}
	bounds := write(k.Min) + " to " + write(k.Max)
	if k.Exclusive {
		bounds = fmt.Sprintf("more than %s and at most %s", write(k.Min), write(k.Max))
	}
	if time {
		bounds = "a time from " + bounds
	}
	return "must be " + joined(" ", bounds, k.Unit) + ", not " + joined(": ", write(x), k.Why)
}

// Text formats the knob's value in s, with its unit.
func (k Knob) Text(s *Scenario) string {
	switch v := k.Field(s).(type) {
	case *bool:
		if *v {
			return "yes"
		}
		return "no"
	case *string:
		return *v
	case *[]string:
		return strings.Join(*v, ", ")
	case *uint64:
		return strconv.FormatUint(*v, 10)
	case *network.Profile:
		if v.IsNone() {
			return "" // as all results have it that are older than the knob
		}
		return v.Words()
	case *Seconds:
		return plain(float64(SecondsOf(v.Duration()))) + " s" // rounded, as .1 + .2 is not .3
	}
	x, _ := k.number(s)
	return joined(" ", plain(x), k.Unit)
}

// off reports whether the knob is a switch that is off in s.
func (k Knob) off(s *Scenario) bool {
	on, isSwitch := k.Field(s).(*bool)
	return isSwitch && !*on
}

// number returns the knob's value in s, or false if it is not a quantity. A seed is not.
func (k Knob) number(s *Scenario) (float64, bool) {
	switch v := k.Field(s).(type) {
	case *int:
		return float64(*v), true
	case *float64:
		return *v, true
	case *Seconds:
		return float64(*v), true
	}
	return 0, false
}

// plain formats x with the fewest digits that identify it.
func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// joined returns a + between + b, or a if b is empty.
func joined(between, a, b string) string {
	if b == "" {
		return a
	}
	return a + between + b
}
