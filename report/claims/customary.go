package claims

import (
	"errors"
	"fmt"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

const (
	quiet      = "quiet"
	quietCrowd = "quiet-crowd"
)

// pollEveryFive is the usual advice against push.
func pollEveryFive() Claim {
	return Claim{
		Name:  "poll-5s",
		Title: "Polling every 5 s is enough, and costs little",
		Says:  "For most live updates, polling at 5 or 30 seconds is fine. Founders fear polling because it sounds wasteful: 100 users polling every 5 seconds are 1,200 requests a minute.",
		Source: Source{
			"Vibe Coder's Guide to MVP", "You probably don't need WebSockets yet", "2026", "https://vibecodersguidetomvp.help/blog/no-websockets-yet/",
		},
		Setup: "A thousand users in pairs, each of whom writes every 20 seconds. What polling costs is the CPU and memory of the server, beside those of WebSocket with the same messages. \"Little\" is at most 25% more.",
		Cases: []string{quiet},
		Why: "A poll costs the same whether it finds something or not, so polling costs by the clock and push by the message: with more messages polling is the cheaper one, with fewer it is the dearer one. " +
			"A message waits half an interval on average and up to a whole one. " +
			"A polling user's connection stays open between polls, and takes memory as well, but neither buffers of a stream nor a goroutine that waits.",
		judge: judgePollEveryFive,
	}
}

func judgePollEveryFive(m *Measured, f *Finding) error {
	rows, err := m.rows(quiet, "short-poll@5s", "sse", "websocket", "websocket-lean")
	if err != nil {
		return err
	}
	poll, socket := rows[0], rows[2]
	f.figure(ByMeasuring, "requests a minute of 100 users", 1200, 60*100*float64(poll.Requests)/poll.DurationS/float64(poll.Users), whole)
	f.compare(ByMeasuring, "99% of the messages come within 5 s", "yes", duration(poll.Latency.P99), poll.Latency.P99 <= 5e3*1.02)
	if cores(poll) > 0 && cores(socket) > 0 {
		cost := func(row result.Row) string { return text3(1e5*cores(row)/float64(row.Users)) + "% of a core" }
		f.compare(ByMeasuring, "it costs little server CPU: 1,000 users, against WebSocket", "at most 25% more", against(cost(poll), cost(socket)), cores(poll) <= near*cores(socket))
		f.note(ByMeasuring, "the same of server-sent events", cost(rows[1]))
		f.note(ByMeasuring, "the same of WebSocket with this project's own frames", cost(rows[3]))
	}
	if a, b := memory(poll), memory(socket); a > 0 && b > 0 {
		f.compare(ByMeasuring, "it costs little server memory: a user, against WebSocket", "at most 25% more", against(kilobytes(a), kilobytes(b)), a <= near*b)
	}
	f.note(ByMeasuring, "polls that find nothing", percent(float64(poll.EmptyResponses)/float64(max(1, poll.Requests))))
	f.note(ByMeasuring, "half of the messages come within", against(duration(poll.Latency.P50), duration(socket.Latency.P50))+" over WebSocket")
	f.Brief = fmt.Sprintf("median %s instead of %s", duration(poll.Latency.P50), duration(socket.Latency.P50))
	if cores(poll) > 0 && cores(socket) > 0 {
		f.Brief += fmt.Sprintf(", for %s of the server CPU", percent(cores(poll)/cores(socket)))
	}
	return nil
}

// memory returns the bytes that the server needs for a user; 0 if unknown.
func memory(row result.Row) float64 {
	if row.Server == nil || row.Server.BytesPerUser == nil {
		return 0
	}
	return *row.Server.BytesPerUser
}

// sixStreams is what everybody knows of server-sent events.
func sixStreams() Claim {
	return Claim{
		Name:  "six-streams",
		Title: "Server-sent events are limited to six connections",
		Says: "When not used over HTTP/2, server-sent events suffer from a limitation to the maximum number of open connections, which can be especially painful when opening multiple tabs, " +
			"as the limit is per browser and is set to a very low number (6). Over HTTP/2, browsers generally limit to about 100 (https://gist.github.com/benjie/54572a6781963c4231bc611d5e916c57).",
		Source: Source{"MDN Web Docs", "EventSource", "undated", "https://developer.mozilla.org/en-US/docs/Web/API/EventSource"},
		Setup: "A page in headless Chromium asks one server for 300 streams, over HTTP/1.1 and over HTTP/2 with TLS, and for 300 WebSockets. " +
			"A message is sent to their room, and the page counts which streams open and which receive it. The limit is one of the whole browser, so streams of one page count as those of several tabs do.",
		Browse: true,
		Why: "Browsers open at most six connections to a host over HTTP/1.1, and a stream occupies one for good: the seventh waits, and so does every other request to that host. " +
			"WebSockets have a limit of their own, which is far higher. Over HTTP/2 all streams share one connection, and how many there may be is what the server says: 250 with Go's default, 100 with others.",
		judge: judgeSixStreams,
	}
}

func judgeSixStreams(m *Measured, f *Finding) error {
	if len(m.Beside.Browsed) == 0 {
		if m.Beside.Lacking != "" {
			return errors.New(m.Beside.Lacking)
		}
		return errors.New("no browser was measured")
	}
	find := func(by, http string) (result.Browsed, error) {
		for _, b := range m.Beside.Browsed {
			if b.By == by && b.HTTP == http {
				return b, nil
			}
		}
		return result.Browsed{}, fmt.Errorf("no %s over HTTP/%s was measured in a browser", by, http)
	}
	first, err := find(result.ByEventSource, "1.1")
	if err != nil {
		return err
	}
	second, err := find(result.ByEventSource, "2")
	if err != nil {
		return err
	}
	sockets, err := find(result.ByWebSocket, "1.1")
	if err != nil {
		return err
	}
	of := func(b result.Browsed) string { return fmt.Sprintf("%d of %d", b.Received, b.Asked) }
	f.figure(ByMeasuring, "streams over HTTP/1.1", 6, float64(first.Received), whole)
	f.figure(ByMeasuring, "streams over HTTP/2", 100, float64(second.Received), whole)
	f.compare(ByMeasuring, "HTTP/1.1 is limited", "yes", of(first), first.Received < first.Asked)
	f.compare(ByMeasuring, "over HTTP/2 there are more", "yes", of(second), second.Received > first.Received)
	f.note(ByMeasuring, "WebSockets over HTTP/1.1", of(sockets))
	waits := "it was answered"
	if first.Blocked {
		waits = "it waited"
	}
	f.note(ByMeasuring, "another request to the host meanwhile, over HTTP/1.1", waits)
	f.note(ByMeasuring, "the browser", text.Clean(first.Browser))
	f.Brief = fmt.Sprintf("%d over HTTP/1.1, %d over HTTP/2; %d WebSockets", first.Received, second.Received, sockets.Received)
	return nil
}

// state is why people are afraid of WebSockets.
func state() Claim {
	return Claim{
		Name:  "state",
		Title: "WebSockets don't scale, because of their state",
		Says: "Each connection keeps at least two goroutines with 4 to 8 KB of stack each: a million connections take 16 GB for stacks alone. " +
			"The scaling axis for all persistent-connection systems is memory, not request throughput (https://handbook-hld.pages.dev/curriculum/building-blocks/real-time-communication/).",
		Source: Source{"TheLinuxCode", "Scaling WebSocket Servers to Millions of Connections", "undated", "https://thelinuxcode.com/scaling-websocket-servers-to-millions-of-connections"},
		Setup: "1,000 and 4,000 users in pairs, each of whom writes every 20 seconds, on one server. Memory is what one more user takes in the server, without the kernel's buffers, which a polling user's open connection has too. " +
			"Polling every second is the alternative whose latency comes nearest.",
		Cases: []string{quiet, quietCrowd},
		Why: "A connection does take memory, and a polling user's does too, as it stays open between polls. What a user costs does not grow with the number of users, so memory is bought in proportion. " +
			"CPU is the other bound: a WebSocket user costs by the message, a polling user by the clock. " +
			"State has another price that is not in these figures: when a server ends, its users have to join again, which pushpull faults measures.",
		judge: judgeState,
	}
}

func judgeState(m *Measured, f *Finding) error {
	few, err := m.rows(quiet, "short-poll@1s", "websocket", "websocket-lean")
	if err != nil {
		return err
	}
	many, err := m.rows(quietCrowd, "short-poll@1s", "websocket", "websocket-lean")
	if err != nil {
		return err
	}
	for _, row := range append(few, many...) {
		if memory(row) <= 0 || cores(row) <= 0 {
			return fmt.Errorf("the server's memory or CPU for a user of %s is unknown", row.Transport)
		}
	}
	poll, socket, lean := many[0], many[1], many[2]
	f.figure(ByDerivation, "memory of a million WebSocket users", 16e9, 1e6*memory(socket), gigabytes)
	f.note(ByDerivation, "the same with this project's own frames", gigabytes(1e6*memory(lean)))
	f.note(ByDerivation, "the same of users that poll every second", gigabytes(1e6*memory(poll)))
	f.compare(ByMeasuring, "a WebSocket user takes more memory than a polling one", "yes", against(kilobytes(memory(socket)), kilobytes(memory(poll))), memory(socket) > memory(poll))
	perCore := func(row result.Row) float64 { return float64(row.Users) / cores(row) }
	perGB := func(row result.Row) float64 { return 1e9 / memory(row) }
	f.compare(ByDerivation, "memory bounds WebSocket users before CPU does: users for a GB, against users for a core", "fewer", against(whole2(perGB(socket)), whole2(perCore(socket))), perGB(socket) < perCore(socket))
	grows := max(memory(socket)/memory(few[1]), cores(socket)/float64(socket.Users)/(cores(few[1])/float64(few[1].Users)))
	f.compare(ByMeasuring, "a user costs more when there are more users: 4,000 against 1,000", "more than 25%", times(grows), grows > near)
	room := func(row result.Row) float64 { return min(perGB(row), perCore(row)) }
	f.compare(ByDerivation, "polling, which keeps no state, scales further: users every second for a core and a GB, against WebSocket", "more", against(whole2(room(poll)), whole2(room(socket))), room(poll) > room(socket))
	f.Brief = fmt.Sprintf("a core and 1 GB hold %s users, %s that poll every second", whole2(room(socket)), whole2(room(poll)))
	return nil
}
