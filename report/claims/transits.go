package claims

import (
	"pushpull/loadgen/result"
)

const (
	transitsSeldom = "transits-seldom"
	transitsOften  = "transits-often"
	transitsFlood  = "transits-flood"
)

// transits is the RFC about long polling.
func transits() Claim {
	return Claim{
		Name:   "transits",
		Title:  "Long polling takes about one transit, at most over three",
		Says:   "While the average latency of long polling is close to one network transit, the maximal latency is over three network transits: long poll response, next long poll request, long poll response.",
		Source: Source{"S. Loreto, P. Saint-Andre, S. Salsano and G. Wilkins", "RFC 6202, section 2.2: HTTP Long Polling Issues", "2011", "https://www.rfc-editor.org/rfc/rfc6202"},
		Setup: "Each way of the network takes 50 ms. The latency counts from when the server has the message, so the sender's transit is taken off. " +
			"Rooms get a message every five seconds, four and twenty a second; each member writes seldom, as one who writes faster than the network answers waits for itself.",
		Cases: []string{transitsSeldom, transitsOften, transitsFlood},
		Why: "A message waits only if it comes in the two transits between an answer and the next request. With r messages a second in a room and a gap G that is the share rG/(1+rG) of all, and they wait half the gap on average. " +
			"So the average is close to one while rG is small, and goes towards two when it is large. The longest stays at three, apart from what server and machine add, as every message that waited comes with the next answer. " +
			"A lost segment adds to all of them, over WebSocket as well.",
		judge: judgeTransits,
	}
}

// A Transit is how many transits of the network long polls take at a rate of messages in a room.
type Transit struct {
	Rate      float64 // messages per second and room
	Least     float64
	Mean      float64
	P99, Most float64
	Socket    float64 // the mean over WebSocket
	Predicted float64 // the mean by theory; 0: unknown
	Doubted   bool    // it is not to be believed
}

// Transits returns the cases in the order of their rates, as far as they were measured.
func Transits(m *Measured) (all []Transit) {
	for _, name := range []string{transitsSeldom, transitsOften, transitsFlood} {
		m.doubt = ""
		rows, err := m.rows(name, "long-poll", "websocket")
		if err != nil {
			continue
		}
		t := transitOf(m, name, rows[0], rows[1])
		t.Doubted = m.doubt != ""
		all = append(all, t)
	}
	return all
}

func transitOf(m *Measured, name string, long, socket result.Row) Transit {
	one := m.transit(name)
	in := func(ms float64) float64 { return (ms - one) / one } // without the sender's transit
	t := Transit{
		Rate: rate(m.scenario(name)), Mean: in(long.Latency.Mean), P99: in(long.Latency.P99), Most: in(long.Latency.Max), Socket: in(socket.Latency.Mean),
		Least: in(1e3 * long.Histogram.Quantile(0).Seconds()),
	}
	if long.Theory != nil && long.Theory.Mean != nil {
		t.Predicted = in(*long.Theory.Mean)
	}
	return t
}

func judgeTransits(m *Measured, f *Finding) error {
	var all []Transit
	for _, name := range []string{transitsSeldom, transitsOften, transitsFlood} {
		rows, err := m.rows(name, "long-poll", "websocket")
		if err != nil {
			return err
		}
		all = append(all, transitOf(m, name, rows[0], rows[1]))
	}
	seldom, often, flood := all[0], all[1], all[2]
	f.figure(ByMeasuring, "the shortest latency", 1, seldom.Least, oneIn)
	f.figure(ByMeasuring, "the longest latency, at 4 messages a second", 3, often.Most, oneIn)
	for _, t := range all {
		f.compare(ByMeasuring, "the average is close to one, at "+number(t.Rate)+" messages a second", "within 25% of one", oneIn(t.Mean), t.Mean <= near)
	}
	for _, t := range all {
		f.note(ByMeasuring, "99% of the messages, at "+number(t.Rate)+" a second", "within "+oneIn(t.P99))
	}
	f.note(ByMeasuring, "WebSocket, on average, at "+number(flood.Rate)+" messages a second", oneIn(flood.Socket))
	f.Brief = "average " + number(seldom.Mean) + ", " + number(often.Mean) + ", " + number(flood.Mean) + " at " +
		number(seldom.Rate) + ", " + number(often.Rate) + ", " + number(flood.Rate) + " messages/s; longest " + number(often.Most)
	return nil
}

// rate returns how many messages a second a room gets, of which all members send.
func rate(s result.Scenario) float64 { return s.Rate * float64(s.RoomSize) }
