package result

import (
	"slices"
	"time"
)

// A Row is one transport, merged over the rounds of a run: counts are added, histograms merged,
// memory averaged. Figures that the server under test doesn't report are nil. If all windows failed, no
// figure is known: see Measured. Then JSON has null for each of them. Metrics has the names of
// the figures for people; "per message" there is "per delivery" in JSON.
type Row struct {
	Transport           string    `json:"transport"`
	Way                 Way       `json:"way"`
	Users               int       `json:"users"`
	Servers             int       `json:"servers"`           // that share the users
	Rounds              int       `json:"rounds"`            // that were measured
	Failed              int       `json:"failed_windows"`    // that could not be measured, and are not part of the row
	Lacking             string    `json:"lacking,omitempty"` // why the transport was not measured: its server has none like it
	DurationS           float64   `json:"duration_s"`        // measured time, all rounds together
	Sent                int       `json:"sent"`
	Expected            int       `json:"expected"`
	Delivered           int       `json:"delivered"`
	Reached             int       `json:"reached"`           // users that got a message in each window, in the one with the fewest; 0: an older pushpull measured it
	Untimed             int       `json:"untimed,omitempty"` // of the delivered, those that are in no latency: see Window.Untimed
	Lost                int       `json:"lost"`
	Duplicated          int       `json:"duplicated"`
	Reordered           int       `json:"reordered"`
	Misdelivered        int       `json:"misdelivered"`
	Latency             Quantiles `json:"latency_ms"`
	SendDelay           Delay     `json:"send_delay_ms"`
	Accept              Delay     `json:"accept_ms"`
	Connections         int64     `json:"connections"`
	Requests            int64     `json:"requests"` // to receive, as in Traffic
	Handshakes          int64     `json:"handshakes"`
	Posts               int64     `json:"posts"`
	EmptyResponses      int64     `json:"empty_responses"`
	RequestsPerDelivery float64   `json:"requests_per_delivery"` // without the handshakes: a connection has one, however long it lasts
	BytesIn             int64     `json:"bytes_in"`
	BytesOut            int64     `json:"bytes_out"`
	HandshakeBytes      int64     `json:"handshake_bytes"`
	TLSFull             int64     `json:"tls_full"`           // TLS handshakes in full, from the join on
	TLSResumed          int64     `json:"tls_resumed"`        // and those that resumed a session
	BytesPerDelivery    float64   `json:"bytes_per_delivery"` // both directions, without the handshakes
	FailedRequests      int       `json:"failed_requests"`
	Rejoins             int       `json:"rejoins"`
	Limited             int       `json:"limited"`               // as in Window
	Join                *Joining  `json:"join"`                  // nil: unknown
	JoinsPerS           float64   `json:"joins_per_s,omitempty"` // users that joined in a second; 0: unknown
	Return              *Joining  `json:"return"`                // of users that joined again; nil: unknown, or none did
	Store               *Store    `json:"store"`
	StorePerDelivery    *Rates    `json:"store_per_delivery"`
	StorePerSecond      *Rates    `json:"store_per_second"`
	Server              *Server   `json:"server"`
	Generator           Generator `json:"generator"`
	Agents              *Agents   `json:"agents,omitempty"` // whose usage together Generator is; nil: one process had all users
	Theory              *Theory   `json:"theory"`           // nil: there is no prediction for the transport
	Doubts              []Doubt   `json:"doubts"`
	Profiles            []string  `json:"profiles,omitempty"` // as in Window

	// Package verdict fills these in.
	IntervalsFrom string              `json:"intervals_from,omitempty"` // like "5 rounds"; empty: there are none
	Intervals     map[string]Interval `json:"intervals,omitempty"`      // of the metrics with these keys
	Resampled     *Resampled          `json:"-"`                        // that the intervals span; nil: there are none

	Histogram *Histogram `json:"-"` // of the delivery latency
}

// Quantiles are in milliseconds. P999 is nil with fewer samples than it needs. A quantile of 3,600,000,
// an hour, stands for an hour or longer; then there is a doubt, and Mean is too small.
type Quantiles struct {
	Mean float64  `json:"mean"`
	P50  float64  `json:"p50"`
	P90  float64  `json:"p90"`
	P95  float64  `json:"p95"`
	P99  float64  `json:"p99"`
	P999 *float64 `json:"p999"`
	Max  float64  `json:"max"`
}

// A Delay is in milliseconds. 3,600,000, an hour, stands for an hour or longer.
type Delay struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// A Joining is what it took a user to join, as in Joins. Connections and bytes are means.
type Joining struct {
	P50         float64 `json:"ready_p50_ms"` // of Joins.Ready
	P99         float64 `json:"ready_p99_ms"`
	Connections float64 `json:"connections"`
	Bytes       float64 `json:"bytes"`
}

