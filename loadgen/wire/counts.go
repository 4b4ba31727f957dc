package wire

import (
	"net/http"
	"sync/atomic"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// Counts counts what connections carry. It is safe for concurrent use; its zero value is ready.
type Counts struct {
	connections, requests, handshakes, empty, posts, in, out atomic.Int64

	handshakeIn, handshakeOut atomic.Int64 // the part of in and out that belongs to handshakes, TLS included
	full, resumed             atomic.Int64 // TLS handshakes
	silences                  silences
	opening                   atomic.Int64 // the part of the others that is of TLS before the first answer
	heartbeat                 atomic.Int64 // the shortest that a server has promised on a stream; 0: none has
}

// opened takes note of the header of a response that opens a stream.
func (c *Counts) opened(h http.Header) {
	beat := int64(transports.PromisedHeartbeat(h))
	for beat > 0 {
		known := c.heartbeat.Load()
		if known > 0 && known <= beat || c.heartbeat.CompareAndSwap(known, beat) {
			return
		}
	}
}

// Heartbeat returns the shortest time between two signs of life that a server has promised on a stream; 0 if none has
// promised any.
func (c *Counts) Heartbeat() time.Duration { return time.Duration(c.heartbeat.Load()) }

func (c *Counts) sent(purpose transports.Purpose) {
	if purpose.Request == transports.Send {
		c.posts.Add(1)
	} else {
		c.requests.Add(1)
	}
}

// Exchanged returns the bytes of requests, answers and streams so far, in both directions. The bytes of
// handshakes are left out, and so are those of TLS that came before the first answer on a connection:
// its handshake and session tickets.
func (c *Counts) Exchanged() int64 {
	t := c.Total()
	return t.BytesIn + t.BytesOut - c.opening.Load()
}

// Total returns the traffic so far. The bytes of handshakes are kept apart from the rest.
func (c *Counts) Total() result.Traffic {
	handshakeIn, handshakeOut := c.handshakeIn.Load(), c.handshakeOut.Load()
	return result.Traffic{
		Connections: c.connections.Load(), Requests: c.requests.Load(), Handshakes: c.handshakes.Load(),
		EmptyResponses: c.empty.Load(), Posts: c.posts.Load(),
		BytesIn: c.in.Load() - handshakeIn, BytesOut: c.out.Load() - handshakeOut,
		HandshakeBytes: handshakeIn + handshakeOut,
		TLSFull:        c.full.Load(), TLSResumed: c.resumed.Load(),
	}
}

// Between returns the traffic from one total to a later one, as result.Traffic defines it:
// connections and handshakes count in full, however early they were made.
func Between(start, end result.Traffic) result.Traffic {
	end.Requests += start.Handshakes - start.Requests
	end.EmptyResponses -= start.EmptyResponses
	end.Posts -= start.Posts
	end.BytesIn -= start.BytesIn
	end.BytesOut -= start.BytesOut
	return end
}
