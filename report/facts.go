package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A fact is one property of how and where runs were measured, a value for each run.
type fact struct {
	Name    string
	Values  []string
	Differs bool
	setting bool // what was asked for, not where it ran
}

// facts returns what is known about runs, the scenario first. A fact that no run states is left
// out; "-" stands for a run that does not state it.
func facts(runs []Run) []fact {
	var all []fact
	add := func(setting bool, name string, of func(Run) string) {
		f := fact{Name: name, setting: setting}
		stated := false
		for _, run := range runs {
			value := cmp.Or(text.Clean(of(run)), "-")
			stated = stated || value != "-"
			f.Values = append(f.Values, value)
			f.Differs = f.Differs || value != f.Values[0]
		}
		if stated {
			all = append(all, f)
		}
	}
	scenario := func(name string, of func(result.Scenario) string) {
		add(true, name, func(r Run) string { return of(r.Run.Scenario) })
	}
	place := func(name string, of func(result.Environment) string) {
		add(false, name, func(r Run) string { return of(r.Run.Environment) })
	}
	scenario("scenario", func(s result.Scenario) string { return s.Name })
	scenario("users", func(s result.Scenario) string { return strconv.Itoa(s.Users) })
	scenario("room size", func(s result.Scenario) string { return strconv.Itoa(s.RoomSize) })
	scenario("senders per room", func(s result.Scenario) string { return strconv.Itoa(s.Senders) })
	scenario("rate per sender", func(s result.Scenario) string { return plain(s.Rate) + " /s" })
	scenario("message size", func(s result.Scenario) string { return strconv.Itoa(s.Size) + " bytes" })
	scenario("warm-up", func(s result.Scenario) string { return plain(s.WarmupS) + " s" })
	scenario("measured part", func(s result.Scenario) string { return plain(s.DurationS) + " s" })
	scenario("drain limit", func(s result.Scenario) string { return plain(s.DrainS) + " s" })
	scenario("rounds", func(s result.Scenario) string { return strconv.Itoa(s.Rounds) })
	scenario("seed", func(s result.Scenario) string { return strconv.FormatUint(s.Seed, 10) })
	scenario("transports", func(s result.Scenario) string { return strings.Join(s.Transports, ", ") })
	scenario("target", func(s result.Scenario) string { return s.Target })
	add(true, "servers", func(r Run) string {
		if n := r.servers(); n > 0 {
			return strconv.Itoa(n)
		}
		return ""
	})
	add(true, "store", Run.store)
	place("CPU", func(e result.Environment) string { return e.CPU })
	place("cores", func(e result.Environment) string { return strconv.Itoa(e.Cores) })
	place("memory", func(e result.Environment) string {
		return fmt.Sprintf("%.1f GiB", float64(e.MemoryBytes)/(1<<30))
	})
	place("OS", func(e result.Environment) string { return e.OS })
	place("kernel", func(e result.Environment) string { return e.Kernel })
	place("architecture", func(e result.Environment) string { return e.Arch })
	place("Go", func(e result.Environment) string { return e.Go })
	place("pushpull", func(e result.Environment) string { return e.Pushpull })
	modules := map[string]bool{}
	for _, run := range runs {
		for name := range run.Run.Environment.Modules {
			modules[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		place(text.Clean(name), func(e result.Environment) string { return e.Modules[name] })
	}
	return all
}

// plain writes x with as many digits as it has.
func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
