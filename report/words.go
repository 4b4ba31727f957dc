package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Answer says in words what the numbers of run say, fastest transport first. It ends with a
// warning when a number is not to be believed.
func Answer(run Run) string {
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
	sentences := []string{
		latencyWords(delivered, call),
		tailWords(delivered, call),
		requestWords(delivered, call),
		cpuWords(delivered, call),
	}
	for _, s := range silent {
		sentences = append(sentences, upper(call(s))+" delivered nothing.")
	}
	for _, s := range delivered {
		if s.Lost > 0 {
			sentences = append(sentences, upper(call(s))+" lost "+plural(s.Lost, "message", "messages")+" of "+strconv.Itoa(s.Expected)+".")
		}
	}
	if len(rows) == 0 {
		sentences = append(sentences, "Nothing was measured.")
	}
	if names := distrusted(rows, call); len(names) > 0 {
		sentences = append(sentences, "What stands here about "+list(names)+" is not to be believed: see the doubts.")
	}
	sentences = slices.DeleteFunc(sentences, func(s string) bool { return s == "" })
	return strings.Join(sentences, " ")
}

func latencyWords(rows []series, call func(series) string) string {
	var parts []string
	for i, s := range rows {
		within := " within " + duration(s.Latency.P50, 2)
		if i == 0 {
			parts = append(parts, upper(call(s))+" delivered half of the messages"+within)
		} else {
			parts = append(parts, call(s)+within)
		}
	}
	return sentence(list(parts))
}

// tailWords leaves out whoever has too few samples for a p99.
func tailWords(rows []series, call func(series) string) string {
	var parts []string
	for _, s := range rows {
		if !s.doubted("few-samples") {
			parts = append(parts, duration(s.Latency.P99, 2)+" by "+call(s))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return sentence("One message in a hundred took longer than " + list(parts))
}

func requestWords(rows []series, call func(series) string) string {
	var parts, none []string
	for _, s := range rows {
		if s.handshakesOnly() {
			none = append(none, call(s))
			continue
		}
		parts = append(parts, number(s.RequestsPerDelivery, 2)+" by "+call(s))
	}
	silent := "no requests after the handshake by " + list(none)
	switch {
	case len(rows) == 0:
		return ""
	case len(parts) == 0:
		return sentence("Each delivered message took " + silent)
	case len(none) > 0:
		parts = append(parts, silent)
	}
	return sentence("Requests for each delivered message: " + list(parts))
}

func cpuWords(rows []series, call func(series) string) string {
	var parts []string
	for _, s := range rows {
		if s.Server != nil {
			parts = append(parts, duration(s.Server.CPUMicrosPerDelivery/1e3, 2)+" by "+call(s))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return sentence("The server's CPU for each of them: " + list(parts))
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
	// "5s" is written "5 s".
	if cut := strings.IndexFunc(interval, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }); cut > 0 {
		interval = interval[:cut] + " " + interval[cut:]
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

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return s + "."
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
