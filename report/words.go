package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/verdict"
)

// A Paragraph is part of an answer: plain text.
type Paragraph struct {
	Run       string   // label of the run that it is about; empty: the only one, or all of them
	Sentences []string // at least one
}

// Answers says in words what the rows of runs mean for the choice of a transport: which one to choose, under
// which condition, and what it costs. The first sentence is the verdict. With several runs the first paragraph
// compares them, and each has a paragraph with its verdict alone, as all of their words would bury it.
func Answers(runs ...Run) []Paragraph {
	if len(runs) == 1 {
		return []Paragraph{{Sentences: sentences(runs[0])}}
	}
	all := []Paragraph{{Sentences: together(runs)}}
	_, labels := namesOf(runs)
	for i, run := range runs {
		s := newSpeaker(run)
		all = append(all, Paragraph{labels[i], append(s.verdict(), s.failures()...)})
	}
	return all
}

// Answer returns Answers as one text: a line for each paragraph, which begins with the label of its run.
func Answer(runs ...Run) string {
	var lines []string
	for _, p := range Answers(runs...) {
		line := strings.Join(p.Sentences, " ")
		if p.Run != "" {
			line = p.Run + ": " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// A speaker says sentences about the rows of one run.
type speaker struct {
	rows   []result.Row
	choice verdict.Choice
	call   func(i int) string // the name of a row in a sentence

	missing []string // transports of the scenario without a row
}

func newSpeaker(run Run) speaker {
	call := callsOf(run.Rows)
	s := speaker{rows: run.Rows, choice: verdict.Choose(run.Rows), call: func(i int) string { return call(run.Rows[i]) }}
	for _, name := range run.missing() {
		s.missing = append(s.missing, text.Name(name))
	}
	return s
}

// verb returns the form that goes with the name of a row: "server-sent events need", "long polling needs".
func (s speaker) verb(i int, one, many string) string {
	if s.plural(i) {
		return many
	}
	return one
}

func (s speaker) plural(i int) bool { return many(s.rows[i].Way) }

// sentences returns at least one sentence, the verdict first.
func sentences(run Run) []string {
	s := newSpeaker(run)
	said := s.verdict()
	said = append(said, s.also()...)
	said = append(said, s.waiting()...)
	said = append(said, s.others()...)
	said = append(said, s.beaten()...)
	said = append(said, s.failures()...)
	said = append(said, enginesOf(s)...)
	return append(said, s.unsure()...)
}

// enginesOf says which rows have the same protocol, and in what they differ.
func enginesOf(speakers ...speaker) []string {
	names, engines := map[string][]string{}, map[string][]string{} // by the class of the way
	for _, s := range speakers {
		for i, row := range s.rows {
			class, engine := row.Way.Class(), text.Clean(row.Way.Engine)
			if engine != "" && !slices.Contains(engines[class], engine) {
				names[class], engines[class] = append(names[class], s.call(i)), append(engines[class], engine)
			}
		}
	}
	var said []string
	for _, class := range result.Classes() {
		if len(engines[class]) < 2 {
			continue
		}
		var parts []string
		for i, engine := range engines[class] {
			parts = append(parts, "with "+engine+" for "+names[class][i])
		}
		said = append(said, text.Upper(list(names[class]))+" use the same protocol; the server speaks it "+list(parts)+".")
	}
	return said
}

// unsure says what too few rounds can't show.
func (s speaker) unsure() []string {
	if len(s.choice.Ranked) < 2 {
		return nil
	}
	for _, i := range s.choice.Ranked {
		if _, sure := s.rows[i].Interval(s.choice.Cost.Key); !sure && s.choice.Cost.Gate == result.Timing {
			return []string{fmt.Sprintf("With so few rounds, differences in %s below a factor of %v can't be told from noise: use --rounds 5.", noun(s.choice.Cost), verdict.LeastUnsure)}
		}
	}
	return nil
}

// verdict says which transport to choose, and under which condition.
func (s speaker) verdict() []string {
	front := s.choice.Front
	switch {
	case len(s.rows) == 0:
		return []string{"Nothing was measured."}
	case len(front) == 0:
		return []string{"No transport can be recommended."}
	}
	first := front[0]
	speed := s.speed(first)
	switch {
	case s.alone() && len(s.missing) == 0:
		return []string{text.Upper(s.call(first)) + " alone " + s.verb(first, "was", "were") + " measured: " + speed + ".", s.costs(first)}
	case len(s.choice.Ranked) == 1:
		return []string{"Only " + s.call(first) + " can be recommended: " + speed + "."}
	case len(front) == 1 && len(s.choice.Either) > 0:
		names := []string{s.call(first)}
		for _, i := range s.choice.Either {
			names = append(names, s.call(i))
		}
		said := "Choose " + either(names) + ": the rounds show no difference in latency or " + noun(s.choice.Cost)
		return []string{said + " (over " + s.call(first) + " " + speed + ")."}
	case len(front) == 1:
		fastest := s.verb(first, "it is", "they are") + " the fastest"
		if first != s.choice.Ranked[0] {
			fastest = "the rounds show none that is faster"
		}
		said := "Choose " + s.call(first) + ": " + fastest + " (" + speed + ")"
		if _, known := s.choice.Cost.Value(s.rows[first]); known {
			return []string{said + ", and " + s.cheapest(first) + "."}
		}
		return []string{said + ".", "The " + noun(s.choice.Cost) + " of " + s.call(first) + " is unknown, so it is compared by latency alone."}
	}
	said := []string{"Choose " + s.call(first) + " if messages have to arrive as early as possible: " + speed + "."}
	for k, i := range front[1:] {
		m, last := s.choice.Cost, front[k]
		saved := times(verdict.Compare(m, s.rows[i], s.rows[last]).Ratio, noun(m))
		said = append(said, fmt.Sprintf("If they may take %s, choose %s: %s %s than %s (%s instead of %s).",
			s.delay(i), s.call(i), s.verb(i, "it needs", "they need"), saved, s.call(last), s.bare(m, i), s.figure(m, last)))
	}
	return said
}

// speed says how fast a row is.
func (s speaker) speed(i int) string {
	row := s.rows[i]
	said := "half of the messages arrive within " + text.Duration(row.Latency.P50, digits)
	if p99, _ := result.MetricOf("p99"); verdict.Reliable(p99, row) {
		said += ", 99% within " + text.Duration(row.Latency.P99, digits)
	}
	return said
}

// alone reports whether all other rows are of transports that their servers lack.
func (s speaker) alone() bool {
	n := 0
	for _, row := range s.rows {
		if row.Lacking == "" {
			n++
		}
	}
	return n == 1
}

// digits is how many significant digits of a figure a sentence shows, as tables do.
const digits = 3

// figure writes the figure of a row with its unit: "307 µs" or "276 µs a message".
func (s speaker) figure(m result.Metric, i int) string {
	x, _ := m.Value(s.rows[i])
	if m.Unit == "ms" {
		return text.Duration(x, digits)
	}
	said := strings.TrimSpace(text.Value(m, x) + " " + m.Typeset().Unit)
	if m.Per != "" {
		said += " a " + m.Per
	}
	return said
}

// bare is figure without the unit.
func (s speaker) bare(m result.Metric, i int) string {
	x, _ := m.Value(s.rows[i])
	return text.Value(m, x)
}

// noun is the name of a metric in running text.
func noun(m result.Metric) string {
	if m.Quantile > 0 {
		return "latency"
	}
	return m.Heading(false)
}

// costs says what a message costs with a row.
func (s speaker) costs(i int) string {
	var parts []string
	for _, m := range verdict.Decisive() {
		if m.Per != "message" || !verdict.Reliable(m, s.rows[i]) {
			continue
		}
		switch part := s.bare(m, i); {
		case part == "0":
		case m.Unit == "", m.Unit == "B":
			parts = append(parts, part+" "+noun(m))
		default:
			parts = append(parts, part+" "+m.Typeset().Unit+" of "+noun(m))
		}
	}
	return "A message costs " + list(parts) + "."
}

// cheapest says that no row costs less than the first.
func (s speaker) cheapest(first int) string {
	m := s.choice.Cost
	tied := slices.ContainsFunc(s.choice.Ranked, func(i int) bool {
		return i != first && !verdict.Compare(m, s.rows[i], s.rows[first]).Differs
	})
	what := s.verb(first, "needs", "need") + " the " + leastOf(noun(m)) + " " + noun(m)
	if tied {
		what = "no other needs " + fewer(noun(m)) + " " + noun(m)
	}
	return what + " (" + s.figure(m, first) + ")"
}

// fewer returns "less", or "fewer" of what is counted; leastOf returns "least" or "fewest".
func fewer(noun string) string {
	if strings.HasSuffix(noun, "s") {
		return "fewer"
	}
	return "less"
}

func leastOf(noun string) string {
	if fewer(noun) == "fewer" {
		return "fewest"
	}
	return "least"
}

// delay says how late the messages of a row may be.
func (s speaker) delay(i int) string {
	row := s.rows[i]
	if row.Way.Class() == result.Timer {
		return "up to " + seconds(row.Way.EveryS)
	}
	longest := row.Latency.Max
	if p99, _ := result.MetricOf("p99"); verdict.Reliable(p99, row) {
		longest = row.Latency.P99
	}
	return "up to " + text.Duration(longest, digits)
}

// waiting says from which poll interval on polling costs less, if that is known well enough.
func (s speaker) waiting() []string {
	const (
		far  = 4 // times the longest interval measured: too far to extrapolate
		wide = 3 // ratio of the ends of the break's interval from which on its middle says little
	)
	b := s.choice.Break
	if b == nil {
		return nil
	}
	m := s.choice.Cost
	than := "need " + fewer(noun(m)) + " " + noun(m) + " than " + s.call(s.choice.Front[0])
	about := func(every float64) string { return text.Duration(1e3*every, 2) }
	switch limit := far * b.Longest; {
	case b.Between.Low > limit:
		return []string{"Polling would not " + than + " at any interval up to " + seconds(limit) + "."}
	case b.Between.High > min(limit, wide*b.Between.Low):
		return nil
	}
	return []string{"Polling would " + than + " from an interval of about " + about(b.EveryS) + " on."}
}

// others compares the rows that have something to be said for them with the first of the front.
func (s speaker) others() []string {
	if len(s.choice.Front) == 0 {
		return nil
	}
	first := s.choice.Front[0]
	var said []string
	for _, i := range s.choice.Ranked {
		beaten := slices.ContainsFunc(s.choice.Beaten, func(b verdict.Beaten) bool { return b.Row == i })
		if i == first || beaten {
			continue
		}
		if words := s.versus(i, first); words != "" {
			said = append(said, text.Upper(s.call(i))+" "+words+".")
		}
	}
	if more := len(said) - mostCompared; more > 1 {
		said = append(said[:mostCompared], "The table compares "+strconv.Itoa(more)+" more.")
	}
	return said
}

// mostCompared is how many rows are compared with the first one in sentences.
const mostCompared = 4

// also says in which other figures the first of the front is the best, and by how much.
func (s speaker) also() []string {
	if len(s.choice.Ranked) < 2 {
		return nil
	}
	first := s.choice.Front[0]
	var parts []string
	for _, m := range verdict.Decisive() {
		if m.Quantile > 0 || m.Key == s.choice.Cost.Key {
			continue
		}
		places := verdict.Places(m, s.rows)
		worst, largest := -1, 0.
		for _, i := range s.choice.Ranked {
			if x, _ := m.Value(s.rows[i]); places[i] == verdict.Worst && x > largest {
				worst, largest = i, x
			}
		}
		if places[first] != verdict.Best || worst < 0 {
			continue
		}
		others := "others up to "
		if len(s.choice.Ranked) == 2 {
			others = "the other "
		}
		most := s.bare(m, worst) + " a " + m.Per
		if ratio := verdict.Compare(m, s.rows[worst], s.rows[first]).Ratio; !math.IsInf(ratio, 1) {
			most = more(ratio, noun(m))
		}
		parts = append(parts, "the "+leastOf(noun(m))+" "+noun(m)+" ("+others+most+")")
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{text.Upper(s.call(first)) + " also " + s.verb(first, "needs", "need") + " " + list(parts) + "."}
}

// more writes a ratio above 1: "12 times as many", "13% more".
func more(ratio float64, noun string) string {
	switch {
	case ratio < fewTimes:
		return strconv.FormatFloat(100*(ratio-1), 'f', 0, 64) + "% more"
	case fewer(noun) == "fewer":
		return text.Number(ratio, 2) + " times as many"
	}
	return text.Number(ratio, 2) + " times as much"
}

// fewTimes is the ratio from which on a factor is written in place of a percentage. It rounds to 1.5.
const fewTimes = 1.495

// versus says what speaks for row i in comparison with row k, and what it costs: its latency and its cost. It is
// "" if they don't differ in any of this.
func (s speaker) versus(i, k int) string {
	var worse, better []string
	for _, m := range verdict.Decisive() {
		if m.Quantile > .5 {
			continue // the median stands for the latency
		}
		d := verdict.Compare(m, s.rows[i], s.rows[k])
		cost := m.Key == s.choice.Cost.Key
		switch said := cost && slices.Contains(s.choice.Front, i); {
		case said || !d.Differs:
		case d.Ratio > 1 && !cost && m.Quantile == 0: // the answer has named the best of it
		case d.Ratio > 1:
			worse = append(worse, s.factor(m, i, d.Ratio))
		default:
			better = append(better, s.factor(m, i, d.Ratio))
		}
	}
	needs := s.verb(i, "needs", "need") + " "
	switch {
	case len(worse) == 0 && len(better) == 0:
		return ""
	case len(better) == 0:
		return needs + list(worse)
	case len(worse) == 0:
		return needs + list(better)
	}
	return needs + list(better) + ", but " + list(worse)
}

// factor says how a figure of row i compares with that of another one: "1.6 times the server CPU".
func (s speaker) factor(m result.Metric, i int, ratio float64) string {
	switch {
	case m.Quantile > 0:
		return s.figure(m, i) + " for half of " + s.verb(i, "its", "their") + " messages"
	case math.IsInf(ratio, 1):
		return strings.TrimSuffix(s.bare(m, i)+" "+noun(m)+" a "+m.Per, " a ")
	case ratio == 0:
		return "no " + noun(m)
	}
	return times(ratio, noun(m))
}

// times writes a ratio: "1.6 times the bytes", "13% more bytes", "20% less memory".
func times(ratio float64, noun string) string {
	percent := func(x float64) string { return strconv.FormatFloat(100*x, 'f', 0, 64) + "%" }
	switch {
	case ratio >= fewTimes:
		return text.Number(ratio, 2) + " times the " + noun
	case ratio > 1:
		return percent(ratio-1) + " more " + noun
	}
	return percent(1-ratio) + " " + fewer(noun) + " " + noun
}

// beaten says which rows are never the better choice.
func (s speaker) beaten() []string {
	by := map[int][]string{}
	many := map[int]bool{}    // whether the sentence about those beaten by a row has a plural
	known := map[int]string{} // " that is known" if one of them lacks a figure
	for _, b := range s.choice.Beaten {
		if _, ok := s.choice.Cost.Value(s.rows[b.Row]); !ok {
			known[b.By] = " that is known"
		}
		by[b.By] = append(by[b.By], s.call(b.Row))
		many[b.By] = len(by[b.By]) > 1 || s.plural(b.Row)
	}
	var said []string
	for _, k := range s.choice.Front {
		switch names := text.Upper(list(by[k])); {
		case names == "":
		case many[k]:
			said = append(said, names+" are never the better choice: they are no better than "+s.call(k)+" in any figure"+known[k]+".")
		default:
			said = append(said, names+" is never the better choice: it is no better than "+s.call(k)+" in any figure"+known[k]+".")
		}
	}
	return said
}

// failures says which rows can't be chosen, and why.
func (s speaker) failures() []string {
	var unmeasured, silent, lost, distrusted []string
	for i, row := range s.rows {
		name := s.call(i)
		switch {
		case row.Lacking != "":
			continue
		case !row.Measured():
			unmeasured = append(unmeasured, name)
			continue
		case row.Delivered == 0:
			silent = append(silent, name)
			continue
		case row.Lost > 0:
			lost = append(lost, text.Upper(name)+" lost "+text.Plural(row.Lost, "message", "messages")+" of "+strconv.Itoa(row.Expected)+".")
		}
		if result.Fatal(s.rows[i : i+1]) {
			distrusted = append(distrusted, name)
		}
	}
	said := lost
	if len(silent) > 0 {
		said = append(said, text.Upper(list(silent))+" delivered nothing.")
	}
	if len(distrusted) > 0 {
		said = append(said, "The numbers of "+list(distrusted)+" are not to be believed: see the doubts.")
	}
	if len(unmeasured) > 0 {
		said = append(said, text.Upper(list(unmeasured))+" could not be measured: see the doubts.")
	}
	if len(s.missing) > 0 {
		said = append(said, "The run ended before "+list(s.missing)+" had a turn.")
	}
	return said
}
