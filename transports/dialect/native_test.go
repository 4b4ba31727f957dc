package dialect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/websocket"
)

// native is the dialect of pushpull's own server: what the carriers make of it must be what its own clients are.
type native struct{}

var _ dialect.Dialect = native{}

func (native) About() dialect.About {
	return dialect.About{Name: "native", Title: "pushpull", Text: "pushpull's own server.", Health: "/healthz"}
}

func (native) Ways() []dialect.Way {
	return []dialect.Way{
		{Transport: "short-poll", Way: transports.Way{Title: "short polling", Every: time.Second}},
		{Transport: "long-poll", Way: transports.Way{Title: "long polling", Hold: 30 * time.Second}},
		{Transport: "sse", Way: transports.Way{Title: "server-sent events", Stream: true, Heartbeat: transports.Heartbeat}},
		{Transport: "websocket", Socket: true, Way: transports.Way{Title: "WebSocket", Stream: true, Duplex: true, Heartbeat: transports.Heartbeat}},
	}
}

func (native) Speak(way dialect.Way, room string, from transports.Cursor) (dialect.Speech, error) {
	seq, err := from.Seq()
	if err != nil {
		return nil, &transports.StatusError{Code: 400, Status: "400 Bad Request", Text: err.Error()}
	}
	return &speech{way: way, path: "/rooms/" + url.PathEscape(room), seq: seq}, nil
}

type speech struct {
	way  dialect.Way
	path string
	seq  uint64
}

func (s *speech) Ask() dialect.Request {
	path := s.path + "/" + s.way.Transport + "?after=" + strconv.FormatUint(s.seq, 10)
	if s.way.Way.Hold > 0 {
		path += "&hold=30s"
	}
	return dialect.Request{Method: http.MethodGet, Path: path}
}

func (s *speech) Say(_ uint64, body []byte) dialect.Request {
	if s.way.Socket {
		return dialect.Request{Body: transports.AppendText(nil, body, "")}
	}
	return dialect.Request{
		Method: http.MethodPost, Path: s.path + "/messages", Body: body,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
	}
}

func (s *speech) Cursor() transports.Cursor {
	if s.seq == 0 {
		return ""
	}
	return transports.CursorAt(s.seq)
}

// refusal returns the error of an answer, or notes the gap that the answer names.
func (s *speech) refusal(u dialect.Unit, h *dialect.Heard) error {
	var said struct {
		Error  string
		Oldest uint64
	}
	_ = json.Unmarshal(u.Body, &said)
	if u.Status == http.StatusGone && said.Oldest > 0 {
		s.seq, h.Gap = said.Oldest-1, true
		return nil
	}
	return &transports.StatusError{Code: u.Status, Status: fmt.Sprint(u.Status, " ", http.StatusText(u.Status)), Text: said.Error}
}

func (s *speech) Hear(u dialect.Unit, h *dialect.Heard) error {
	switch u.Kind {
	case dialect.Answered:
		switch u.Status {
		case http.StatusNoContent:
		case http.StatusOK:
			for rest := u.Body; len(rest) > 1; { // after [ and commas
				m, after, ok := transports.ParseMessage(rest[1:])
				if !ok {
					return s.list(u, h)
				}
				h.Messages, rest = append(h.Messages, m.Body), after
				s.seq = m.Seq
			}
		default:
			return s.refusal(u, h)
		}
		h.More = u.Header.Get("Retry-After") == "0"
		s.seq, _ = transports.Cursor(u.Header.Get(transports.NextCursor)).Seq()
	case dialect.Opened:
		if u.Status != http.StatusOK && u.Status != http.StatusSwitchingProtocols {
			return s.refusal(u, h)
		}
	case dialect.Event:
		if u.Event == "gap" {
			return s.refusal(dialect.Unit{Status: http.StatusGone, Body: u.Body}, h)
		}
		if u.Event == "error" {
			return fmt.Errorf("%w: %s", transports.ErrStopping, u.Body)
		}
		return s.message(u.Body, h)
	case dialect.Frame:
		return s.message(u.Body, h)
	case dialect.Closed:
		if u.Code == websocket.StatusGap {
			return s.refusal(dialect.Unit{Status: http.StatusGone, Body: u.Body}, h)
		}
	case dialect.Taken:
		if u.Status != http.StatusCreated {
			return s.refusal(u, h)
		}
		h.Stored = append(h.Stored, u.Number)
	}
	return nil
}

// list takes a list of messages with any escapes.
func (s *speech) list(u dialect.Unit, h *dialect.Heard) error {
	var got []struct{ Body string }
	if err := json.Unmarshal(u.Body, &got); err != nil {
		return err
	}
	h.Reset()
	for _, m := range got {
		h.Messages = append(h.Messages, []byte(m.Body))
	}
	h.More = u.Header.Get("Retry-After") == "0"
	s.seq, _ = transports.Cursor(u.Header.Get(transports.NextCursor)).Seq()
	return nil
}

func (s *speech) message(data []byte, h *dialect.Heard) error {
	if m, rest, ok := transports.ParseMessage(data); ok && len(rest) == 0 && m.Seq > 0 {
		s.seq = m.Seq
		h.Messages = append(h.Messages, m.Body)
		return nil
	}
	var said struct {
		Seq    uint64
		Body   string
		Stored uint64
		Error  string
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	switch {
	case said.Stored > 0:
		h.Oldest++
	case said.Error != "":
		h.Refused = append(h.Refused, dialect.Refusal{Why: errors.New(said.Error)})
	case said.Seq == 0:
		return errors.New("this is no message")
	default:
		s.seq = said.Seq
		h.Messages = append(h.Messages, []byte(said.Body))
	}
	return nil
}
