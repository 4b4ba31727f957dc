package rules

import "bytes"

// A pattern is a text with holes, each of which takes what comes up to the next character that the pattern names,
// the last one what is left. It takes time in proportion to the length of a text, and allocates nothing.
type pattern struct {
	parts []hole
	exact bool // the pattern is one literal
	finds bool // the pattern has holes whose texts are kept
}

// A hole is a part of a pattern: a hole, or a fixed text.
type hole struct {
	literal []byte
	value   *value // a fixed text that is known when the pattern is matched
	is      bool   // a hole
	index   int    // where its text is kept; -1: nowhere
}

// matches reports whether p is the whole of text, and keeps what its holes have found.
func (s *speech) matches(p *pattern, text []byte, t *turn) bool {
	if p.exact {
		return string(text) == string(p.parts[0].literal)
	}
	var open *hole
	for i := range p.parts {
		h := &p.parts[i]
		if h.is {
			open = h
			continue
		}
		fixed := h.literal
		if h.value != nil {
			fixed = s.resolve(h.value, t, &s.arena)
		}
		at := 0
		switch {
		case open == nil:
			if !bytes.HasPrefix(text, fixed) {
				return false
			}
		case i == len(p.parts)-1:
			if !bytes.HasSuffix(text, fixed) {
				return false
			}
			at = len(text) - len(fixed)
		default:
			if at = bytes.Index(text, fixed); at < 0 {
				return false
			}
		}
		if open != nil {
			s.fill(open, text[:at])
			open = nil
		}
		text = text[at+len(fixed):]
	}
	if open != nil {
		s.fill(open, text)
		return true
	}
	return len(text) == 0
}

// fill keeps what a hole has found.
func (s *speech) fill(h *hole, text []byte) {
	if h.index >= 0 {
		s.holes[h.index] = text
	}
}
