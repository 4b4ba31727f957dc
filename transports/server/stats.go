package server

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"pushpull/transports"
	"pushpull/transports/process"
)

// Stats is the response to GET /stats: totals since the server started, and the current state.
type Stats struct {
	Store       StoreStats           `json:"store"`
	Connections int                  `json:"connections"` // open now
	Refused     uint64               `json:"refused"`     // connections beyond the limit
	CutOff      uint64               `json:"cut_off"`     // connections whose client read nothing for the write timeout
	Connected   map[string]Connected `json:"connected"`   // by transport; only transports that have had users
	Process     ProcessStats         `json:"process"`
}

// StoreStats counts the calls of the store, including failed ones. Waiting is not a read.
type StoreStats struct {
	Appends    uint64 `json:"appends"`
	Reads      uint64 `json:"reads"`
	EmptyReads uint64 `json:"empty_reads"` // reads that found nothing
}

// Connected reports the current users of a transport. A connection counts as one user, of the room
// and the transport of its last GET, until it is closed. So a user that polls on a kept connection
// also counts between two polls, and users that only send are not counted. Behind a proxy the
// connections, and so the users, are the proxy's.
//
// A user whose GET gives a name, as with ?user=Mary, is counted by that name and not by connection,
// once in each room of a transport. It counts while a request is open and for some time after the
// last one: 15 s on a transport that is polled on a timer, so a user that left is still reported for
// that long, and 2 s on the others. At most as many named users are counted as connections are allowed.
//
// GET /stats lists some 1,000 rooms and 1,000 names of a transport if there are more. With ?rooms=0 it
// lists none, and with ?room=a&room=b, up to 16 times, only those rooms. Users counts all in any case.
type Connected struct {
	Users int                 `json:"users"`
	Rooms map[string]int      `json:"rooms,omitempty"` // users by room
	Names map[string][]string `json:"names,omitempty"` // users that give a name, by room, sorted
}

// Bounds of a listing.
const (
	mostListed = 1000 // rooms, and names, of a transport
	mostAsked  = 16   // rooms that a request may name
)

// A listing is what rooms a request wants to have listed.
type listing struct {
	all   bool
	rooms []string // if not all
}

// listingIn returns the listing that a query asks for; ok is false if it names too many rooms.
func listingIn(query url.Values) (asked listing, ok bool) {
	rooms := query["room"]
	return listing{all: len(rooms) == 0 && query.Get("rooms") != "0", rooms: rooms}, len(rooms) <= mostAsked
}

// any reports whether any room is to be listed.
func (l listing) any() bool { return l.all || len(l.rooms) > 0 }

// roomsIn yields the names of the rooms to list.
func roomsIn[V any](l listing, rooms map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		if l.all {
			left := mostListed
			for room := range rooms {
				if left--; left < 0 || !yield(room) {
					return
				}
			}
			return
		}
		for i, room := range l.rooms {
			if _, ok := rooms[room]; ok && !slices.Contains(l.rooms[:i], room) && !yield(room) {
				return
			}
		}
	}
}

// ProcessStats are the resources that the server's process uses.
type ProcessStats struct {
	CPU        float64 `json:"cpu_s"`     // user and system time since its start, in seconds
	RSS        uint64  `json:"rss_bytes"` // resident memory now
	Goroutines int     `json:"goroutines"`
	Uptime     float64 `json:"uptime_s"`               // since it began to serve, in seconds: a server that was started again has a shorter one
	InUse      uint64  `json:"in_use_bytes,omitempty"` // objects on the heap and stacks of goroutines, after a garbage collection; only with ?in-use=1, as it collects for it
	Program    string  `json:"program,omitempty"`      // SHA-256 of the file that runs, in hex; only with ?program=1, as the file is read for it
}

// A countingStore counts the calls of a store and logs its errors, which users never see.
type countingStore struct {
	transports.Store
	logger                     *slog.Logger // nil: nothing is logged
	rooms                      rooms
	appends, reads, emptyReads atomic.Uint64
}

func (s *countingStore) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	err := s.rooms.admit(room)
	var seq uint64
	if err == nil {
		s.appends.Add(1)
		seq, err = s.Store.Append(ctx, room, body, key)
	}
	if err != nil {
		s.failed(ctx, "adding a message to the store", room, err)
	}
	return seq, err
}

// Start implements transports.Starter.
func (s *countingStore) Start() uint64 { return transports.StartOf(s.Store) }

