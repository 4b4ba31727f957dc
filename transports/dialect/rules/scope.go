package rules

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"pushpull/transports/typo"
)

// sources is a set of sources.
type sources uint16

func (s sources) with(more ...source) sources {
	for _, of := range more {
		s |= 1 << of
	}
	return s
}

func (s sources) has(of source) bool { return s&(1<<of) != 0 }

// anywhere are the sources that every template has.
const anywhere sources = 1<<fromRoom | 1<<fromRandom | 1<<fromVar | 1<<fromLet

// builtin returns the values that need no declaration, by their names.
func builtin() map[string]source {
	all := map[string]source{}
	for _, v := range valueKeys() {
		if isName(v.Name) {
			all[v.Name] = v.source
		}
	}
	return all
}

// A scope is what the values in a template or pattern can be.
type scope struct {
	way    *way
	lets   map[string]int
	needs  []sources // of the lets
	has    sources
	used   sources         // what the templates so far take from
	holes  map[string]*use // of the rule; nil: this is no rule
	random *bool
}

// A use says where the hole of a rule is.
type use struct {
	at    scalar
	index int
	used  bool
}

// names returns the names of all values that the scope has.
func (c *scope) names() []string {
	var names []string
	for name, of := range builtin() {
		if c.has.has(of) {
			names = append(names, name)
		}
	}
	for _, v := range c.way.vars {
		names = append(names, v.name)
	}
	names = slices.AppendSeq(names, maps.Keys(c.lets))
	names = slices.AppendSeq(names, maps.Keys(c.holes))
	slices.Sort(names)
	return names
}

// valueName is what stands between the braces of a value. What is anything else between braces is itself, such as
// JSON.
var valueName = regexp.MustCompile(`^[A-Za-z_.][A-Za-z0-9_.:@-]*$`)

// value returns the value that text names, like room, .push.pub, args.0 or header:Etag.
func (c *scope) value(at scalar, text string) (value, error) {
	var v value
	if !valueName.MatchString(text) {
		return v, mistake(at, "%q names no value: write one like room, .path.in.json or header:Etag", short(text))
	}
	if name, ok := strings.CutPrefix(text, "header:"); ok {
		if !c.has.has(fromHeader) {
			return v, mistake(at, "there is no answer here whose header %s could be", short(name))
		}
		c.used = c.used.with(fromHeader)
		return value{source: fromHeader, header: http.CanonicalHeaderKey(name)}, nil
	}
	name, path, deep := strings.Cut(text, ".")
	if deep {
		names := strings.Split(path, ".")
		if slices.Contains(names, "") {
			return v, mistake(at, "the path %q has an empty name: write one like .push.pub", short(text))
		}
		v.path = stepsOf(names)
	}
	if name == "" {
		name = "text"
	}
	of, isBuiltin := builtin()[name]
	i := slices.IndexFunc(c.way.vars, func(v variable) bool { return v.name == name })
	let, isLet := c.lets[name]
	hole, isHole := c.holes[name]
	switch {
	case isBuiltin && c.has.has(of):
		v.source = of
	case isBuiltin && name == "text" && text != "text":
		return v, mistake(at, "nothing came yet from which %s could be", short(text))
	case isBuiltin:
		return v, mistake(at, "%s has no value here", name)
	case i >= 0:
		v.source, v.index = fromVar, i
	case isLet:
		if missing := c.needs[let] &^ c.has; missing != 0 {
			return v, mistake(at, "%s has a value in it that isn't known here", name)
		}
		v.source, v.index = fromLet, let
		c.used |= c.needs[let]
	case isHole:
		hole.used = true
		v.source, v.index = fromHole, hole.index
	default:
		return v, mistake(at, "%v", typo.Unknown("value", short(name), c.names()))
	}
	c.used = c.used.with(v.source)
	*c.random = *c.random || v.source == fromRandom
	return v, nil
}

// A place is what a template is for.
type place int8

