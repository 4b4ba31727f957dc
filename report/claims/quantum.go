package claims

import (
	"fmt"
	"strconv"

	"pushpull/loadgen/result"
)

const (
	stock      = "stock"
	stockCrowd = "stock-crowd"
	stockFar   = "stock-far"
)

// quantum is the article that most tables of WebSocket against polling go back to.
func quantum() Claim {
	return Claim{
		Name:  "quantum",
		Title: "WebSocket: 1/500 of polling's traffic, 1/3 of its latency",
		Says: "A poll carries 871 bytes of headers: 1,000, 10,000 and 100,000 clients that poll once a second take 6.6, 66 and 665 Mbit/s. " +
			"With a message a second for each over WebSocket, at 2 bytes a frame, it is 0.015, 0.153 and 1.526 Mbit/s. " +
			"A message that takes 50 ms from server to browser takes 150 ms when polling: 500 times less traffic, 3 times less latency.",
		Source: Source{"Peter Lubbers and Frank Greco", "HTML5 WebSocket: A Quantum Leap in Scalability for the Web", "2010", "http://www.websocket.org/quantum.html"},
		Setup: "All clients are in one room, to which one member sends 64 bytes a second, on average; what is above those 64 bytes is overhead, and the headers of a poll are those of an exchange without its messages. " +
			"1,000 clients poll every second. 10,000 clients poll every 5 s, as 10,000 polls a second take more than two cores, and that is derived by 5 times as many polls. " +
			"100,000 clients are derived from 10,000: bytes are proportional to polls and messages. Latency is measured at a round trip of 100 ms, without the sender's own transit.",
		Cases: []string{stock, stockCrowd, stockFar},
		Why: "The headers were those of a Firefox with its cookies and of a Java server: clients that send fewer headers pay less for a poll. " +
			"The 2 bytes are those of a draft of the protocol and still right for a frame below 126 bytes; the rest of the overhead is the place of the message in the room, which lets a client go on after a break, and its JSON. " +
			"Its megabits are of 2^20 bits. The 150 ms were assumed, not measured: they are the longest way of a message that waits for the next request of a client that asks again at once. " +
			"A client that asks once a second, as in the article's own traffic, waits half a second on average.",
		judge: judgeQuantum,
	}
}

func judgeQuantum(m *Measured, f *Finding) error {
	few, err := m.counts(stock, "short-poll@1s", "websocket")
	if err != nil {
		return err
	}
	many, err := m.counts(stockCrowd, "short-poll@5s", "websocket")
	if err != nil {
		return err
	}
	far, err := m.rows(stockFar, "short-poll@1s", "websocket")
	if err != nil {
		return err
	}
	traffic := func(how How, what string, claimed, found float64) {
		f.figure(how, what, claimed*(1<<20), found, megabits)
		f.Rows[len(f.Rows)-1].Claimed = strconv.FormatFloat(claimed, 'f', -1, 64) + " Mbit/s"
	}
	f.note(ByComputing, "871 bytes, 1,000 times a second", "6.97 million bit/s, and 6.65 × 2^20")
	header, err := m.headers(stock, few[0])
	if err != nil {
		return err
	}
	crowdHeader, err := m.headers(stockCrowd, many[0])
	if err != nil {
		return err
	}
	frame, crowdFrame := m.framing(stock, few[1]), m.framing(stockCrowd, many[1])
	rate := func(row result.Row, n int64) float64 { return 8 * float64(n) / row.DurationS } // of a thing of one byte, in bits
	f.figure(ByMeasuring, "headers of a poll", 871, header, octets)
	f.figure(ByMeasuring, "overhead of a message over WebSocket", 2, frame, octets)
	traffic(ByMeasuring, "polling, 1,000 clients", 6.6, header*rate(few[0], few[0].Requests))
	traffic(ByDerivation, "polling, 10,000 clients", 66, 5*crowdHeader*rate(many[0], many[0].Requests))
	traffic(ByDerivation, "polling, 100,000 clients", 665, 50*crowdHeader*rate(many[0], many[0].Requests))
	traffic(ByMeasuring, "WebSocket, 1,000 clients", .015, frame*rate(few[1], int64(few[1].Delivered)))
	traffic(ByMeasuring, "WebSocket, 10,000 clients", .153, crowdFrame*rate(many[1], int64(many[1].Delivered)))
	traffic(ByDerivation, "WebSocket, 100,000 clients", 1.526, 10*crowdFrame*rate(many[1], int64(many[1].Delivered)))
	f.figure(ByMeasuring, "overhead of a poll over that of a message", 500, header/frame, times)
	f.compare(ByMeasuring, "polling takes more traffic than WebSocket", "yes", times(header/frame)+" as much", header > frame)
	transit := m.transit(stockFar)
	polled, pushed := far[0].Latency.Mean-transit, far[1].Latency.Mean-transit
	f.figure(ByMeasuring, "latency of a message when polling, mean", 150, polled, duration)
	f.figure(ByMeasuring, "latency of a message over WebSocket, mean", 50, pushed, duration)
	f.compare(ByMeasuring, "messages come sooner over WebSocket", "yes", against(duration(pushed), duration(polled)), pushed < polled)
	if share := cores(many[0]) * 5; share > 0 {
		f.note(ByDerivation, "server CPU of 10,000 polls a second", number(share)+" cores")
		f.note(ByMeasuring, "server CPU of 10,000 messages a second over WebSocket", number(cores(many[1]))+" cores")
	}
	f.Brief = octets(header) + " a poll, " + octets(frame) + " a message; " + duration(polled) + " against " + duration(pushed)
	return nil
}

// headers returns the bytes of a poll without the messages in its answer. Those of an exchange are measured on the wire,
// with a message and without one, before the window.
func (m *Measured) headers(name string, row result.Row) (float64, error) {
	for _, w := range m.Results[name].Windows {
		if w.Transport == row.Transport && w.Calibration != nil && w.Calibration.Bytes != nil && row.Requests > 0 {
			empty := float64(row.EmptyResponses) / float64(row.Requests)
			return empty*float64(w.Calibration.Bytes.Empty) + (1-empty)*float64(w.Calibration.Bytes.Answer), nil
		}
	}
	return 0, fmt.Errorf("the bytes of a poll with the load %s are unknown", name)
}

// framing returns the bytes of each message above its body. What the sender sends counts, too: it is one of a thousand.
func (m *Measured) framing(name string, row result.Row) float64 {
	return row.BytesPerDelivery - float64(m.scenario(name).Size)
}

// cores returns how many cores the servers used; 0 if unknown.
func cores(row result.Row) float64 {
	if row.Server == nil || row.DurationS <= 0 {
		return 0
	}
	return row.Server.CPUS / row.DurationS
}
