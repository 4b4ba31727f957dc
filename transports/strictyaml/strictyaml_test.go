package strictyaml_test

import (
	"errors"
	"strings"
	"testing"

	"pushpull/transports/strictyaml"
)

var words = strictyaml.Words{Empty: "EMPTY", Second: "SECOND", Shape: "SHAPE"}

func TestDocument(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: 1", ""},
		{"# comment\n%YAML 1.2\n---\na: 1\n", ""},
		{"", "1:1: EMPTY"},
		{"# nothing", "1:1: EMPTY"},
		{"a: 1\n---\nb: 2\n", "2:1: SECOND"},
		{"[a, b]", "1:1: SHAPE"},
		{"a", "1:1: SHAPE"},
		{"a: b: c", `1:4: this can't be a value: put it in "quotes", or begin the next key in a line of its own, without blanks before it`},
		{"a: [b", "1:4: the list that begins here has no end: add a ]"},
		{"a: {b: c", "1:4: what begins here has no end: add a }"},
		{"a: 'b", "1:4: the text that begins here has no end: add a quotation mark"},
		{"a: \"\\q\"", `1:6: after a \ must come a letter that means something: put the text in 'single quotes', or write \\`},
		{"a: @b", `1:4: a text can't begin with this character: put it in "quotes"`},
		{"a: 1\n\tb: 2", "2:1: a tab can't be here: use blanks"},
		{"a: " + strings.Repeat("[", 501), "1:504: SHAPE"},
		{"a:\n" + strings.Repeat("- ", 501), "2:1001: SHAPE"},
		{strings.Repeat("a: [\n", 501), "501:4: SHAPE"},
		{"a: " + strings.Repeat("-", 500), ""},
	} {
		lines, err := strictyaml.Document(c.text, words)
		if c.want == "" {
			if err != nil || lines == nil {
				t.Errorf("%.40q has the error %v", c.text, err)
			}
			continue
		}
		if _, ok := errors.AsType[*strictyaml.Mistake](err); !ok || err.Error() != c.want {
			t.Errorf("%.40q has the error %v, want %s", c.text, err, c.want)
		}
	}
}

func TestScalar(t *testing.T) {
	lines, err := strictyaml.Document("plain: a\nquoted: 'a'\nnumber: 1\nblock: |\n  a\nlist: [a]\nanchor: &a b\nalias: *a\ntag: !!str a\nnothing:\n", words)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		text          string
		plain, scalar bool
	}{
		"plain": {"a", true, true}, "quoted": {"a", false, true}, "number": {"1", true, true}, "block": {"a\n", false, true},
		"list": {}, "anchor": {}, "alias": {}, "tag": {}, "nothing": {"null", true, true},
	}
	for pair := lines.MapRange(); pair.Next(); {
		key := pair.Key().GetToken().Value
		text, plain, scalar := strictyaml.Scalar(pair.Value())
		if w := want[key]; text != w.text && scalar || plain != w.plain || scalar != w.scalar {
			t.Errorf("%s is %q, plain %t, scalar %t", key, text, plain, scalar)
		}
	}
}

// FuzzDocument checks that a text is a mapping, or has an error at a position in it.
func FuzzDocument(f *testing.F) {
	for _, text := range []string{"a: 1\nb: [c, {d: e}]\n", "- a", "a: |\n  b\n", "? a\n: b", "&a a: *a", "%YAML 1.2\n---\na: b", strings.Repeat("a: [", 20)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 64<<10 {
			return
		}
		_, err := strictyaml.Document(text, words)
		m, ok := errors.AsType[*strictyaml.Mistake](err)
		if err != nil && (!ok || m.Line < 1 || m.Column < 1) {
			t.Fatalf("the error is %v", err)
		}
	})
}
