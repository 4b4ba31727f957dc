package theory

import (
	"fmt"

	"pushpull/loadgen/result"
)

// joinTrips returns the round trips until a user could get a message: one for TCP (RFC 9293, section 3.5), one for
// TLS 1.3, resumed or not (RFC 8446, section 2; TLS 1.2 takes two), and one for the first request, which is the
// handshake of a stream or a poll. It is 0 for a foreign server, whose users may need several requests.
func joinTrips(run result.Run, row result.Row) int {
	switch {
	case row.Way.Server != "" || !row.Way.Known():
		return 0
	case run.Scenario.OverTLS():
		return 3
	}
	return 2
}

// joined adds the prediction of what joining takes.
func (m parameters) joined(t *result.Theory, run result.Run, row result.Row) {
	t.JoinTrips = joinTrips(run, row)
	if t.JoinTrips == 0 || m.network.IsNone() {
		return
	}
	ms := 1e3 * float64(t.JoinTrips) * m.network.RTTS
	if row.Join != nil && m.network.DownBPS > 0 { // nearly all bytes are the server's certificate
		ms += 8e3 * row.Join.Bytes / max(1, row.Join.Connections) / m.network.DownBPS
	}
	t.Join = &ms
}

// joinDoubts returns a doubt if joining took another number of round trips than theory says. Whatever a busy machine
// adds is less than half a round trip, or can't be told apart from one.
func joinDoubts(row result.Row, rtt float64) []result.Doubt {
	const leastRTT = .05 // seconds
	if row.Theory == nil || row.Theory.Join == nil || row.Join == nil || rtt < leastRTT {
		return nil
	}
	got, want := row.Join.P50, *row.Theory.Join
	if off := got - want; off > -500*rtt && off < 500*rtt {
		return nil
	}
	return []result.Doubt{{Code: "theory", Text: fmt.Sprintf("half of the users took %.3g ms to join, where %d round trips take %.3g ms", got, row.Theory.JoinTrips, want)}}
}
