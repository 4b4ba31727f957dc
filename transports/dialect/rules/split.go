package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"pushpull/transports/dialect"
)

// A split divides a unit into parts, each of which goes through the rules as a unit of its own.
type split struct {
	how       division
	separator []byte
	each      value
	into      int // the kind of the parts
}

type division int8

const (
	intoLines division = iota
	bySeparator
	intoElements // of a JSON array or object
	byBoundary   // of a multipart body
)

// divide lets rules take the parts of a unit that r has taken.
func (s *speech) divide(r *rule, t *turn, h *dialect.Heard) error {
	if r.split == nil {
		return nil
	}
	switch r.split.how {
	case intoLines:
		return s.separate(r, t, h, []byte("\n"))
	case bySeparator:
		return s.separate(r, t, h, r.split.separator)
	case intoElements:
		return s.elements(r, t, h)
	case byBoundary:
		return s.multipart(r, t, h)
	}
	return nil
}

// part lets a rule take one part of a unit.
func (s *speech) part(r *rule, text []byte, t *turn, h *dialect.Heard) error {
	if s.parts++; s.parts > MaxParts {
		return fmt.Errorf("%s: a unit has more than %d parts", r, MaxParts)
	}
	whole := t.text
	t.text = text
	err := s.hear(r.split.into, t, h)
	t.text = whole
	return err
}

// separate takes the parts between separators. Lines may end with \r\n; empty parts are left out.
func (s *speech) separate(r *rule, t *turn, h *dialect.Heard, separator []byte) error {
	for rest, more := t.text, true; more; {
		var text []byte
		text, rest, more = bytes.Cut(rest, separator)
		if r.split.how == intoLines {
			text = bytes.TrimSuffix(text, []byte("\r"))
		}
		if len(text) == 0 {
			continue
		}
		if err := s.part(r, text, t, h); err != nil {
			return err
		}
	}
	return nil
}

// elements takes the values of a JSON array or object. One that is missing has none.
func (s *speech) elements(r *rule, t *turn, h *dialect.Heard) error {
	whole := s.resolve(&r.split.each, t, &s.given) // parts of it may become messages
	if len(whole) == 0 {
		return nil
	}
	all := elementsOf(whole)
	for raw := all.next(); raw != nil; raw = all.next() {
		text, ok := plainText(raw)
		if !ok {
			from := len(s.given)
			s.given = unquote(slices.Grow(s.given, len(raw)), raw)
			text = s.given[from:]
		}
		if err := s.part(r, text, t, h); err != nil {
			return err
		}
	}
	if all.at < 0 {
		return fmt.Errorf("%s: %.80q is no JSON array or object", r, whole)
	}
	return nil
}

// multipart takes the parts of a multipart body (RFC 2046, section 5.1.1), without their headers.
func (s *speech) multipart(r *rule, t *turn, h *dialect.Heard) error {
	wrong := func(what string) error { return fmt.Errorf("%s: the multipart answer %s", r, what) }
	boundary := boundaryOf(headerOf(t.unit.Header, "Content-Type"))
	if boundary == "" {
		return wrong("names no boundary in its header Content-Type")
	}
	mark := []byte("\r\n--" + boundary)
	rest := t.text
	if !bytes.HasPrefix(rest, mark[2:]) { // a preamble comes first
		_, after, found := bytes.Cut(rest, mark)
		if !found {
			return wrong("has no part")
		}
		rest = after
	} else {
		rest = rest[len(mark)-2:]
	}
	for !bytes.HasPrefix(rest, []byte("--")) {
		text, after, found := bytes.Cut(rest, mark)
		if !found {
			return wrong("has no end")
		}
		rest = after
		_, body, found := bytes.Cut(text, []byte("\r\n\r\n"))
		if !found {
			return wrong("has a part without the empty line between headers and body")
		}
		if err := s.part(r, body, t, h); err != nil {
			return err
		}
	}
	return nil
}

// boundaryOf returns the boundary that a Content-Type names, "" if it names none.
func boundaryOf(contentType string) string {
	kind, parameters, _ := strings.Cut(contentType, ";")
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/") {
		return ""
	}
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, text, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "boundary") {
			return strings.Trim(text, `"`)
		}
	}
	return ""
}
