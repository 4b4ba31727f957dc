package claims

const (
	sensorNear = "sensor-near"
	sensorFar  = "sensor-far"
)

// sensor is the first measured comparison in a journal.
func sensor() Claim {
	return Claim{
		Name:  "sensor",
		Title: "WebSocket is faster than polling, long polling hardly",
		Says: "WebSocket reduces the overhead of communication; whether it is faster than HTTP polling and long polling was measured as the one-way latency of wind readings at 4 Hz. " +
			"As the rate increases, repeated headers can increase the latency of polling, and long polling is not believed to be a substantial improvement on it.",
		Source: Source{"Victoria Pimentel and Bradford G. Nickerson", "Communicating and Displaying Real-Time Data with WebSocket", "2012", "https://doi.org/10.1109/MIC.2012.64"},
		Setup: "Only the abstract and the introduction were at hand, not the figures of its results, so the direction alone is judged. " +
			"One sensor sends four readings a second to 20 displays: at random times, where theirs came every 250 ms. Polling is every 250 ms. " +
			"Near is beside the server, far is a round trip of 100 ms. Latency includes the sensor's own way to the server.",
		Cases: []string{sensorNear, sensorFar},
		Why: "A poll waits for its timer, half an interval on average, and that is far more than any header takes. " +
			"A long poll has no timer: it waits only if the reading comes while no request is there, which happens the more often the farther and the faster the readings are. " +
			"What long polling does not save at such a rate is requests: there is about one for each reading, as with a poll for each.",
		judge: judgeSensor,
	}
}

func judgeSensor(m *Measured, f *Finding) error {
	for _, at := range []struct{ name, words string }{{sensorNear, "near"}, {sensorFar, "far"}} {
		rows, err := m.rows(at.name, "short-poll@250ms", "long-poll", "websocket")
		if err != nil {
			return err
		}
		poll, long, socket := rows[0].Latency.Mean, rows[1].Latency.Mean, rows[2].Latency.Mean
		f.compare(ByMeasuring, at.words+": WebSocket is faster than polling", "yes", against(duration(socket), duration(poll)), socket < poll)
		f.compare(ByMeasuring, at.words+": long polling is no substantial improvement on polling", "within 25%", against(duration(long), duration(poll)), long*near >= poll)
		f.note(ByMeasuring, at.words+": requests of a long-polling display", number(float64(rows[1].Requests)/rows[1].DurationS/float64(rows[1].Users))+" a second")
		f.Brief += at.words + " " + duration(poll) + ", " + duration(long) + ", " + duration(socket) + "; "
	}
	f.Brief = "poll, long poll, WebSocket: " + f.Brief[:len(f.Brief)-2]
	return nil
}
