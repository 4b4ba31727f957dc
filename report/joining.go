package report

import (
	"slices"

	"pushpull/loadgen/result"
)

const (
	titleJoining   = "What it takes a user to join, and to join again"
	captionJoining = "Until a message could come: connections, TLS and a handshake or a first exchange. Joining again begins with the end of a session, so waits and failed attempts are part of it."
)

// joiningMetrics returns the metrics on joining that any of the series has; none if all are older than the figures.
func joiningMetrics(all []series) []result.Metric {
	if !slices.ContainsFunc(all, func(s series) bool { return s.Join != nil }) {
		return nil
	}
	return slices.DeleteFunc(result.MetricsIn(result.InJoining), func(m result.Metric) bool {
		return !slices.ContainsFunc(all, func(s series) bool { _, ok := m.Value(s.Row); return ok })
	})
}
