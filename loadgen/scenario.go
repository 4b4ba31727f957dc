package loadgen

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/loadgen/scenarios"
	"pushpull/transports"
	"pushpull/transports/all"
)

// A Scenario says what the simulated users do. In YAML its keys are those of the tags, and times
// are written like 1s.
type Scenario struct {
	Name       string        `yaml:"name"`
	About      string        `yaml:"about"`
	Users      int           `yaml:"users"`
	RoomSize   int           `yaml:"room_size"`  // members of a room; 0: everyone in one room
	Senders    int           `yaml:"senders"`    // members of each room who talk; 0: all of them
	Rate       float64       `yaml:"rate"`       // messages per second of each sender, at random (Poisson)
	Size       int           `yaml:"size"`       // bytes of a message's body, with its stamp
	Warmup     time.Duration `yaml:"warmup"`     // sent and delivered like the rest, but not counted
	Duration   time.Duration `yaml:"duration"`   // of the measured part of each window
	Drain      time.Duration `yaml:"drain"`      // longest wait for what is under way; a poll interval comes on top
	Rounds     int           `yaml:"rounds"`     // each round measures every transport once
	Seed       uint64        `yaml:"seed"`       // of everything that is drawn
	Transports []string      `yaml:"transports"` // like short-poll@5s
}

// A FieldError says which key of a scenario can't be used.
type FieldError struct {
	Key  string // as in YAML
	Text string // what is wrong and what would be right
}

func (e *FieldError) Error() string { return e.Key + " " + e.Text }

// Builtin returns the built-in scenario of that name.
func Builtin(name string) (Scenario, error) {
	data, err := Source(name)
	if err != nil {
		return Scenario{}, err
	}
	return Parse(name+".yaml", data)
}

// Source returns the YAML of the built-in scenario of that name.
func Source(name string) ([]byte, error) {
	data, err := scenarios.Files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("unknown scenario %q: use %s, or the path of a YAML file", name, strings.Join(Builtins(), ", "))
	}
	return data, nil
}

// Builtins returns the names of the built-in scenarios, the default one first.
func Builtins() []string {
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil {
		panic(err) // the pattern is good
	}
	names := []string{"chat"}
	for _, file := range files {
		if name := strings.TrimSuffix(file, ".yaml"); name != names[0] {
			names = append(names, name)
		}
	}
	return names
}

// Most that a scenario may ask for. More is taken for a slip of the hand.
const (
	maxUsers    = 1_000_000
	maxSends    = 20_000_000 // messages in one window
	maxDuration = 24 * time.Hour
	maxSize     = 64 << 10
)

// Validate returns a *FieldError for the first value that can't be used.
func (s Scenario) Validate() error {
	bad := func(key, format string, args ...any) error {
		return &FieldError{key, fmt.Sprintf(format, args...)}
	}
	room := s.roomSize()
	switch {
	case s.Name == "" || strings.ContainsAny(s.Name, "/\\ \t\r\n") || strings.HasPrefix(s.Name, "."):
		return bad("name", "must be a word that can name a directory, not %q", s.Name)
	case s.Users < 2 || s.Users > maxUsers:
		return bad("users", "must be 2 to %d, not %d: somebody has to talk and somebody to listen", maxUsers, s.Users)
	case s.RoomSize < 0 || s.RoomSize == 1 || room > s.Users:
		return bad("room_size", "must be 2 to the number of users (%d), or 0 for everyone in one room, not %d", s.Users, s.RoomSize)
	case s.Users%room != 0:
		return bad("users", "must fill rooms of %d: use %d or %d", room, max(room, s.Users/room*room), (s.Users/room+1)*room)
	case s.Senders < 0 || s.Senders > room:
		return bad("senders", "must be 1 to %d, the members of a room, or 0 for all of them, not %d", room, s.Senders)
	case !(s.Rate > 0) || s.Rate > 10_000:
		return bad("rate", "must be more than 0 and at most 10000 messages per second, not %v", s.Rate)
	case s.Size < minSize || s.Size > maxSize:
		return bad("size", "must be %d to %d bytes, not %d: a message carries its stamp", minSize, maxSize, s.Size)
	case s.Warmup < 0 || s.Warmup > maxDuration:
		return bad("warmup", "must be a time from 0s to 24h, not %v", s.Warmup)
	case s.Duration < 100*time.Millisecond || s.Duration > maxDuration:
		return bad("duration", "must be a time from 100ms to 24h, not %v", s.Duration)
	case s.Drain < 0 || s.Drain > maxDuration:
		return bad("drain", "must be a time from 0s to 24h, not %v", s.Drain)
	case s.Rounds < 1 || s.Rounds > 10_000:
		return bad("rounds", "must be 1 to 10000, not %d", s.Rounds)
	case len(s.Transports) == 0:
		return bad("transports", "must name at least one of %s", strings.Join(all.Names(), ", "))
	case s.sends() > maxSends:
		return bad("rate", "makes %.0f messages in one window, more than %d: use a lower rate, fewer users or a shorter duration", s.sends(), maxSends)
	}
	for i, spec := range s.Transports {
		if _, err := all.New(spec, transports.Limits{}); err != nil {
			return bad("transports", "can't be used: %v", err)
		}
		if slices.Contains(s.Transports[:i], spec) {
			return bad("transports", "names %s twice", spec)
		}
	}
	return nil
}

// roomSize returns the members of a room.
func (s Scenario) roomSize() int {
	if s.RoomSize == 0 {
		return s.Users
	}
	return s.RoomSize
}

// talkers returns the members of each room who talk.
func (s Scenario) talkers() int {
	if s.Senders == 0 {
		return s.roomSize()
	}
	return s.Senders
}

// sends returns how many messages a window has on average.
func (s Scenario) sends() float64 {
	talkers := float64(s.Users/s.roomSize()) * float64(s.talkers())
	return math.Ceil(talkers * s.Rate * (s.Warmup + s.Duration).Seconds())
}

// Result returns the scenario as it is kept in a result.
func (s Scenario) Result(target string) result.Scenario {
	return result.Scenario{
		Name: s.Name, About: s.About, Users: s.Users, RoomSize: s.roomSize(), Senders: s.talkers(),
		Rate: s.Rate, Size: s.Size, WarmupS: s.Warmup.Seconds(), DurationS: s.Duration.Seconds(),
		DrainS: s.Drain.Seconds(), Rounds: s.Rounds, Seed: s.Seed, Transports: s.Transports, Target: target,
	}
}
