package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// TestKnobsHaveFlags checks that the commands that take a scenario have a flag for each knob with a
// usage text, and none for the other knobs.
func TestKnobsHaveFlags(t *testing.T) {
	for _, cmd := range []*cobra.Command{newRunCommand(), newDuetCommand()} {
		for _, k := range result.Knobs() {
			flag := cmd.Flags().Lookup(k.Flag())
			if (flag != nil) != (k.Usage != "") {
				t.Errorf("%s: knob %s has the help %q and the flag %+v", cmd.Name(), k.Key, k.Usage, flag)
			}
			if flag != nil && strings.Contains(flag.Value.String()+cmd.Flags().FlagUsages(), "(default 0") {
				t.Errorf("%s: the default of --%s isn't the scenario's", cmd.Name(), flag.Name)
			}
		}
	}
}

// TestFlagsOverride writes a random value of each knob as flags, as the command line that repeats a run
// does, and parses them again.
func TestFlagsOverride(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		want, err := loadgen.Builtin("chat")
		if err != nil {
			t.Fatal(err)
		}
		want.RoomSize, want.Senders = 2+random.IntN(8), 1+random.IntN(2)
		want.Users, want.Rate, want.Size = want.RoomSize*(1+random.IntN(20)), random.ExpFloat64(), 64+random.IntN(1000)
		want.Warmup, want.Duration, want.Drain = result.Seconds(random.IntN(9000))/1000, result.Seconds(100+random.IntN(9000))/1000, 60
		want.Rounds, want.Seed, want.Transports = 1+random.IntN(100), random.Uint64(), []string{"websocket", "short-poll@250ms"}

		written := newRunCommand()
		for _, k := range result.Knobs() {
			if k.Usage == "" {
				continue
			}
			var text string
			value := reflect.ValueOf(k.Field((*result.Scenario)(&want))).Elem()
			if list, ok := reflect.TypeAssert[[]string](value); ok {
				text = strings.Join(list, ",")
			} else {
				holder := scenarioOptions{}
				flags := pflag.NewFlagSet("", pflag.ContinueOnError)
				holder.addFlags(flags)
				reflect.ValueOf(k.Field(&holder.values)).Elem().Set(value)
				text = flags.Lookup(k.Flag()).Value.String()
			}
			if err := written.Flags().Set(k.Flag(), text); err != nil {
				t.Fatal(err)
			}
		}
		words := strings.Fields(strings.NewReplacer("'", "").Replace(commandLine(written, nil)))[2:]

		read := scenarioOptions{usual: "chat"}
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		read.addFlags(flags)
		if err := flags.Parse(words); err != nil {
			t.Fatal(err)
		}
		if got, err := read.scenario(flags, nil); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is parsed as\n%+v, %v\nwant\n%+v", words, got, err, want)
		}
	}
}

// TestBadKnob checks that an error names the flag with the bad value, or the scenario file.
func TestBadKnob(t *testing.T) {
	chat, err := loadgen.Source("chat")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, chat, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ flag, want string }{
		{"--room-size=3", file + ": users must fill rooms of 3: use 198 or 201"},
		{"--room-size=1", "--room-size must be 2 to the number of users (200), or 0 for everyone in one room, not 1"},
		{"--senders=3", "--senders must be 1 to 2, the members of a room, or 0 for all of them, not 3"},
		{"--duration=25h", "--duration must be a time from 100ms to 24h, not 25h"},
		{"--rate=0", "--rate must be more than 0 and at most 10000 messages per second, not 0"},
	} {
		var o scenarioOptions
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.addFlags(flags)
		if err := flags.Parse([]string{c.flag}); err != nil {
			t.Fatal(err)
		}
		if _, err := o.scenario(flags, []string{file}); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.flag, err, c.want)
		}
	}
}
