package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A heardError is an error that a rule or a close code has made of a unit.
type heardError struct {
	text string
	step transports.Step
}

func (e *heardError) Error() string { return e.text }

// Step returns what the user does next.
func (e *heardError) Step(transports.Request) transports.Step { return e.step }

// An answerError is an answer with a status that no rule takes.
type answerError struct {
	status *transports.StatusError
	ready  bool // the user was a member of the room
}

func (e *answerError) Error() string { return e.status.Error() }
func (e *answerError) Unwrap() error { return e.status }

// Step returns what the user does next. A server that has let a user in and then refuses an answer may have forgotten
// the user's session, so a new one may help.
func (e *answerError) Step(r transports.Request) transports.Step {
	step := e.status.Step(r)
	if step == transports.Stop && r != transports.Send && e.ready && e.status.Code/100 == 4 {
		return transports.Rejoin
	}
	return step
}

// statusError returns the answer of a unit as an error.
func statusError(u *dialect.Unit, body []byte) *transports.StatusError {
	status := fmt.Sprintf("%d %s", u.Status, http.StatusText(u.Status))
	err := transports.AnswerError(&http.Response{
		StatusCode: u.Status, Status: status, Header: u.Header, Body: io.NopCloser(bytes.NewReader(body)),
	})
	of, ok := errors.AsType[*transports.StatusError](err)
	if !ok { // 410, as pushpull's own server spells a gap
		of = &transports.StatusError{Code: u.Status, Status: status, Text: fmt.Sprintf("%.200q", body)}
	}
	switch u.Status {
	case http.StatusNotModified, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		of.Advice = "does the dialect fit the server?" // theirs speak of pushpull's own server
	}
	return of
}

// untaken does with a unit that no rule takes what is usual.
func (s *speech) untaken(kind int, t *turn, h *dialect.Heard) error {
	u := &t.unit
	class := u.Status / 100
	switch {
	case kind != int(u.Kind): // a part
	case u.Kind == dialect.Begun:
		return nil
	case u.Kind == dialect.Replied && class == 2:
		return nil
	case u.Kind == dialect.Opened && (class == 2 || u.Status == http.StatusSwitchingProtocols):
		return nil
	case (u.Kind == dialect.Answered || u.Kind == dialect.Replied) && (u.Status == http.StatusNoContent || u.Status == http.StatusNotModified):
		return nil
	case u.Kind == dialect.Taken && class == 2:
		h.Stored = append(h.Stored, t.number)
		return nil
	case u.Kind == dialect.Taken:
		h.Refused = append(h.Refused, dialect.Refusal{Number: t.number, Why: statusError(u, t.text)})
		return nil
	case (u.Kind == dialect.Opened || u.Kind == dialect.Answered || u.Kind == dialect.Replied) && class != 2:
		return &answerError{statusError(u, t.text), s.ready}
	case u.Kind == dialect.Closed:
		return closed(u, s.ready)
	}
	name := s.way.kinds[kind]
	return fmt.Errorf("no rule of %s.hear takes the %s %s: add a rule with on: %s", s.way.name, name, s.shown(t), name)
}

// closed returns the end of a stream or WebSocket as an error, nil if the server ended it in order.
func closed(u *dialect.Unit, ready bool) error {
	if u.Code == 0 || u.Code == 1000 || u.Code == 1001 {
		return nil
	}
	step := transports.Stop
	if ready || 1011 <= u.Code && u.Code <= 1014 { // it failed, restarts, is overloaded, or stands behind a gateway
		step = transports.Rejoin
	}
	text := fmt.Sprintf("the server closed the connection with code %d", u.Code)
	if len(u.Body) > 0 {
		text += fmt.Sprintf(": %.200q", u.Body)
	}
	return &heardError{text, step}
}

// failure returns a unit as the error that r makes of it.
func (s *speech) failure(r *rule, t *turn) error {
	var text string
	if r.why != nil {
		text = fmt.Sprintf("%.200q", s.text(r.why, t, &s.arena))
	}
	if u := &t.unit; u.Status >= 300 && !r.fails {
		of := statusError(u, t.text)
		if text != "" {
			of.Text = text
		}
		return of
	}
	if text == "" {
		text = s.shown(t)
	}
	return &heardError{"the server said " + text, r.step}
}

// shown returns the text of a unit for people, shortened.
func (s *speech) shown(t *turn) string {
	text := fmt.Sprintf("%.200q", t.text)
	if len(t.text) > 200 {
		text += fmt.Sprintf(" and %d bytes more", len(t.text)-200)
	}
	if t.unit.Status != 0 {
		text = fmt.Sprintf("with status %d: %s", t.unit.Status, text)
	}
	return text
}
