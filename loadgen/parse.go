package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxSource is the length of the longest YAML of a scenario.
const maxSource = 16 << 10

// Parse reads a scenario and validates it. Its errors begin with file:line:column.
func Parse(file string, data []byte) (Scenario, error) {
	if len(data) > maxSource {
		return Scenario{}, fmt.Errorf("%s:1:1: a scenario has at most %d bytes, not %d: is it another file?", file, maxSource, len(data))
	}
	var s Scenario
	err := checkKinds(data)
	if err == nil {
		err = yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&s)
	}
	if err != nil {
		line, column, text := 1, 1, err.Error()
		if at, ok := errors.AsType[yaml.Error](err); ok {
			text = at.GetMessage()
			if token := at.GetToken(); token != nil && token.Position != nil {
				line, column = token.Position.Line, token.Position.Column
			}
		}
		return Scenario{}, fmt.Errorf("%s:%d:%d: %s", file, line, column, text)
	}
	if err := s.Validate(); err != nil {
		line, column := 1, 1
		if field, ok := errors.AsType[*FieldError](err); ok {
			line, column = position(data, field.Key)
		}
		return Scenario{}, fmt.Errorf("%s:%d:%d: %w", file, line, column, err)
	}
	return s, nil
}

// checkKinds looks for what the decoder would take for something else, like 2.5 for 2 users, or
// refuse in the words of Go: keys and the kinds of their values.
func checkKinds(data []byte) error {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return err
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil || file.Docs[0].Body.Type() == ast.CommentType {
		return errors.New("the scenario is empty: see pushpull scenarios chat for one to start from")
	}
	if len(file.Docs) > 1 {
		return &yaml.SyntaxError{Message: "a second document begins here: one scenario a file", Token: file.Docs[1].Start}
	}
	body, ok := file.Docs[0].Body.(ast.MapNode)
	if !ok {
		return &yaml.SyntaxError{Message: "a scenario is made of lines like users: 200", Token: file.Docs[0].Body.GetToken()}
	}
	kinds := reflect.TypeFor[Scenario]()
	for pair := body.MapRange(); pair.Next(); {
		key, value := pair.Key(), pair.Value()
		name := key.GetToken().Value
		field, known := kinds.FieldByNameFunc(func(field string) bool {
			f, _ := kinds.FieldByName(field)
			return f.Tag.Get("yaml") == name
		})
		if !known {
			return &yaml.SyntaxError{Message: fmt.Sprintf("unknown key %.40q: use %s", name, strings.Join(keys(), ", ")), Token: key.GetToken()}
		}
		if want := wrongKind(field.Type, value); want != "" {
			return &yaml.SyntaxError{Message: fmt.Sprintf("%s must be %s", name, want), Token: value.GetToken()}
		}
	}
	return nil
}

// keys returns the keys of a scenario.
func keys() []string {
	var keys []string
	for field := range reflect.TypeFor[Scenario]().Fields() {
		keys = append(keys, field.Tag.Get("yaml"))
	}
	return keys
}

// wrongKind says what value should be, when it can't be of that type. What is left out is 0.
func wrongKind(t reflect.Type, value ast.Node) (want string) {
	kind := value.Type()
	switch {
	case kind == ast.NullType:
		return ""
	case t == reflect.TypeFor[time.Duration]():
		if text, ok := value.(*ast.StringNode); ok {
			if _, err := time.ParseDuration(text.Value); err == nil {
				return ""
			}
		}
		return "a time with its unit, like 500ms or 5s"
	case t.Kind() == reflect.String:
		if kind == ast.StringType || kind == ast.LiteralType {
			return ""
		}
		return `a text: put it in "quotes"`
	case t.Kind() == reflect.Slice:
		if kind == ast.SequenceType {
			return ""
		}
		return "a list, like [long-poll, websocket]"
	case t.Kind() == reflect.Float64:
		if _, err := strconv.ParseFloat(value.GetToken().Value, 64); err == nil || kind == ast.InfinityType || kind == ast.NanType {
			return ""
		}
		return "a number"
	default:
		negative := strings.HasPrefix(value.GetToken().Value, "-")
		if kind == ast.IntegerType && !(negative && t.Kind() == reflect.Uint64) {
			return ""
		}
		if t.Kind() == reflect.Uint64 {
			return "a whole number from 0 on"
		}
		return "a whole number"
	}
}

// position finds the value of a key; a key that isn't there would stand at the beginning.
func position(data []byte, key string) (line, column int) {
	path, err := yaml.PathString("$." + key)
	if err != nil {
		return 1, 1
	}
	var node ast.Node
	if node, err = path.ReadNode(bytes.NewReader(data)); err != nil || node.GetToken() == nil {
		return 1, 1
	}
	at := node.GetToken().Position
	return at.Line, at.Column
}