// join returns what it took a user; nil if that is unknown.
func (j *Joins) join() *Joining {
	if j == nil || j.Users == 0 {
		return nil
	}
	ready := delay(j.Ready)
	return &Joining{ready.P50, ready.P99, float64(j.Connections) / float64(j.Users), float64(j.Bytes) / float64(j.Users)}
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

// Usage is the usage of a process, or of several together, in total and per delivery.
type Usage struct {
	CPUMicrosPerDelivery float64 `json:"cpu_us_per_delivery"`
	CPUS                 float64 `json:"cpu_s"`
	RSSBytes             int64   `json:"rss_bytes"`
}

// A Server is the usage of all servers under test together.
type Server struct {
	Usage
	// The memory in use that one more connected user takes once garbage is collected, with its share of its room.
	// It is the slope over the users that joined, so it doesn't depend on how many there are. The kernel's buffers
	// of its connections and the garbage of its messages come on top. nil: unknown, or the memory did not grow.
	BytesPerUser *float64 `json:"bytes_per_user"`
	Resident     bool     `json:"resident,omitempty"` // BytesPerUser is of resident memory instead, as a foreign server doesn't report its memory in use
	FixedBytes   *float64 `json:"fixed_bytes"`        // resident memory that the first users bring and all share, above that at idle; nil: BytesPerUser is
}

// A Generator is the load generator's own usage, and how late it was.
type Generator struct {
	Usage
	RSSBytesPerUser *float64 `json:"rss_bytes_per_user"` // above the memory before the users joined; nil: unknown, or it shrank
	LateP99         float64  `json:"late_p99_ms"`        // the delay that it added to the intended send times
	LateWindows     int      `json:"late_windows"`       // windows that it spoiled by being late, those replaced included
	Replaced        int      `json:"replaced_windows"`   // of LateWindows, those measured again and not part of the row
}

// A Theory is the prediction of package theory for a row. A field is nil where the calibration lacks
// the inputs for it.
type Theory struct {
	Mean             *float64 `json:"mean_ms"` // of the delivery latency
	P50              *float64 `json:"p50_ms"`
	P99              *float64 `json:"p99_ms"`
	Requests         float64  `json:"requests"` // as in Row, handshakes included
	StoreReads       float64  `json:"store_reads"`
	BytesPerDelivery *float64 `json:"bytes_per_delivery"`
	JoinTrips        int      `json:"join_round_trips"` // that it takes a user until a message could come; 0: unknown
	Join             *float64 `json:"join_ms"`          // the time that they take; nil: there is no network of a known length

	Quantile func(p float64) float64 `json:"-"` // of the delivery latency, in milliseconds; nil if unknown
}

// Rows merges the windows of a run into a row for each transport, in the order of the transports'
// first windows.
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

// Order returns rows in the order of transports, which is usually that of the command line: the order
// in which windows are measured is random.
func Order(rows []Row, transports []string) []Row {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int {
		return slices.Index(transports, a.Transport) - slices.Index(transports, b.Transport)
	})
	return rows
}

