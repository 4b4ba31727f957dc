package result

import "fmt"

// What nothing here measures: who reckons with more may never end.
const (
	mostCount   = 1e9  // users, messages, requests
	mostSeconds = 1e6  // eleven days
	mostBytes   = 1e15 // a petabyte

	leastInterval = 1e-3 // seconds, as on the command line
)

// A quantity is a number of a result, from 0 to most.
type quantity struct {
	name        string
	value, most float64
}

func plausible(all []quantity) error {
	for _, q := range all {
		if !(0 <= q.value && q.value <= q.most) {
			return fmt.Errorf("%s is %v: nothing measures that", q.name, q.value)
		}
	}
	return nil
}

func (s *Scenario) plausible() error {
	return plausible([]quantity{
		{"users", float64(s.Users), mostCount},
		{"room_size", float64(s.RoomSize), mostCount},
		{"senders", float64(s.Senders), mostCount},
		{"rate", s.Rate, mostCount},
		{"size", float64(s.Size), mostBytes},
		{"warmup_s", s.WarmupS, mostSeconds},
		{"duration_s", s.DurationS, mostSeconds},
		{"drain_s", s.DrainS, mostSeconds},
		{"rounds", float64(s.Rounds), mostCount},
		{"slices", float64(s.Slices), mostCount},
		{"servers", float64(s.Servers), mostCount},
	})
}

func (w *Window) plausible() error {
	all := []quantity{
		{"round", float64(w.Round), mostCount},
		{"interval_s", w.IntervalS, mostSeconds},
		{"users", float64(w.Users), mostCount},
		{"servers", float64(w.Servers), mostCount},
		{"cores", float64(w.Cores), mostCount},
		{"duration_s", w.DurationS, mostSeconds},
		{"drained_s", w.DrainedS, mostSeconds},
		{"planned", float64(w.Planned), mostCount},
		{"sent", float64(w.Sent), mostCount},
		{"expected", float64(w.Expected), mostCount},
		{"delivered", float64(w.Delivered), mostCount},
		{"duplicated", float64(w.Duplicated), mostCount},
		{"reordered", float64(w.Reordered), mostCount},
		{"misdelivered", float64(w.Misdelivered), mostCount},
		{"failed_requests", float64(w.FailedRequests), mostCount},
		{"rejoins", float64(w.Rejoins), mostCount},
		{"connections", float64(w.Wire.Connections), mostCount},
		{"requests", float64(w.Wire.Requests), mostCount},
		{"handshakes", float64(w.Wire.Handshakes), mostCount},
		{"empty_responses", float64(w.Wire.EmptyResponses), mostCount},
		{"posts", float64(w.Wire.Posts), mostCount},
		{"bytes_in", float64(w.Wire.BytesIn), mostBytes},
		{"bytes_out", float64(w.Wire.BytesOut), mostBytes},
		{"handshake_bytes", float64(w.Wire.HandshakeBytes), mostBytes},
	}
	if s := w.Store; s != nil {
		all = append(all,
			quantity{"appends", float64(s.Appends), mostCount},
			quantity{"reads", float64(s.Reads), mostCount},
			quantity{"empty_reads", float64(s.EmptyReads), mostCount})
	}
	for _, p := range []*Process{w.Server, &w.Generator} {
		if p != nil {
			all = append(all,
				quantity{"cpu_s", p.CPUS, mostSeconds},
				quantity{"rss_bytes", float64(p.RSSBytes), mostBytes},
				quantity{"rss_idle_bytes", float64(p.RSSIdleBytes), mostBytes})
		}
	}
	if c := w.Calibration; c != nil {
		all = append(all, quantity{"members", float64(c.Members), mostCount})
		if b := c.Bytes; b != nil {
			all = append(all,
				quantity{"send", float64(b.Send), mostBytes},
				quantity{"empty", float64(b.Empty), mostBytes},
				quantity{"answer", float64(b.Answer), mostBytes},
				quantity{"message", float64(b.Message), mostBytes})
		}
	}
	for _, s := range w.Slices {
		all = append(all, quantity{"at_s", s.AtS, mostSeconds}, quantity{"width_s", s.WidthS, mostSeconds})
	}
	if 0 < w.IntervalS && w.IntervalS < leastInterval {
		return fmt.Errorf("interval_s is %v: nothing asks as often as that", w.IntervalS)
	}
	return plausible(all)
}
