// Package cost finds what a user and a message cost on each transport, from results of several loads, and
// predicts what other loads cost.
//
// It measures nothing, writes no words, and predicts nothing about rooms and messages of other sizes than
// those that were measured. The formulas are those of THEORY: each figure is a line in the events that
// cause it, as long as no queue fills.
package cost

import "pushpull/loadgen/result"

// A Load is what the users of an application do.
type Load struct {
	Users    float64
	RoomSize float64 // members of a room
	Senders  float64 // members of each room that send
	Rate     float64 // messages per second of each sender
	EveryS   float64 // seconds between the polls of users that poll on a timer; others ignore it
}

// An Estimate is a figure with its 95% interval.
type Estimate struct {
	Value float64 `json:"value"`
	result.Interval
}

// A Forecast is what a load costs on a transport, all users together.
type Forecast struct {
	Cores       Estimate `json:"cores"`             // seconds of server CPU in each second
	MemoryBytes Estimate `json:"memory_bytes"`      // of the servers, for the users and what they share
	Requests    Estimate `json:"requests_per_s"`    // to receive and to send
	Bytes       Estimate `json:"bytes_per_s"`       // in both directions
	BytesOut    Estimate `json:"bytes_out_per_s"`   // from the server to the users
	Reads       Estimate `json:"store_reads_per_s"` // of the store
	Connections Estimate `json:"connections"`       // open at a time
	Messages    float64  `json:"messages_per_s"`    // sent
	Deliveries  float64  `json:"deliveries_per_s"`  // copies that reach the other members
}