// Totals merges windows of one transport, at least one, as Rows does, but reads no histograms. So Latency,
// SendDelay, Accept, Join, Return, the generator's LateP99 and LateWindows, Histogram and Doubts are empty. It is cheap
// enough to be called for thousands of resamples of the windows. It doesn't change the windows.
func Totals(windows []Window) Row {
	first, measured := windows[0], Measured(windows)
	row := Row{
		Transport: first.Transport, Way: first.Way, Users: first.Users, Servers: max(1, first.Servers), Rounds: countRounds(measured),
		Failed: len(windows) - len(measured),
	}
	var servers, generators []Process
	storeKnown := true
	extra := 0 // members that calibrated
	replaced := 0
	for i, w := range measured {
		row.DurationS += w.DurationS
		row.Sent += w.Sent
		row.Expected += w.Expected
		row.Delivered += w.Delivered
		row.Untimed += w.Untimed
		if i == 0 || w.Reached < row.Reached {
			row.Reached = w.Reached
		}
		row.Lost += w.Lost
		row.Duplicated += w.Duplicated
		row.Reordered += w.Reordered
		row.Misdelivered += w.Misdelivered
		row.FailedRequests += w.FailedRequests
		row.Rejoins += w.Rejoins
		row.Limited += w.Limited
		replaced += w.Spoiled
		row.Profiles = append(row.Profiles, w.Profiles...)
		row.Connections += w.Traffic.Connections
		row.Requests += w.Traffic.Requests
		row.Handshakes += w.Traffic.Handshakes
		row.Posts += w.Traffic.Posts
		row.EmptyResponses += w.Traffic.EmptyResponses
		row.BytesIn += w.Traffic.BytesIn
		row.BytesOut += w.Traffic.BytesOut
		row.HandshakeBytes += w.Traffic.HandshakeBytes
		row.TLSFull += w.Traffic.TLSFull
		row.TLSResumed += w.Traffic.TLSResumed
		if w.Store == nil {
			storeKnown = false
		} else {
			if row.Store == nil {
				row.Store = &Store{}
			}
			row.Store.Appends += w.Store.Appends
			row.Store.Reads += w.Store.Reads
			row.Store.EmptyReads += w.Store.EmptyReads
		}
		if w.Server != nil {
			servers = append(servers, *w.Server)
		}
		generators = append(generators, w.Generator)
		if w.Calibration != nil {
			extra += w.Calibration.Members
		}
	}
	row.Agents = agentsOf(measured)
	members := row.Users + extra/max(1, len(measured))
	// A handshake under way when the measured part begins may be counted without its request.
	row.RequestsPerDelivery = per(float64(max(0, row.Requests-row.Handshakes)), row.Delivered)
	row.BytesPerDelivery = per(float64(row.BytesIn+row.BytesOut), row.Delivered)
	if !storeKnown {
		row.Store = nil // the sum of some windows would mislead
	}
	row.StorePerDelivery, row.StorePerSecond = row.Store.over(float64(row.Delivered)), row.Store.over(row.DurationS)
	if len(servers) == len(measured) && row.Measured() {
		row.Server = &Server{Usage: usage(servers, row.Delivered)}
		row.Server.BytesPerUser, row.Server.FixedBytes, row.Server.Resident = meanGrowth(measured)
	}
	row.Generator = Generator{
		Usage: usage(generators, row.Delivered), RSSBytesPerUser: grown(generators, members), Replaced: replaced,
	}
	return row
}

// merge merges the windows of one transport.
func merge(windows []Window) Row {
	row := Totals(windows)
	row.Histogram = NewHistogram()
	row.Generator.LateWindows = row.Generator.Replaced
	sendDelay, accept, late := NewHistogram(), NewHistogram(), NewHistogram()
	var join, again *Joins
	for _, w := range Measured(windows) {
		row.Histogram.Merge(w.Latency)
		sendDelay.Merge(w.SendDelay)
		accept.Merge(w.Accept)
		late.Merge(w.Late)
		join, again = join.with(w.Joins), again.with(w.Returns)
		if w.GeneratorLate() {
			row.Generator.LateWindows++
		}
	}
	row.Latency = quantiles(row.Histogram)
	row.SendDelay, row.Accept = delay(sendDelay), delay(accept)
	row.Join, row.Return, row.JoinsPerS = join.join(), again.join(), joinsPerS(Measured(windows))
	row.Generator.LateP99 = milliseconds(late.Quantile(.99))
	row.Doubts = append([]Doubt{}, doubts(row, windows)...)
	row.Doubts = append(row.Doubts, beyond("deliveries", row.Histogram)...)
	row.Doubts = append(row.Doubts, beyond("starts of a send", sendDelay)...)
	row.Doubts = append(row.Doubts, beyond("acknowledgements", accept)...)
	return row
}

func (p *Process) add(q Process) {
	p.CPUS += q.CPUS
	p.RSSBytes += q.RSSBytes
	p.RSSIdleBytes += q.RSSIdleBytes
}

// countRounds returns the number of rounds among the windows: a duet measures several windows in each.
func countRounds(windows []Window) int {
	seen := map[int]bool{}
	for _, w := range windows {
		seen[w.Round] = true
	}
	return len(seen)
}

// usage returns the usage of which each window has a part.
func usage(parts []Process, delivered int) Usage {
	var p Process
	for _, part := range parts {
		p.add(part)
	}
	return Usage{CPUMicrosPerDelivery: per(p.CPUS*1e6, delivered), CPUS: p.CPUS, RSSBytes: p.RSSBytes / int64(max(1, len(parts)))}
}

// grown returns by how much the resident memory of the generator grew for each of its members, which are the
// users and the members that calibrated: those have left, but few processes return memory to the system so soon.
func grown(parts []Process, members int) *float64 {
	grown := int64(0)
	for _, p := range parts {
		if p.RSSIdleBytes <= 0 {
			return nil
		}
		grown += p.RSSBytes - p.RSSIdleBytes
	}
	if grown < 0 || len(parts) == 0 {
		return nil
	}
	each := per(float64(grown/int64(len(parts))), members)
	return &each
}

// per returns total / n, or 0 if n is 0, as JSON has no infinity.
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
