package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pushpull/report/text"
)

// Answer says in words what the numbers of run say, fastest transport first. It ends with a
// warning when a number is not to be believed.
func Answer(run Run) string { return strings.Join(sentences(run), " ") }

// sentences returns at least one, the most telling first.
func sentences(run Run) []string {
	rows := lay([]Run{run})
	slices.SortStableFunc(rows, func(a, b series) int { return cmp.Compare(a.Latency.P50, b.Latency.P50) })
	kinds := map[string]int{}
	for _, s := range rows {
		kinds[kindOf(s.name)]++
	}
	call := func(s series) string { return spoken(s.name, kinds[kindOf(s.name)] > 1) }
	var delivered, silent []series
	for _, s := range rows {
		if s.Delivered > 0 {
			delivered = append(delivered, s)
		} else {
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
		said = append(said, upper(call(s))+" delivered nothing.")
	}
	for _, s := range delivered {
		if s.Lost > 0 {
			said = append(said, upper(call(s))+" lost "+text.Plural(s.Lost, "message", "messages")+" of "+strconv.Itoa(s.Expected)+".")
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
			parts = append(parts, upper(call(s))+" delivered half of the messages"+within)
		} else {
			parts = append(parts, call(s)+within)
		}
	}
	return sentence(list(parts), len(parts) > 0)
}

// mostNamed is how many transports a sentence takes before it names only the ends.
const mostNamed = 4

// values writes "1 ms by a, 2 ms by b and 3 ms by c", or, of many rows, the least and the most.
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

// tailWords leaves out whoever has too few samples for a p99.
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
		return sentence(upper(list(none))+" made no requests after the handshake", len(none) > 0)
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
			if d.Fatal {
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

func kindOf(transport string) string {
	kind, _, _ := strings.Cut(transport, "@")
	return kind
}

// spoken is how people call a transport; exact tells it from others of its kind.
func spoken(transport string, exact bool) string {
	kind, interval, given := strings.Cut(transport, "@")
	if interval == "1s" {
		interval = "second"
	}
	if unit := strings.TrimLeft(interval, ".0123456789"); unit != interval && !strings.ContainsAny(unit, "0123456789") {
		interval = strings.TrimSuffix(interval, unit) + " " + unit
	}
	switch kind {
	case "short-poll":
		if given {
			return "polling every " + interval
		}
		return "polling"
	case "long-poll":
		if given && exact {
			return "long polling held for " + strings.Replace(interval, "second", "1 s", 1)
		}
		return "long polling"
	case "long-poll-scan":
		if given && exact {
			return "long polling with a scan every " + interval
		}
		return "long polling with a scan"
	case "websocket":
		return "WebSocket"
	case "sse":
		return "server-sent events"
	}
	return transport
}

// list writes "a, b and c".
func list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// sentence is nothing when there is nothing to say.
func sentence(s string, said bool) string {
	if !said {
		return ""
	}
	return s + "."
}

// upper begins a sentence; s is not empty.
func upper(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}
