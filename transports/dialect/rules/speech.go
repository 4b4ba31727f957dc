package rules

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A way is a dialect.Way with what users say and hear on it.
type way struct {
	dialect.Way
	name       string // "ways.sse"
	vars       []variable
	cursor     []int // of vars
	lets       []template
	ask        []request
	say        []request
	hear       [][]rule // by kinds of units, and then by the names of parts
	kinds      []string
	holes      int
	asksBodies bool   // whether a request of ask has a body with values
	kept       int    // how many requests have texts that a speech keeps
	random     bool   // whether a template asks for one
	missing    string // a variable of the environment that isn't set; "": none
}

// A variable of a conversation.
type variable struct {
	name  string
	first template
	fixed bool // it never changes and is the same for all
}

// A request is what users ask or say.
type request struct {
	method       string
	path, body   template
	header       []field
	fixed        http.Header // the headers, if none of them has a value
	when, unless []value
	fixedPath    string // the path, if it has no value
	keep         int    // where a speech keeps the path and headers; -1: it doesn't need to
	hasBody      bool
	before       bool
	sign         *signature // nil: it isn't signed
}

// A field is a header of a request.
type field struct {
	name string
	text template
}

// kept are the path and headers that a request had last. Most often the next ones are the same.
type kept struct {
	path   string
	header http.Header
}

// A speech implements dialect.Speech.
type speech struct {
	dialect *Dialect
	way     *way
	room    []byte
	random  []byte
	vars    [][]byte
	holes   [][]byte
	kept    []kept
	arena   []byte    // memory of the running call
	keeps   [3][]byte // memory of Ask, Say and Hear, which holds what they returned
	given   []byte    // memory of messages: it isn't used again
	ready   bool
	took    [maxTook]*rule
	taken   int // how many rules have taken a unit or a part in the last call of Hear
	parts   int // likewise of units
}

var _ dialect.Speech = (*speech)(nil)

// largeArena is the size from which the memory of a speech isn't kept, in bytes.
const largeArena = 16 << 10

// The methods of a speech that return texts.
const (
	asking = iota
	saying
	hearing
)

// begin frees what the last call of a method has returned.
func (s *speech) begin(method int) {
	if s.arena = s.keeps[method][:0]; cap(s.arena) > largeArena {
		s.arena = nil
	}
}

// Ask implements dialect.Speech.
func (s *speech) Ask() dialect.Request {
	if s.way.asksBodies {
		s.begin(asking)
		r := s.first(s.way.ask, &turn{})
		s.keeps[asking], s.arena = s.arena, nil
		return r
	}
	lent := s.dialect.lend()
	s.arena = *lent
	r := s.first(s.way.ask, &turn{})
	*lent, s.arena = s.arena, nil
	s.dialect.giveBack(lent)
	return r
}

// Say implements dialect.Speech.
func (s *speech) Say(number uint64, body []byte) dialect.Request {
	s.begin(saying)
	r := s.first(s.way.say, &turn{number: number, body: body})
	s.keeps[saying], s.arena = s.arena, nil
	return r
}

// first returns the first of requests that applies.
func (s *speech) first(requests []request, t *turn) dialect.Request {
	for i := range requests {
		if r := &requests[i]; s.holds(r.when, r.unless, t) {
			return s.request(r, t)
		}
	}
	return dialect.Request{} // can't happen: the last one always applies
}

// holds reports whether all values of when have a text, and none of unless.
func (s *speech) holds(when, unless []value, t *turn) bool {
	for i := range when {
		if !s.full(&when[i], t) {
			return false
		}
	}
	for i := range unless {
		if s.full(&unless[i], t) {
			return false
		}
	}
	return true
}

// full reports whether v has a text.
func (s *speech) full(v *value, t *turn) bool {
	if v.source == fromText && v.path != nil {
		return isFull(t.text, v.path)
	}
	return len(s.resolve(v, t, &s.arena)) > 0
}

// request returns the request that r describes.
func (s *speech) request(r *request, t *turn) dialect.Request {
	q := dialect.Request{Method: r.method, Header: r.fixed, Before: r.before}
	if r.hasBody {
		if q.Body = s.text(&r.body, t, &s.arena); q.Body == nil {
			q.Body = []byte{}
		}
	}
	if r.method == "" {
		return q
	}
	if r.sign != nil {
		q.Sign = r.sign.signs(r.method, q.Body)
	}
	if r.keep < 0 {
		q.Path = r.fixedPath
		return q
	}
	if s.kept == nil {
		s.kept = make([]kept, s.way.kept)
	}
	k := &s.kept[r.keep]
	if path := s.text(&r.path, t, &s.arena); k.path != string(path) {
		k.path = string(path)
	}
	q.Path = k.path
	if r.header != nil {
		if !s.same(r.header, k.header, t) {
			k.header = s.header(r.header, t)
		}
		q.Header = k.header
	}
	return q
}

// same reports whether h has the texts that fields have now.
func (s *speech) same(fields []field, h http.Header, t *turn) bool {
	for i := range fields {
		if headerOf(h, fields[i].name) != string(s.line(&fields[i].text, t)) {
			return false
		}
	}
	return h != nil
}

// header returns fields as the headers of a request, without those that have no text.
func (s *speech) header(fields []field, t *turn) http.Header {
	h := make(http.Header, len(fields))
	for i := range fields {
		if text := s.line(&fields[i].text, t); len(text) > 0 {
			h[fields[i].name] = []string{string(text)}
		}
	}
	return h
}

// line returns the text of a header, which can't have control characters: they would begin another header.
func (s *speech) line(text *template, t *turn) []byte {
	made := s.text(text, t, &s.arena)
	for i, c := range made {
		if c < ' ' && c != '\t' || c == 0x7f {
			from := len(s.arena)
			for _, c := range made[i:] {
				if c >= ' ' && c != 0x7f {
					s.arena = append(s.arena, c)
				}
			}
			return append(made[:i:i], s.arena[from:]...)
		}
	}
	return made
}

// Cursor implements dialect.Speech.
func (s *speech) Cursor() transports.Cursor {
	var b strings.Builder
	known := false
	for i, v := range s.way.cursor {
		if i > 0 {
			b.WriteByte('&')
		}
		known = known || len(s.vars[v]) > 0
		b.WriteString(url.QueryEscape(string(s.vars[v])))
	}
	if !known {
		return ""
	}
	return transports.Cursor(b.String())
}

// resume sets the variables that make a place.
func (s *speech) resume(from transports.Cursor) error {
	if from == "" {
		return nil
	}
	wrong := fmt.Errorf("bad cursor %.80q: %s makes a place of %d values", string(from), s.way.name, len(s.way.cursor))
	texts := strings.Split(string(from), "&")
	if len(texts) != len(s.way.cursor) {
		return wrong
	}
	for i, text := range texts {
		text, err := url.QueryUnescape(text)
		if err != nil || len(text) > MaxVar {
			return wrong
		}
		s.vars[s.way.cursor[i]] = []byte(text)
	}
	return nil
}

// Took names the rules that have taken the last unit and its parts, at most 8, like "ways.sse.hear[3], line 41";
// "" if none did, and the default applied. (hear[0] is the first rule.)
func (s *speech) Took() string {
	var names []string
	for _, r := range s.took[:min(s.taken, maxTook)] {
		names = append(names, r.String())
	}
	if s.taken > maxTook {
		names = append(names, fmt.Sprintf("and %d more", s.taken-maxTook))
	}
	return strings.Join(names, "; ")
}

// maxTook is how many rules Took names.
const maxTook = 8
