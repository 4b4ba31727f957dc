package server

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"pushpull/transports"
	"pushpull/transports/process"
)

// Stats is what GET /stats answers: totals since the server started, and what is now.
type Stats struct {
	Store       StoreStats           `json:"store"`
	Connections int                  `json:"connections"` // open now
	Refused     uint64               `json:"refused"`     // connections beyond the limit
	CutOff      uint64               `json:"cut_off"`     // connections whose user took nothing for the write timeout
	Connected   map[string]Connected `json:"connected"`   // by transport, those that have had users
	Process     ProcessStats         `json:"process"`
}

// StoreStats counts the calls of the store, those that failed too. A wait is not a read.
type StoreStats struct {
	Appends    uint64 `json:"appends"`
	Reads      uint64 `json:"reads"`
	EmptyReads uint64 `json:"empty_reads"` // reads that found nothing
}

// Connected is who uses a transport now. A connection counts as a user of the room and the
// transport of its last GET until it is closed: a user who polls on a kept connection counts
// between two polls too, and who sends alone doesn't count. Behind a proxy the connections,
// and so the users, are the proxy's.
//
// A user whose GET says who asks, as with ?user=Mary, counts by that name and not by connection,
// once in each room of a transport, while a request is open and for a while after the last one:
// 15 s on a transport that is polled on a timer, so that who has left it is told for so long, and
// 2 s on the others. No more names are told than connections are allowed.
type Connected struct {
	Users int                 `json:"users"`
	Rooms map[string]int      `json:"rooms,omitempty"` // users by room; left out with ?rooms=0
	Names map[string][]string `json:"names,omitempty"` // by room, sorted: the users who said who they are
}

// ProcessStats is what the server's process uses.
type ProcessStats struct {
	CPU        float64 `json:"cpu_s"`     // user and system time since its start, in seconds
	RSS        uint64  `json:"rss_bytes"` // resident memory now
	Goroutines int     `json:"goroutines"`
}

// counted counts the calls of a store.
type counted struct {
	transports.Store
	appends, reads, emptyReads atomic.Uint64
}

func (s *counted) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	s.appends.Add(1)
	return s.Store.Append(ctx, room, body)
}

func (s *counted) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.reads.Add(1)
	messages, err := s.Store.After(ctx, room, seq, limit)
	if err == nil && len(messages) == 0 {
		s.emptyReads.Add(1)
	}
	return messages, err
}

// stats returns all that the service counts itself, which is all but Process.
func (sv *service) stats(rooms bool) Stats {
	connected := sv.conns.connected(rooms)
	sv.names.addTo(connected, rooms)
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
	stats := sv.stats(r.URL.Query().Get("rooms") != "0")
	used, err := process.Self()
	if err != nil {
		transports.Error(w, http.StatusInternalServerError, "%v", err)
		return
	}
	stats.Process = ProcessStats{CPU: used.CPU.Seconds(), RSS: used.RSS, Goroutines: runtime.NumGoroutine()}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(stats) // who asked may have gone
}

// registry returns what GET /metrics tells.
func (sv *service) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(sv),
	)
	return r
}

// A collector tells the service's stats to Prometheus, those of the moment it is asked: a room
// that everyone has left has no series.
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
		appends:     desc("store_appends_total", "Messages given to the store."),
		reads:       desc("store_reads_total", "Reads of the store."),
		emptyReads:  desc("store_empty_reads_total", "Reads of the store that found nothing."),
		connections: desc("connections", "Open connections."),
		refused:     desc("refused_connections_total", "Connections refused because there were enough."),
		cutOff:      desc("cut_off_connections_total", "Connections closed because their user took nothing for the write timeout."),
		connected: desc("connected_users", "Connections by the room and transport of their last request, and users who give a name by that; a proxy's connections count as its own.",
			"room", "transport"),
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.appends, c.reads, c.emptyReads, c.connections, c.refused, c.cutOff, c.connected} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.service.stats(true)
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
		for room, users := range connected.Rooms {
			ch <- prometheus.MustNewConstMetric(c.connected, prometheus.GaugeValue, float64(users), room, transport)
		}
	}
}
