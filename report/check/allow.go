package check

import (
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/transports/typo"
)

// Transports returns the transports of results: those measured and those that were to be.
func Transports(results ...*result.Result) []string {
	var all []string
	for _, r := range results {
		for _, name := range slices.Concat(transports(r), r.Run.Scenario.Transports) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// Allowable returns what Options.AllowMissing can name besides transports: the compared metrics, and what
// head need not know.
func Allowable() []string {
	names := compared()
	for _, f := range result.Facts() {
		if setUp(f) {
			names = append(names, f.Key())
		}
	}
	return names
}

// compared returns the keys of the metrics that a check compares.
func compared() []string { return keys(func(result.Metric) bool { return true }) }

// ValidateNames returns an error if AllowMissing names what is neither one of the transports, nor a
// compared metric, nor one of each, nor a fact of the servers that must be the same.
func (o Options) ValidateNames(transports []string) error {
	for _, name := range o.AllowMissing {
		all := slices.Concat(transports, Allowable())
		if slices.Contains(all, name) {
			continue
		}
		if i := strings.LastIndex(name, "/"); i >= 0 && slices.Contains(transports, name[:i]) {
			metrics := compared()
			if metric := name[i+1:]; !slices.Contains(metrics, metric) {
				return typo.Unknown("metric", metric, metrics)
			}
			continue
		}
		for i := range all {
			all[i] = text.Clean(all[i])
		}
		return typo.Unknown("transport or metric", name, all)
	}
	return nil
}

// allows reports whether an element of Options.AllowMissing covers the comparison.
func allows(name string, c Comparison) bool {
	return name == c.Transport || name == c.Metric || name == c.Transport+"/"+c.Metric
}

// allow marks what may be left unjudged. A name that covers nothing of that gets a warning: it would hide
// what is missing the next time. If nothing at all was judged, nothing is allowed, as that is no check.
func (r *Report) allow(names []string) {
	if len(names) > 0 && !r.judged() {
		r.Warnings = append(r.Warnings, "nothing was judged, so --allow-missing allows nothing: measure what can be judged")
		return
	}
	for _, name := range names {
		needed := false
		for i := range r.Comparisons {
			if c := &r.Comparisons[i]; c.Unjudged && allows(name, *c) {
				c.Allowed, needed = true, true
			}
		}
		if !needed {
			r.Warnings = append(r.Warnings, fmt.Sprintf("nothing needed --allow-missing %s: leave it out, or it hides what is missing the next time", text.Clean(name)))
		}
	}
}

// judged reports whether there is a verdict that counts.
func (r *Report) judged() bool {
	return slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return c.Gated })
}

// A gap is what several comparisons that were not judged have in common.
type gap struct {
	transports []string
	metrics    []string // nil: all that are gated
	note       string
}

// gaps groups comparisons that were not judged by the reason. Whole transports come first.
func (r *Report) gaps(unjudged []Comparison) []gap {
	var parts []gap // one for each transport and note
	for _, c := range unjudged {
		i := slices.IndexFunc(parts, func(g gap) bool { return g.transports[0] == c.Transport && g.note == c.Note })
		if i < 0 {
			i = len(parts)
			parts = append(parts, gap{transports: []string{c.Transport}, note: c.Note})
		}
		parts[i].metrics = append(parts[i].metrics, c.Metric)
	}
	var wholes, others []gap
	for _, part := range parts {
		to := &others
		if r.nothingElse(part) {
			part.metrics, to = nil, &wholes
		}
		same := slices.IndexFunc(*to, func(g gap) bool { return g.note == part.note && slices.Equal(g.metrics, part.metrics) })
		if same < 0 {
			*to = append(*to, part)
			continue
		}
		(*to)[same].transports = append((*to)[same].transports, part.transports...)
	}
	return append(wholes, others...)
}

// nothingElse reports whether all that is gated of a gap's only transport is in the gap.
func (r *Report) nothingElse(g gap) bool {
	return !slices.ContainsFunc(r.Comparisons, func(c Comparison) bool {
		return c.Transport == g.transports[0] && (c.Gated || c.Unjudged) && !slices.Contains(g.metrics, c.Metric)
	})
}

// about returns what was not judged: "websocket", "p50 and p99 of all transports".
func (r *Report) about(g gap) string {
	all := map[string]bool{}
	for _, c := range r.Comparisons {
		all[c.Transport] = true
	}
	where := listed(g.transports)
	switch {
	case g.metrics == nil:
		return text.Clean(where)
	case len(g.transports) == len(all) && len(all) > 1:
		where = "all transports"
	}
	return text.Clean(listed(g.metrics) + " of " + where)
}

// listed joins words: "a, b and c".
func listed(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// Gaps returns comparisons that were not judged as lines of plain text, one for each reason: "websocket:
// not in head", "p50 and p99 of all transports: 2 rounds are too few".
func (r *Report) Gaps(unjudged []Comparison) []string {
	var all []string
	for _, g := range r.gaps(unjudged) {
		all = append(all, r.about(g)+": "+text.Clean(g.note))
	}
	return all
}

// SomeGaps names the first three reasons of comparisons that were not judged, as plain text.
func (r *Report) SomeGaps(unjudged []Comparison) string {
	var named []string
	gaps := r.gaps(unjudged)
	for _, g := range gaps[:min(mostNamed, len(gaps))] {
		named = append(named, r.about(g)+" ("+text.Clean(g.note)+")")
	}
	said := strings.Join(named, "; ")
	if more := len(gaps) - mostNamed; more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said
}
