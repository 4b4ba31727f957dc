package result

import (
	"slices"
	"time"
)

// A Row is one transport, merged over the rounds of a run: counts are added, histograms merged,
// memory averaged. Fields that the server under test didn't tell are nil.
type Row struct {
	Transport           string    `json:"transport"`
	Users               int       `json:"users"`
	Servers             int       `json:"servers"` // that share the users
	Rounds              int       `json:"rounds"`
	DurationS           float64   `json:"duration_s"` // measured time, all rounds together
	Sent                int       `json:"sent"`
	Expected            int       `json:"expected"`
	Delivered           int       `json:"delivered"`
	Lost                int       `json:"lost"`
	Duplicated          int       `json:"duplicated"`
	Reordered           int       `json:"reordered"`
	Misdelivered        int       `json:"misdelivered"`
	Latency             Quantiles `json:"latency_ms"`
	SendDelay           Delay     `json:"send_delay_ms"`
	Accept              Delay     `json:"accept_ms"`
	Connections         int64     `json:"connections"`
	Requests            int64     `json:"requests"` // to receive, as in Wire
	Handshakes          int64     `json:"handshakes"`
	Posts               int64     `json:"posts"`
	EmptyResponses      int64     `json:"empty_responses"`
	RequestsPerDelivery float64   `json:"requests_per_delivery"` // without the handshakes, of which a connection has one however long it lives
	BytesIn             int64     `json:"bytes_in"`
	BytesOut            int64     `json:"bytes_out"`
	HandshakeBytes      int64     `json:"handshake_bytes"`
	BytesPerDelivery    float64   `json:"bytes_per_delivery"` // both directions, without the handshakes
	FailedRequests      int       `json:"failed_requests"`
	Rejoins             int       `json:"rejoins"`
	Store               *Store    `json:"store"`
	StorePerDelivery    *Rates    `json:"store_per_delivery"`
	StorePerSecond      *Rates    `json:"store_per_second"`
	Server              *Usage    `json:"server"`
	Generator           Generator `json:"generator"`
	Theory              *Theory   `json:"theory"` // nil: theory doesn't know the transport
	Doubts              []Doubt   `json:"doubts"`

	Histogram *Histogram `json:"-"` // of the delivery latency
}

// Quantiles are in milliseconds. P999 is nil with fewer samples than it needs.
type Quantiles struct {
	Mean float64  `json:"mean"`
	P50  float64  `json:"p50"`
	P90  float64  `json:"p90"`
	P95  float64  `json:"p95"`
	P99  float64  `json:"p99"`
	P999 *float64 `json:"p999"`
	Max  float64  `json:"max"`
}

// A Delay is in milliseconds.
type Delay struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Rates are shares of a Store.
type Rates struct {
	Appends    float64 `json:"appends"`
	Reads      float64 `json:"reads"`
	EmptyReads float64 `json:"empty_reads"`
}

func (s *Store) over(n float64) *Rates {
	if s == nil || n <= 0 {
		return nil
	}
	return &Rates{float64(s.Appends) / n, float64(s.Reads) / n, float64(s.EmptyReads) / n}
}

// Usage is what a process, or several together, needed for the deliveries and users it served.
type Usage struct {
	CPUMicrosPerDelivery float64 `json:"cpu_us_per_delivery"`
	CPUS                 float64 `json:"cpu_s"`
	RSSBytes             int64   `json:"rss_bytes"`
	RSSBytesPerUser      float64 `json:"rss_bytes_per_user"` // above what it held before they joined
}

// A Generator is the load generator's own usage, and how late it was.
type Generator struct {
	Usage
	LateP99 float64 `json:"late_p99_ms"` // what it added to the intended send times
}

// A Theory is what a row should have measured, by package theory. A field is nil where theory has
// not been told enough about the machine.
type Theory struct {
	Mean             *float64 `json:"mean_ms"` // of the delivery latency
	P50              *float64 `json:"p50_ms"`
	P99              *float64 `json:"p99_ms"`
	Requests         float64  `json:"requests"` // as in Row, handshakes among them
	StoreReads       float64  `json:"store_reads"`
	BytesPerDelivery *float64 `json:"bytes_per_delivery"`

	Quantile func(p float64) float64 `json:"-"` // of the delivery latency, in milliseconds; nil where it is not known
}

// Rows merges the windows of a run, one row a transport, in the order in which the transports
// first come.
func Rows(windows []Window) []Row {
	var order []string
	by := map[string][]Window{}
	for _, w := range windows {
		if by[w.Transport] == nil {
			order = append(order, w.Transport)
		}
		by[w.Transport] = append(by[w.Transport], w)
	}
	rows := make([]Row, 0, len(order))
	for _, transport := range order {
		rows = append(rows, merge(by[transport]))
	}
	return rows
}

