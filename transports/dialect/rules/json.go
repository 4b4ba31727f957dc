package rules

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A step leads from a JSON object or array to one of its values.
type step struct {
	key   string
	index int // that key spells; -1: it is no number
}

// find returns the value to which path leads in the JSON text doc, nil if there is none. It doesn't check the rest
// of doc. It takes time in proportion to the length of doc, and allocates nothing.
func find(doc []byte, path []step) []byte {
	at := start(doc, path)
	if at < 0 {
		return nil
	}
	end := skip(doc, at)
	if end < 0 {
		return nil
	}
	return doc[at:end]
}

// start returns where the value begins to which path leads; -1: there is none.
func start(doc []byte, path []step) int {
	at := blank(doc, 0)
	for _, s := range path {
		if at = enter(doc, at, s); at < 0 {
			return -1
		}
	}
	return at
}

// isFull reports whether the value to which path leads has a text: it is there, and is neither null nor an empty
// string. It is faster than find, as it needn't know where the value ends.
func isFull(doc []byte, path []step) bool {
	at := start(doc, path)
	if at < 0 || at >= len(doc) {
		return false
	}
	switch c := doc[at]; c {
	case '}', ']', ',', ':':
		return false
	case '"', 'n':
		text, ok := plainText(find(doc[at:], nil))
		return !ok || len(text) > 0
	}
	return true
}

// enter returns where the value begins to which s leads from the object or array at doc[at:]; -1: there is none.
func enter(doc []byte, at int, s step) int {
	if at >= len(doc) || doc[at] != '{' && (doc[at] != '[' || s.index < 0) {
		return -1
	}
	object := doc[at] == '{'
	at = blank(doc, at+1)
	for n := 0; at < len(doc) && doc[at] != '}' && doc[at] != ']'; n++ {
		found := n == s.index
		if object {
			if doc[at] != '"' {
				return -1
			}
			var end int
			if end, found = afterKey(doc, at, s.key); end < 0 {
				return -1
			}
			if at = blank(doc, end); at >= len(doc) || doc[at] != ':' {
				return -1
			}
			at = blank(doc, at+1)
		}
		if found {
			return at
		}
		end := skip(doc, at)
		if end < 0 {
			return -1
		}
		if at = blank(doc, end); at >= len(doc) || doc[at] != ',' {
			return -1
		}
		at = blank(doc, at+1)
	}
	return -1
}

// afterKey returns where the JSON string at doc[at:] ends, and whether it spells key; -1: it has no end.
func afterKey(doc []byte, at int, key string) (end int, is bool) {
	if end = at + len(key) + 2; end <= len(doc) && doc[end-1] == '"' && string(doc[at+1:end-1]) == key {
		return end, true
	}
	end, escaped := skipString(doc, at)
	if end < 0 || !escaped {
		return end, false
	}
	return end, string(unquote(nil, doc[at:end])) == key
}

// blank returns where the first character stands in doc[at:] that is not blank.
func blank(doc []byte, at int) int {
	for at < len(doc) && (doc[at] == ' ' || doc[at] == '\n' || doc[at] == '\t' || doc[at] == '\r') {
		at++
	}
	return at
}

// skip returns where the JSON value at doc[at:] ends; -1: there is none, or it has no end.
func skip(doc []byte, at int) int {
	if at >= len(doc) {
		return -1
	}
	switch doc[at] {
	case '"':
		end, _ := skipString(doc, at)
		return end
	case '{', '[':
		depth := 0
		for at < len(doc) {
			switch doc[at] {
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			case '"':
				if at, _ = skipString(doc, at); at < 0 {
					return -1
				}
				continue
			}
			at++
		}
		return -1
	case '}', ']', ',', ':':
		return -1
	}
	for at < len(doc) {
		switch doc[at] {
		case ' ', '\n', '\t', '\r', ',', '}', ']', ':':
			return at
		}
		at++
	}
	return at
}

// skipString returns where the JSON string at doc[at:] ends, and whether it has escapes; -1: it has no end. It looks at
// eight bytes at a time.
func skipString(doc []byte, at int) (end int, escaped bool) {
	const (
		ones    = 0x0101010101010101
		quotes  = '"' * ones
		slashes = '\\' * ones
	)
	for at++; at < len(doc); {
		if at+8 <= len(doc) {
			word := binary.LittleEndian.Uint64(doc[at:])
			found := zeros(word^quotes) | zeros(word^slashes)
			if found == 0 {
				at += 8
				continue
			}
			at += bits.TrailingZeros64(found) / 8
		}
		switch doc[at] {
		case '"':
			return at + 1, escaped
		case '\\':
			escaped = true
			at += 2
		default:
			at++
		}
	}
	return -1, escaped
}

