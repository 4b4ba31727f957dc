package theory

import (
	"testing"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
)

// TestJoined counts round trips, and doubts a time that is more than half of one off.
func TestJoined(t *testing.T) {
	socket := result.Way{Title: "WebSocket", Stream: true, Duplex: true}
	for _, c := range []struct {
		name   string
		tls    bool
		way    result.Way
		trips  int
		took   float64 // ms
		doubts int
	}{
		{"plain", false, socket, 2, 217, 0},
		{"TLS", true, socket, 3, 335, 0},
		{"TLS that takes another round trip", true, socket, 3, 410, 1},
		{"no TLS where there should be", true, socket, 3, 201, 1},
		{"a foreign server", false, result.Way{Title: "WebSocket", Stream: true, Server: "nchan"}, 0, 900, 0},
	} {
		run := result.Run{Scenario: result.Scenario{TLS: c.tls}}
		row := result.Row{Way: c.way, Join: &result.Joining{P50: c.took, Connections: 1, Bytes: 100}, Theory: &result.Theory{}}
		m := parameters{network: network.Profile{RTTS: .1}}
		m.joined(row.Theory, run, row)
		if got := row.Theory.JoinTrips; got != c.trips || (row.Theory.Join != nil) != (c.trips > 0) {
			t.Errorf("%s: %d round trips, %v ms, want %d", c.name, got, row.Theory.Join, c.trips)
		}
		if got := joinDoubts(row, .1); len(got) != c.doubts {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