// Order returns rows in the order of transports, which is that of the command line; windows come
// in the order in which they were measured, which is drawn.
func Order(rows []Row, transports []string) []Row {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int {
		return slices.Index(transports, a.Transport) - slices.Index(transports, b.Transport)
	})
	return rows
}

func merge(windows []Window) Row {
	first := windows[0]
	row := Row{
		Transport: first.Transport, Users: first.Users, Servers: max(1, first.Servers), Rounds: len(windows),
		Histogram: NewHistogram(), Doubts: []Doubt{},
	}
	sendDelay, accept, late := NewHistogram(), NewHistogram(), NewHistogram()
	var server, generator Process
	serverTold, storeTold := true, true
	extra := 0 // members who calibrated
	for _, w := range windows {
		row.DurationS += w.DurationS
		row.Sent += w.Sent
		row.Expected += w.Expected
		row.Delivered += w.Delivered
		row.Lost += w.Lost
		row.Duplicated += w.Duplicated
		row.Reordered += w.Reordered
		row.Misdelivered += w.Misdelivered
		row.FailedRequests += w.FailedRequests
		row.Rejoins += w.Rejoins
		row.Histogram.Merge(w.Latency)
		sendDelay.Merge(w.SendDelay)
		accept.Merge(w.Accept)
		late.Merge(w.Late)
		row.Connections += w.Wire.Connections
		row.Requests += w.Wire.Requests
		row.Handshakes += w.Wire.Handshakes
		row.Posts += w.Wire.Posts
		row.EmptyResponses += w.Wire.EmptyResponses
		row.BytesIn += w.Wire.BytesIn
		row.BytesOut += w.Wire.BytesOut
		row.HandshakeBytes += w.Wire.HandshakeBytes
		if w.Store == nil {
			storeTold = false
		} else {
			if row.Store == nil {
				row.Store = &Store{}
			}
			row.Store.Appends += w.Store.Appends
			row.Store.Reads += w.Store.Reads
			row.Store.EmptyReads += w.Store.EmptyReads
		}
		if w.Server == nil {
			serverTold = false
		} else {
			server.add(*w.Server)
		}
		generator.add(w.Generator)
		if w.Calibration != nil {
			extra += w.Calibration.Members
		}
	}
	members := row.Users + extra/row.Rounds
	row.Latency = quantiles(row.Histogram)
	row.SendDelay, row.Accept = delay(sendDelay), delay(accept)
	row.RequestsPerDelivery = per(float64(row.Requests-row.Handshakes), row.Delivered)
	row.BytesPerDelivery = per(float64(row.BytesIn+row.BytesOut), row.Delivered)
	if !storeTold {
		row.Store = nil // a part would pass for the whole
	}
	row.StorePerDelivery, row.StorePerSecond = row.Store.over(float64(row.Delivered)), row.Store.over(row.DurationS)
	if serverTold {
		usage := server.usage(row, members)
		row.Server = &usage
	}
	row.Generator = Generator{generator.usage(row, members), milliseconds(late.Quantile(.99))}
	row.Doubts = append(row.Doubts, doubts(row, windows)...)
	return row
}

func (p *Process) add(q Process) {
	p.CPUS += q.CPUS
	p.RSSBytes += q.RSSBytes
	p.RSSIdleBytes += q.RSSIdleBytes
}

// usage reads p as the sum over the rounds of row. members are the users, and those who calibrated
// and left: few processes give memory back so soon.
func (p Process) usage(row Row, members int) Usage {
	rounds := int64(row.Rounds)
	return Usage{
		CPUMicrosPerDelivery: per(p.CPUS*1e6, row.Delivered),
		CPUS:                 p.CPUS,
		RSSBytes:             p.RSSBytes / rounds,
		RSSBytesPerUser:      per(float64((p.RSSBytes-p.RSSIdleBytes)/rounds), members),
	}
}

// per is 0 where there is nothing to share among, so that a row is always JSON.
func per(total float64, n int) float64 {
	if n == 0 {
		return 0
	}
	return total / float64(n)
}

func quantiles(h *Histogram) Quantiles {
	q := Quantiles{
		Mean: milliseconds(h.Mean()),
		P50:  milliseconds(h.Quantile(.5)),
		P90:  milliseconds(h.Quantile(.9)),
		P95:  milliseconds(h.Quantile(.95)),
		P99:  milliseconds(h.Quantile(.99)),
		Max:  milliseconds(h.Max()),
	}
	if h.Count() >= samplesP999 {
		p999 := milliseconds(h.Quantile(.999))
		q.P999 = &p999
	}
	return q
}

func delay(h *Histogram) Delay {
	return Delay{milliseconds(h.Quantile(.5)), milliseconds(h.Quantile(.99)), milliseconds(h.Max())}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
