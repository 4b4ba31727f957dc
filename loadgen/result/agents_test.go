package result

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// team returns a window that six agents on two machines measured, of four cores each.
func team() Window {
	w := sound()
	w.DurationS, w.Cores = 10, 24
	for range samplesP99 {
		w.Latency.Record(10 * time.Millisecond)
	}
	for i := range 6 {
		a := Agent{Name: string(rune('a' + i)), Machine: "one", Users: 2, Cores: 4, LateP99S: .001, RoundTripS: .0005, Process: Process{CPUS: 1}}
		if i > 2 {
			a.Machine = "two"
		}
		w.Agents = append(w.Agents, a)
		w.Generator.add(a.Process)
	}
	return w
}

// TestAgentsDoubts spoils one agent of six, or all on a machine: in the sum none of it would show.
func TestAgentsDoubts(t *testing.T) {
	for name, c := range map[string]struct {
		spoil      func(agents []Agent)
		code, text string
	}{
		"fine": {func([]Agent) {}, "", ""},
		"late": {func(a []Agent) { a[4].LateP99S = .0061 }, "generator-late", "agent e on two sent up to 6.1 ms late (p99), more than the 5.0 ms that"},
		"two late": {
			func(a []Agent) { a[4].LateP99S, a[0].LateP99S = .0061, .02 },
			"generator-late", "2 of 6 agents sent late, the worst, agent a on one, sent up to 20.0 ms late (p99)",
		},
		"not too late":    {func(a []Agent) { a[4].LateP99S = .005 }, "", ""},
		"busy":            {func(a []Agent) { a[1].Process.CPUS = 37 }, "generator-cpu", "on one used 98% of the machine's 4 cores"},
		"one with a core": {func(a []Agent) { a[1].Cores, a[1].Process.CPUS = 1, 9.5 }, "generator-cpu", "agent b on one used 95% of the machine's 1 cores"},
		"busy together": {
			func(a []Agent) { a[3].Process.CPUS, a[4].Process.CPUS, a[5].Process.CPUS = 13, 13, 13 },
			"generator-cpu", "the 3 agents on two used 98% of the machine's 4 cores",
		},
		"not too busy": {func(a []Agent) { a[3].Process.CPUS, a[4].Process.CPUS, a[5].Process.CPUS = 12, 12, 12 }, "", ""},
	} {
		w := team()
		c.spoil(w.Agents)
		w.Generator = Process{}
		for _, a := range w.Agents {
			w.Generator.add(a.Process)
		}
		rows := Rows([]Window{w, team()})
		var found []Doubt
		for _, d := range rows[0].Doubts {
			if strings.HasPrefix(d.Code, "generator") {
				found = append(found, d)
			}
		}
		if c.code == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", name, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Code != c.code || !strings.Contains(found[0].Text, c.text) || !found[0].Fatal {
			t.Errorf("%s: %+v, want %s: %s", name, found, c.code, c.text)
		}
		if late := c.code == "generator-late"; w.GeneratorLate() != late {
			t.Errorf("%s: late: %t", name, !late)
		}
	}
}

// TestAgentsOfARow says how many agents measured a row, where, and how far apart they began.
func TestAgentsOfARow(t *testing.T) {
	first, second := team(), team()
	second.Agents = second.Agents[:5]
	second.Agents[1].RoundTripS = .002
	rows := Rows([]Window{first, second})
	if a := rows[0].Agents; a == nil || a.Number != 6 || a.SkewMS != 2 || !slices.Equal(a.Machines, []string{"one", "two"}) {
		t.Errorf("%+v", a)
	}
	text, err := json.Marshal(rows[0])
	if want := `"agents":{"number":6,"machines":["one","two"],"skew_ms":2}`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%s lacks %s, %v", text, want, err)
	}
	alone := sound()
	if a := Rows([]Window{alone})[0].Agents; a != nil {
		t.Errorf("%+v of a window of one process", a)
	}
}

// TestTooManyAgents drops lists that no run has.
func TestTooManyAgents(t *testing.T) {
	w := sound()
	w.Agents = make([]Agent, MostAgents+1)
	if err := w.Settle(); err != nil || w.Agents != nil || len(w.Dropped) != 1 {
		t.Errorf("%d agents, %+v, %v", len(w.Agents), w.Dropped, err)
	}
}

// TestFactAgents lists agents as a fact of runs of which one has some.
func TestFactAgents(t *testing.T) {
	with, without := &Result{Windows: []Window{team()}}, &Result{Windows: []Window{sound()}}
	if f := find(Facts(with, without), "agents"); f == nil || f.Values[0] != "6 on one, two" || f.Values[1] != "none" {
		t.Errorf("%+v", f)
	}
	if f := find(Facts(without, without), "agents"); f != nil {
		t.Errorf("%+v", f)
	}
}

func find(all []Fact, name string) *Fact {
	i := slices.IndexFunc(all, func(f Fact) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}
