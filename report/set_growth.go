package report

import (
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// flat is by how much a figure for a message may differ between numbers of users.
const flat = .1

// A Growth is a figure for each message that should not depend on the number of users, and does.
type Growth struct {
	Transport string  `json:"transport"`
	Metric    string  `json:"metric"` // its key
	At        string  `json:"at"`     // values of the other knobs, like "rate=0.1"; may be empty
	From      float64 `json:"from"`   // with the fewest users
	To        float64 `json:"to"`     // where it differs most from that
	Users     [2]int  `json:"users"`  // of From and To
	Text      string  `json:"text"`   // one line, with the numbers
}

// Growth returns the figures that should be the same for all numbers of users and differ by more than 10%.
// compared is false if nothing could be compared: the users are not varied, their rooms grow with them, or more users
// are sent as many messages in all, so that each has more polls and heartbeats for a message.
//
// With rooms of one size, each message has as many readers however many users there are. So the requests, reads
// and bytes for a message stay the same.
func (s Set) Growth() (found []Growth, compared bool) {
	users := slices.IndexFunc(s.axes, func(a setAxis) bool { return a.Key == "users" })
	if users < 0 || s.Index.DeliveriesPerS > 0 || s.Index.Scenario.RoomSize == 0 && !s.varies("room_size") {
		return nil, false
	}
	for _, line := range s.lines {
		for _, points := range s.along(users) {
			for _, m := range result.Metrics() {
				if m.Gate != result.Count {
					continue
				}
				g, ok := s.growth(m.Typeset(), line, points)
				compared = compared || ok
				if ok && g.Text != "" {
					found = append(found, g)
				}
			}
		}
	}
	return found, compared
}

// growth compares a figure at points that differ in the number of users; false if fewer than two have it.
func (s *Set) growth(m result.Metric, line setLine, points []int) (g Growth, ok bool) {
	const least = .01 // smaller shares of a message are chance
	most, n := flat, 0
	for _, i := range points {
		row, known := s.row(i, line)
		value, has := m.Value(row)
		if !known || !has || result.Fatal([]result.Row{row}) {
			continue
		}
		if n++; n == 1 {
			g = Growth{Transport: line.key, Metric: m.Key, From: value, Users: [2]int{row.Users, row.Users}, At: s.others(i, "users")}
			continue
		}
		if max(value, g.From) < least {
			continue
		}
		if off := max(value, g.From)/max(least, min(value, g.From)) - 1; off > most {
			most, g.To, g.Users[1] = off, value, row.Users
		}
	}
	if most > flat {
		where := ""
		if g.At != "" {
			where = " at " + g.At
		}
		// Both have the same unit.
		g.Text = fmt.Sprintf("%s: %s%s changes from %s with %d users to %s with %d, and should not depend on them",
			line.name, m.Heading(several([]series{line.series})), where,
			text.Quantity(m, g.From), g.Users[0], text.Quantity(m, g.To), g.Users[1])
	}
	return g, n > 1
}

// costsByUsers says for each line how CPU for a message and memory for a user change from the fewest users to the most that
// are to be believed. They may, so this is no doubt. It is empty unless the users alone are varied, as more would be
// many lines, which charts show better.
func (s *Set) costsByUsers() (all []string) {
	if len(s.axes) != 1 || !s.varies("users") {
		return nil
	}
	for _, line := range s.lines {
		var rows []result.Row
		for _, points := range s.along(0) {
			for _, i := range points {
				if row, ok := s.row(i, line); ok && !result.Fatal([]result.Row{row}) {
					rows = append(rows, row)
				}
			}
		}
		if len(rows) < 2 {
			continue
		}
		first, last := rows[0], rows[len(rows)-1]
		var words []string
		for _, key := range append([]string{costKey, "server-memory"}, generatorCosts()...) {
			m, _ := result.MetricOf(key)
			m = m.Typeset()
			from, has := m.Value(first)
			to, still := m.Value(last)
			if has && still {
				words = append(words, m.Heading(several([]series{line.series}))+" "+text.Value(m, from)+" to "+text.Quantity(m, to))
			}
		}
		if len(words) > 0 {
			all = append(all, fmt.Sprintf("%s, from %s to %s users: %s.", line.name,
				exact(float64(first.Users)), exact(float64(last.Users)), strings.Join(words, ", ")))
		}
	}
	return all
}