func (s *countingStore) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.reads.Add(1)
	s.rooms.use(room)
	messages, err := s.Store.After(ctx, room, seq, limit)
	if err != nil {
		s.failed(ctx, "reading the store", room, err)
	} else if len(messages) == 0 {
		s.emptyReads.Add(1)
	}
	return messages, err
}

// failed logs an error, unless it is a gap, which is the reader's, or the request has ended.
func (s *countingStore) failed(ctx context.Context, doing, room string, err error) {
	if _, gap := errors.AsType[*transports.GapError](err); !gap && ctx.Err() == nil && s.logger != nil {
		s.logger.Error(doing, "room", room, errorKey, err)
	}
}

// stats returns the stats that the service keeps itself: all but Process.
func (sv *service) stats(asked listing) Stats {
	connected := sv.conns.connected(asked)
	sv.names.addTo(connected, asked)
	return Stats{
		Store: StoreStats{
			Appends:    sv.store.appends.Load(),
			Reads:      sv.store.reads.Load(),
			EmptyReads: sv.store.emptyReads.Load(),
		},
		Connections: sv.conns.open(),
		Refused:     sv.conns.refused.Load(),
		CutOff:      sv.conns.cutOff.Load(),
		Connected:   connected,
	}
}

func (sv *service) serveStats(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	asked, ok := listingIn(query)
	if !ok {
		transports.Error(w, http.StatusBadRequest, "too many rooms: ask for %d at most", mostAsked)
		return
	}
	stats := sv.stats(asked)
	used, err := process.Self()
	if err != nil {
		transports.Error(w, http.StatusInternalServerError, "%v", err)
		return
	}
	stats.Process = ProcessStats{CPU: used.CPU.Seconds(), RSS: used.RSS, Goroutines: runtime.NumGoroutine(), Uptime: time.Since(sv.begun).Seconds()}
	if query.Get("in-use") == "1" {
		if stats.Process.InUse, err = sv.census.count(r.Context()); err != nil {
			transports.Error(w, http.StatusServiceUnavailable, "%v", err)
			return
		}
	}
	if query.Get("program") == "1" {
		stats.Process.Program, _ = process.Program() // it may not be readable, and the rest is of use without it
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(stats) // fails if the client has gone
}

// registry returns the metrics of GET /metrics.
func (sv *service) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(sv),
	)
	return r
}

// A collector exports the service's stats to Prometheus. It reads them on each collection, so an
// empty room has no series.
type collector struct {
	service                                                  *service
	appends, reads, emptyReads, connections, refused, cutOff *prometheus.Desc
	connected                                                *prometheus.Desc
}

var _ prometheus.Collector = (*collector)(nil)

func newCollector(sv *service) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("pushpull_"+name, help, labels, nil)
	}
	return &collector{
		service:     sv,
		appends:     desc("store_appends_total", "Messages sent to the store."),
		reads:       desc("store_reads_total", "Reads of the store."),
		emptyReads:  desc("store_empty_reads_total", "Reads of the store that found nothing."),
		connections: desc("connections", "Open connections."),
		refused:     desc("refused_connections_total", "Connections refused because the limit was reached."),
		cutOff:      desc("cut_off_connections_total", "Connections closed because their client read nothing for the write timeout."),
		connected: desc("connected_users", "Users by room and transport: connections by their last GET, or names where users give one; behind a proxy the connections are the proxy's. Of more than 1,000 rooms the rest has the room \"\".",
			"room", "transport"),
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.appends, c.reads, c.emptyReads, c.connections, c.refused, c.cutOff, c.connected} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.service.stats(listing{all: true})
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	counter(c.appends, stats.Store.Appends)
	counter(c.reads, stats.Store.Reads)
	counter(c.emptyReads, stats.Store.EmptyReads)
	counter(c.refused, stats.Refused)
	counter(c.cutOff, stats.CutOff)
	ch <- prometheus.MustNewConstMetric(c.connections, prometheus.GaugeValue, float64(stats.Connections))
	for transport, connected := range stats.Connected {
		rest := connected.Users
		for room, users := range connected.Rooms {
			ch <- prometheus.MustNewConstMetric(c.connected, prometheus.GaugeValue, float64(users), room, transport)
			rest -= users
		}
		if rest > 0 {
			ch <- prometheus.MustNewConstMetric(c.connected, prometheus.GaugeValue, float64(rest), "", transport)
		}
	}
}
