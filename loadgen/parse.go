package loadgen

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
	"pushpull/transports/typo"
)

// MaxSource is the largest size of a scenario's YAML, in bytes.
const MaxSource = 16 << 10

// A mistake is an error in the text of a scenario.
type mistake struct {
	line, column int // in characters, from 1
	text         string
	foreign      bool // the text may be no scenario at all
}

func (m *mistake) Error() string { return fmt.Sprintf("%d:%d: %s", m.line, m.column, m.text) }

// mistakeAt returns a mistake at a token of the YAML, or at its beginning if there is none.
func mistakeAt(at *token.Token, format string, args ...any) *mistake {
	m := &mistake{line: 1, column: 1, text: fmt.Sprintf(format, args...)}
	if at != nil && at.Position != nil {
		m.line, m.column = at.Position.Line, at.Position.Column
	}
	return m
}

// Parse reads a scenario and validates it. data is YAML in UTF-8, UTF-16 or UTF-32. Its errors begin
// with file:line:column; that of a file of another program names the format.
func Parse(file string, data []byte) (Scenario, error) {
	s, err := parse(data)
	if err == nil {
		return s, nil
	}
	m, ok := errors.AsType[*mistake](err)
	if !ok {
		return Scenario{}, fmt.Errorf("%s:1:1: %w", file, err)
	}
	if format := input.Identify(data); m.foreign && format != nil && !format.IsScenario() && format.Key != "empty" {
		m = &mistake{line: 1, column: 1, text: format.NotScenario()}
	}
	return Scenario{}, fmt.Errorf("%s:%w", file, m)
}

// parse returns a *mistake for every error.
func parse(data []byte) (Scenario, error) {
	if len(data) > MaxSource {
		m := mistakeAt(nil, "a scenario has at most %d bytes: is it another file?", MaxSource)
		m.foreign = true
		return Scenario{}, m
	}
	text, err := input.Text(data)
	if wrong, ok := errors.AsType[*input.TextError](err); ok {
		return Scenario{}, &mistake{line: wrong.Line, column: wrong.Column, text: wrong.Text, foreign: true}
	}
	body, err := mapping(text)
	if err != nil {
		return Scenario{}, err
	}
	var s Scenario
	values := map[string]*token.Token{}
	if err := decode(body, &s, values); err != nil {
		return Scenario{}, err
	}
	s.Name = input.Name(s.Name)
	if err := s.Validate(); err != nil {
		field, _ := errors.AsType[*FieldError](err)
		return Scenario{}, mistakeAt(values[field.Key], "%v", err)
	}
	return s, nil
}

// mapping returns the lines of the one document in a YAML text.
func mapping(text string) (ast.MapNode, error) {
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		m := mistakeAt(nil, "%s", aboutYAML(""))
		if wrong, ok := errors.AsType[yaml.Error](err); ok {
			m = mistakeAt(wrong.GetToken(), "%s", aboutYAML(wrong.GetMessage()))
		}
		m.foreign = true
		return nil, m
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool {
		return d.Body != nil && d.Body.Type() == ast.DirectiveType
	})
	if len(docs) == 0 || docs[0].Body == nil || docs[0].Body.Type() == ast.CommentType {
		m := mistakeAt(nil, "the scenario is empty: see pushpull scenarios chat for one to start from")
		m.foreign = true
		return nil, m
	}
	if len(docs) > 1 {
		return nil, mistakeAt(docs[1].Start, "a second document begins here: use one file per scenario")
	}
	body, ok := docs[0].Body.(ast.MapNode)
	if !ok {
		m := mistakeAt(docs[0].Body.GetToken(), "%s", aboutYAML(""))
		m.foreign = true
		return nil, m
	}
	return body, nil
}

