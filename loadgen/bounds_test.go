package loadgen

import (
	"errors"
	"testing"
)

// TestRelations tries the last value that is valid, and the first one that isn't, of each relation
// between knobs.
func TestRelations(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Scenario)
		key    string // of the invalid value; empty: the scenario is valid
	}{
		{"everyone in one room", func(s *Scenario) { s.RoomSize = s.Users }, ""},
		{"a room larger than everyone", func(s *Scenario) { s.RoomSize = s.Users + 1 }, "room_size"},
		{"pairs", func(s *Scenario) { s.RoomSize = 2 }, ""},
		{"rooms of one", func(s *Scenario) { s.RoomSize = 1 }, "room_size"},
		{"all members send", func(s *Scenario) { s.RoomSize, s.Senders = 4, 4 }, ""},
		{"more senders than members", func(s *Scenario) { s.RoomSize, s.Senders = 4, 5 }, "senders"},
		{"all of one room send", func(s *Scenario) { s.RoomSize, s.Senders = 0, s.Users }, ""},
		{"more senders than users", func(s *Scenario) { s.RoomSize, s.Senders = 0, s.Users+1 }, "senders"},
		{"one sender", func(s *Scenario) { s.Senders = 1 }, ""},
		{"less than no sender", func(s *Scenario) { s.Senders = -1 }, "senders"},
		{"rooms that don't fill", func(s *Scenario) { s.RoomSize = 3 }, "users"},
		{"as many messages as a window takes", func(s *Scenario) { s.Users, s.Rate, s.Warmup, s.Duration = 20, 10_000, 0, 100 }, ""},
		{"more messages", func(s *Scenario) { s.Users, s.Rate, s.Warmup, s.Duration = 20, 10_000, .1, 100 }, "rate"},
	} {
		s := small
		s.Users, s.RoomSize, s.Senders = 20, 2, 0
		c.change(&s)
		err := s.Validate()
		field, _ := errors.AsType[*FieldError](err)
		if got := err == nil; got != (c.key == "") || field != nil && field.Key != c.key {
			t.Errorf("%s: %v, want an error for the key %q", c.name, err, c.key)
		}
	}
}