const (
	inText   place = iota // a body or frame, or what a rule says
	inPath                // a path or query: values are escaped
	inHeader              // a header, or the first value of a variable
)

// piece is a token of a template or pattern: a literal, or what stands in its braces.
type piece struct {
	literal string
	value   string // "": it is a literal
	begins  bool   // [?
	ends    bool   // ?]
	env     bool   // value is what stands in ${…}
}

// pieces divides a text. Without groups, [? and ?] are literals.
func pieces(text string, groups bool) []piece {
	var all []piece
	literal := func(s string) {
		if n := len(all); n > 0 && all[n-1].literal != "" {
			all[n-1].literal += s
		} else if s != "" {
			all = append(all, piece{literal: s})
		}
	}
	open := false
	for text != "" {
		i := strings.IndexAny(text, "{[?$")
		if i < 0 {
			break
		}
		literal(text[:i])
		text = text[i:]
		switch {
		case groups && strings.HasPrefix(text, "[?"):
			all, text, open = append(all, piece{begins: true}), text[2:], true
		case groups && open && strings.HasPrefix(text, "?]"):
			all, text, open = append(all, piece{ends: true}), text[2:], false
		case strings.HasPrefix(text, "${") && strings.Contains(text, "}"):
			end := strings.IndexByte(text, '}')
			all, text = append(all, piece{value: text[2:end], env: true}), text[end+1:]
		case text[0] == '{':
			if end := strings.IndexByte(text, '}'); end > 0 && valueName.MatchString(text[1:end]) {
				all, text = append(all, piece{value: text[1:end]}), text[end+1:]
				continue
			}
			fallthrough
		default:
			literal(text[:1])
			text = text[1:]
		}
	}
	literal(text)
	return all
}

// template returns the template that a text spells.
func (c *scope) template(s scalar, in place) (template, error) {
	var t template
	parts := &t.parts
	var before *[]part // while a group is open: the parts around it
	for _, p := range pieces(s.text, true) {
		switch {
		case p.begins:
			if before != nil {
				return t, mistake(s, "a [? stands in another one: close the first with ?]")
			}
			before, parts = parts, new([]part)
		case p.ends:
			if values(*parts, func(*value) bool { return false }) {
				return t, mistake(s, "[? … ?] has no value in it that could be empty: leave the marks out")
			}
			*before = append(*before, part{group: *parts})
			before, parts = nil, before
		case p.env:
			text, err := c.environment(s, p.value, in)
			if err != nil {
				return t, err
			}
			*parts = append(*parts, part{literal: text})
		case p.value != "":
			made, err := c.part(s, p.value, in, before == nil)
			if err != nil {
				return t, err
			}
			*parts = append(*parts, made)
		default:
			*parts = append(*parts, part{literal: p.literal})
		}
	}
	if before != nil {
		return t, mistake(s, "the [? has no ?]: add it")
	}
	if values(t.parts, func(*value) bool { return false }) {
		text := []byte{}
		for _, p := range t.parts {
			text = append(text, p.literal...)
		}
		t.constant = text
	} else if len(t.parts) == 1 && t.parts[0].value != nil && t.parts[0].encode == nil {
		t.single = t.parts[0].value
	}
	return t, nil
}

// part returns the value, with its functions, that stands in braces. With fold, a variable that never changes becomes a
// literal.
func (c *scope) part(s scalar, text string, in place, fold bool) (part, error) {
	var p part
	escaped := in != inPath
	for {
		name, rest, more := strings.Cut(text, ":")
		if !more || name == "header" {
			break
		}
		encode, known := encoderOf(name)
		if !known {
			return p, mistake(s, "%v", typo.Unknown("function", short(name), functions()))
		}
		if len(p.encode) == 2 {
			return p, mistake(s, "a value has at most two functions")
		}
		escaped = escaped || name == "query" || name == "path"
		p.encode, text = append([]encoder{encode}, p.encode...), rest // the innermost comes first
	}
	v, err := c.value(s, text)
	if err != nil {
		return p, err
	}
	p.value = &v
	if !escaped {
		p.encode = append(p.encode, escape)
	}
	if fold && v.source == fromVar && v.path == nil && c.way.vars[v.index].fixed {
		made := c.way.vars[v.index].first.constant
		for _, encode := range p.encode {
			made = encode(nil, made)
		}
		return part{literal: string(made)}, nil
	}
	return p, nil
}

