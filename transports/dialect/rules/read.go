package rules

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"pushpull/transports/strictyaml"
	"pushpull/transports/typo"
)

// A scalar is a text in a dialect file.
type scalar struct {
	text string
	at   *token.Token // nil: the file doesn't have it
}

func (s scalar) given() bool { return s.at != nil }

// mistake returns an error at a scalar.
func mistake(at scalar, format string, args ...any) error {
	return strictyaml.At(at.at, format, args...)
}

// A pair is a line of a mapping.
type pair struct {
	key   scalar
	value ast.Node
}

// An entry is a line of a mapping of texts.
type entry struct{ key, value scalar }

// file is the text of a dialect file.
type file struct {
	name, title, about, untried, health scalar
	ways                                []pair
}

// wayText is the text of a way.
type wayText struct {
	every, hold, heartbeat, batch, once scalar
	lacks, cursor                       []scalar
	vars, let                           []entry
	ask, say                            []requestText
	hear                                []ruleText
}

// requestText is the text of a request.
type requestText struct {
	at                        scalar
	method                    string
	path, frame, body, before scalar
	headers                   []entry
	sign                      signText
	when, unless              []scalar
}

// signText is the text of a signature.
type signText struct{ given, service, region scalar }

// ruleText is the text of a rule.
type ruleText struct {
	at                                         scalar
	on, text, event, match                     scalar
	status, when, unless                       []scalar
	header, json, set                          []entry
	message, stored, refused, why, fails, into scalar
	kept, ready, more, gap                     scalar
	reply                                      []requestText
	split                                      splitText
}

// splitText is the text of a split.
type splitText struct {
	how             scalar // lines or multipart
	separator, each scalar
}

// begin returns the first token of a node.
func begin(n ast.Node) *token.Token {
	if lines, ok := n.(ast.MapNode); ok {
		if first := lines.MapRange(); first.Next() {
			return first.Key().GetToken()
		}
	}
	if n == nil {
		return nil
	}
	return n.GetToken()
}

// pairsOf returns the lines of a mapping.
func pairsOf(n ast.Node) ([]pair, error) {
	lines, ok := n.(ast.MapNode)
	if !ok {
		return nil, strictyaml.At(begin(n), "this must be a mapping: write lines like name: value")
	}
	var pairs []pair
	for line := lines.MapRange(); line.Next(); {
		text, _, ok := strictyaml.Scalar(line.Key())
		key := scalar{text, line.Key().GetToken()}
		if !ok || line.Key().IsMergeKey() {
			return nil, mistake(key, "a key must be a text")
		}
		for _, p := range pairs {
			if p.key.text == text {
				return nil, mistake(key, "%.40s is there twice, first in line %d: leave one out", text, p.key.at.Position.Line)
			}
		}
		pairs = append(pairs, pair{key, line.Value()})
	}
	return pairs, nil
}

// read reads the lines of a mapping, each by its key. what names the mapping in errors, like "rule".
func read[T any](n ast.Node, what string, keys []key[T], into *T) error {
	pairs, err := pairsOf(n)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		var names []string
		known := false
		for _, k := range keys {
			names = append(names, k.name)
			if k.name == p.key.text {
				known = true
				if err := k.read(into, p.value); err != nil {
					return err
				}
			}
		}
		if !known {
			return unknown(p.key, what, names)
		}
	}
	return nil
}

// unknown returns the error for a key that is none of names.
func unknown(key scalar, what string, names []string) error {
	if typo.Nearest(key.text, names) == "" {
		for _, k := range Keys() {
			if k.Name == key.text {
				return mistake(key, "%s is a key of a %s, not of a %s: move it", key.text, k.Where, what)
			}
		}
	}
	return mistake(key, "%v", typo.Unknown("key of a "+what, short(key.text), names))
}

// short returns the beginning of a text, for errors.
func short(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}

// scalarOf returns a text.
func scalarOf(n ast.Node) (scalar, error) {
	text, plain, ok := strictyaml.Scalar(n)
	s := scalar{text, begin(n)}
	switch {
	case !ok:
		return s, mistake(s, `this must be a text: if it has characters of YAML, like { or :, put it in 'quotes'`)
	case plain && (text == "" || text == "~" || text == "null"):
		return s, mistake(s, `a value is missing: add one, "" for an empty text, or leave the key out`)
	}
	return s, nil
}

// trueOf returns the value of a key that is true or left out.
func trueOf(n ast.Node) (scalar, error) {
	s, err := scalarOf(n)
	if err == nil && s.text != "true" {
		err = mistake(s, "this must be true, or be left out")
	}
	return s, err
}

// nodesOf returns the elements of a list. Anything else stands for a list of one.
func nodesOf(n ast.Node) []ast.Node {
	if list, ok := n.(*ast.SequenceNode); ok {
		return list.Values
	}
	return []ast.Node{n}
}

// listOf returns a list of texts, or one text.
func listOf(n ast.Node) ([]scalar, error) {
	var list []scalar
	for _, element := range nodesOf(n) {
		s, err := scalarOf(element)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// entriesOf returns the lines of a mapping of texts.
func entriesOf(n ast.Node) ([]entry, error) {
	pairs, err := pairsOf(n)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, p := range pairs {
		value, err := scalarOf(p.value)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{p.key, value})
	}
	return entries, nil
}

// requestsOf returns a list of requests, or one request.
func requestsOf(n ast.Node) ([]requestText, error) {
	var requests []requestText
	for _, element := range nodesOf(n) {
		r := requestText{at: scalar{at: begin(element)}}
		if err := read(element, "request", requestKeys(), &r); err != nil {
			return nil, err
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// rulesOf returns a list of rules.
func rulesOf(n ast.Node) ([]ruleText, error) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, strictyaml.At(begin(n), "hear is a list: begin each rule with - on:")
	}
	var rules []ruleText
	for _, element := range list.Values {
		r := ruleText{at: scalar{at: begin(element)}}
		if err := read(element, "rule", ruleKeys(), &r); err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// splitOf returns how a text is divided.
func splitOf(n ast.Node) (splitText, error) {
	var s splitText
	if _, _, ok := strictyaml.Scalar(n); !ok {
		s.how = scalar{at: begin(n)}
		if err := read(n, "split", splitKeys(), &s); err != nil {
			return s, err
		}
		if s.separator.given() == s.each.given() {
			return s, mistake(s.how, "a split has either a separator or each")
		}
		return s, nil
	}
	how, err := scalarOf(n)
	if err == nil && how.text != "lines" && how.text != "multipart" {
		err = mistake(how, "%v", typo.Unknown("split", short(how.text), []string{"lines", "multipart", "{separator: TEXT}", "{each: VALUE}"}))
	}
	s.how = how
	return s, err
}

// isName reports whether text can name a variable, a template or a hole.
func isName(text string) bool {
	if text == "" || text[0] >= '0' && text[0] <= '9' {
		return false
	}
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
