package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
)

// scenarioOptions choose a scenario and override what it says.
type scenarioOptions struct {
	usual                   string // the scenario that is taken when none is named
	users, rounds, size     int
	rate                    float64
	duration, warmup, drain time.Duration
	seed                    uint64
	transports              []string
}

func (o *scenarioOptions) addFlags(f *pflag.FlagSet) {
	f.IntVar(&o.users, "users", 0, "how many `users`, all rooms together")
	f.Float64Var(&o.rate, "rate", 0, "`messages` per second of each user who talks")
	f.DurationVar(&o.duration, "duration", 0, "measured `time` of each window")
	f.DurationVar(&o.warmup, "warmup", 0, "`time` before it that is not measured")
	f.DurationVar(&o.drain, "drain", 0, "longest `time` to wait for what is under way; a poll interval comes on top")
	f.IntVar(&o.rounds, "rounds", 0, "how many `times` every transport is measured")
	f.IntVar(&o.size, "size", 0, "`bytes` of a message")
	f.Uint64Var(&o.seed, "seed", 0, "`number` that all that is random is drawn from")
	f.StringSliceVar(&o.transports, "transports", nil, "`list` like short-poll@5s,long-poll,websocket; behind the @ the poll interval, hold or scan interval")
}

// scenario returns the scenario that is named, with the flags that were set on top.
func (o *scenarioOptions) scenario(flags *pflag.FlagSet, args []string) (loadgen.Scenario, error) {
	name := o.usual
	if len(args) > 0 {
		name = args[0]
	}
	s, err := loadScenario(name)
	if err != nil {
		return s, err
	}
	for flag, override := range map[string]func(){
		"users":      func() { s.Users = o.users },
		"rate":       func() { s.Rate = o.rate },
		"duration":   func() { s.Duration = o.duration },
		"warmup":     func() { s.Warmup = o.warmup },
		"drain":      func() { s.Drain = o.drain },
		"rounds":     func() { s.Rounds = o.rounds },
		"size":       func() { s.Size = o.size },
		"seed":       func() { s.Seed = o.seed },
		"transports": func() { s.Transports = o.transports },
	} {
		if flags.Changed(flag) {
			override()
		}
	}
	if err := s.Validate(); err != nil {
		field, ok := errors.AsType[*loadgen.FieldError](err)
		if ok && flags.Changed(field.Key) {
			return s, fmt.Errorf("--%w", err)
		}
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// loadScenario reads a built-in scenario by its name, or a file by its path.
func loadScenario(name string) (loadgen.Scenario, error) {
	if !strings.ContainsAny(name, `./\`) {
		return loadgen.Builtin(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return loadgen.Scenario{}, fmt.Errorf("reading the scenario: %w", err)
	}
	return loadgen.Parse(name, data)
}