// environment returns the text of NAME or NAME:-DEFAULT in the environment.
func (c *scope) environment(s scalar, text string, in place) (string, error) {
	name, usual, has := strings.Cut(text, ":-")
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || name == "" {
		return "", mistake(s, "${%s} names no variable of the environment: write one like ${API_KEY} or ${API_KEY:-default}", short(text))
	}
	if in == inText {
		return "", mistake(s, "${%s} can't be here: set a variable of vars to it and use that", short(name))
	}
	value, set := os.LookupEnv(name)
	if !set && !has && c.way.missing == "" {
		c.way.missing = name
	}
	if !set {
		value = usual
	}
	if in == inPath {
		value = string(escape(nil, []byte(value)))
	}
	return value, nil
}

// pattern returns the pattern that a text spells. A name that is no value is a hole.
func (c *scope) pattern(s scalar) (pattern, error) {
	var p pattern
	afterHole := false
	here := map[string]bool{}
	for _, piece := range pieces(s.text, false) {
		name := piece.value
		_, isBuiltin := builtin()[name]
		_, isLet := c.lets[name]
		fixed := name == "room" || name == "random" || slices.ContainsFunc(c.way.vars, func(v variable) bool { return v.name == name })
		switch {
		case piece.env:
			return p, mistake(s, "${%s} can't be in a pattern: set a variable of vars to it and use that", short(name))
		case name == "":
			p.parts = append(p.parts, hole{literal: []byte(piece.literal)})
		case fixed:
			v, err := c.value(s, name)
			if err != nil {
				return p, err
			}
			p.parts = append(p.parts, hole{value: &v})
		case !isName(name):
			return p, mistake(s, "{%s} can't be in a pattern: a hole has a name of small letters, digits and _", short(name))
		case isBuiltin || isLet || here[name] || c.holes[name] != nil:
			return p, mistake(s, "{%s} is taken as a name: call the hole something else", short(name))
		case afterHole:
			return p, mistake(s, "the hole {%s} begins where another one does: put a text between them", short(name))
		default:
			index := -1
			if name != "_" {
				here[name] = true
				if index = len(c.holes); index >= maxHoles {
					return p, mistake(s, "a rule has at most %d holes", maxHoles)
				}
				c.holes[name] = &use{at: s, index: index}
				p.finds = true
			}
			p.parts = append(p.parts, hole{is: true, index: index})
			afterHole = true
			continue
		}
		afterHole = false
	}
	if len(p.parts) == 0 { // the empty text
		p.parts = []hole{{literal: []byte{}}}
	}
	p.exact = len(p.parts) == 1 && !p.parts[0].is && p.parts[0].value == nil
	return p, nil
}

// unused returns an error for a hole of the rule that nothing uses, most probably a mistyped value.
func (c *scope) unused() error {
	for _, name := range slices.Sorted(maps.Keys(c.holes)) {
		hole := c.holes[name]
		if hole.used {
			continue
		}
		var others []string
		for _, other := range c.names() {
			if other != name {
				others = append(others, other)
			}
		}
		if meant := typo.Nearest(name, others); meant != "" {
			return mistake(hole.at, "nothing uses the hole {%s}: did you mean {%s}? Write {_} for what doesn't matter", name, meant)
		}
		return mistake(hole.at, "nothing uses the hole {%s}: write {_} for what doesn't matter", name)
	}
	return nil
}