// zeros returns a word whose lowest bit that is set is in the lowest byte of word that is 0; 0 if none is.
func zeros(word uint64) uint64 {
	return (word - 0x0101010101010101) &^ word & 0x8080808080808080
}

// plainText returns the text of a JSON value as far as no memory is needed: of a string without escapes its
// characters, nothing for null, and the JSON of other values. ok is false if it needs unquote.
func plainText(raw []byte) (text []byte, ok bool) {
	switch {
	case len(raw) >= 2 && raw[0] == '"':
		text = raw[1 : len(raw)-1]
		return text, bytes.IndexByte(text, '\\') < 0
	case string(raw) == "null":
		return nil, true
	}
	return raw, true
}

// unquote appends the text of a JSON string, with its quotes, to dst. What is no escape stays as it is.
func unquote(dst, quoted []byte) []byte {
	text := quoted[1 : len(quoted)-1]
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 >= len(text) {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r := rune(-1)
			if len(text) >= 4 {
				r = hexadecimal(text[:4])
			}
			if r < 0 {
				dst = append(dst, '\\', 'u')
				continue
			}
			if text = text[4:]; utf16.IsSurrogate(r) {
				second := rune(-1)
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					second = hexadecimal(text[2:6])
				}
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					text = text[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default: // a quote, a slash, a backslash
			dst = append(dst, c)
		}
	}
}

// hexadecimal returns the hexadecimal number that text spells; -1: it spells none.
func hexadecimal(text []byte) rune {
	var n rune
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		n = n<<4 | rune(c)
	}
	return n
}

// quote appends text to dst as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func quote(dst, text []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(text[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, text[from:i]...), "\ufffd"...)
		} else {
			dst = append(dst, text[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
			}
		}
		i++
		from = i
	}
	return append(append(dst, text[from:]...), '"')
}

// elements are the values of a JSON array or object.
type elements struct {
	doc []byte
	at  int  // of the next value, or of its key, or of the end; -1: doc is neither
	end byte // the bracket at the end
}

// elementsOf returns the values of doc.
func elementsOf(doc []byte) elements {
	at := blank(doc, 0)
	switch {
	case at < len(doc) && doc[at] == '[':
		return elements{doc, blank(doc, at+1), ']'}
	case at < len(doc) && doc[at] == '{':
		return elements{doc, blank(doc, at+1), '}'}
	}
	return elements{doc: doc, at: -1}
}

// next returns the next value. It is nil after the last one, where e.at is -1 if doc doesn't end as it should.
func (e *elements) next() []byte {
	if e.at < 0 || e.is(e.end) {
		return nil
	}
	if e.end == '}' {
		if e.at = skip(e.doc, e.at); !e.pass(':') {
			return nil
		}
	}
	from := e.at
	if e.at = skip(e.doc, from); e.at < 0 {
		return nil
	}
	raw := e.doc[from:e.at]
	if e.at = blank(e.doc, e.at); !e.is(e.end) && (!e.pass(',') || e.is(e.end)) {
		e.at = -1
	}
	return raw
}

// is reports whether c comes next.
func (e *elements) is(c byte) bool { return 0 <= e.at && e.at < len(e.doc) && e.doc[e.at] == c }

// pass leaves c behind, and the blanks before and after it. It returns false, and e.at is -1, if c doesn't come next.
func (e *elements) pass(c byte) bool {
	if e.at >= 0 {
		e.at = blank(e.doc, e.at)
	}
	if e.at < 0 || !e.is(c) {
		e.at = -1
		return false
	}
	e.at = blank(e.doc, e.at+1)
	return true
}

// stepsOf returns the steps of a path like .push.pub.0, without its first dot.
func stepsOf(names []string) []step {
	var path []step
	for _, name := range names {
		index, err := strconv.Atoi(name)
		if err != nil || name[0] == '-' || name[0] == '+' {
			index = -1
		}
		path = append(path, step{name, index})
	}
	return path
}
