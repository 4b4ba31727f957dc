package result

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Scope is the subject of a fact.
type Scope int

const (
	Load   Scope = iota // what the users do; results that differ in it are never compared
	SetUp               // the servers, their store, and how the measurement was set up
	Place               // the machine and its software
	Remark              // what people say; of a scenario, it is no fact
)

// A Difference is the consequence for a comparison when two runs differ in a fact.
type Difference int

const (
	Refused Difference = iota // the runs measure different things and are not compared, if both know the fact
	Ungated                   // timings are not compared
	Redrawn                   // the load is the same, the messages are not: counts may differ by more
	Warned                    // the comparison warns of the difference
	Ignored                   // none, or the windows show the difference better
)

// A Fact is one property of how and where runs were measured.
type Fact struct {
	Name       string   // like "room size"
	Values     []string // one for each run, with its unit, not escaped; "": unknown
	Scope      Scope
	Difference Difference
}

// Facts returns the facts of runs side by side, those of the scenario first. Every fact is listed, even
// if no run knows it. The version of a module is a fact named by the module's path.
func Facts(runs ...*Result) []Fact {
	var all []Fact
	for _, e := range entries(runs) {
		f := e.Fact
		for _, run := range runs {
			f.Values = append(f.Values, e.of(run))
		}
		all = append(all, f)
	}
	return all
}

// Differs reports whether the runs differ in the fact. A run that doesn't know it differs from one
// that does.
func (f Fact) Differs() bool {
	return slices.ContainsFunc(f.Values, func(v string) bool { return v != f.Values[0] })
}

// Known reports whether every run knows the fact.
func (f Fact) Known() bool { return !slices.Contains(f.Values, "") }

// Key returns the name in lowercase letters with dashes for spaces, for formats that programs read.
func (f Fact) Key() string { return strings.ReplaceAll(strings.ToLower(f.Name), " ", "-") }

// Servers returns how many servers shared the users; 0 if unknown, as the run did not start them.
func (r *Result) Servers() int {
	n := r.Run.Scenario.Servers
	for _, w := range r.Windows {
		n = max(n, w.Servers)
	}
	if r.Run.Scenario.Target != "" && n <= 1 {
		return 0
	}
	return max(1, n)
}

// An entry is a fact without values, and a function that reads its value from a run.
type entry struct {
	Fact
	of func(*Result) string
}

func entries(runs []*Result) []entry {
	var all []entry
	for _, k := range Knobs() {
		on := func(r *Result) bool { return !k.off(&r.Run.Scenario) } // what no run does is no fact worth a line
		if k.Scope != Remark && slices.ContainsFunc(runs, on) {
			all = append(all, entry{
				Fact{Name: k.Name(), Scope: k.Scope, Difference: k.Difference},
				func(r *Result) string { return k.Text(&r.Run.Scenario) },
			})
		}
	}
	add := func(scope Scope, difference Difference, name string, of func(*Result) string) {
		all = append(all, entry{Fact{Name: name, Scope: scope, Difference: difference}, of})
	}
	// A comparison of two servers is intended, so their addresses may differ.
	add(SetUp, Ignored, "target", func(r *Result) string {
		return joined(" -> ", r.Run.Scenario.Target, r.Run.Scenario.Redirected)
	})
	add(SetUp, Ignored, "other servers", func(r *Result) string {
		var all []string
		for _, s := range r.Run.Scenario.Against {
			all = append(all, joined(" at ", s.Name, s.Address))
		}
		return strings.Join(all, ", ")
	})
	add(SetUp, Ignored, "lacking transports", func(r *Result) string {
		var all []string
		for _, l := range r.Run.Scenario.Lacking {
			all = append(all, l.Transport)
		}
		return strings.Join(all, ", ")
	})
	// A comparison merges the windows of each round, however many there are.
	add(SetUp, Ignored, "windows per round", func(r *Result) string { return count(r.Run.Scenario.Slices) })
	add(SetUp, Refused, "servers", func(r *Result) string { return count(r.Servers()) })
	for _, option := range []struct { // without a run that has it, it is no fact
		name, usual string
		of          func(Scenario) string
	}{
		{"spread", "members", func(s Scenario) string { return s.Spread }},
		{"heartbeat", "usual", func(s Scenario) string { return map[bool]string{true: s.Heartbeat.String()}[s.Heartbeat > 0] }},
		{"HTTP", "1.1", func(s Scenario) string { return s.HTTP }},
		{"TLS", "no", func(s Scenario) string { return map[bool]string{true: "yes"}[s.TLS] }}, // the address of a target says it
		{"proxy", "none", func(s Scenario) string { return s.Via }},
	} {
		if slices.ContainsFunc(runs, func(r *Result) bool { return option.of(r.Run.Scenario) != "" }) {
			add(SetUp, Refused, option.name, func(r *Result) string { return cmp.Or(option.of(r.Run.Scenario), option.usual) })
		}
	}
	if slices.ContainsFunc(runs, func(r *Result) bool { return r.AgentsOf() != nil }) {
		add(SetUp, Warned, "agents", func(r *Result) string {
			if a := r.AgentsOf(); a != nil {
				return strconv.Itoa(a.Number) + " on " + strings.Join(a.Machines, ", ")
			}
			return "none"
		})
	}
	add(SetUp, Refused, "store", func(r *Result) string { return r.Run.Scenario.StoreKind() })

	// A profile costs CPU, so a profiled server or generator is slower.
	add(SetUp, Ungated, "profiled", func(r *Result) string {
		if slices.ContainsFunc(r.Windows, func(w Window) bool { return len(w.Profiles) > 0 }) {
			return "CPU and heap"
		}
		return ""
	})

	add(Remark, Ignored, "note", func(r *Result) string { return r.Run.Note })
	tags := map[string]bool{}
	for _, run := range runs {
		for key := range run.Run.Tags {
			tags[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		add(Remark, Ignored, "tag "+key, func(r *Result) string { return r.Run.Tags[key] })
	}

	place := func(difference Difference, name string, of func(Environment) string) {
		add(Place, difference, name, func(r *Result) string { return of(r.Run.Environment) })
	}
	place(Ungated, "CPU", func(e Environment) string { return e.CPU })
	place(Ungated, "cores", func(e Environment) string { return strconv.Itoa(e.Cores) })
	// The memory of a virtual machine varies slightly from one start to the next.
	place(Ignored, "memory", func(e Environment) string { return fmt.Sprintf("%.1f GiB", float64(e.MemoryBytes)/(1<<30)) })
	place(Warned, "OS", func(e Environment) string { return e.OS })
	place(Warned, "kernel", func(e Environment) string { return e.Kernel })
	place(Ungated, "architecture", func(e Environment) string { return e.Arch })
	place(Warned, "Go", func(e Environment) string { return e.Go })
	place(Warned, "pushpull", func(e Environment) string { return e.Pushpull })
	modules := map[string]bool{}
	for _, run := range runs {
		for path := range run.Run.Environment.Modules {
			modules[path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		place(Warned, path, func(e Environment) string { return e.Modules[path] })
	}
	return all
}

// count formats n. It returns "", unknown, for 0.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
