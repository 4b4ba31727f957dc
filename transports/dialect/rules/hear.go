package rules

import (
	"fmt"
	"regexp"
	"strconv"

	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A rule says what a unit, or a part of one, means.
type rule struct {
	where string // "ways.sse.hear[3]"
	line  int

	status       []span
	event, text  *pattern
	match        *regexp.Regexp
	groups       []int // for each group of match the hole that keeps what it found; -1: none
	equal        []equal
	when, unless []value

	set     []assignment
	message *template
	stored  acknowledgement
	refused acknowledgement
	why     *template
	fails   bool // step is what the user does next
	step    transports.Step
	kept    bool
	ready   bool
	more    bool
	gap     bool
	reply   []request
	split   *split
}

// String returns where the rule stands.
func (r *rule) String() string { return fmt.Sprintf("%s, line %d", r.where, r.line) }

// always reports whether r takes every unit of its kind.
func (r *rule) always() bool {
	return r.status == nil && r.event == nil && r.text == nil && r.match == nil && r.equal == nil && r.when == nil && r.unless == nil
}

// A span is a range of status codes.
type span struct{ from, to int }

// An equal is a condition on a value.
type equal struct {
	value value
	to    pattern
}

// An assignment sets a variable.
type assignment struct {
	variable int
	to       template
}

// An acknowledgement says of which messages a rule speaks.
type acknowledgement struct {
	of     whose
	number template // of the message, with numbered
}

type whose int8

const (
	nobody   whose = iota // the rule speaks of no message
	said                  // the message of the request that was answered
	oldest                // the oldest message that isn't acknowledged
	numbered              // a message that the unit names
)

// Hear implements dialect.Speech.
func (s *speech) Hear(u dialect.Unit, h *dialect.Heard) error {
	s.begin(hearing)
	s.taken, s.parts = 0, 0
	t := turn{unit: u, text: u.Body, number: u.Number}
	err := s.hear(int(u.Kind), &t, h)
	s.keeps[hearing], s.arena = s.arena, nil
	if len(h.Messages) > 0 && len(s.given) > 0 || cap(s.given) > largeArena {
		s.given = nil
	}
	s.given = s.given[:0]
	if err != nil {
		return err
	}
	s.ready = s.ready || h.Ready
	if u.Kind == dialect.Taken && len(h.Stored)+len(h.Refused)+h.Oldest == 0 && !h.Kept {
		return fmt.Errorf("%s took the answer to a message, but doesn't say whether it is stored: add stored, refused or kept", s.Took())
	}
	return nil
}

// hear lets the first rule take a unit of a kind.
func (s *speech) hear(kind int, t *turn, h *dialect.Heard) error {
	rules := s.way.hear[kind]
	for i := range rules {
		if r := &rules[i]; s.takes(r, t) {
			if s.taken < maxTook {
				s.took[s.taken] = r
			}
			s.taken++
			if err := s.act(r, t, h); err != nil {
				return err
			}
			return s.divide(r, t, h)
		}
	}
	return s.untaken(kind, t, h)
}

// takes reports whether the conditions of r hold.
func (s *speech) takes(r *rule, t *turn) bool {
	if r.status != nil && !inSpans(r.status, &t.unit) {
		return false
	}
	if r.text != nil && !s.matches(r.text, t.text, t) {
		return false
	}
	if r.event != nil && !s.matches(r.event, s.resolve(&value{source: fromEvent}, t, &s.given), t) {
		return false
	}
	if r.match != nil {
		found := r.match.FindSubmatchIndex(t.text)
		if found == nil {
			return false
		}
		for i, hole := range r.groups {
			switch {
			case hole < 0:
			case found[2*i] < 0:
				s.holes[hole] = nil
			default:
				s.holes[hole] = t.text[found[2*i]:found[2*i+1]]
			}
		}
	}
	for i := range r.equal {
		memory := &s.arena
		if r.equal[i].to.finds { // what it finds may become a message
			memory = &s.given
		}
		text := s.resolve(&r.equal[i].value, t, memory)
		if text == nil || !s.matches(&r.equal[i].to, text, t) {
			return false
		}
	}
	return s.holds(r.when, r.unless, t)
}

// inSpans reports whether the status of a unit, or its close code, is in one of spans.
func inSpans(spans []span, u *dialect.Unit) bool {
	status := u.Status
	if u.Kind == dialect.Closed {
		status = u.Code
	}
	for _, sp := range spans {
		if sp.from <= status && status <= sp.to {
			return true
		}
	}
	return false
}

// act does what r says of a unit, except of its parts.
func (s *speech) act(r *rule, t *turn, h *dialect.Heard) error {
	for i := range r.set {
		a := &r.set[i]
		text := s.text(&a.to, t, &s.arena)
		if len(text) > MaxVar {
			return fmt.Errorf("%s: the variable %s would have %d bytes: at most %d are kept", r, s.way.vars[a.variable].name, len(text), MaxVar)
		}
		s.vars[a.variable] = append(s.vars[a.variable][:0], text...)
	}
	if r.fails {
		return s.failure(r, t)
	}
	if r.message != nil {
		text := s.text(r.message, t, &s.given)
		if len(text) > maxMessage {
			return fmt.Errorf("%s: a message has %d bytes: at most %d are allowed", r, len(text), maxMessage)
		}
		h.Messages = append(h.Messages, text)
	}
	if err := s.acknowledge(r, t, h); err != nil {
		return err
	}
	for i := range r.reply {
		if len(h.Replies) >= MaxReplies {
			return fmt.Errorf("%s: a unit gets more than %d replies", r, MaxReplies)
		}
		h.Replies = append(h.Replies, s.request(&r.reply[i], t))
	}
	h.Kept = h.Kept || r.kept
	h.Ready = h.Ready || r.ready
	h.More = h.More || r.more
	h.Gap = h.Gap || r.gap
	return nil
}

// acknowledge says which messages are stored and refused.
func (s *speech) acknowledge(r *rule, t *turn, h *dialect.Heard) error {
	switch r.stored.of {
	case oldest:
		h.Oldest++
	case said, numbered:
		n, err := s.number(r, &r.stored, t)
		if err != nil {
			return err
		}
		h.Stored = append(h.Stored, n)
	}
	if r.refused.of == nobody {
		return nil
	}
	n, err := s.number(r, &r.refused, t)
	if err != nil {
		return err
	}
	h.Refused = append(h.Refused, dialect.Refusal{Number: n, Why: s.failure(r, t)})
	return nil
}

// number returns the number of the message of which a rule speaks.
func (s *speech) number(r *rule, a *acknowledgement, t *turn) (uint64, error) {
	if a.of == said {
		return t.number, nil
	}
	text := s.text(&a.number, t, &s.arena)
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %.40q is no number of a message", r, text)
	}
	return n, nil
}
