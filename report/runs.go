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
	chosen := map[string][]string{} // labels of runs by what to choose
	var order []string
	for i, run := range runs {
		s := newSpeaker(run)
		speakers = append(speakers, s)
		name := "no transport"
		if len(s.choice.Front) > 0 {
			name = s.call(s.choice.Front[0])
		}
		if chosen[name] == nil {
			order = append(order, name)
		}
		chosen[name] = append(chosen[name], labels[i])
	}
	var said []string
	if len(order) == 1 {
		said = append(said, text.Upper(order[0])+" is the choice in "+map[bool]string{true: "both", false: "all " + strconv.Itoa(len(runs))}[len(runs) == 2]+" runs.")
	} else {
		var parts []string
		for _, name := range order {
			parts = append(parts, name+" in "+list(chosen[name]))
		}
		said = append(said, "The choice differs: "+list(parts)+".")
	}
	return append(said, acrossRuns(speakers, labels)...)
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

// acrossRuns says in what each transport differs between the runs.
func acrossRuns(speakers []speaker, labels []string) []string {
	first := speakers[0]
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
				values = append(values, s.figure(m, at[k])+" ("+labels[k]+")")
			}
			if !differs {
				continue
			}
			what := noun(m)
			if m.Quantile > 0 {
				what = "half of the messages arrive within"
			}
			parts = append(parts, what+" "+list(values))
		}
		switch {
		case len(parts) == 0:
			same = append(same, first.call(i))
		case len(said) < mostCompared:
			said = append(said, "With "+first.call(i)+", "+strings.Join(parts, "; ")+".")
		}
	}
	if len(same) > 0 {
		said = append(said, "The rounds show no difference between the runs in latency or "+noun(first.choice.Cost)+" with "+list(same)+".")
	}
	return said
}