// aboutYAML says in plain words what a message of the YAML parser means for a scenario.
func aboutYAML(message string) string {
	for _, known := range []struct{ message, text string }{
		{"found character '\t'", "a tab can't be here: use blanks"},
		{"mapping value is not allowed", `this can't be a value: put it in "quotes", or begin the next key in a line of its own, without blanks before it`},
		{"sequence end token", "the list that begins here has no end: add a ]"},
		{"flow mapping end token", "what begins here has no end: add a }"},
		{"could not find end character", "the text that begins here has no end: add a quotation mark"},
		{"reserved character", `a text can't begin with this character: put it in "quotes"`},
		{"escape character", `after a \ must come a letter that means something: put the text in 'single quotes', or write \\`},
	} {
		if strings.Contains(message, known.message) {
			return known.text
		}
	}
	return "a scenario is made of lines like users: 200"
}

// decode reads the values of all keys into s, and notes where each value is.
func decode(body ast.MapNode, s *Scenario, values map[string]*token.Token) error {
	knobs := result.Knobs()
	for pair := body.MapRange(); pair.Next(); {
		key, value := pair.Key().GetToken(), pair.Value()
		i := slices.IndexFunc(knobs, func(k result.Knob) bool { return k.Key == key.Value })
		if i < 0 {
			var keys []string
			for _, k := range knobs {
				keys = append(keys, k.Key)
			}
			m := mistakeAt(key, "%v", typo.Unknown("key", fmt.Sprintf("%.40s", key.Value), keys))
			m.foreign = true
			return m
		}
		if first := values[key.Value]; first != nil {
			return mistakeAt(key, "%s is there twice, first in line %d: leave one out", key.Value, first.Position.Line)
		}
		values[key.Value] = value.GetToken()
		if err := set(knobs[i].Field((*result.Scenario)(s)), value); err != nil {
			return mistakeAt(value.GetToken(), "%s %v", key.Value, err)
		}
	}
	return nil
}

// set reads a value into the field of a knob. A value that is left out becomes 0. The error continues
// a sentence that begins with the key.
func set(field any, value ast.Node) error {
	text, plain, scalar := scalarOf(value)
	if plain && input.IsNull(text) {
		return nil
	}
	number := text
	if !plain { // a number in quotes is a text
		number = ""
	}
	var err error
	switch field := field.(type) {
	case *int:
		*field, err = input.Int(number)
	case *uint64:
		*field, err = input.Uint(number)
	case *float64:
		*field, err = input.Float(number)
	case *result.Seconds:
		err = field.Set(text)
	case *string:
		if !scalar || plain && !input.IsText(text) {
			return errors.New(`must be a text: put it in "quotes"`)
		}
		*field = text
	case *[]string:
		*field, err = list(value)
	default:
		panic(fmt.Sprintf("no YAML can be read into a %T", field)) // can't happen: TestParse sets every knob
	}
	return err
}

// list returns the texts of a YAML list.
func list(value ast.Node) ([]string, error) {
	wrong := errors.New("must be a list, like [long-poll, websocket]")
	sequence, ok := value.(*ast.SequenceNode)
	if !ok {
		return nil, wrong
	}
	words := []string{}
	for _, word := range sequence.Values {
		text, plain, scalar := scalarOf(word)
		if !scalar || plain && !input.IsText(text) {
			return nil, wrong
		}
		words = append(words, text)
	}
	return words, nil
}

// scalarOf returns the text of a scalar, and whether it is a plain one, without quotes. Values with
// tags, anchors and aliases are none.
func scalarOf(value ast.Node) (text string, plain, scalar bool) {
	switch value := value.(type) {
	case *ast.LiteralNode:
		return value.Value.Value, false, true
	case ast.ScalarNode:
		at := value.GetToken()
		if value.Type() == ast.TagType || value.Type() == ast.AnchorType || value.Type() == ast.AliasType || at == nil {
			return "", false, false
		}
		quoted := at.Type == token.DoubleQuoteType || at.Type == token.SingleQuoteType
		return at.Value, !quoted, true
	}
	return "", false, false
}
