package loadgen

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"pushpull/loadgen/input"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/transports/strictyaml"
	"pushpull/transports/typo"
)

// MaxSource is the largest size of a scenario's YAML, in bytes.
const MaxSource = 16 << 10

// Parse reads a scenario and validates it. data is YAML in UTF-8, UTF-16 or UTF-32. Its errors begin
// with file:line:column; that of a file of another program names the format.
func Parse(file string, data []byte) (Scenario, error) {
	s, err := parse(data)
	if err == nil {
		return s, nil
	}
	m, ok := errors.AsType[*strictyaml.Mistake](err)
	if !ok {
		return Scenario{}, fmt.Errorf("%s:1:1: %w", file, err)
	}
	if format := input.Identify(data); m.Foreign && format != nil && !format.IsScenario() && format.Key != "empty" {
		m = &strictyaml.Mistake{Line: 1, Column: 1, Text: format.NotScenario()}
	}
	return Scenario{}, fmt.Errorf("%s:%w", file, m)
}

// parse returns a *strictyaml.Mistake for every error.
func parse(data []byte) (Scenario, error) {
	if len(data) > MaxSource {
		m := strictyaml.At(nil, "a scenario has at most %d bytes: is it another file?", MaxSource)
		m.Foreign = true
		return Scenario{}, m
	}
	text, err := input.Text(data)
	if wrong, ok := errors.AsType[*input.TextError](err); ok {
		return Scenario{}, &strictyaml.Mistake{Line: wrong.Line, Column: wrong.Column, Text: wrong.Text, Foreign: true}
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
		return Scenario{}, strictyaml.At(values[field.Key], "%v", err)
	}
	return s, nil
}

// mapping returns the lines of the one document in a YAML text.
func mapping(text string) (ast.MapNode, error) {
	return strictyaml.Document(text, strictyaml.Words{
		Empty:  "the scenario is empty: see pushpull scenarios chat for one to start from",
		Second: "a second document begins here: use one file per scenario",
		Shape:  "a scenario is made of lines like users: 200",
	})
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
			m := strictyaml.At(key, "%v", typo.Unknown("key", fmt.Sprintf("%.40s", key.Value), keys))
			m.Foreign = true
			return m
		}
		if first := values[key.Value]; first != nil {
			return strictyaml.At(key, "%s is there twice, first in line %d: leave one out", key.Value, first.Position.Line)
		}
		values[key.Value] = value.GetToken()
		if err := set(knobs[i].Field((*result.Scenario)(s)), value); err != nil {
			if m, ok := errors.AsType[*strictyaml.Mistake](err); ok { // within the value
				return m
			}
			return strictyaml.At(value.GetToken(), "%s %v", key.Value, err)
		}
	}
	return nil
}

// set reads a value into the field of a knob. A value that is left out becomes 0. The error continues
// a sentence that begins with the key.
func set(field any, value ast.Node) error {
	text, plain, scalar := strictyaml.Scalar(value)
	if plain && input.IsNull(text) {
		return nil
	}
	number := text
	if !plain { // a number in quotes is a text
		number = ""
	}
	var err error
	switch field := field.(type) {
	case *bool:
		*field, err = input.Bool(number)
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
	case *network.Profile:
		*field, err = profile(value)
	default:
		panic(fmt.Sprintf("no YAML can be read into a %T", field)) // can't happen: TestParse sets every knob
	}
	return err
}

// profile returns the network that a name or a YAML mapping describes. Its error is a *strictyaml.Mistake.
func profile(value ast.Node) (p network.Profile, err error) {
	wrong := func(at ast.Node, err error) error { return strictyaml.At(at.GetToken(), "network: %v", err) }
	text, _, scalar := strictyaml.Scalar(value)
	if scalar {
		if p, err = network.Parse(text); err != nil {
			return p, wrong(value, err)
		}
		return p, nil
	}
	body, ok := value.(ast.MapNode)
	if !ok {
		return p, wrong(value, fmt.Errorf("it must be one of %s, or like %s", strings.Join(network.Names(), ", "), network.Example))
	}
	seen := map[string]bool{}
	for pair := body.MapRange(); pair.Next(); {
		key := pair.Key().GetToken()
		if seen[key.Value] {
			return p, strictyaml.At(key, "network: %s is there twice: leave one out", key.Value)
		}
		seen[key.Value] = true
		text, _, scalar := strictyaml.Scalar(pair.Value())
		if !scalar {
			return p, wrong(pair.Value(), fmt.Errorf("%s must be a text: write it like %s", key.Value, network.Example))
		}
		if err := p.Set(key.Value, text); err != nil {
			at := pair.Value()
			if !slices.Contains(network.Keys(), key.Value) {
				at = pair.Key()
			}
			return p, wrong(at, err)
		}
	}
	if err := p.Written(); err != nil {
		return p, wrong(value, err)
	}
	return p, nil
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
		text, plain, scalar := strictyaml.Scalar(word)
		if !scalar || plain && !input.IsText(text) {
			return nil, wrong
		}
		words = append(words, text)
	}
	return words, nil
}
