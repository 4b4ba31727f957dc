package loadgen

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"pushpull/loadgen/backoff"
	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
	"pushpull/loadgen/scenarios"
	"pushpull/transports/all"
	"pushpull/transports/typo"
)

// A Scenario describes what the simulated users do. Its properties are listed in result.Knobs.
type Scenario result.Scenario

// A FieldError reports an invalid value in a scenario.
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
		return nil, typo.Unknown("scenario", name, Builtins())
	}
	return data, nil
}

// Builtins returns the names of the built-in scenarios, the default one first.
func Builtins() []string {
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil {
		panic(err) // can't happen: the pattern is valid
	}
	names := []string{"chat"}
	for _, file := range files {
		if name := strings.TrimSuffix(file, ".yaml"); name != names[0] {
			names = append(names, name)
		}
	}
	return names
}

// maxSends is the most messages in one window. A scenario with more is taken for a typo.
const maxSends = 20_000_000

// Validate returns a *FieldError for the first invalid value. It knows no foreign servers: Options.Resolved does.
func (s Scenario) Validate() error {
	if wrong := input.WrongName(s.Name); wrong != "" {
		return &FieldError{"name", wrong}
	}
	for _, k := range result.Knobs() {
		if wrong := k.Wrong((*result.Scenario)(&s)); wrong != "" {
			return &FieldError{k.Key, wrong}
		}
	}
	bad := func(key, format string, args ...any) error {
		return &FieldError{key, fmt.Sprintf(format, args...)}
	}
	room := s.roomSize()
	switch {
	case s.RoomSize < 0 || s.RoomSize == 1 || room > s.Users:
		return bad("room_size", "must be 2 to the number of users (%d), or 0 for everyone in one room, not %d", s.Users, s.RoomSize)
	case s.Users%room != 0:
		return bad("users", "must fill rooms of %d: use %d or %d", room, max(room, s.Users/room*room), (s.Users/room+1)*room)
	case s.Senders < 0 || s.Senders > room:
		return bad("senders", "must be 1 to %d, the members of a room, or 0 for all of them, not %d", room, s.Senders)
	case len(s.Transports) == 0:
		return bad("transports", "must name at least one of %s", strings.Join(all.Names(), ", "))
	case s.sends() > maxSends:
		return bad("rate", "makes %.0f messages in one window, more than %d: use a lower rate, fewer users or a shorter duration", s.sends(), maxSends)
	}
	if s.Backoff != "" {
		if _, err := backoff.Parse(s.Backoff); err != nil {
			return bad("backoff", "%v", err)
		}
	}
	for i, spec := range s.Transports {
		if err := valid(spec); err != nil {
			return bad("transports", "can't be used: %v", err)
		}
		if slices.Contains(s.Transports[:i], spec) {
			return bad("transports", "names %s twice", spec)
		}
	}
	return nil
}

// roomSize returns the number of members of a room.
func (s Scenario) roomSize() int {
	if s.RoomSize == 0 {
		return s.Users
	}
	return s.RoomSize
}

// backoff returns the policy of users that try again. The scenario is valid.
func (s Scenario) backoff() backoff.Policy {
	p, _ := backoff.Parse(s.Backoff) // none written is the zero value, which is the default
	return p
}

// talkers returns how many members of each room send.
func (s Scenario) talkers() int {
	if s.Senders == 0 {
		return s.roomSize()
	}
	return s.Senders
}

// sends returns the mean number of messages in a window, warm-up included.
func (s Scenario) sends() float64 {
	talkers := float64(s.Users/s.roomSize()) * float64(s.talkers())
	return math.Ceil(talkers * s.Rate * float64(s.Warmup+s.Duration))
}

// Result returns the scenario as a result keeps it, with the numbers of members and senders in place
// of 0.
func (s Scenario) Result() result.Scenario {
	kept := result.Scenario(s)
	kept.RoomSize, kept.Senders = s.roomSize(), s.talkers()
	return kept
}
