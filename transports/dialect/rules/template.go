package rules

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"

	"pushpull/transports/dialect"
)

// A source is where a value comes from.
type source int8

const (
	fromRoom   source = iota // name of the room
	fromRandom               // a text that was drawn for the conversation
	fromVar                  // a variable of the conversation
	fromLet                  // a template with a name
	fromNumber               // number of the message that is sent, or was taken
	fromBody                 // the message that is sent
	fromText                 // text of the unit, or of the part of it
	fromStatus               // status code of the unit, or the close code
	fromEvent                // type of the event
	fromID                   // id of the event
	fromHeader               // a header of the answer
	fromHole                 // what a pattern of the rule has found
)

// A value is what a template puts in.
type value struct {
	source source
	index  int    // of a variable, a template with a name, or a hole
	header string // canonical name
	path   []step // to a part of the value, which is JSON
}

// A turn is one call of a speech, with what its values are taken from.
type turn struct {
	unit   dialect.Unit
	text   []byte // of unit, or of the part of it
	number uint64
	body   []byte
}

// resolve returns the text of v. It is valid as long as what it comes from, and *memory, to which it may be appended.
func (s *speech) resolve(v *value, t *turn, memory *[]byte) []byte {
	var text []byte
	from := len(*memory)
	switch v.source {
	case fromRoom:
		text = s.room
	case fromRandom:
		text = s.random
	case fromVar:
		text = s.vars[v.index]
	case fromLet:
		lent := s.dialect.lend()
		*memory = s.render(*memory, s.way.lets[v.index].parts, t, lent)
		s.dialect.giveBack(lent)
	case fromNumber:
		*memory = strconv.AppendUint(*memory, t.number, 10)
	case fromBody:
		text = t.body
	case fromText:
		text = t.text
	case fromStatus:
		status := t.unit.Status
		if t.unit.Kind == dialect.Closed {
			status = t.unit.Code
		}
		*memory = strconv.AppendInt(*memory, int64(status), 10)
	case fromEvent:
		*memory = append(*memory, t.unit.Event...)
	case fromID:
		*memory = append(*memory, t.unit.ID...)
	case fromHeader:
		*memory = append(*memory, headerOf(t.unit.Header, v.header)...)
	case fromHole:
		text = s.holes[v.index]
	}
	if len(*memory) > from {
		text = (*memory)[from:]
	}
	if v.path == nil {
		return text
	}
	raw := find(text, v.path)
	if plain, ok := plainText(raw); ok {
		return plain
	}
	from = len(*memory)
	*memory = unquote(slices.Grow(*memory, len(raw)), raw)
	return (*memory)[from:]
}

// headerOf returns the first value of a header with a canonical name; "" if there is none.
func headerOf(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// lasts reports whether the text of v stays as it is: it isn't that of a variable, which may be set meanwhile.
func (v *value) lasts() bool { return v.source != fromVar }

// An encoder writes a text so that it fits into another one.
type encoder func(dst, text []byte) []byte

// encoderOf returns the function with a name.
func encoderOf(name string) (encoder, bool) {
	for _, f := range functionKeys() {
		if f.Name == name {
			return f.encode, true
		}
	}
	return nil, false
}

// functions returns the names of all functions.
func functions() []string {
	var names []string
	for _, f := range functionKeys() {
		names = append(names, f.Name)
	}
	return names
}

// escape appends text to dst as a part of a path or of a query: all but the unreserved characters of RFC 3986,
// section 2.3, is escaped.
func escape(dst, text []byte) []byte {
	from := 0
	for i, c := range text {
		if c < 128 && unreserved[c] {
			continue
		}
		dst = append(append(dst, text[from:i]...), '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		from = i + 1
	}
	return append(dst, text[from:]...)
}

var unreserved = func() (is [128]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~" {
		is[c] = true
	}
	return is
}()

// unescape appends text to dst without the escapes of a path or query. A % that begins none stays as it is.
func unescape(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '%')
		if i < 0 || i+2 >= len(text) {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		if n := hexadecimal(text[i+1 : i+3]); n >= 0 {
			dst, text = append(dst, byte(n)), text[i+3:]
		} else {
			dst, text = append(dst, '%'), text[i+1:]
		}
	}
}

// A template makes a text of values.
type template struct {
	parts    []part
	constant []byte // the text, if parts has no value; never nil then
	single   *value // the only part, if it is a value without an encoder
}

// A part of a template is one of a literal, a value and a group.
type part struct {
	literal string
	value   *value
	encode  []encoder // of the value, in this order
	group   []part    // left out if a value in it is empty
}

// values calls yield with all values of parts until it returns false.
func values(parts []part, yield func(*value) bool) bool {
	for i := range parts {
		if v := parts[i].value; v != nil && !yield(v) || !values(parts[i].group, yield) {
			return false
		}
	}
	return true
}

// text returns the text that t makes. It is valid as long as that of resolve.
func (s *speech) text(t *template, at *turn, memory *[]byte) []byte {
	if t.constant != nil {
		return t.constant
	}
	from := len(*memory)
	if v := t.single; v != nil {
		text := s.resolve(v, at, memory)
		if v.lasts() {
			return text
		}
		from = len(*memory)
		*memory = append(*memory, text...)
		return (*memory)[from:]
	}
	lent := s.dialect.lend()
	*memory = s.render(*memory, t.parts, at, lent)
	s.dialect.giveBack(lent)
	return (*memory)[from:]
}

// render appends the text of parts to dst, which must not be in lent.
func (s *speech) render(dst []byte, parts []part, t *turn, lent *[]byte) []byte {
	for i := range parts {
		p := &parts[i]
		switch {
		case p.value != nil:
			text := s.resolve(p.value, t, lent)
			encode := p.encode
			for ; len(encode) > 1; encode = encode[1:] {
				from := len(*lent)
				*lent = encode[0](*lent, text)
				text = (*lent)[from:]
			}
			if len(encode) > 0 {
				dst = encode[0](dst, text)
			} else {
				dst = append(dst, text...)
			}
		case p.group != nil:
			full := values(p.group, func(v *value) bool { return len(s.resolve(v, t, lent)) > 0 })
			if full {
				dst = s.render(dst, p.group, t, lent)
			}
		default:
			dst = append(dst, p.literal...)
		}
	}
	return dst
}
