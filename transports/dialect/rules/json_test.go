package rules

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// pathOf returns the steps of .a.b.
func pathOf(path string) []step { return stepsOf(strings.Split(path, ".")[1:]) }

func TestFind(t *testing.T) {
	const doc = ` {"a" : {"b":[1, "two" ,{"c":null}],"b":"second"}, "x\"y":true,"e":"","n":-1.5e3,"s":"q\"\\\/\u00e9\ud83d\ude00\n"}`
	for _, at := range []struct {
		path, want string
		full       bool
	}{
		{".a.b.0", `1`, true},
		{".a.b.1", `"two"`, true},
		{".a.b.2", `{"c":null}`, true},
		{".a.b.2.c", `null`, false},
		{".a.b.3", ``, false},
		{".a.b.-1", ``, false},
		{".a.b.x", ``, false},
		{".a", `{"b":[1, "two" ,{"c":null}],"b":"second"}`, true},
		{`.x"y`, `true`, true},
		{".e", `""`, false},
		{".n", `-1.5e3`, true},
		{".n.x", ``, false},
		{".missing", ``, false},
		{".s", `"q\"\\\/\u00e9\ud83d\ude00\n"`, true},
	} {
		if got := find([]byte(doc), pathOf(at.path)); string(got) != at.want {
			t.Errorf("find %s: %s, want %s", at.path, got, at.want)
		}
		if got := isFull([]byte(doc), pathOf(at.path)); got != at.full {
			t.Errorf("isFull %s: %t", at.path, got)
		}
	}
	for _, doc := range []string{``, `{`, `{"a"`, `{"a":`, `{"a":"`, `{"a":"\`, `{"a":[`, `{"a":}`, `{a:1}`, `{"b":"\"}`, `[1]`, `"a"`} {
		if got := find([]byte(doc), pathOf(".a")); got != nil {
			t.Errorf("in %s there is %s", doc, got)
		}
	}
}

func TestElements(t *testing.T) {
	for _, at := range []struct {
		doc, want string
		broken    bool
	}{
		{`[]`, ``, false},
		{` [ 1 , "a,]" , {"b":[2]} ] `, `1;"a,]";{"b":[2]}`, false},
		{`{}`, ``, false},
		{`{"a": 1, "b" :[2,3]}`, `1;[2,3]`, false},
		{`[1,]`, `1`, true},
		{`[1 2]`, `1`, true},
		{`[1`, `1`, true},
		{`[`, ``, true},
		{`{"a"}`, ``, true},
		{`{"a":}`, ``, true},
		{`{1`, ``, true},
		{`7`, ``, true},
		{``, ``, true},
	} {
		var got []string
		all := elementsOf([]byte(at.doc))
		for raw := all.next(); raw != nil; raw = all.next() {
			got = append(got, string(raw))
		}
		if joined := strings.Join(got, ";"); joined != at.want || all.at < 0 != at.broken {
			t.Errorf("%s has %s, broken %t", at.doc, joined, all.at < 0)
		}
	}
}

// FuzzJSON compares what is found, unquoted and quoted with encoding/json.
func FuzzJSON(f *testing.F) {
	for _, doc := range []string{
		`{"a":{"b":[1,"two",{"c":null}]}}`, `{"k":"q\"\\\/\u00e9\ud83d\ude00\n\ud83d x"}`, `[[],{},"",0]`, `{"a":1,"a":2}`, `{"\u0061":"x"}`, "{", `"\`, `{"k":"\u12"}`,
	} {
		f.Add([]byte(doc), ".a.b.1")
		f.Add([]byte(doc), ".k")
	}
	f.Fuzz(func(t *testing.T, doc []byte, path string) {
		if !strings.HasPrefix(path, ".") {
			return
		}
		steps := pathOf(path)
		raw := find(doc, steps) // must not panic
		full := isFull(doc, steps)
		var text []byte
		if plain, ok := plainText(raw); ok {
			text = plain
		} else {
			text = unquote(nil, raw)
		}
		all := elementsOf(doc)
		count := 0
		for v := all.next(); v != nil; v = all.next() {
			count++
		}
		if quoted := quote(nil, doc); true {
			var back string
			if err := json.Unmarshal(quoted, &back); err != nil || back != strings.ToValidUTF8(string(doc), "\ufffd") && utf8.Valid(doc) {
				t.Fatalf("%q is quoted as %s: %v", doc, quoted, err)
			}
		}
		if !json.Valid(doc) {
			return
		}
		if full != (len(text) > 0) {
			t.Fatalf("in %s, %s is full %t, and has the text %q", doc, path, full, text)
		}
		var values []json.RawMessage
		var object map[string]json.RawMessage
		if json.Unmarshal(doc, &values) == nil && values != nil && (all.at < 0 || count != len(values)) {
			t.Fatalf("%s has %d values", doc, count)
		}
		if json.Unmarshal(doc, &object) == nil && object != nil && (all.at < 0 || count < len(object)) {
			t.Fatalf("%s has %d values", doc, count)
		}
		if raw != nil && !json.Valid(raw) {
			t.Fatalf("in %s, %s is %s", doc, path, raw)
		}
		if len(raw) > 0 && raw[0] == '"' && utf8.Valid(raw) {
			var want string
			if err := json.Unmarshal(raw, &want); err != nil || want != string(text) {
				t.Fatalf("%s is unquoted as %q, want %q", raw, text, want)
			}
		}
		if v := follow(doc, steps); v != nil && (raw == nil || !bytes.Equal(v, raw)) {
			t.Fatalf("in %s, %s is %s, want %s", doc, path, raw, v)
		}
	})
}

// follow does what find does by encoding/json; nil if an object on the way has a name twice, or nothing is there.
func follow(doc []byte, path []step) []byte {
	for _, s := range path {
		var values []json.RawMessage
		if json.Unmarshal(doc, &values) == nil {
			if s.index < 0 || s.index >= len(values) {
				return nil
			}
			doc = values[s.index]
			continue
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(doc, &object) != nil {
			return nil
		}
		count := 0
		for all := elementsOf(doc); all.next() != nil; {
			count++
		}
		if doc = object[s.key]; count != len(object) {
			return nil
		}
	}
	return bytes.TrimSpace(doc)
}
