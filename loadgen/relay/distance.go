package relay

import (
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"pushpull/loadgen/network"
)

// kindDistance is the kind of the toxic that replays a network. toxiproxy's own count whole milliseconds, and know
// neither lost segments nor that connecting takes time.
const kindDistance = "distance"

// A distance is the toxic of a network in one direction: a path for each connection. The first bytes of a user leave a
// round trip after the relay has taken the connection, as if the handshake of TCP had taken that long.
type distance struct {
	Network network.Profile `json:"network"`
	Up      bool            `json:"up"`

	clock clock
}

var (
	_ toxics.Toxic         = (*distance)(nil)
	_ toxics.StatefulToxic = (*distance)(nil)
	_ toxics.CleanupToxic  = (*distance)(nil)
)

// A travel is a path, and the call of the goroutine that empties it.
type travel struct {
	*path

	wake *call
}

// NewState returns the path of a new connection.
func (d *distance) NewState() any {
	return &travel{newPath(d.Network, d.Up, time.Now()), newCall()}
}

// Pipe carries bytes until the connection ends, or the toxic is interrupted. Then the path keeps what is on its way.
func (d *distance) Pipe(stub *toxics.ToxicStub) {
	t := stub.State.(*travel)
	if err := d.clock.enter(); err != nil {
		stub.Close() // without a timer, which may be for lack of a file, the connection can't go on
		return
	}
	defer d.clock.leave(t.wake)
	for {
		now := time.Now()
		input, output := stub.Input, stub.Output
		takes := t.takes()
		if takes.IsZero() || takes.After(now) {
			input = nil
		}
		var chunk *stream.StreamChunk
		first := t.next()
		switch {
		case first == nil || first.due.After(now):
			output = nil
			wake := takes
			if first != nil && (input != nil || takes.IsZero() || first.due.Before(takes)) {
				wake = first.due
			}
			if wake.After(now) {
				d.clock.set(t.wake, wake)
			}
		case first.data == nil:
			stub.Close()
			return
		default:
			chunk = &stream.StreamChunk{Data: first.data, Timestamp: first.due}
		}
		select {
		case <-stub.Interrupt:
			return
		case <-t.wake.ring:
		case output <- chunk:
			t.take()
		case got := <-input:
			if got == nil {
				t.end(time.Now())
			} else {
				t.add(got.Data, got.Timestamp)
			}
		}
	}
}

// Cleanup lets everything arrive at once that is on its way, as the toxic is taken away.
func (d *distance) Cleanup(stub *toxics.ToxicStub) {
	t := stub.State.(*travel)
	for first := t.next(); first != nil; first = t.next() {
		if first.data == nil {
			stub.Close()
			return
		}
		if stub.WriteOutput(&stream.StreamChunk{Data: first.data, Timestamp: time.Now()}, cleanupLimit) != nil {
			return // nobody reads: the connection is lost anyway
		}
		t.take()
	}
}

// cleanupLimit is how long a connection may take to read what is on its way when the toxic is taken away.
const cleanupLimit = 5 * time.Second
