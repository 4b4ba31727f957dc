package report

import (
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/verdict"
)

// together compares several runs.
func together(runs []Run) []string {
	_, labels := namesOf(runs)
	if differ := loads(runs); len(differ) > 0 {
		return []string{"These runs measured different loads (" + list(differ) + "), so their figures are not compared."}
	}
	var speakers []speaker
	for _, run := range runs {
		speakers = append(speakers, newSpeaker(run))
	}
	said := append([]string{choices(speakers, labels)}, acrossRuns(speakers, labels)...)
	return append(said, enginesOf(speakers...)...)
}

// choices says what to choose in which run.
func choices(speakers []speaker, labels []string) string {
	// equal returns the rows that can be chosen in a run, and good their names.
	equal := func(s speaker) []int {
		return append(slices.Clone(s.choice.Front[:min(1, len(s.choice.Front))]), s.choice.Either...)
	}
	good := func(s speaker) []string {
		var names []string
		for _, i := range equal(s) {
			names = append(names, s.call(i))
		}
		if len(names) == 0 {
			return []string{"no transport"}
		}
		return names
	}
	is := func(k int) string {
		if rows := equal(speakers[0]); k < len(rows) {
			return speakers[0].verb(rows[k], "is", "are")
		}
		return "is"
	}
	for k, name := range good(speakers[0]) {
		if !slices.ContainsFunc(speakers, func(s speaker) bool { return !slices.Contains(good(s), name) }) {
			all := "both"
			if len(speakers) > 2 {
				all = "all " + strconv.Itoa(len(speakers))
			}
			return text.Upper(name) + " " + is(k) + " the choice in " + all + " runs."
		}
	}
	in := map[string][]string{} // labels of runs by what to choose
	var order []string
	for k, s := range speakers {
		name := good(s)[0]
		if in[name] == nil {
			order = append(order, name)
		}
		in[name] = append(in[name], labels[k])
	}
	var parts []string
	for _, name := range order {
		parts = append(parts, name+" in "+list(in[name]))
	}
	return "The choice differs: " + list(parts) + "."
}

// loads returns the names of what the users of the runs did differently, so that their figures can't be compared.
func loads(runs []Run) []string {
	var results []*result.Result
	for _, run := range runs {
		results = append(results, run.Result)
	}
	var names []string
	for _, f := range result.Facts(results...) {
		if f.Scope == result.Load && f.Difference == result.Refused && f.Known() && f.Differs() {
			names = append(names, text.Clean(f.Name))
		}
	}
	return names
}

// acrossRuns says in what each transport differs between two runs, or the fastest between more.
func acrossRuns(speakers []speaker, labels []string) []string {
	first := speakers[0]
	most := mostCompared
	if len(speakers) > 2 {
		most = 1
	}
	var said, same []string
	for _, i := range first.choice.Ranked {
		at := []int{i} // the row of the transport in each run
		for _, other := range speakers[1:] {
			k := slices.IndexFunc(other.choice.Ranked, func(k int) bool {
				return other.rows[k].Transport == first.rows[i].Transport
			})
			if k < 0 {
				break
			}
			at = append(at, other.choice.Ranked[k])
		}
		if len(at) < len(speakers) {
			continue
		}
		p50, _ := result.MetricOf("p50")
		var parts []string
		for _, m := range []result.Metric{p50, first.choice.Cost} {
			differs := false
			var values []string
			for k, s := range speakers {
				differs = differs || k > 0 && verdict.Across(m, s.rows[at[k]], first.rows[i]).Differs
				values = append(values, strings.TrimSuffix(s.figure(m, at[k]), " a "+m.Per)+" ("+labels[k]+")")
			}
			if !differs {
				continue
			}
			what := noun(m) + " for a " + m.Per + " is"
			if m.Quantile > 0 {
				what = "half of the messages arrive within"
			}
			parts = append(parts, what+" "+list(values))
		}
		switch {
		case len(parts) == 0:
			same = append(same, first.call(i))
		case len(said) < most:
			said = append(said, "With "+first.call(i)+", "+strings.Join(parts, "; ")+".")
		}
	}
	if len(same) > 0 {
		said = append(said, "The rounds show no difference between the runs in latency or "+noun(first.choice.Cost)+" with "+list(same)+".")
	}
	return said
}
