package report_test

import (
	"errors"
	"html"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/ci"
	"pushpull/report/text"
)

// changed returns the run with change applied to each window of a transport.
func changed(run report.Run, transport string, change func(*result.Window)) report.Run {
	for i := range run.Windows {
		if run.Windows[i].Transport == transport {
			change(&run.Windows[i])
		}
	}
	return report.NewRun(run.Name, run.Result)
}

// three is synthetic with a third round, which is like the first.
func three(name string, seed uint64, models ...model) report.Run {
	run := synthetic(name, seed, models...)
	for _, w := range run.Windows[:len(models)] {
		w.Round, w.Store, w.Server = 3, new(*w.Store), new(*w.Server)
		run.Windows = append(run.Windows, w)
	}
	return report.NewRun(name, run.Result)
}

// TestAnswer has the answers to the kinds of results that there are, as a person reads them.
func TestAnswer(t *testing.T) {
	cheap := poll1
	cheap.cpu = .015
	lean := webSocket
	lean.transport = "websocket-lean"
	engines := changed(three("", 1, lean, webSocket), "websocket-lean", func(w *result.Window) {
		w.Way = result.Way{Title: "WebSocket", Stream: true, Duplex: true}
	})
	lossy := changed(three("", 1, longPoll, webSocket), "websocket", func(w *result.Window) { w.Delivered, w.Lost = 399, 1 })
	silent := changed(three("", 1, longPoll, webSocket), "websocket", func(w *result.Window) {
		w.Planned, w.Sent, w.Expected, w.Delivered, w.Latency = 0, 0, 0, 0, result.NewHistogram()
	})
	failed := changed(three("", 1, longPoll, webSocket), "websocket", func(w *result.Window) { w.Failed = "joining: refused" })
	nothing := changed(three("", 1, webSocket), "websocket", func(w *result.Window) { w.Failed = "joining: refused" })
	unknown := changed(three("", 1, poll5, webSocket), "websocket", func(w *result.Window) { w.Server = nil })
	unknown = changed(unknown, "short-poll@5s", func(w *result.Window) { w.Server = nil })
	stopped := three("", 1, longPoll, webSocket)
	stopped.Windows = slices.DeleteFunc(stopped.Windows, func(w result.Window) bool { return w.Transport == "websocket" })
	stopped = report.NewRun("", stopped.Result)

	inMemory, inPostgres := three("memory", 1, longPoll, webSocket), three("postgres", 2, longPoll, webSocket)
	onServers(&inPostgres, 3, "postgres")
	inPostgres = report.NewRun("postgres", inPostgres.Result)
	like := longPoll
	like.latency, like.cpu = webSocket.latency, webSocket.cpu
	both := three("both", 5, like, webSocket)
	before, after := three("before", 1, poll5, webSocket), three("after", 2, poll5, webSocket)
	more := three("more users", 2, poll5, webSocket)
	more.Run.Scenario.Users = 300
	onlyPolls := three("polls", 2, poll5)

	for _, test := range []struct {
		name string
		runs []report.Run
		want string
	}{
		{
			"push is the fastest and the cheapest",
			[]report.Run{three("", 1, poll1, poll5, longPoll, webSocket)},
			"Choose WebSocket: it is the fastest (half of the messages arrive within 402 µs, 99% within 1.02 ms), and needs the least server CPU (55.0 µs a message). " +
				"WebSocket also needs the fewest requests (others up to 10.0 a message) and the fewest bytes (others up to 12 times as many). " +
				"Polling would need less server CPU than WebSocket from an interval of about 17 s on. " +
				"Short polling every second needs 42% less server memory, but 516 ms for half of its messages and 13 times the server CPU. " +
				"Short polling every 5 s needs 44% less server memory, but 2.49 s for half of its messages and 2.8 times the server CPU. " +
				"Long polling is never the better choice: it is no better than WebSocket in any figure.",
		},
		{
			"polling is cheaper",
			[]report.Run{three("", 1, cheap, longPoll, webSocket)},
			"Choose WebSocket if messages have to arrive as early as possible: half of the messages arrive within 405 µs, 99% within 1.96 ms. " +
				"If they may take up to 1 s, choose short polling every second: it needs 32% less server CPU than WebSocket (37.5 instead of 55.0 µs a message). " +
				"WebSocket also needs the fewest requests (others up to 10.0 a message) and the fewest bytes (others up to 12 times as many). " +
				"Short polling every second needs 42% less server memory, but 513 ms for half of its messages. " +
				"Long polling is never the better choice: it is no better than WebSocket in any figure.",
		},
		{
			"two that are equal",
			[]report.Run{engines},
			"Choose WebSocket (websocket-lean) or WebSocket (websocket): the rounds show no difference in latency or server CPU " +
				"(over WebSocket (websocket-lean) half of the messages arrive within 399 µs, 99% within 1.21 ms).",
		},
		{
			"two engines, and a name in the plural",
			[]report.Run{three("", 1, six[2:]...)},
			"Choose WebSocket (lean): it is the fastest (half of the messages arrive within 397 µs, 99% within 1.60 ms), and needs the least server CPU (52.5 µs a message). " +
				"WebSocket (lean) also needs the fewest requests (others up to 1.25 a message), the fewest bytes (others up to 2.9 times as many) and the least server memory (others up to 3.3 times as much). " +
				"WebSocket, server-sent events and long polling are never the better choice: they are no better than WebSocket (lean) in any figure. " +
				"WebSocket and WebSocket (lean) use the same protocol; the server speaks it with nhooyr.io/websocket for WebSocket and with this project's own frames for WebSocket (lean).",
		},
		{
			"a name in the plural alone",
			[]report.Run{three("", 1, stream)},
			"Server-sent events alone were measured: half of the messages arrive within 432 µs, 99% within 1.30 ms. A message costs 250 bytes and 60.0 µs of server CPU.",
		},
		{
			"a name in the plural is the fastest",
			[]report.Run{three("", 1, poll1, stream)},
			"Choose server-sent events: they are the fastest (half of the messages arrive within 432 µs, 99% within 2.44 ms), and need the least server CPU (60.0 µs a message). " +
				"Server-sent events also need the fewest requests (the other 10.0 a message) and the fewest bytes (the other 8.7 times as many). " +
				"Short polling every second needs 20% less server memory, but 521 ms for half of its messages and 12 times the server CPU.",
		},
		{
			"a name in the plural in two runs",
			[]report.Run{three("before", 1, poll1, stream), three("after", 2, poll1, stream)},
			"Server-sent events are the choice in both runs. " +
				"The rounds show no difference between the runs in latency or server CPU with server-sent events and short polling every second.\n" +
				"before: Choose server-sent events: …\nafter: Choose server-sent events: …",
		},
		{
			"one alone",
			[]report.Run{three("", 1, webSocket)},
			"WebSocket alone was measured: half of the messages arrive within 402 µs, 99% within 1.21 ms. A message costs 182 bytes and 55.0 µs of server CPU.",
		},
		{
			"the fastest lost messages",
			[]report.Run{lossy},
			"Only long polling can be recommended: half of the messages arrive within 698 µs, 99% within 2.08 ms. " +
				"WebSocket lost 3 messages of 1200. The numbers of WebSocket are not to be believed: see the doubts.",
		},
		{
			"one delivered nothing",
			[]report.Run{silent},
			"Only long polling can be recommended: half of the messages arrive within 698 µs, 99% within 2.08 ms. WebSocket delivered nothing.",
		},
		{
			"one could not be measured",
			[]report.Run{failed},
			"Only long polling can be recommended: half of the messages arrive within 698 µs, 99% within 2.08 ms. WebSocket could not be measured: see the doubts.",
		},
		{
			"none could be measured",
			[]report.Run{nothing},
			"No transport can be recommended. WebSocket could not be measured: see the doubts.",
		},
		{
			"a run that was interrupted",
			[]report.Run{stopped},
			"Only long polling can be recommended: half of the messages arrive within 698 µs, 99% within 2.08 ms. The run ended before websocket had a turn.",
		},
		{
			"a server that reports no CPU",
			[]report.Run{unknown},
			"Choose WebSocket: it is the fastest (half of the messages arrive within 402 µs, 99% within 2.27 ms), and needs the fewest bytes (182 B a message). " +
				"WebSocket also needs the fewest requests (the other 2.00 a message). " +
				"Short polling every 5 s is never the better choice: it is no better than WebSocket in any figure.",
		},
		{
			"two stores",
			[]report.Run{inMemory, inPostgres},
			"WebSocket is the choice in both runs. " +
				"With WebSocket, server CPU for a message is 55.0 µs (memory) and 93.5 µs (postgres). With long polling, server CPU for a message is 118 µs (memory) and 200 µs (postgres).\n" +
				"memory: Choose WebSocket: …\npostgres: Choose WebSocket: …",
		},
		{
			"three stores, of which one shows no difference",
			[]report.Run{inMemory, both, inPostgres},
			"WebSocket is the choice in all 3 runs. " +
				"With WebSocket, server CPU for a message is 55.0 µs (memory), 55.0 µs (both) and 93.5 µs (postgres).\n" +
				"memory: Choose WebSocket: …\nboth: Choose long polling or WebSocket: …\npostgres: Choose WebSocket: …",
		},
		{
			"the same twice",
			[]report.Run{before, after},
			"WebSocket is the choice in both runs. The rounds show no difference between the runs in latency or server CPU with WebSocket and short polling every 5 s.\n" +
				"before: Choose WebSocket: …\nafter: Choose WebSocket: …",
		},
		{
			"different loads",
			[]report.Run{before, more},
			"These runs measured different loads (users), so their figures are not compared.\nbefore: Choose WebSocket: …\nmore users: Choose WebSocket: …",
		},
		{
			"different choices",
			[]report.Run{before, onlyPolls},
			"The choice differs: WebSocket in before and short polling every 5 s in polls. " +
				"With short polling every 5 s, half of the messages arrive within 2.60 s (before) and 2.41 s (polls).\n" +
				"before: Choose WebSocket: …\npolls: Short polling every 5 s alone was measured: …",
		},
		{
			"few rounds",
			[]report.Run{synthetic("", 1, longPoll, webSocket)},
			"Choose WebSocket: it is the fastest (half of the messages arrive within 404 µs, 99% within 1.60 ms), and needs the least server CPU (55.0 µs a message). " +
				"WebSocket also needs the fewest requests (the other 1.25 a message) and the fewest bytes (the other 3.0 times as many). " +
				"Long polling is never the better choice: it is no better than WebSocket in any figure. " +
				"With so few rounds, differences in server CPU below a factor of 1.5 can't be told from noise: use --rounds 5.",
		},
		{"no window", []report.Run{report.NewRun("", &result.Result{})}, "Nothing was measured."},
	} {
		got := report.Answer(test.runs...)
		for _, line := range strings.Split(got, "\n")[1:] { // each is the answer of one run alone
			whole := line
			if before, _, long := strings.Cut(line[strings.Index(line, ": ")+2:], ": "); long {
				line = line[:strings.Index(line, ": ")+2] + before + ": …"
			}
			got = strings.Replace(got, whole, line, 1)
		}
		if got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// TestAnswerIsEverywhere finds the same words in the table of a terminal, in JSON, on the page and in Markdown.
func TestAnswerIsEverywhere(t *testing.T) {
	one := func(s string) string { return strings.Join(strings.Fields(s), " ") } // breaks a line anywhere, also after a hard space
	all := cases()
	for _, name := range []string{"chat", "stores", "two-runs", "lost", "foreign-server"} {
		runs := all[name]
		var table, data, page, markdown strings.Builder
		err := errors.Join(
			report.Table(&table, text.Screen{UTF8: true}, runs...), report.JSON(&data, runs...), report.HTML(&page, report.Link{}, runs...),
			ci.Markdown(&markdown, ci.Outcome{
				Words: strings.Split(report.Answer(runs...), "\n"),
				Sides: []ci.Side{{Result: runs[0].Result, Rows: runs[0].Rows}},
			}))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range report.Answers(runs...) {
			for _, words := range p.Sentences {
				for where, out := range map[string]string{
					"table": one(table.String()), "JSON": data.String(), "page": one(html.UnescapeString(page.String())),
					"Markdown": strings.ReplaceAll(markdown.String(), `\`, ""),
				} {
					if !strings.Contains(out, words) {
						t.Errorf("%s: the %s does not say %q", name, where, words)
					}
				}
			}
		}
	}
}
