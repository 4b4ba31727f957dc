// Package strictyaml reads files that people write in a small part of YAML: one document with mappings, lists and
// scalars. Every mistake has a position and says in plain words what to do.
//
// It knows no keys: what a file may say is its reader's. It has no aliases, anchors, tags and merge keys.
package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A Mistake is an error in the text of a file.
type Mistake struct {
	Line, Column int // in characters, from 1
	Text         string
	Foreign      bool // the text may be a file of another kind
}

func (m *Mistake) Error() string { return fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m.Text) }

// At returns a mistake at a token of the YAML, or at its beginning if at is nil.
func At(at *token.Token, format string, args ...any) *Mistake {
	m := &Mistake{Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	if at != nil && at.Position != nil {
		m.Line, m.Column = at.Position.Line, at.Position.Column
	}
	return m
}

// Words are what mistakes say that are the same in no two kinds of files.
type Words struct {
	Empty  string // of a file without a document
	Second string // of a file with a second document
	Shape  string // of a file that isn't a mapping
	Syntax string // of a place where the YAML makes no sense; "": Shape
}

// Document returns the one mapping in a YAML text. The error is a *Mistake.
func Document(text string, words Words) (ast.MapNode, error) {
	foreign := func(at *token.Token, text string) *Mistake {
		m := At(at, "%s", text)
		m.Foreign = true
		return m
	}
	if line, column := tooDeep(text); line > 0 {
		return nil, &Mistake{Line: line, Column: column, Text: words.Shape, Foreign: true}
	}
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if wrong, ok := errors.AsType[yaml.Error](err); ok {
			return nil, foreign(wrong.GetToken(), plain(wrong.GetMessage(), words))
		}
		return nil, foreign(nil, words.Shape)
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool {
		return d.Body != nil && d.Body.Type() == ast.DirectiveType
	})
	if len(docs) == 0 || docs[0].Body == nil || docs[0].Body.Type() == ast.CommentType {
		return nil, foreign(nil, words.Empty)
	}
	if len(docs) > 1 {
		return nil, At(docs[1].Start, "%s", words.Second)
	}
	body, ok := docs[0].Body.(ast.MapNode)
	if !ok {
		return nil, foreign(docs[0].Body.GetToken(), words.Shape)
	}
	return body, nil
}

// maxDepth is how many lists and mappings may stand in each other. The parser takes time in proportion to the square
// of it.
const maxDepth = 500

// tooDeep returns where lists and mappings stand in each other more than maxDepth times; line 0: nowhere. Brackets in
// quotes count as others do, as a file that is made for people never has so many that are not closed.
func tooDeep(text string) (line, column int) {
	open, marks := 0, 0
	line = 1
	for _, c := range text {
		column++
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		case '-', '?':
			marks++ // of lists and keys, one in another
		case '\n':
			line, column, marks = line+1, 0, 0
		case ' ':
		default:
			marks = 0 // it was none
		}
		if open > maxDepth || marks > maxDepth {
			return line, column
		}
	}
	return 0, 0
}

// plain says in plain words what a message of the YAML parser means.
func plain(message string, words Words) string {
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
	return cmp.Or(words.Syntax, words.Shape)
}

// Scalar returns the text of a scalar, and whether it is a plain one, without quotes. Values with tags, anchors
// and aliases are none.
func Scalar(value ast.Node) (text string, plain, scalar bool) {
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
