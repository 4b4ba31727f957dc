package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Answer summarizes the numbers of run in sentences, fastest transport first. It ends with a warning
// if a number is not to be believed.
func Answer(run Run) string { return strings.Join(sentences(run), " ") }

// Answers returns the answer of each run, and with several runs first a paragraph that compares them. Each
// paragraph is a list of sentences, the most important first.
func Answers(runs ...Run) []Paragraph {
	var all []Paragraph
	_, labels := namesOf(runs)
	for i, run := range runs {
		p := Paragraph{Sentences: sentences(run)}
		if len(runs) > 1 {
			p.Run = labels[i]
		}
		all = append(all, p)
	}
	return all
}

// A Paragraph is what the rows of a run, or all runs together, say in words: plain text.
type Paragraph struct {
	Run       string   // label of the run; empty: the only one, or all together
	Sentences []string // at least one
}

// sentences returns at least one sentence, the most important first.
func sentences(run Run) []string {
	rows := seriesOf([]Run{run})
	slices.SortStableFunc(rows, func(a, b series) int { return cmp.Compare(a.Latency.P50, b.Latency.P50) })
	call := callsOf(rows)
	var delivered, silent, unmeasured []series
	for _, s := range rows {
		switch {
		case !s.Measured():
			unmeasured = append(unmeasured, s)
		case s.Delivered > 0:
			delivered = append(delivered, s)
		default:
			silent = append(silent, s)
		}
	}
	said := []string{
		latencyWords(delivered, call),
		requestWords(delivered, call),
		tailWords(delivered, call),
		cpuWords(delivered, call),
	}
	for _, s := range silent {
		said = append(said, text.Upper(call(s))+" delivered nothing.")
	}
	for _, s := range unmeasured {
		said = append(said, text.Upper(call(s))+" could not be measured: see the doubts.")
	}
	for _, s := range delivered {
		if s.Lost > 0 {
			said = append(said, text.Upper(call(s))+" lost "+text.Plural(s.Lost, "message", "messages")+" of "+strconv.Itoa(s.Expected)+".")
		}
	}
	if len(rows) == 0 {
		said = append(said, "Nothing was measured.")
	}
	if names := distrusted(rows, call); len(names) > 0 {
		said = append(said, "The numbers of "+list(names)+" are not to be believed: see the doubts.")
	}
	return slices.DeleteFunc(said, func(s string) bool { return s == "" })
}

func latencyWords(rows []series, call func(series) string) string {
	var parts []string
	for i, s := range rows {
		within := " within " + text.Duration(s.Latency.P50, 2)
		if i == 0 {
			parts = append(parts, text.Upper(call(s))+" delivered half of the messages"+within)
		} else {
			parts = append(parts, call(s)+within)
		}
	}
	return sentence(list(parts), len(parts) > 0)
}

// mostNamed is how many transports a sentence lists; with more it names only the least and the most.
const mostNamed = 4

// values writes "1 ms by a, 2 ms by b and 3 ms by c", or only the least and the most of many rows.
func values(rows []series, call func(series) string, of func(series) float64, write func(float64) string) string {
	part := func(s series) string { return write(of(s)) + " by " + call(s) }
	if len(rows) > mostNamed {
		by := func(a, b series) int { return cmp.Compare(of(a), of(b)) }
		return part(slices.MinFunc(rows, by)) + " to " + part(slices.MaxFunc(rows, by))
	}
	parts := make([]string, 0, len(rows))
	for _, s := range rows {
		parts = append(parts, part(s))
	}
	return list(parts)
}

// tailWords leaves out rows with too few samples for a p99.
func tailWords(rows []series, call func(series) string) string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(s series) bool { return s.doubted("few-samples") })
	if len(rows) == 0 {
		return ""
	}
	return "99 in 100 arrived within " + values(rows, call,
		func(s series) float64 { return s.Latency.P99 },
		func(ms float64) string { return text.Duration(ms, 2) }) + "."
}

func requestWords(rows []series, call func(series) string) string {
	var asking []series
	var none []string
	for _, s := range rows {
		if s.handshakesOnly() {
			none = append(none, call(s))
		} else {
			asking = append(asking, s)
		}
	}
	if len(asking) == 0 {
		return sentence(text.Upper(list(none))+" made no requests after the handshake", len(none) > 0)
	}
	words := "Requests for each message: " + values(asking, call,
		func(s series) float64 { return s.RequestsPerDelivery },
		func(n float64) string { return text.Number(n, 2) })
	if len(none) > 0 {
		words += "; " + list(none) + " made none after the handshake"
	}
	return sentence(words, true)
}

func cpuWords(rows []series, call func(series) string) string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(s series) bool { return s.Server == nil })
	if len(rows) == 0 {
		return ""
	}
	cpu := "Server CPU"
	if several(rows) {
		cpu = "CPU of all servers"
	}
	return cpu + " for each message: " + values(rows, call,
		func(s series) float64 { return s.Server.CPUMicrosPerDelivery / 1e3 },
		func(ms float64) string { return text.Duration(ms, 2) }) + "."
}

func distrusted(rows []series, call func(series) string) []string {
	var names []string
	for _, s := range rows {
		for _, d := range s.Doubts {
			if d.Fatal && s.Measured() {
				names = append(names, call(s))
				break
			}
		}
	}
	return names
}

func (s series) doubted(code string) bool {
	for _, d := range s.Doubts {
		if d.Code == code {
			return true
		}
	}
	return false
}

// callsOf returns the name of each row in a sentence: the title of its way, plus its setting or its
// own name if others have the same title.
func callsOf(rows []series) func(series) string {
	titles, phrases := map[string]int{}, map[string]int{}
	for _, s := range rows {
		titles[s.Way.Title]++
	}
	phrase := func(s series) string { return spoken(s.name, s.Way, titles[s.Way.Title] > 1) }
	for _, s := range rows {
		phrases[phrase(s)]++
	}
	return func(s series) string {
		p := phrase(s)
		if phrases[p] > 1 && p != s.name {
			p += " (" + s.name + ")"
		}
		return p
	}
}

// spoken returns the name of a transport in running text: the title of its way, or its own name if
// the way is unknown. exact adds the setting, which distinguishes it from others with the same title.
func spoken(name string, way result.Way, exact bool) string {
	title := text.Clean(way.Title)
	seconds := func(s float64) string {
		unit := " s"
		if s < 1 {
			s, unit = 1e3*s, " ms"
		}
		return strconv.FormatFloat(s, 'f', -1, 64) + unit
	}
	switch way.Class() {
	case result.Timer:
		if way.EveryS == 1 {
			return title + " every second"
		}
		return title + " every " + seconds(way.EveryS)
	case result.Scan:
		if exact {
			return title + " every " + seconds(way.ScanS)
		}
	case result.Held:
		if exact {
			return title + " held for " + seconds(way.HoldS)
		}
	case "":
		return name
	}
	return title
}

// list writes "a, b and c".
func list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// sentence adds the full stop; it returns "" unless said.
func sentence(s string, said bool) string {
	if !said {
		return ""
	}
	return s + "."
}
